//! Ranks that say nothing more though they live, and attempts of a launch that come to life again
//! when another has taken their place.
#![cfg(feature = "faults")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod interrupted;
mod launch;
mod pictures;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use interrupted::{Job, done, ended, processes, start, wait_for_results};
use launch::{PROGRAM, Run, command, files, finish, have, mpirun_command, mpix};
use mpix::events::{Entry, LogReader, Outcome, RunEvent, RunState, Status};
use mpix::journal::TIME_TO_LIVE;

/// The run does not end by itself: one image hangs.
const HANGS: &str = "hang-image:0/gray.jpg";
const LAUNCH: &str = "00c0ffee00c0ffee";

fn run(ranks: usize, arguments: Vec<String>, more: &[&str]) -> Command {
    let arguments = arguments.into_iter().chain(more.iter().map(|&word| word.to_owned()));
    match ranks {
        0 => command(&[PROGRAM], arguments),
        _ => mpirun_command(ranks, arguments),
    }
}

fn signal(name: &str, process: u32) {
    let sent = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status();
    assert!(sent.unwrap().success(), "{name} to {process}");
}

/// The process of a rank.
fn process_of(output: &Path, rank: usize) -> u32 {
    let wanted = format!("OMPI_COMM_WORLD_RANK={rank}");
    let is_it = |process: &u32| {
        let variables = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        variables.split(|&byte| byte == 0).any(|variable| variable == wanted.as_bytes())
    };
    processes(output).into_iter().find(is_it).unwrap()
}

