//! Clocks that are set back between runs or in their midst: what is done stays done, nothing is done
//! twice, and no run waits for a time that has passed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod interrupted;
mod launch;
mod pictures;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use interrupted::{Job, assert_untouched, done, ended, kill, start, wait_for_results};
use launch::{PROGRAM, command, finish, have, mpirun_of};
use mpix::journal::RunOutcome;

const TWO_DAYS: Duration = Duration::from_secs(2 * 24 * 3600);
/// Longer than any of these runs takes.
const SOON: Duration = Duration::from_secs(60);

/// What `faketime` sets: its library, and that neither the steady clock nor the times of files go
/// with the calendar, as they do not where somebody sets that.
fn environment() -> Option<Vec<String>> {
    if !have("faketime") {
        return None;
    }
    let library = finish(command(&["faketime", "-m", "-f", "+0"], ["printenv", "LD_PRELOAD"]));
    let library = library.expect_code(0).stdout;
    let variables = ["DONT_FAKE_MONOTONIC=1", "NO_FAKE_STAT=1", "FAKETIME_NO_CACHE=1"];
    let mut words = vec![format!("LD_PRELOAD={}", library.trim())];
    words.extend(variables.map(str::to_owned));
    Some(words)
}

/// A run, alone for 0 ranks, with these variables.
fn run_with(variables: &[String], ranks: usize, arguments: Vec<String>) -> Command {
    let words = variables.iter().cloned().chain([PROGRAM.to_owned()]).chain(arguments);
    if ranks == 0 { command(&["env"], words) } else { mpirun_of("env", ranks, words) }
}

fn ways() -> &'static [usize] {
    if have("mpirun") { &[0, 2] } else { &[0] }
}

/// How far the time at which the last run began is from now.
fn last_start(output: &Path) -> (u64, Duration) {
    let state = mpix::journal::read(output).unwrap();
    let started = &state.last_run().unwrap().started;
    (started.run, since(started.at_ns))
}

fn since(at_ns: i64) -> Duration {
    let at = SystemTime::UNIX_EPOCH + Duration::from_nanos(at_ns.try_into().unwrap());
    SystemTime::now().duration_since(at).unwrap()
}

#[test]
fn a_run_goes_on_though_the_clock_was_set_back_since() {
    let Some(variables) = environment() else { return };
    let variables = [variables, vec!["FAKETIME=-2d".to_owned()]].concat();
    let job = Job::new(12);
    for &ranks in ways() {
        let output = job.path(&format!("killed-{ranks}"));
        let mut run = start(run_with(&[], ranks, job.arguments(&output)));
        wait_for_results(&output, 5, &mut run);
        kill(&output, run);
        let before = done(&output);
        assert!(!before.is_empty() && before.len() < job.images, "{} done", before.len());

        let began = Instant::now();
        finish(run_with(&variables, ranks, job.arguments(&output))).expect_code(0);
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        let (run, ago) = last_start(&output);
        assert!(run == 2 && ago > TWO_DAYS - SOON, "run {run} began {ago:?} ago");
        job.assert_finished(&output);
        assert_untouched(&before, &output);

        // Once more by each clock: there is nothing to do.
        let before = done(&output);
        for variables in [&variables[..], &[]] {
            finish(run_with(variables, ranks, job.arguments(&output))).expect_code(0);
        }
        assert_eq!(done(&output), before);
        assert_eq!(last_start(&output).0, 4);
    }
}

#[test]
fn a_run_does_not_mind_that_the_clock_is_set_back() {
    let Some(mut variables) = environment() else { return };
    let job = Job::new(12);
    let clock = job.path("clock");
    let set = |offset: &str| {
        let next: PathBuf = clock.with_extension("next");
        pictures::files::put(&next, offset.as_bytes());
        fs::rename(next, &clock).unwrap();
    };
    variables.push(format!("FAKETIME_TIMESTAMP_FILE={}", clock.display()));
    for &ranks in ways() {
        let output = job.path(&format!("set-back-{ranks}"));
        set("+0");
        let began = Instant::now();
        let mut run = start(run_with(&variables, ranks, job.arguments(&output)));
        wait_for_results(&output, 5, &mut run);
        set("-2d");
        ended(run).expect_code(0);
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        job.assert_finished(&output);
        let state = mpix::journal::read(&output).unwrap();
        let last = state.last_run().unwrap();
        let end = last.ended.as_ref().unwrap();
        assert_eq!((last.started.run, end.outcome), (1, RunOutcome::AllDone));
        assert!(since(last.started.at_ns) < SOON, "it began by the clock as it was");
        assert!(since(end.at_ns) > TWO_DAYS - SOON, "and ended by the one that was set back");

        let before = done(&output);
        job.again(&output).expect_code(0);
        assert_eq!(done(&output), before, "nothing was to be done");
    }
}
