//! Cut, flipped, zeroed, overwritten, mixed up: every whole record is read, and no other.

use std::path::Path;
use std::process::Command;

use mpix::journal::*;
use proptest::prelude::*;

use crate::records::*;

/// The records that do not touch `damaged`.
fn whole<'a>(
    records: &'a [Record],
    starts: &[usize],
    damaged: std::ops::Range<usize>,
) -> Vec<&'a Record> {
    let spans = starts.windows(2).zip(records);
    spans
        .filter(|(span, _)| span[1] <= damaged.start || damaged.end <= span[0])
        .map(|(_, record)| record)
        .collect()
}

/// Opens a journal of these bytes, appends, and reads it: all that was whole must be there.
fn append_after(bytes: &[u8], expected: &[&Record]) {
    let dir = directory();
    put(&journal_of(dir.path()), bytes);
    let (mut journal, state) = Journal::open(dir.path()).unwrap();
    assert_eq!(said(&state), said_by(expected.iter().copied()));
    let damaged: u64 = state.damage().iter().map(|damage| damage.bytes).sum();
    if damaged > 0 {
        let kept = std::fs::read(state.damage_kept_in().unwrap()).unwrap();
        assert_eq!(kept.len() as u64, damaged);
    }
    let later = done(b"later.png", b"later.png");
    journal.append(&later).unwrap();
    journal.sync().unwrap();
    drop(journal);
    let state = read(dir.path()).unwrap();
    assert!(state.damage().is_empty(), "{:?}", state.damage());
    assert_eq!(said(&state), said_by(expected.iter().copied().chain([&later])));
}

#[test]
fn cut_at_every_byte() {
    let dir = directory();
    let records = one_of_each();
    let (bytes, starts) = written(dir.path(), &records);
    for cut in 0..=bytes.len() {
        let expected = whole(&records, &starts, cut..usize::MAX);
        let state = state_of(&bytes[..cut]);
        assert_eq!(said(&state), said_by(expected.iter().copied()), "cut at {cut}");
        let at_an_end = cut == 0 || starts.contains(&cut);
        assert_eq!(state.damage().is_empty(), at_an_end, "cut at {cut}");
        if cut > starts[0] && !at_an_end {
            assert_eq!(state.damage()[0].kind, DamageKind::CutOff);
        }
        append_after(&bytes[..cut], &expected);
    }
}

#[test]
fn every_byte_flipped() {
    let dir = directory();
    let records = one_of_each();
    let (bytes, starts) = written(dir.path(), &records);
    for at in 0..bytes.len() {
        for flip in [1, 0x80, 0xff, bytes[at]] {
            let mut flipped = bytes.clone();
            flipped[at] ^= flip;
            let touched = if flip == 0 { 0..0 } else { at..at + 1 };
            let expected = whole(&records, &starts, touched);
            let state = state_of(&flipped);
            assert_eq!(said(&state), said_by(expected.iter().copied()), "byte {at} ^ {flip}");
            assert_eq!(state.damage().is_empty(), flip == 0);
            if flip == 0x80 {
                append_after(&flipped, &expected);
            }
        }
    }
}

#[test]
fn zeroed_from_every_byte_on() {
    let dir = directory();
    let records = one_of_each();
    let (bytes, starts) = written(dir.path(), &records);
    for from in 0..bytes.len() {
        let mut zeroed = bytes.clone();
        zeroed[from..].fill(0);
        let first_changed = (from..bytes.len()).find(|&at| bytes[at] != 0).unwrap_or(bytes.len());
        let expected = whole(&records, &starts, first_changed..usize::MAX);
        assert_eq!(said(&state_of(&zeroed)), said_by(expected.iter().copied()), "from {from}");
        if starts.contains(&from) {
            assert_eq!(state_of(&zeroed).damage()[0].kind, DamageKind::Zeroed);
        }
    }
    let mut longer = bytes.clone();
    longer.resize(bytes.len() + (9 << 20), 0);
    let state = state_of(&longer);
    assert_eq!(said(&state), said_by(&records));
    let (offset, bytes) = (bytes.len() as u64, 9 << 20);
    assert_eq!(state.damage(), [Damage { offset, bytes, kind: DamageKind::Zeroed }]);
    append_after(&longer, &records.iter().collect::<Vec<_>>());
}