fn wait_until_gone(output: &Path) {
    let limit = Instant::now() + Duration::from_secs(20);
    while !processes(output).is_empty() {
        assert!(Instant::now() < limit, "{:?} outlive their run", processes(output));
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What a run has said, once it has ended by itself, and how long that took.
#[track_caller]
fn ended_within(mut run: Child, limit: Duration) -> (Run, Duration) {
    let began = Instant::now();
    while run.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < limit, "it goes on after {limit:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
    let took = began.elapsed();
    (ended(run), took)
}

fn last_event(output: &Path) -> RunEvent {
    let log = LogReader::open(&output.join(".mpix/log.jsonl")).unwrap();
    log.map(Result::unwrap).last().unwrap().event
}

#[track_caller]
fn assert_no_temporaries(output: &Path) {
    let left: Vec<_> = files(output)
        .into_keys()
        .filter(|name| name.file_name().unwrap().to_str().unwrap().starts_with(".mpix-"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_rank_that_is_stopped_ends_the_run_which_then_goes_on() {
    if !have("mpirun") {
        return;
    }
    let job = Job::new(2);
    let output = job.path("out");
    let mut command = run(3, job.arguments(&output), &["--stall-timeout", "2"]);
    command.env("MPIX_FAULT", HANGS);
    let mut struck = start(command);
    wait_for_results(&output, 3, &mut struck);
    signal("STOP", process_of(&output, 1));
    let (struck, took) = ended_within(struck, Duration::from_secs(15));
    println!("rank 1 stopped: mpirun ended after {:.2} s", took.as_secs_f32());
    let struck = struck.expect_code(71);
    let host = mpix::host::name();
    assert!(took >= Duration::from_millis(1500), "{took:?}");
    assert!(
        struck.tells(&["rank 1 on", &host, "has said nothing for 2 s", "--stall-timeout"]),
        "{}",
        struck.stderr
    );
    wait_until_gone(&output);
    println!("and nothing was left {:.2} s after", took.as_secs_f32());
    let RunEvent::RunEnded(end) = last_event(&output) else { panic!() };
    assert_eq!((end.outcome, end.exit_code), (Outcome::Broken, 71));
    let status = Status::read(&output.join(".mpix")).unwrap();
    assert_eq!((status.state, status.exit_code), (RunState::Ended, Some(71)));
    finish(run(3, job.arguments(&output), &["--stall-timeout", "30"])).expect_code(0);
    job.assert_finished(&output);
}

#[test]
fn ranks_end_by_themselves_when_rank_0_is_stopped() {
    if !have("mpirun") {
        return;
    }
    let job = Job::new(2);
    let output = job.path("out");
    let mut command = run(3, job.arguments(&output), &["--stall-timeout", "1"]);
    command.env("MPIX_FAULT", HANGS);
    let mut struck = start(command);
    wait_for_results(&output, 3, &mut struck);
    signal("STOP", process_of(&output, 0));
    let (struck, took) = ended_within(struck, Duration::from_secs(25));
    println!("rank 0 stopped: mpirun ended after {:.2} s", took.as_secs_f32());
    let struck = struck.expect_code(71);
    assert!(struck.tells(&["has heard nothing from rank 0 for 10 s"]), "{}", struck.stderr);
    wait_until_gone(&output);
    job.again(&output).expect_code(0);
    job.assert_finished(&output);
}

#[test]
fn a_rank_that_goes_on_in_time_is_not_given_up_and_rank_0_accuses_nobody_for_its_own_sleep() {
    if !have("mpirun") {
        return;
    }
    let job = Job::new(2);
    for (rank, sleeps) in [(1, 1500), (0, 6000)] {
        let output = job.path(&format!("out-{rank}"));
        let limits = ["--stall-timeout", "3", "--image-timeout", "10", "--max-failures", "100"];
        let mut command = run(3, job.arguments(&output), &limits);
        command.env("MPIX_FAULT", HANGS);
        let mut struck = start(command);
        wait_for_results(&output, 3, &mut struck);
        let process = process_of(&output, rank);
        signal("STOP", process);
        std::thread::sleep(Duration::from_millis(sleeps));
        signal("CONT", process);
        let (struck, _) = ended_within(struck, Duration::from_secs(60));
        let struck = struck.expect_code(1);
        assert!(struck.tells(&["gray.jpg", "took longer than 10 s"]), "{}", struck.stderr);
    }
}

fn heartbeats(told: &Run) -> Vec<RunEvent> {
    let entries = told.stdout.lines().map(|line| serde_json::from_str::<Entry>(line).unwrap());
    entries
        .map(|entry| entry.event)
        .filter(|event| matches!(event, RunEvent::Heartbeat { .. }))
        .collect()
}

/// A list of inputs that nobody writes: what a million files on a slow file server are like.
#[test]
fn ranks_are_watched_while_inputs_are_listed() {
    if !have("mpirun") {
        return;
    }
    let job = Job::new(1);
    let list = job.path("list");
    assert!(Command::new("mkfifo").arg(&list).status().unwrap().success());
    let listed = |output: &Path| {
        let words = ["run", "--op", "invert", "--json", "--stall-timeout", "2", "--files-from"];
        let words = words.map(str::to_owned).into_iter();
        let paths = [list.display().to_string(), "-o".into(), output.display().to_string()];
        let told = fs::File::create(output.with_extension("json")).unwrap();
        let mut command = run(2, words.chain(paths).collect(), &[]);
        command.stdout(told).stderr(Stdio::piped()).spawn().unwrap()
    };
    let told_by = |output: &Path| {
        let told = fs::read_to_string(output.with_extension("json")).unwrap();
        told.lines().map(|line| serde_json::from_str::<Entry>(line).unwrap().event).collect()
    };
    let output = job.path("out");
    let waiting = listed(&output);
    std::thread::sleep(Duration::from_secs(4));
    let picture = files(&job.path("in")).into_keys().next().unwrap();
    let picture = job.path("in").join(picture).display().to_string();
    fs::OpenOptions::new().write(true).open(&list).unwrap().write_all(picture.as_bytes()).unwrap();
    let (told, _) = ended_within(waiting, Duration::from_secs(15));
    told.expect_code(0);
    let events: Vec<RunEvent> = told_by(&output);
    let start = events.iter().position(|event| matches!(event, RunEvent::RunStarted(_))).unwrap();
    assert!(start >= 2, "{events:?}");
    assert!(events[..start].iter().all(|event| matches!(event, RunEvent::Heartbeat { .. })));

    let output = job.path("other");
    let waiting = listed(&output);
    std::thread::sleep(Duration::from_secs(1));
    signal("STOP", process_of(&output, 1));
    let (told, _) = ended_within(waiting, Duration::from_secs(15));
    let told = told.expect_code(71);
    assert!(told.tells(&["rank 1 on", "has said nothing for 2 s"]), "{}", told.stderr);
    let events: Vec<RunEvent> = told_by(&output);
    let Some(RunEvent::RunEnded(end)) = events.last() else { panic!("{events:?}") };
    assert_eq!((end.outcome, end.exit_code, end.rank), (Outcome::Broken, 71, Some(1)));
    wait_until_gone(&output);
}

/// An image that hangs keeps its thread, not its rank, from answering.
#[test]
fn all_ranks_are_told_of_each_second_while_an_image_hangs() {
    let job = Job::new(1);
    for ranks in if have("mpirun") { vec![0, 1, 3] } else { vec![0] } {
        let output = job.path(&format!("out-{ranks}"));
        let flags = ["--json", "--stall-timeout", "2", "--image-timeout", "4"];
        let mut command = run(ranks, job.arguments(&output), &flags);
        command.env("MPIX_FAULT", HANGS);
        let told = finish(command).expect_code(1);
        assert!(told.tells(&["gray.jpg", "took longer than 4 s"]), "{}", told.stderr);
        let heartbeats = heartbeats(&told);
        assert!((3..=12).contains(&heartbeats.len()), "{ranks}: {heartbeats:?}");
        for heartbeat in &heartbeats {
            let RunEvent::Heartbeat { in_hand, ranks: pulses } = heartbeat else { panic!() };
            assert!(*in_hand >= 1);
            let numbers: Vec<_> = pulses.iter().map(|pulse| pulse.rank).collect();
            assert_eq!(numbers, (0..ranks.max(1)).collect::<Vec<_>>());
            for pulse in pulses {
                let load = pulse.load.unwrap();
                assert!(!pulse.host.is_empty() && pulse.silent_s < 2.0, "{pulse:?}");
                assert!(pulse.round_trip_ms.is_some_and(|ms| ms > 0.0 && ms < 2000.0), "{pulse:?}");
                assert!(load.threads == 1 && load.tasks_in_hand <= 1, "{pulse:?}");
                assert!(load.host_load.is_some_and(|load| load >= 0.0), "{pulse:?}");
                assert!(load.available_bytes.is_some_and(|bytes| bytes > 1 << 20), "{pulse:?}");
            }
        }
        let RunEvent::Heartbeat { ranks: pulses, .. } = &heartbeats[2] else { panic!() };
        assert!(pulses.iter().any(|pulse| pulse.load.unwrap().tasks_in_hand == 1), "{pulses:?}");
        let longest = pulses.iter().filter_map(|pulse| pulse.round_trip_ms).fold(0.0, f64::max);
        println!("{ranks} ranks: the longest round trip of a ping was {longest} ms");
        let status = Status::read(&output.join(".mpix")).unwrap();
        assert!(status.ranks.iter().all(|rank| rank.load.is_some() && rank.silent_s < 2.0));
    }
}

fn attempt(number: u32, mut command: Command) -> Command {
    command.env("MPIX_LAUNCH", format!("{LAUNCH}:{number}"));
    command
}

/// The process of rank 0, or the only one.
fn rank0_of(output: &Path, ranks: usize) -> u32 {
    if ranks == 0 { processes(output)[0] } else { process_of(output, 0) }
}

#[test]
fn a_later_attempt_takes_over_from_a_stopped_one_which_then_ends_and_harms_nothing() {
    let job = Job::new(3);
    for ranks in if have("mpirun") { vec![0, 2] } else { vec![0] } {
        // At work, or in wait for an image that hangs.
        for fault in ["", HANGS] {
            let output = job.path(&format!("out-{ranks}-{}", fault.len()));
            let mut command = attempt(1, run(ranks, job.arguments(&output), &[]));
            command.env("MPIX_FAULT", fault);
            let mut ghost = start(command);
            wait_for_results(&output, 3, &mut ghost);
            let process = rank0_of(&output, ranks);
            signal("STOP", process);
            let before = done(&output);
            let began = Instant::now();
            finish(attempt(2, run(ranks, job.arguments(&output), &[]))).expect_code(0);
            let took = began.elapsed();
            println!("{ranks} ranks, `{fault}`: attempt 2 ended after {:.2} s", took.as_secs_f32());
            assert!(took < TIME_TO_LIVE, "{took:?}: it waited for the ghost");
            job.assert_finished(&output);
            interrupted::assert_untouched(&before, &output);
            let status = Status::read(&output.join(".mpix")).unwrap();
            signal("CONT", process);
            let (ghost, took) = ended_within(ghost, Duration::from_secs(15));
            println!("and the ghost {:.2} s after it went on", took.as_secs_f32());
            let ghost = ghost.expect_code(3);
            assert!(
                ghost.tells(&["a later attempt of the same launch has taken it", "attempt 2"]),
                "{}",
                ghost.stderr
            );
            wait_until_gone(&output);
            job.assert_finished(&output);
            assert_eq!(done(&output).len(), job.images);
            assert_eq!(Status::read(&output.join(".mpix")).unwrap(), status);
            assert_no_temporaries(&output);
            let verified = mpix(["verify", output.to_str().unwrap()]).expect_code(0);
            assert!(verified.stdout.contains("0 missing, 0 changed, 0 extra"), "{verified:?}");
        }
    }
}

#[test]
fn an_earlier_attempt_that_comes_late_is_refused_at_once() {
    let job = Job::new(1);
    let output = job.path("out");
    let mut command = attempt(5, run(0, job.arguments(&output), &["--image-timeout", "8"]));
    command.env("MPIX_FAULT", HANGS);
    let mut present = start(command);
    wait_for_results(&output, 3, &mut present);
    let began = Instant::now();
    let ghost = finish(attempt(4, run(0, job.arguments(&output), &[]))).expect_code(3);
    println!("refused after {:.2} s", began.elapsed().as_secs_f32());
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(ghost.tells(&["a later attempt of the same launch", "attempt 5"]), "{}", ghost.stderr);
    // Another launch has to wait, as any other run.
    let mut other = run(0, job.arguments(&output), &[]);
    other.env("MPIX_LAUNCH", "0000000000000001:9");
    assert!(finish(other).expect_code(3).tells(&["writes there", "attempt 5"]));
    ended_within(present, Duration::from_secs(60)).0.expect_code(1);
}
