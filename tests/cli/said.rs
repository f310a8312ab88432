//! What is printed.

use std::fs::OpenOptions;
use std::process::Command;

use serde_json::Value;

use mpix::ops::OPS;

use crate::launch::{PROGRAM, have};
use crate::place::Place;

#[test]
fn a_run_ends_with_a_line_and_tells_each_failure() {
    let place = Place::with(&["in/a.png", "in/b.png"]);
    let run = place.mpix("run --op gray -o out in").expect_code(0);
    assert_eq!((run.stdout.as_str(), run.stderr.lines().count()), ("", 1), "{}", run.stderr);
    assert!(run.tells(&["mpix: 2 of 2 images done, 0 failed, ", " images/s, ", " gone"]));
    place.put("in/c.png", b"text");
    let run = place.mpix("run --op gray -o out in").expect_code(1);
    assert_eq!(run.stderr.lines().count(), 2, "{}", run.stderr);
    assert!(run.tells(&["mpix: failed: `in/c.png` is no image"]));
    assert!(run.tells(&["mpix: 2 of 3 images done (2 before), 1 failed"]));
}

#[test]
fn quiet_tells_failures_only_and_verbose_each_image() {
    let place = Place::with(&["in/a.png", "in/b.png"]);
    let run = place.mpix("run -q -o out in").expect_code(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    let run = place.mpix("run --fresh -v -o out in").expect_code(0);
    assert!(run.tells(&["mpix: `in/a.png` -> `a.png`"]), "{}", run.stderr);
    assert_eq!(run.stderr.lines().count(), 3, "{}", run.stderr);
    let run = place.mpix("run --fresh -vv -o out in").expect_code(0);
    assert!(run.tells(&["to rank 0", "Image"]), "{}", run.stderr);
    assert!(run.tells(&["from rank 0", "Hello"]), "{}", run.stderr);
    assert!(run.tells(&["from rank 0", "Image"]), "{}", run.stderr);
    place.put("in/c.png", b"");
    let run = place.mpix("run -q -o out in").expect_code(1);
    assert_eq!(run.stderr, "mpix: failed: `in/c.png` is empty\n");
}

#[test]
fn a_run_goes_on_where_nobody_reads_what_it_tells() {
    let place = Place::with(&["in/a.png", "in/b.png", "in/c.png"]);
    place.put("in/d.png", b"text");
    let mut deaf = Command::new(PROGRAM);
    deaf.args(["run", "-v", "-o", "out", "in"]).current_dir(place.path("."));
    deaf.stderr(OpenOptions::new().write(true).open("/dev/full").unwrap());
    assert_eq!(deaf.status().unwrap().code(), Some(1));
    assert_eq!(place.names("out"), ["a.png", "b.png", "c.png"]);
}

#[test]
fn what_cannot_be_printed_is_a_failure() {
    let place = Place::with(&["in/a.png"]);
    for line in ["ops", "ops --json", "run -n -o out in"] {
        let mut mute = Command::new(PROGRAM);
        mute.args(line.split(' ')).current_dir(place.path("."));
        mute.stdout(OpenOptions::new().write(true).open("/dev/full").unwrap());
        let output = mute.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{line}: {told}");
        assert!(
            told.contains("failed to print to standard output: No space left"),
            "{line}: {told}"
        );
    }
}

#[test]
fn a_dry_run_prints_the_plan_and_writes_nothing() {
    let place = Place::with(&["in/a.png", "in/below/b.jpg"]);
    place.put("in/c.png", b"text");
    let plan = |out: &str| {
        assert!(out.contains("ops       blur:ksize=31,sigma=0 | invert\n"), "{out}");
        assert!(out.contains("in/a.png -> out/a.png, 30 x 20 x 3\n"), "{out}");
        assert!(out.contains("in/below/b.jpg -> out/below/b.jpg, 31 x 20 x 3\n"), "{out}");
        assert!(out.contains("would fail: `in/c.png` is no image"), "{out}");
        assert_eq!(out.matches("images    3: ").count(), 1, "{out}");
    };
    let line = "run -n -r --op blur --op invert -o out in";
    let run = place.mpix(line).expect_code(0);
    plan(&run.stdout);
    assert!(run.stdout.contains("rank 0 ") && !run.stdout.contains("rank 1 "), "{}", run.stdout);
    if have("mpirun") {
        let run = place.mpirun(3, line).expect_code(0);
        plan(&run.stdout);
        for rank in ["\nrank 0 ", "\nrank 1 ", "\nrank 2 "] {
            assert_eq!(run.stdout.matches(rank).count(), 1, "{}", run.stdout);
        }
    }
    assert!(!place.path("out").exists());
}

#[test]
fn ops_are_listed_for_people() {
    let listed = Place::new().mpix("ops").expect_code(0).stdout;
    for op in OPS {
        let line = listed.lines().find(|line| line.starts_with(&format!("{} ", op.name)));
        assert!(line.is_some_and(|line| line.contains(op.summary)), "{}", op.name);
        for parameter in op.parameters {
            let range = parameter.kind.to_string();
            let default = parameter.default.unwrap_or("required");
            let told = |line: &str| {
                line.trim_start().starts_with(parameter.name)
                    && line.contains(&range)
                    && line.contains(default)
            };
            assert!(listed.lines().any(told), "{}:{}", op.name, parameter.name);
        }
    }
}

#[test]
fn ops_are_listed_for_programs() {
    let listed = Place::new().mpix("ops --json").expect_code(0).stdout;
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed.len(), OPS.len());
    for (listed, op) in listed.iter().zip(OPS) {
        assert_eq!((&listed["name"], &listed["summary"]), (&op.name.into(), &op.summary.into()));
        assert_eq!(listed["example"], op.text_of(op.samples[0]));
        let parameters = listed["parameters"].as_array().unwrap();
        assert_eq!(parameters.len(), op.parameters.len());
        for (listed, parameter) in parameters.iter().zip(op.parameters) {
            assert_eq!(listed["name"], parameter.name);
            assert_eq!(listed["takes"], parameter.kind.to_string());
            assert_eq!(listed["default"], parameter.default.map_or(Value::Null, Value::from));
            assert_eq!(listed["required"], parameter.default.is_none());
        }
    }
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = Place::new().mpix(&format!("completions {shell}")).expect_code(0).stdout;
        for word in ["run", "ops", "completions", "files-from", "distribute"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn help_shows_the_exit_codes_and_an_example() {
    let help = Place::new().mpix("run --help").expect_code(0).stdout;
    assert!(help.contains("Exit codes: 0") && help.contains("mpirun -n"), "{help}");
    let short = Place::new().mpix("--help").expect_code(0).stdout;
    assert!(
        short.contains("run") && short.contains("ops") && short.contains("completions"),
        "{short}"
    );
}
