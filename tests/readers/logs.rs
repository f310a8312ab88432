//! `mpix logs`.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use mpix::events::{Entry, Level, LogFile, NEW_FILE_AT, Outcome, RunEvent};

use crate::fixture::{Fixture, append};
use crate::launch::PROGRAM;

/// How many entries a filter leaves.
fn count(fixture: &Fixture, filter: &str) -> usize {
    fixture.mpix(&format!("logs out {filter}")).expect_code(0).stdout.lines().count()
}

#[test]
fn filters_leave_what_they_say() {
    let fixture = Fixture::of_two_runs();
    for (filter, expected) in [
        ("", 27),
        ("--level debug", 27),
        ("--level warn", 5),
        ("--level error", 2),
        ("--event image-done", 20),
        ("--event run-started --event run-ended", 3),
        ("--rank 1 --event image-done", 10),
        ("--rank 0 --rank 1 --event image-done", 20),
        ("--rank 7", 0),
        ("--host host-1 --event image-failed", 2),
        ("--host host", 0),
        ("--image torn", 1),
        ("--image in/a", 8),
        ("--slower-than 200", 11),
        ("--slower-than 1e9", 0),
        ("--run 1", 9),
        ("--run last", 18),
        ("--run last --event image-done", 12),
        ("--run 3", 0),
        ("--since 2026-01-31T13:00:00Z", 18),
        ("--until 2026-01-31T12:00:02Z", 5),
        ("--since 1h", 0),
        ("--since 10000w", 27),
        ("-n 3", 3),
        ("-n 0", 0),
        ("-n 100 --run 1", 9),
        ("--follow -n 2", 2),
    ] {
        assert_eq!(count(&fixture, filter), expected, "{filter}");
    }
    assert_eq!(
        fixture.mpix("logs out -n 1").stdout,
        fixture.mpix("logs out --event run-ended").stdout
    );
}

#[test]
fn lines_are_for_people_or_as_they_are() {
    let fixture = Fixture::of_two_runs();
    let text = fixture.mpix("logs out").stdout;
    let line = text.lines().nth(1).unwrap();
    assert!(
        line.starts_with("2026-01-31T12:00:00.500Z  info   image-done    rank 0    host-0"),
        "{line}"
    );
    assert!(line.contains("100.0 ms  `in/a0.png` -> `a0.png`, 2.0 megapixels"), "{line}");
    assert!(
        line.ends_with("filter 50.0 ms, wait 20.0 ms") || line.contains("filter 50.0 ms"),
        "{line}"
    );
    let raw = fixture.mpix("logs out --json").stdout;
    assert_eq!(raw.as_bytes(), fs::read(fixture.own("log.jsonl")).unwrap());
    let direct = fixture.mpix("logs out/.mpix/log.jsonl --json").stdout;
    assert_eq!(raw, direct);
}

#[test]
fn wishes_that_make_no_sense_are_refused() {
    let fixture = Fixture::of_two_runs();
    for (line, words) in [
        ("logs out --since yesterday", ["--since yesterday", "is no time"]),
        ("logs out --until 10", ["--until 10", "is no time"]),
        ("logs out --run first", ["--run first", "is no run"]),
        ("logs gone", ["`gone` has no log", "mpix run"]),
        ("logs in", ["`in` has no log", "mpix run"]),
        ("logs out --event nothing", ["nothing", "invalid value"]),
    ] {
        let run = fixture.mpix(line).expect_code(2);
        assert!(run.tells(&words), "{line}: {}", run.stderr);
    }
}

#[test]
fn a_log_goes_over_files_and_its_first_may_be_gone() {
    let mut fixture = Fixture::new();
    fixture.start(1, 9000, 1);
    let text = "x".repeat(1000);
    for _ in 0..3 * NEW_FILE_AT / 1000 {
        fixture.warn(&text);
    }
    fixture.done("last.png", 0, 5.0);
    let all = fs::read_dir(fixture.own(".")).unwrap().count();
    assert!(fixture.own("log.3.jsonl").exists(), "{all}");
    let lines = count(&fixture, "");
    assert_eq!(lines as u64, 3 * NEW_FILE_AT / 1000 + 2);
    assert_eq!(count(&fixture, "--event image-done"), 1);
    assert_eq!(count(&fixture, "--run last --event image-done"), 1);
    fs::remove_file(fixture.own("log.jsonl")).unwrap();
    let run = fixture.mpix("logs out --event image-done").expect_code(0);
    assert_eq!(run.stdout.lines().count(), 1);
    assert!(run.tells(&["the log begins with its file 2"]), "{}", run.stderr);
}

#[test]
fn lines_that_are_no_entries_are_told_at_the_end() {
    let fixture = Fixture::of_two_runs();
    append(&fixture.own("log.jsonl"), b"\0\0\0\nno entry\n{\"time\":\"2026-01-31T12:");
    let run = fixture.mpix("logs out").expect_code(0);
    assert_eq!(run.stdout.lines().count(), 27);
    assert!(run.tells(&["3 lines of the log are no entries"]), "{}", run.stderr);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut fixture = Fixture::new();
    fixture.start(1, 9000, 1);
    for _ in 0..3000 {
        fixture.warn(&"x".repeat(100));
    }
    let mut logs = Command::new(PROGRAM);
    logs.args(["logs", "out"]).current_dir(fixture.path(".")).stdout(Stdio::piped());
    let mut logs = logs.stderr(Stdio::piped()).spawn().unwrap();
    drop(logs.stdout.take());
    let output = logs.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}

