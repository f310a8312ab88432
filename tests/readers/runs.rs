//! Real runs, alone and under mpirun, shown while they go on and afterwards.

use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::launch::{PROGRAM, command, have, mpirun_command, mpix};
use crate::pictures::files::write_tree;

/// A run that is watched, followed and reported.
fn watch(ranks: usize) {
    let dir = tempfile::tempdir().unwrap();
    let images: usize = (0..6).map(|copy| write_tree(&dir.path().join(format!("in/{copy}")))).sum();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (input, output) = (path("in"), path("out"));
    let ops = ["run", "-q", "-r", "--op", "blur:ksize=31", "--op", "canny", "-o", &output, &input];
    let mut run = if ranks == 0 { command(&[PROGRAM], ops) } else { mpirun_command(ranks, ops) };
    let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while !dir.path().join("out/.mpix/status.json").exists() {
        assert!(began.elapsed() < Duration::from_secs(60), "no status");
        thread::sleep(Duration::from_millis(5));
    }
    let (watched, followed) = thread::scope(|scope| {
        let watched = scope.spawn(|| mpix(["status", &output, "--watch", "--json"]));
        let followed = scope.spawn(|| mpix(["logs", &output, "--follow", "--event", "image-done"]));
        assert!(run.wait().unwrap().success());
        (watched.join().unwrap(), followed.join().unwrap())
    });
    let last = watched.expect_code(0).stdout.lines().last().unwrap().to_owned();
    let last: Value = serde_json::from_str(&last).unwrap();
    assert_eq!((&last["alive"], &last["outcome"]), (&false.into(), &"all-done".into()), "{last}");
    assert_eq!(followed.expect_code(0).stdout.lines().count(), images);
    let report: Value = serde_json::from_str(&mpix(["report", &output, "--json"]).stdout).unwrap();
    assert_eq!(
        (&report["counts"]["done"], &report["images_timed"]),
        (&images.into(), &images.into())
    );
    assert_eq!(report["notes"].as_array().unwrap().len(), 0, "{}", report["notes"]);
    assert_eq!(report["runs"][0]["ranks"], ranks.max(1));
    let html = path("page.html");
    mpix(["report", &output, "--html", &html]).expect_code(0);
    let page = std::fs::read_to_string(&html).unwrap();
    assert_eq!(page.matches("src=\"data:image/jpeg").count(), 48);
    mpix(["verify", &output]).expect_code(0);
}

#[test]
fn a_run_alone() {
    watch(0);
}

#[test]
fn a_run_under_mpirun() {
    if have("mpirun") {
        watch(3);
    }
}
