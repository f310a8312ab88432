//! kill -9 of a writer: what it said was done is done.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use mpix::journal::*;

use crate::records::*;

/// For the child: where to write.
const OUTPUT_VARIABLE: &str = "MPIX_TEST_KILL";

/// No test, but the child of the next: goes on where the journal ends, until it is killed.
#[test]
fn a_child_that_writes() {
    let Some(output) = std::env::var_os(OUTPUT_VARIABLE) else { return };
    let (mut journal, state) = Journal::open(Path::new(&output)).unwrap();
    let run = state.last_run().map_or(1, |last| last.started.run + 1);
    journal.append(&started(run)).unwrap();
    for number in state.counts().done.. {
        let name = format!("{number}.png");
        // Done over and over, so that openings have something to rewrite.
        for _ in 0..3 {
            journal.append(&given(name.as_bytes())).unwrap();
            journal.append(&done(name.as_bytes(), name.as_bytes())).unwrap();
        }
        journal.sync().unwrap();
        println!("done {name}");
        std::io::stdout().flush().unwrap();
    }
}

#[test]
fn killed_at_any_moment_nothing_said_is_lost() {
    let dir = directory();
    let mut said = Vec::new();
    for round in 0..40u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::a_child_that_writes", "--nocapture"])
            .env(OUTPUT_VARIABLE, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let reader = thread::spawn(move || {
            lines
                .filter_map(|line| Some(line.ok()?.strip_prefix("done ")?.to_owned()))
                .collect::<Vec<_>>()
        });
        thread::sleep(Duration::from_micros(2_000 + round * round * 7_919 % 23_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let mut names = reader.join().unwrap();
        names.retain(|name| name.ends_with(".png")); // the last line may be cut
        said.extend(names);
        let state = read(dir.path()).unwrap();
        for name in &said {
            assert!(state.done(Path::new(name)).is_some(), "{name} is lost in round {round}");
        }
        assert!(state.counts().done <= said.len() + 40, "more is done than was begun");
    }
    assert!(said.len() > 40);
    let mut apart = said.clone();
    apart.sort();
    apart.dedup();
    assert_eq!(apart.len(), said.len(), "something was done twice");
}