#[test]
fn following_ends_with_the_run() {
    let mut fixture = Fixture::new();
    fixture.start(1, 9, 1);
    fixture.write_status(Timestamp::now());
    let path = fixture.path(".");
    thread::scope(|scope| {
        let text = scope.spawn(|| Fixture::mpix_in(&path, "logs out --follow"));
        for number in 0..4 {
            thread::sleep(Duration::from_millis(500));
            fixture.done(&format!("{number}.png"), 0, 10.0);
            fixture.write_status(Timestamp::now());
        }
        fixture.end(Outcome::AllDone, 0, 4.0);
        fixture.write_status(Timestamp::now());
        let run = text.join().unwrap().expect_code(0);
        assert_eq!(run.stdout.lines().count(), 6, "{}", run.stdout);
        assert_eq!(run.stderr, "");
    });
}

#[test]
fn following_a_killed_run_ends_too() {
    let mut fixture = Fixture::new();
    fixture.start(1, 9, 1);
    let now = fixture.now;
    fixture.write_status(now);
    let run = fixture.mpix("logs out --follow").expect_code(0);
    assert_eq!(run.stdout.lines().count(), 1);
    assert!(run.tells(&["ended without a word"]), "{}", run.stderr);
}

#[test]
fn a_log_elsewhere_is_found_by_the_status() {
    let mut fixture = Fixture::of_two_runs();
    let elsewhere = fixture.path("runs.log");
    let mut log = LogFile::open(&elsewhere).unwrap();
    let message = RunEvent::Stopping { reason: "SIGINT".to_owned(), in_hand: 2 };
    log.append(&Entry { time: fixture.now, level: Level::Warn, event: message }).unwrap();
    let now = fixture.now;
    fixture.write_status(now);
    let directory = fixture.own(".");
    let status = mpix::events::Status::read(&directory).unwrap();
    mpix::events::Status { log: elsewhere, ..status }.write(&directory).unwrap();
    for line in ["logs out", "logs runs.log"] {
        let run = fixture.mpix(line).expect_code(0);
        assert!(run.stdout.ends_with("SIGINT; 2 images in hand\n"), "{}", run.stdout);
        assert_eq!(run.stdout.lines().count(), 1);
    }
}

#[test]
fn a_launch_stands_among_its_runs() {
    let fixture = Fixture::of_launch();
    let lines = fixture.mpix("logs out --json").expect_code(0).stdout;
    let entries: Vec<Entry> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(entries.is_sorted_by_key(|entry| entry.time), "{lines}");
    for (filter, expected) in [
        ("", 27),
        ("--event launch", 10),
        ("--event launch --event run-started", 13),
        ("--event launch --level warn", 3),
        ("--level error", 1),
        // Launch and attempts that it is part of, what happened to it; its rank and 6 images.
        ("--host host-1 --event launch", 7),
        ("--host host-1", 13),
        ("--host host-2", 3),
        ("--rank 0 --event launch", 0),
        ("--image a --event launch", 0),
        ("--slower-than 0 --event launch", 0),
        ("--run 1", 8),
        ("--run last", 7),
        ("--until 2026-01-31T12:00:00Z", 2),
        ("-n 5 --event launch", 5),
        ("--follow", 27),
    ] {
        assert_eq!(count(&fixture, filter), expected, "{filter}");
    }
    let last = fixture.mpix("logs out -n 1").stdout;
    assert!(last.contains("ends with 0 after 3 attempts, 1 failures"), "{last}");
    let text = fixture.mpix("logs out --level error").stdout;
    let words = "error  launch                  host-1                      attempt 1 failed on";
    assert!(text.contains(words), "{text}");
    let alone = fixture.mpix("logs out/.mpix/log.jsonl").expect_code(0).stdout;
    assert_eq!(alone.lines().count(), 17);
    fs::remove_file(fixture.own("log.jsonl")).unwrap();
    assert_eq!(count(&fixture, ""), 10);
    assert_eq!(count(&fixture, "--follow"), 10);
    fs::remove_file(fixture.own("launch.jsonl")).unwrap();
    assert!(fixture.mpix("logs out").expect_code(2).tells(&["`out` has no log"]));
}

#[test]
fn following_a_launch_goes_on_from_attempt_to_attempt() {
    let mut fixture = Fixture::new();
    let mut place = fixture.supervisor();
    fixture.launch_begins(&["host-0", "host-1"]);
    fixture.write_launch_status(None);
    let path = fixture.path(".");
    thread::scope(|scope| {
        let text = scope.spawn(|| Fixture::mpix_in(&path, "logs out --follow"));
        for attempt in 1..=3 {
            fixture.seconds(1.0);
            fixture.attempt(attempt, &["host-0", "host-1"]);
            fixture.start(attempt.into(), 9, 1);
            fixture.write_status(Timestamp::now());
            fixture.end(Outcome::Broken, 71, 1.0);
            fixture.write_status(Timestamp::now());
            fixture.attempt_fails(attempt, "host-1", "no answer");
            for _ in 0..3 {
                thread::sleep(Duration::from_millis(400));
                place.renew().unwrap();
            }
        }
        fixture.launch_ends(71, 3, 3);
        fixture.write_launch_status(Some(71));
        let run = text.join().unwrap().expect_code(0);
        assert_eq!((run.stdout.lines().count(), run.stderr.as_str()), (14, ""), "{}", run.stdout);
    });
}

#[test]
fn following_a_launch_that_was_killed_ends() {
    let mut fixture = Fixture::new();
    let _place = fixture.supervisor();
    fixture.launch_begins(&["host-0"]);
    fixture.write_launch_status(None);
    fixture.attempt(1, &["host-0"]);
    fixture.start(1, 9, 1);
    let now = fixture.now;
    fixture.write_status(now);
    let run = fixture.mpix("logs out --follow").expect_code(0);
    assert_eq!(run.stdout.lines().count(), 3);
    assert!(run.tells(&["ended without a word"]), "{}", run.stderr);
}
