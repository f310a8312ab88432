//! A rank that panics or dies ends the job, with its message and a nonzero code, and never hangs it.
#![cfg(feature = "faults")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod launch;
mod pictures;

use std::path::Path;
use std::time::{Duration, Instant};

use launch::{PROGRAM, Run, command, finish, have, mpirun_command, mpix};

/// "In seconds": starting and ending ranks on a busy machine included.
const SOON: Duration = Duration::from_secs(20);

fn struck(ranks: usize, fault: &str, distribute: &str, dir: &Path) -> (Run, Duration) {
    let (input, output) = (dir.join("in"), dir.join("out"));
    let arguments = [
        "run",
        "-q",
        "-r",
        "--fresh",
        "--op",
        "blur",
        "--distribute",
        distribute,
        "-o",
        output.to_str().unwrap(),
        input.to_str().unwrap(),
    ];
    let mut command = match ranks {
        0 => command(&[PROGRAM], arguments),
        _ => mpirun_command(ranks, arguments),
    };
    command.env("MPIX_FAULT", fault);
    let start = Instant::now();
    (finish(command), start.elapsed())
}

#[test]
fn a_panicking_rank_ends_the_job_with_its_message() {
    if !have("mpirun") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    pictures::files::write_tree(&dir.path().join("in"));
    for (ranks, rank) in [(1, 0), (2, 0), (2, 1), (3, 2), (5, 4)] {
        // Every rank has bands of each image, but who has which image is a matter of time.
        let bands = (format!("panic:{rank}:1"), "bands", format!("rank {rank}"));
        let images = ("panic-image:beach.jpg".to_owned(), "images", "rank ".to_owned());
        for (fault, distribute, who) in [bands, images] {
            let (run, time) = struck(ranks, &fault, distribute, dir.path());
            println!(
                "{ranks} ranks, rank {rank} panics, {distribute}: {:.2} s",
                time.as_secs_f32()
            );
            assert!(time < SOON, "{time:?}");
            let run = run.expect_code(70);
            assert!(run.tells(&[&who, "a fault was asked for"]), "{}", run.stderr);
        }
    }
}

#[test]
fn a_rank_that_dies_ends_the_job() {
    if !have("mpirun") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    pictures::files::write_tree(&dir.path().join("in"));
    for (ranks, rank) in [(2, 0), (2, 1), (3, 1)] {
        let (run, time) = struck(ranks, &format!("abort:{rank}:1"), "images", dir.path());
        println!("{ranks} ranks, rank {rank} aborts: {:.2} s", time.as_secs_f32());
        assert!(time < SOON, "{time:?}");
        assert!(run.code.is_some_and(|code| code != 0 && code != 124), "{run:?}");
    }
}

#[test]
fn a_panic_without_mpirun_ends_the_run() {
    let dir = tempfile::tempdir().unwrap();
    pictures::files::write_tree(&dir.path().join("in"));
    let (run, time) = struck(0, "panic:0:2", "images", dir.path());
    assert!(time < SOON, "{time:?}");
    assert!(run.expect_code(70).tells(&["rank 0", "a fault was asked for"]));
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    let again = ["run", "-q", "-r", "-o", output.to_str().unwrap(), input.to_str().unwrap()];
    mpix(again).expect_code(0);
}
