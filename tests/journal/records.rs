//! Records to write, and what was read, in a form that compares.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Cursor, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use mpix::error::FailureKind;
use mpix::journal::*;
use proptest::test_runner::Config;
use tempfile::TempDir;

/// A directory in memory where there is one: syncing each of thousands of files takes no time there.
pub(crate) fn directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// So many cases. One that fails is written down as a test of its own, not in a file.
pub(crate) fn cases(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}

pub(crate) fn journal_of(output: &Path) -> PathBuf {
    output.join(DIRECTORY).join("journal")
}

pub(crate) fn put(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    File::create(path).unwrap().write_all(bytes).unwrap();
}

pub(crate) fn state_of(bytes: &[u8]) -> State {
    read_from(&mut Cursor::new(bytes), Path::new("journal")).unwrap()
}

/// What a state says, without order.
pub(crate) fn said(state: &State) -> Vec<String> {
    let mut said: Vec<_> = state.live_records().map(|record| format!("{record:?}")).collect();
    said.sort();
    said
}

/// What records say, read without any file between.
pub(crate) fn said_by<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<String> {
    let mut state = State::default();
    records.into_iter().for_each(|record| state.apply(record.clone()));
    said(&state)
}

pub(crate) fn path(name: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(name))
}

pub(crate) fn done(input: &[u8], output: &[u8]) -> Record {
    done_with(Checksum::Sha256, input, output)
}

pub(crate) fn done_with(checksum: Checksum, input: &[u8], output: &[u8]) -> Record {
    Record::Done(Done {
        input: Identity {
            path: path(input),
            bytes: 12_345,
            modified_ns: -1,
            content: ContentHash::of(input),
        },
        output: path(output),
        output_bytes: output.len() as u64,
        output_hash: OutputHash::of(checksum, output),
        settings: SettingsHash::of("gray"),
        pixels: u64::MAX,
        micros: 17,
        rank: 3,
    })
}

pub(crate) fn failed(input: &[u8]) -> Record {
    Record::Failed(Failed {
        input: path(input),
        bytes: 0,
        modified_ns: i64::MIN,
        settings: SettingsHash::of("gray"),
        kind: FailureKind::NotAnImage,
        reason: "is empty".to_owned(),
    })
}

pub(crate) fn set_aside(input: &[u8], crashes: u32) -> Record {
    let settings = SettingsHash::of("gray");
    Record::SetAside(SetAside { input: path(input), bytes: 9, modified_ns: 9, settings, crashes })
}

pub(crate) fn given(input: &[u8]) -> Record {
    Record::Given { input: path(input), rank: 1 }
}

pub(crate) fn returned(input: &[u8]) -> Record {
    Record::Returned { input: path(input) }
}

pub(crate) fn started(run: u64) -> Record {
    Record::RunStarted(RunStarted {
        run,
        settings: SettingsHash::of("gray"),
        settings_text: "gray".to_owned(),
        program_version: "0.1.0".to_owned(),
        host: "a".to_owned(),
        pid: 4711,
        at_ns: 1_700_000_000_000_000_000,
    })
}

pub(crate) fn ended(run: u64) -> Record {
    Record::RunEnded(RunEnded { run, outcome: RunOutcome::Stopped, at_ns: 0 })
}

/// One of each kind.
pub(crate) fn one_of_each() -> Vec<Record> {
    vec![
        started(1),
        given(b"a.png"),
        given(b"b.png"),
        done(b"a.png", b"a.png"),
        failed(b"b.png"),
        given(b"not \xff utf-8\n.png"),
        given(b"c.png"),
        given(b"d.png"),
        returned(b"d.png"),
        ended(1),
        started(2),
        done(b"not \xff utf-8\n.png", b"\xff\\.png"),
        set_aside(b"e.png", 2),
        Record::Suspected(Suspected { input: path(b"g.png"), crashes: 1 }),
        given(b"f.png"),
    ]
}

/// Writes `records` to a new journal. Returns its bytes, and where each record starts; the end comes
/// last.
pub(crate) fn written(output: &Path, records: &[Record]) -> (Vec<u8>, Vec<usize>) {
    let (mut journal, _) = Journal::open(output).unwrap();
    let file = journal_of(output);
    let length = || usize::try_from(std::fs::metadata(&file).unwrap().len()).unwrap();
    let mut starts = vec![length()];
    for record in records {
        journal.append(record).unwrap();
        journal.sync().unwrap();
        starts.push(length());
    }
    (std::fs::read(&file).unwrap(), starts)
}
