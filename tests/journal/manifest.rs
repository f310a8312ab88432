//! The manifest against the real `sha256sum`, and reading every output again.

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

/// Outputs under all names, whose content is their name.
fn outputs(output: &Path) -> State {
    let mut state = State::default();
    for name in NAMES {
        put(&output.join(path(name)), name);
        state.apply(done(&[b"in/", name].concat(), name));
    }
    state
}

fn sha256sum(output: &Path) -> Option<bool> {
    let manifest = Path::new(DIRECTORY).join(manifest::NAME);
    let mut command = Command::new("sha256sum");
    command.args(["--check", "--strict", "--quiet"]).arg(manifest).current_dir(output);
    match command.output() {
        Ok(ran) => Some(ran.status.success()),
        Err(error) if std::env::var_os("CI").is_none() => {
            eprintln!("not tested against sha256sum: {error}");
            None
        }
        Err(error) => panic!("sha256sum: {error}"),
    }
}

#[test]
fn sha256sum_reads_every_name() {
    let dir = directory();
    let state = outputs(dir.path());
    manifest::write(dir.path(), &state).unwrap();
    assert_ne!(sha256sum(dir.path()), Some(false));
    assert!(manifest::verify(dir.path(), &state).is_clean());
    for name in NAMES {
        let file = dir.path().join(path(name));
        put(&file, &name.to_ascii_uppercase());
        if name.to_ascii_uppercase() != name {
            assert_ne!(sha256sum(dir.path()), Some(true), "{name:?}");
            assert_eq!(manifest::verify(dir.path(), &state).changed, [path(name)]);
        }
        put(&file, name);
    }
}

#[test]
fn missing_changed_and_extra_files_are_named() {
    let dir = directory();
    let state = outputs(dir.path());
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
    let manifest = manifest::write(dir.path(), &state).unwrap();
    let text = std::fs::read(manifest).unwrap();
    assert_eq!(text.split(|&byte| byte == b'\n').count(), 2);
    assert!(path(&text).as_os_str().as_bytes().ends_with(b"  a.png\n"));
}
