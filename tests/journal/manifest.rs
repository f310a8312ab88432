//! The manifests against the real `sha256sum` and `b3sum`, and reading every output again.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use mpix::journal::*;

use crate::records::*;

const NAMES: [&[u8]; 9] = [
    b"a.png",
    b"below/deeper/b c.png",
    b"line\nbreak.png",
    b"back\\slash.png",
    b"\\both\n.png",
    b"carriage\rreturn\r",
    b"not \xff utf-8.png",
    b" *leading.png",
    b"-",
];

const BOTH: [(Checksum, &str); 2] = [(Checksum::Sha256, "sha256sum"), (Checksum::Blake3, "b3sum")];

/// Where outputs with such hashes are listed.
fn name(wanted: Checksum) -> &'static str {
    let mut names = manifest::NAMES.into_iter();
    names.find(|(checksum, _)| *checksum == wanted).unwrap().1
}

/// Outputs under these names, whose content is their name.
fn outputs(output: &Path, (checksum, names): (Checksum, &[&[u8]])) -> State {
    let mut state = State::default();
    for name in names {
        put(&output.join(path(name)), name);
        state.apply(done_with(checksum, &[b"in/", *name].concat(), name));
    }
    state
}

/// Whether `program` finds all outputs as its manifest lists them.
fn checks(output: &Path, (checksum, program): (Checksum, &str)) -> Option<bool> {
    let manifest = Path::new(DIRECTORY).join(name(checksum));
    let mut command = Command::new(program);
    command.args(["--check", "--quiet"]).arg(manifest).current_dir(output);
    match command.output() {
        Ok(ran) => Some(ran.status.success()),
        Err(error) if std::env::var_os("CI").is_none() => {
            eprintln!("not tested against {program}: {error}");
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

/// The `b3sum` of Debian 12 knows neither how a carriage return is written, nor names that are no UTF-8.
fn is_for_all(name: &&[u8]) -> bool {
    !name.contains(&b'\r') && str::from_utf8(name).is_ok()
}

#[test]
fn every_name_is_read_by_the_program_that_makes_such_lists() {
    for (checksum, program) in BOTH {
        let dir = directory();
        let is_read = |name: &&[u8]| checksum == Checksum::Sha256 || is_for_all(name);
        let names: Vec<_> = NAMES.into_iter().filter(is_read).collect();
        let state = outputs(dir.path(), (checksum, &names));
        manifest::write(dir.path(), &state).unwrap();
        assert_ne!(checks(dir.path(), (checksum, program)), Some(false));
        assert!(manifest::verify(dir.path(), &state).is_clean());
        for name in names {
            let file = dir.path().join(path(name));
            put(&file, &name.to_ascii_uppercase());
            if name.to_ascii_uppercase() != name {
                assert_ne!(checks(dir.path(), (checksum, program)), Some(true), "{name:?}");
                assert_eq!(manifest::verify(dir.path(), &state).changed, [path(name)]);
            }
            put(&file, name);
        }
    }
}

#[test]
fn each_output_is_listed_with_those_that_were_hashed_as_it_was() {
    let dir = directory();
    let mut state = outputs(dir.path(), (Checksum::Sha256, &[b"a", b"b"]));
    let listed = |state: &State| {
        manifest::write(dir.path(), state).unwrap();
        assert!(manifest::verify(dir.path(), state).is_clean());
        BOTH.map(|(checksum, _)| {
            let file = dir.path().join(DIRECTORY).join(name(checksum));
            std::fs::read_to_string(file).map_or(0, |text| text.lines().count())
        })
    };
    assert_eq!(listed(&state), [2, 0]);
    state.apply(done_with(Checksum::Blake3, b"in/b", b"b"));
    assert_eq!(listed(&state), [1, 1]);
    assert!(!BOTH.map(|way| checks(dir.path(), way)).contains(&Some(false)));
    state.apply(done_with(Checksum::Blake3, b"in/a", b"a"));
    assert_eq!(listed(&state), [0, 2]);
    assert!(!dir.path().join(DIRECTORY).join(name(Checksum::Sha256)).exists());
}

#[test]
fn of_an_output_that_was_not_hashed_the_length_is_known() {
    let dir = directory();
    let state = outputs(dir.path(), (Checksum::None, &[b"a", b"bc"]));
    manifest::write(dir.path(), &state).unwrap();
    assert!(
        manifest::NAMES.iter().all(|(_, name)| !dir.path().join(DIRECTORY).join(name).exists())
    );
    put(&dir.path().join("a"), b"x");
    let found = manifest::verify(dir.path(), &state);
    assert_eq!((found.is_clean(), found.ok, found.unhashed), (true, 2, 2));
    put(&dir.path().join("bc"), b"longer");
    let found = manifest::verify(dir.path(), &state);
    assert_eq!((found.changed, found.unhashed), (vec![path(b"bc")], 1));
}

#[test]
fn missing_changed_and_extra_files_are_named() {
    let dir = directory();
    let state = outputs(dir.path(), (Checksum::Sha256, &NAMES));
    manifest::write(dir.path(), &state).unwrap();
    std::fs::remove_file(dir.path().join("a.png")).unwrap();
    put(&dir.path().join("below/deeper/b c.png"), b"longer than it was before");
    std::fs::remove_file(dir.path().join(path(NAMES[3]))).unwrap();
    std::fs::create_dir(dir.path().join(path(NAMES[3]))).unwrap();
    put(&dir.path().join("below/extra.png"), b"");
    put(&dir.path().join("below/.mpix-abc"), b"");
    put(&dir.path().join("below/.mpix/hidden"), b"");
    let found = manifest::verify(dir.path(), &state);
    assert_eq!(found.ok, NAMES.len() - 3);
    assert_eq!(found.missing, [path(b"a.png")]);
    assert_eq!(found.changed, [path(NAMES[3]), path(b"below/deeper/b c.png")]);
    assert_eq!(found.extra, [path(b"below/.mpix/hidden"), path(b"below/extra.png")]);
    assert_eq!(found.leftovers, [path(b"below/.mpix-abc")]);
    assert!(!found.is_clean());
}

#[test]
fn an_output_that_is_a_pipe_or_leads_nowhere_keeps_nobody_waiting() {
    let dir = directory();
    let mut state = State::default();
    state.apply(done(b"in/a", b"a"));
    state.apply(done(b"in/b", b"b"));
    let made = Command::new("mkfifo").arg(dir.path().join("a")).status().unwrap();
    assert!(made.success());
    std::os::unix::fs::symlink("nowhere", dir.path().join("b")).unwrap();
    let found = manifest::verify(dir.path(), &state);
    assert_eq!((found.changed, found.missing), (vec![path(b"a")], vec![path(b"b")]));
}

#[test]
fn an_output_belongs_to_the_last_input_written_to_it() {
    let dir = directory();
    let mut state = State::default();
    state.apply(done(b"x/a.png", b"a.png"));
    state.apply(done(b"y/a.png", b"a.png"));
    assert!(state.done(Path::new("x/a.png")).is_none());
    manifest::write(dir.path(), &state).unwrap();
    let manifest = name(Checksum::Sha256);
    let text = std::fs::read(dir.path().join(DIRECTORY).join(manifest)).unwrap();
    assert_eq!(text.split(|&byte| byte == b'\n').count(), 2);
    assert!(path(&text).as_os_str().as_bytes().ends_with(b"  a.png\n"));
}