#[test]
fn records_of_another_journal_are_not_believed() {
    let (dir, other) = (directory(), directory());
    let records = one_of_each();
    let (bytes, _) = written(dir.path(), &records);
    let (foreign, starts) = written(other.path(), &[done(b"never.png", b"never.png")]);
    let foreign = &foreign[starts[0]..];
    // As a block of an older file that a crash brings back, and behind a lost header.
    let mut longer = [&bytes, foreign].concat();
    assert_eq!(said(&state_of(&longer)), said_by(&records));
    longer[..40].fill(0x55);
    assert_eq!(said(&state_of(&longer)), said_by(&records));
    // Hidden in a name that becomes readable once the record around it is garbled.
    let hiding = [started(1), failed(foreign), failed(b"b")];
    let dir = directory();
    let (mut bytes, starts) = written(dir.path(), &hiding);
    bytes[starts[1]] ^= 1;
    assert_eq!(said(&state_of(&bytes)), said_by([&hiding[0], &hiding[2]]));
}

#[test]
fn nothing_and_directories_that_are_missing() {
    let dir = directory();
    let state = read(&dir.path().join("none")).unwrap();
    assert_eq!((state.records(), state.last_run().is_none()), (0, true));
    put(&journal_of(dir.path()), b"");
    let (mut journal, state) = Journal::open(dir.path()).unwrap();
    assert!(state.damage().is_empty());
    journal.append(&started(1)).unwrap();
    journal.sync().unwrap();
    assert_eq!(read(dir.path()).unwrap().last_run().unwrap().started.run, 1);
    let file = dir.path().join("file");
    put(&file, b"");
    assert!(Journal::open(&file).is_err());
}

#[test]
fn a_half_written_successor_is_no_journal() {
    let dir = directory();
    let records = one_of_each();
    written(dir.path(), &records);
    let successor = dir.path().join(DIRECTORY).join("journal.new");
    put(&successor, b"half");
    let (_, state) = Journal::open(dir.path()).unwrap();
    assert!(!successor.exists());
    assert_eq!(said(&state), said_by(&records));
}

#[test]
fn the_same_damage_is_kept_once() {
    let dir = directory();
    let (bytes, _) = written(dir.path(), &one_of_each());
    for _ in 0..3 {
        put(&journal_of(dir.path()), &[&bytes[..], b"rubbish"].concat());
        let (_, state) = Journal::open(dir.path()).unwrap();
        assert_eq!(std::fs::read(state.damage_kept_in().unwrap()).unwrap(), b"rubbish");
    }
    let files = std::fs::read_dir(dir.path().join(DIRECTORY)).unwrap().count();
    assert_eq!(files, 2);
}

#[test]
fn a_newer_version_is_refused_by_name_and_left_alone() {
    let dir = directory();
    // Made as the format says: magic, version 2, zero, salt, checksum.
    let mut bytes = b"\xF8mpix\r\n\0\x02\0\0\0\0\0\0\0saltsalt".to_vec();
    let sum = blake3::hash(&bytes);
    bytes.extend(&sum.as_bytes()[..16]);
    bytes.extend(b"records of a later time");
    put(&journal_of(dir.path()), &bytes);
    for refused in [read(dir.path()).err(), Journal::open(dir.path()).err()] {
        let text = refused.unwrap().to_string();
        assert!(text.contains("version 2") && text.contains("--fresh"), "{text}");
    }
    assert_eq!(std::fs::read(journal_of(dir.path())).unwrap(), bytes);
    Journal::begin_anew(dir.path()).unwrap();
    assert_eq!(read(dir.path()).unwrap().records(), 0);
}

/// The first version's journal, as it was written when that was the newest. Set
/// `MPIX_WRITE_FIXTURES` to write it anew.
#[test]
fn version_1_is_read() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journal/version_1.journal");
    if std::env::var_os("MPIX_WRITE_FIXTURES").is_some() {
        put(&fixture, &written(directory().path(), &one_of_each()).0);
    }
    let state = state_of(&std::fs::read(fixture).unwrap());
    assert!(state.damage().is_empty());
    assert_eq!(state.records(), one_of_each().len() as u64);
    assert_eq!(said(&state), said_by(&one_of_each()));
}

