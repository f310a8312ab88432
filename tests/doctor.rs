//! `mpix doctor`: what it finds here, under mpirun, and on hosts that a script plays.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "doctor/hosts.rs"]
mod hosts;
mod launch;
#[path = "doctor/this_host.rs"]
mod this_host;

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use launch::{PROGRAM, Run, command, finish};

/// A directory of programs that stand for others, first in `PATH`.
struct Stage {
    directory: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
        path
    }

    /// A shell script in place of the program `name`.
    fn program(&self, name: &str, script: &str) {
        let path = self.put(name, &format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }

    /// `mpix LINE`, here, with these programs first, and root at ease.
    fn mpix(&self, line: &str) -> Command {
        let mut mpix = command(&[PROGRAM], line.split(' '));
        let path = std::env::var("PATH").unwrap_or_default();
        mpix.current_dir(self.directory.path())
            .env("PATH", format!("{}:{path}", self.directory.path().display()))
            .env_remove("MPIX_SIMD");
        mpix
    }

    fn run(&self, line: &str) -> Run {
        finish(self.mpix(line))
    }
}

/// What a run printed as JSON.
#[track_caller]
fn json(run: &Run) -> Value {
    serde_json::from_str(&run.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}\n{}", run.stdout, run.stderr))
}

/// The findings of a host, by check, as `LEVEL: FOUND: CURE`.
fn findings(host: &Value, check: &str) -> Vec<String> {
    let all = host["findings"].as_array().unwrap();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or("none").to_owned();
    let of_check = all.iter().filter(|finding| finding["check"] == check);
    of_check.map(|one| ["level", "found", "cure"].map(|key| text(one, key)).join(": ")).collect()
}

/// The only finding of a check.
#[track_caller]
fn finding(host: &Value, check: &str) -> String {
    let found = findings(host, check);
    assert_eq!(found.len(), 1, "{check}: {host:#}");
    found[0].clone()
}

/// Whether a text holds all these words.
#[track_caller]
fn assert_words(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}

/// The path that mpix knows itself by.
fn own_path() -> PathBuf {
    Path::new(PROGRAM).canonicalize().unwrap()
}
