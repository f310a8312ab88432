//! `mpix status`.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use mpix::events::Outcome;
use mpix::journal::{Holder, Lease, LeaseName};
use serde_json::Value;

use crate::fixture::Fixture;
use crate::launch::Run;

fn json(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap()
}

#[test]
fn an_ended_run_says_how() {
    let fixture = Fixture::of_two_runs();
    let run = fixture.mpix("status out").expect_code(0);
    for words in [
        "run 2 to `out` has ended: ended, some images failed, exit code 1",
        "ops      gray",
        "process  4000000000 on host-0",
        "12 of 22 images done, 2 failed",
        "rank 1 ",
        "not-an-image: `in/torn.png` ends early",
    ] {
        assert!(run.stdout.contains(words), "{words}: {}", run.stdout);
    }
    assert!(!run.stdout.contains('\x1b'), "no colours where there is no terminal");
    let status = json(&fixture.mpix("status out --json").expect_code(0));
    assert_eq!((&status["alive"], &status["exit_code"]), (&false.into(), &1.into()));
    assert_eq!((&status["state"], &status["images"]["done"]), (&"ended".into(), &12.into()));
}

#[test]
fn where_no_run_was_it_says_so() {
    let fixture = Fixture::new();
    for (line, what) in [("status out", "`out` has no status"), ("status gone", "`gone` has no")] {
        let run = fixture.mpix(line).expect_code(2);
        assert!(run.tells(&[what, "no output directory of `mpix run`"]), "{}", run.stderr);
    }
    std::fs::File::create(fixture.own("status.json")).unwrap();
    fixture.mpix("status out").expect_code(2);
}

#[test]
fn a_status_that_is_renewed_is_alive_whatever_the_clocks_say() {
    let mut fixture = Fixture::new();
    fixture.start(1, 9, 1);
    let long_ago: Timestamp = "2001-01-01T00:00:00Z".parse().unwrap();
    fixture.write_status(long_ago);
    thread::scope(|scope| {
        let shown = scope.spawn(|| Fixture::mpix_in(&fixture_path(&fixture), "status out --json"));
        let began = Instant::now();
        let mut at = long_ago;
        while !shown.is_finished() && began.elapsed() < Duration::from_secs(10) {
            thread::sleep(Duration::from_millis(300));
            at = at.checked_add(jiff::SignedDuration::from_secs(1)).unwrap();
            write_status_at(&fixture, at);
        }
        let status = json(&shown.join().unwrap().expect_code(0));
        assert_eq!(status["alive"], true);
    });
    // Nobody renews it any more.
    let run = fixture.mpix("status out").expect_code(0);
    assert!(run.stdout.contains("has ended without a word, killed perhaps"), "{}", run.stdout);
    assert!(run.stdout.contains("the same command goes on"), "{}", run.stdout);
    fixture.write_status(Timestamp::now());
    let run = fixture.mpix("status out").expect_code(0);
    assert!(run.stdout.starts_with("run 1 to `out` goes on\n"), "{}", run.stdout);
}

fn fixture_path(fixture: &Fixture) -> std::path::PathBuf {
    fixture.path(".")
}

/// Replaces the time in the file alone.
fn write_status_at(fixture: &Fixture, at: Timestamp) {
    let directory = fixture.own(".");
    let status = mpix::events::Status::read(&directory).unwrap();
    mpix::events::Status { updated: at, ..status }.write(&directory).unwrap();
}

#[test]
fn a_run_of_this_host_whose_process_is_gone_is_dead_at_once() {
    let mut fixture = Fixture::new();
    fixture.start(1, 9, 1);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_owned();
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    let (pid, command) = (child.id(), "mpix run …".to_owned());
    let holder = Holder { host: host.clone(), pid, run_id: 1, command, launch: None };
    let _lease = Lease::take(&fixture.path("out"), LeaseName::Run, holder).unwrap();
    fixture.write_status(Timestamp::now());
    let directory = fixture.own(".");
    let status = mpix::events::Status::read(&directory).unwrap();
    mpix::events::Status { host, pid: child.id(), ..status }.write(&directory).unwrap();
    assert_eq!(json(&fixture.mpix("status out --json"))["alive"], true);
    child.kill().unwrap();
    child.wait().unwrap();
    write_status_at(&fixture, Timestamp::now());
    let began = Instant::now();
    assert_eq!(json(&fixture.mpix("status out --json"))["alive"], false);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
fn watching_ends_with_the_run() {
    let mut fixture = Fixture::new();
    fixture.start(1, 9, 1);
    fixture.write_status(Timestamp::now());
    let path = fixture_path(&fixture);
    thread::scope(|scope| {
        let lines = scope.spawn(|| Fixture::mpix_in(&path, "status out --watch --json"));
        let blocks = scope.spawn(|| Fixture::mpix_in(&path, "status out --watch"));
        for number in 0..3 {
            thread::sleep(Duration::from_millis(1200));
            fixture.done(&format!("{number}.png"), 0, 10.0);
            fixture.write_status(Timestamp::now());
        }
        fixture.end(Outcome::Stopped, 130, 4.0);
        fixture.write_status(Timestamp::now());
        let lines = lines.join().unwrap().expect_code(0).stdout;
        let all: Vec<Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(all.len() >= 3, "{lines}");
        let last = all.last().unwrap();
        assert_eq!((&last["alive"], &last["outcome"]), (&false.into(), &"stopped".into()));
        let blocks = blocks.join().unwrap().expect_code(0).stdout;
        assert!(blocks.contains("goes on") && !blocks.contains('\x1b'), "{blocks}");
        assert!(
            blocks.contains("\n\nrun 1 to `out` has ended: stopped, exit code 130"),
            "{blocks}"
        );
    });
}

#[test]
fn a_watch_goes_on_from_attempt_to_attempt_of_a_launch() {
    let mut fixture = Fixture::new();
    let mut place = fixture.supervisor();
    fixture.write_launch_status(None);
    let path = fixture.path(".");
    fixture.start(1, 9, 1);
    fixture.end(Outcome::Broken, 71, 1.0);
    fixture.write_status(Timestamp::now());
    thread::scope(|scope| {
        let shown = scope.spawn(|| Fixture::mpix_in(&path, "status out --watch"));
        for _ in 0..4 {
            thread::sleep(Duration::from_millis(700));
            place.renew().unwrap();
        }
        assert!(!shown.is_finished(), "the supervisor lives");
        fixture.start(2, 9, 1);
        fixture.end(Outcome::AllDone, 0, 1.0);
        fixture.write_status(Timestamp::now());
        fixture.write_launch_status(Some(0));
        let run = shown.join().unwrap().expect_code(0);
        assert!(run.stdout.contains("run 1 to `out` has ended: broken off"), "{}", run.stdout);
        assert!(run.stdout.contains("run 2 to `out` has ended: all done"), "{}", run.stdout);
    });
}