#[test]
fn an_output_outside_is_refused() {
    let dir = directory();
    let (mut journal, _) = Journal::open(dir.path()).unwrap();
    for outside in [&b"/etc/passwd"[..], b"../a", b"a/../../b", b"", b"."] {
        let refused = journal.append(&done(b"a", outside));
        assert!(matches!(refused, Err(JournalError::OutsideOutput { .. })), "{outside:?}");
    }
}

/// For the child of the next test: where to write.
const FULL_VARIABLE: &str = "MPIX_TEST_FULL";

/// No test, but the child of the next: appends until the file may grow no more, makes room, goes on.
#[test]
fn a_child_that_fills_its_disk() {
    let Some(output) = std::env::var_os(FULL_VARIABLE) else { return };
    let output = Path::new(&output);
    let (mut journal, _) = Journal::open(output).unwrap();
    let names: Vec<_> = (0..100).map(|n| format!("{n}.png").into_bytes()).collect();
    for name in &names {
        journal.append(&done(name, name)).unwrap();
    }
    assert!(matches!(journal.sync(), Err(JournalError::Io { .. })));
    let torn = read(output).unwrap();
    assert!((1..100).contains(&torn.counts().done));
    assert_eq!(torn.damage()[0].kind, DamageKind::CutOff);
    let pid = std::process::id().to_string();
    let room = Command::new("prlimit").args(["--fsize=unlimited", "--pid", &pid]).status();
    assert!(room.unwrap().success());
    journal.append(&done(b"last.png", b"last.png")).unwrap();
    journal.sync().unwrap();
    let whole = read(output).unwrap();
    assert_eq!((whole.counts().done, whole.damage().len()), (101, 0));
}

#[test]
fn a_full_disk_is_told_and_writing_goes_on_when_there_is_room() {
    let dir = directory();
    let child = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -S -f 8; exec \"$0\" --exact \"$1\""])
        .arg(std::env::current_exe().unwrap())
        .arg("damage::a_child_that_fills_its_disk")
        .env(FULL_VARIABLE, dir.path())
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn garbage_put_in_anywhere(
        at in 0usize..4000,
        garbage in prop::collection::vec(any::<u8>(), 1..300),
        marks in any::<bool>(),
    ) {
        let dir = directory();
        let records = one_of_each();
        let (mut bytes, starts) = written(dir.path(), &records);
        let at = at % (bytes.len() + 1);
        let garbage = if marks { [b"\xF8mp\x01", &garbage[..]].concat() } else { garbage };
        let mut expected = Vec::new();
        for (span, record) in starts.windows(2).zip(&records) {
            if at <= span[0] || span[1] <= at {
                expected.push(record);
            }
        }
        bytes.splice(at..at, garbage);
        append_after(&bytes, &expected);
    }

    #[test]
    fn bytes_overwritten_and_taken_out(
        from in 0usize..4000,
        length in 1usize..600,
        garbage in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let dir = directory();
        let records = one_of_each();
        let (mut bytes, starts) = written(dir.path(), &records);
        let from = from % bytes.len();
        let to = (from + length).min(bytes.len());
        let before = bytes.clone();
        bytes.splice(from..to, garbage);
        // A record whose bytes the garbage happens to restore, such as the last one of them, is whole.
        let is_whole = |span: &[usize]| {
            let record = &before[span[0]..span[1]];
            let is_outside = span[1] <= from || to <= span[0];
            is_outside || bytes.windows(record.len()).any(|window| window == record)
        };
        let spans = starts.windows(2).zip(&records);
        let expected = spans.filter(|(span, _)| is_whole(span)).map(|(_, record)| record);
        prop_assert_eq!(said(&state_of(&bytes)), said_by(expected));
    }

    #[test]
    fn nothing_but_garbage(bytes in prop::collection::vec(any::<u8>(), 0..5000)) {
        prop_assert_eq!(state_of(&bytes).records(), 0);
    }
}
