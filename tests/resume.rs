//! A run that is stopped or killed at any moment goes on where it was: nothing lost, nothing done
//! twice, nothing half written.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod launch;
mod pictures;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use launch::{PROGRAM, assert_same, command, files, finish, have, mpirun_command, mpix};
use mpix::journal::{Record, State};

/// A directory of pictures, and what a run that nobody disturbs makes of it.
struct Job {
    dir: tempfile::TempDir,
    images: usize,
}

const OPS: [&str; 4] = ["--op", "blur:ksize=9", "--op", "canny:low=20,high=60"];

impl Job {
    fn new(copies: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let images = (0..copies)
            .map(|copy| pictures::files::write_tree(&dir.path().join(format!("in/{copy}"))))
            .sum();
        let job = Self { dir, images };
        mpix(job.arguments("undisturbed", &[])).expect_code(0);
        job
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn arguments(&self, output: &str, flags: &[&str]) -> Vec<String> {
        let (input, output) = (self.path("in"), self.path(output));
        let mut all = vec!["run", "-q", "-r", "-o", output.to_str().unwrap()];
        all.extend(OPS);
        all.extend(flags);
        all.push(input.to_str().unwrap());
        all.into_iter().map(str::to_owned).collect()
    }

    /// Everything that a finished output directory must be.
    fn assert_finished(&self, output: &str) {
        let directory = self.path(output);
        assert_same(&files(&self.path("undisturbed")), &directory, output);
        let state = mpix::journal::read(&directory).unwrap();
        assert_eq!((state.counts().done, state.damage().len()), (self.images, 0));
        let sums = Command::new("sha256sum")
            .args(["--quiet", "--strict", "-c", ".mpix/SHA256SUMS"])
            .current_dir(&directory)
            .status();
        assert!(sums.unwrap().success());
    }
}

/// How often the journal says that each file was done.
fn times_done(output: &Path) -> HashMap<PathBuf, usize> {
    let mut times = HashMap::new();
    let state: State = mpix::journal::read(output).unwrap();
    for record in state.live_records() {
        if let Record::Done(done) = record {
            *times.entry(done.input.path).or_default() += 1;
        }
    }
    times
}

/// When each result was last written.
fn written(output: &Path) -> HashMap<PathBuf, SystemTime> {
    let time = |name: &PathBuf| fs::metadata(output.join(name)).unwrap().modified().unwrap();
    files(output).into_keys().map(|name| (name.clone(), time(&name))).collect()
}

#[test]
fn the_same_command_again_does_what_is_missing() {
    let job = Job::new(1);
    let first = written(&job.path("undisturbed"));
    mpix(job.arguments("undisturbed", &[])).expect_code(0);
    assert_eq!(written(&job.path("undisturbed")), first, "nothing was to be done");

    fs::remove_file(job.path("undisturbed/0/row.png")).unwrap();
    fs::File::create(job.path("undisturbed/0/pixel.png")).unwrap();
    mpix(job.arguments("undisturbed", &[])).expect_code(0);
    let second = written(&job.path("undisturbed"));
    let changed: Vec<_> = second.iter().filter(|(name, time)| first[*name] != **time).collect();
    assert_eq!(changed.len(), 2, "{changed:?}");
    job.assert_finished("undisturbed");

    let fresh = job.arguments("undisturbed", &["--fresh"]);
    mpix(fresh).expect_code(0);
    let third = written(&job.path("undisturbed"));
    assert!(third.iter().all(|(name, time)| second[name] != *time), "all anew");
}

#[test]
fn verify_names_what_is_missing_changed_or_extra() {
    let job = Job::new(1);
    let verify = || mpix(["verify", job.path("undisturbed").to_str().unwrap()]);
    let run = verify().expect_code(0);
    assert!(
        run.stdout.contains(&format!("{} as written, 0 missing", job.images)),
        "{}",
        run.stdout
    );
    fs::remove_file(job.path("undisturbed/0/row.png")).unwrap();
    let flipped = job.path("undisturbed/0/plain.ppm");
    let mut bytes = fs::read(&flipped).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    pictures::files::put(&flipped, &bytes);
    pictures::files::put(&job.path("undisturbed/0/stranger.png"), b"who?");
    let run = verify().expect_code(1);
    for line in ["missing: 0/row.png", "changed: 0/plain.ppm", "extra: 0/stranger.png"] {
        assert!(run.stdout.lines().any(|told| told == line), "{line}\n{}", run.stdout);
    }
    let run = mpix(["verify", job.path("in").to_str().unwrap()]).expect_code(2);
    assert!(run.tells(&["has no journal"]), "{}", run.stderr);
    // The same command mends it, and leaves the stranger alone.
    mpix(job.arguments("undisturbed", &["--fresh"])).expect_code(0);
    assert!(verify().expect_code(1).stdout.contains("0 missing, 0 changed, 1 extra"));
    mpix(job.arguments("undisturbed", &["--fresh", "--checksum=none"])).expect_code(0);
    let unhashed = format!("not hashed, so that only the length is known: {}\n", job.images);
    assert!(verify().expect_code(1).stdout.contains(&unhashed));
}

#[test]
fn what_changed_is_done_again_and_what_was_only_touched_is_not() {
    let job = Job::new(1);
    let first = written(&job.path("undisturbed"));
    let touched = fs::File::options().append(true).open(job.path("in/0/gray.jpg")).unwrap();
    touched.set_modified(SystemTime::now() + Duration::from_secs(5)).unwrap();
    let other = pictures::landscape(200, 1, 77);
    pictures::files::write(&job.path("in/0/row.png"), &other, 200, 1, 3);
    mpix(job.arguments("undisturbed", &[])).expect_code(0);
    let second = written(&job.path("undisturbed"));
    let changed = |a: &HashMap<PathBuf, SystemTime>, b: &HashMap<PathBuf, SystemTime>| {
        let mut names: Vec<_> =
            b.iter().filter(|(n, t)| a[*n] != **t).map(|(n, _)| n.clone()).collect();
        names.sort();
        names
    };
    assert_eq!(changed(&first, &second), [Path::new("0/row.png")]);
    // Another setting: everything again.
    mpix(job.arguments("undisturbed", &["--quality", "80"])).expect_code(0);
    let third = written(&job.path("undisturbed"));
    assert_eq!(changed(&second, &third).len(), job.images);
}

#[test]
fn failures_of_the_file_are_remembered_others_tried_again() {
    let job = Job::new(1);
    fs::copy("Cargo.toml", job.path("in/0/text.png")).unwrap();
    let run = mpix(job.arguments("undisturbed", &[])).expect_code(1);
    assert!(run.tells(&["text.png", "is no image"]) && !run.tells(&["earlier run"]));
    let run = mpix(job.arguments("undisturbed", &[])).expect_code(1);
    assert!(run.tells(&["text.png", "is no image", "in an earlier run"]), "{}", run.stderr);
    let run = mpix(job.arguments("undisturbed", &["--retry-failed"])).expect_code(1);
    assert!(run.tells(&["text.png", "is no image"]) && !run.tells(&["earlier run"]));
    let run = mpix(job.arguments("few", &["--max-failures", "0"])).expect_code(1);
    assert!(run.tells(&["gave up after 1 failure", "--max-failures"]), "{}", run.stderr);
    let small = job.arguments("small", &["--max-pixels", "2000"]);
    assert!(mpix(small).expect_code(1).tells(&["beach.jpg", "--max-pixels"]));
    fs::remove_file(job.path("in/0/text.png")).unwrap();
    mpix(job.arguments("small", &[])).expect_code(0);
    job.assert_finished("small");
}

#[test]
fn a_second_run_is_refused_and_told_who_is_there() {
    let job = Job::new(8);
    let mut first = start(command(&[PROGRAM], job.arguments("out", &["--threads", "1"])));
    wait_for_results(&job.path("out"), 1, &mut first);
    let second = mpix(job.arguments("out", &[]));
    if first.wait().unwrap().code() == Some(0) && second.code == Some(0) {
        return; // The first was done before the second had looked.
    }
    let second = second.expect_code(3);
    assert!(
        second.tells(&["another run has the output directory", "process"]),
        "{}",
        second.stderr
    );
    mpix(job.arguments("out", &[])).expect_code(0);
    job.assert_finished("out");
}

fn start(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Waits until `count` results are there, or the run is over.
fn wait_for_results(output: &Path, count: usize, run: &mut Child) {
    let limit = Instant::now() + Duration::from_secs(60);
    let results = || {
        let walk = walkdir::WalkDir::new(output).into_iter().flatten();
        let names = walk.filter(|entry| entry.file_type().is_file());
        names.filter(|entry| !entry.path().to_str().unwrap().contains("/.mpix")).count()
    };
    while results() < count && run.try_wait().unwrap().is_none() {
        assert!(Instant::now() < limit, "no result within a minute");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Processes of `mpix` that write to `output`.
fn processes(output: &Path) -> Vec<u32> {
    let wanted = output.to_str().unwrap();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<_> = line.split(|&byte| byte == 0).collect();
        if words.first() == Some(&PROGRAM.as_bytes()) && words.contains(&wanted.as_bytes()) {
            found.push(pid);
        }
    }
    found.sort_unstable();
    found
}

fn signal(name: &str, pid: u32) {
    let kill = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).output();
    assert!(kill.is_ok(), "`kill` runs");
}

fn wait_until_gone(output: &Path) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !processes(output).is_empty() {
        assert!(Instant::now() < limit, "{:?} outlive their run", processes(output));
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn each_signal_stops_a_run_that_then_goes_on() {
    if !have("mpirun") {
        return;
    }
    let job = Job::new(12);
    for (ranks, only_mpirun) in [(0, false), (3, false), (3, true)] {
        for name in ["INT", "TERM", "USR1"] {
            let output = format!("{name}-{ranks}-{only_mpirun}");
            let arguments = job.arguments(&output, &["--threads", "1"]);
            let mut run = match ranks {
                0 => start(command(&[PROGRAM], arguments)),
                _ => start(mpirun_command(ranks, arguments)),
            };
            wait_for_results(&job.path(&output), 3, &mut run);
            // Rank 0 alone is told; under a batch system all of them may be.
            let first = processes(&job.path(&output)).first().copied();
            let told = if only_mpirun { parent_of(first) } else { first };
            if let Some(pid) = told {
                signal(name, pid);
            }
            let code = run.wait().unwrap().code();
            // mpirun answers SIGINT and SIGTERM with a code of its own.
            let of_mpirun = only_mpirun && name != "USR1";
            assert!(
                matches!(code, Some(130 | 0)) || (of_mpirun && code == Some(1)),
                "{output}: {code:?}"
            );
            wait_until_gone(&job.path(&output));
            let state = mpix::journal::read(&job.path(&output)).unwrap();
            assert_eq!(state.counts().done, files(&job.path(&output)).len(), "{output}");
            assert!(state.suspects().is_empty() || of_mpirun, "{output}: {:?}", state.suspects());
            mpix(job.arguments(&output, &[])).expect_code(0);
            job.assert_finished(&output);
        }
    }
}

/// One of the processes of a run under mpirun.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Rank0,
    OtherRank,
    Mpirun,
}

/// Numbers that look random and are the same in every test run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Starts the run again and again, kills a process of it each time at a random moment, until
/// `kills` kills are dealt; then lets it end.
fn kill_again_and_again(job: &Job, output: &str, kills: usize, dice: &mut Dice) -> usize {
    let flags = ["--threads", "1", "--crash-limit", "1000"];
    let path = job.path(output);
    let mut dealt = 0;
    for _ in 0..kills {
        let ranks = 1 + usize::try_from(dice.roll(3)).unwrap();
        let mut command = mpirun_command(ranks, job.arguments(output, &flags));
        command.env("OMPI_MCA_odls_base_sigkill_timeout", "0");
        // So that it is not done before it is killed.
        command.env("MPIX_FAULT", "slow:30");
        let mut run = start(command);
        let victim = [Victim::Rank0, Victim::OtherRank, Victim::Mpirun]
            [usize::try_from(dice.roll(3)).unwrap()];
        let moment = Instant::now() + Duration::from_millis(120 + dice.roll(280));
        while Instant::now() < moment && run.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let ranks = processes(&path);
        let pid = match victim {
            Victim::Rank0 => ranks.first().copied(),
            Victim::OtherRank => ranks.last().copied(),
            Victim::Mpirun => parent_of(ranks.first().copied()),
        };
        if let Some(pid) = pid {
            signal("KILL", pid);
            dealt += 1;
        }
        run.wait().unwrap();
        wait_until_gone(&path);
        assert_nothing_half_written(job, output);
    }
    mpix(job.arguments(output, &flags)).expect_code(0);
    dealt
}

fn parent_of(pid: Option<u32>) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{}/status", pid?)).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())
}

/// What lies there under a final name is whole, however the run ended.
fn assert_nothing_half_written(job: &Job, output: &str) {
    let whole = files(&job.path("undisturbed"));
    let directory = job.path(output);
    for (name, bytes) in if directory.exists() { files(&directory) } else { return } {
        let is_temporary = name.file_name().unwrap().to_str().unwrap().starts_with(".mpix-");
        assert!(is_temporary || whole[&name] == bytes, "{} is not whole", name.display());
    }
}

#[test]
fn a_hundred_kills_lose_nothing_and_do_nothing_twice() {
    if !have("mpirun") {
        return;
    }
    let job = Job::new(72);
    let mut dice = Dice(20_261_121);
    let (mut dealt, mut round) = (0, 0);
    while dealt < 100 {
        let output = format!("killed-{round}");
        dealt += kill_again_and_again(&job, &output, 10, &mut dice);
        job.assert_finished(&output);
        let times = times_done(&job.path(&output));
        assert_eq!((times.len(), times.values().max()), (job.images, Some(&1)));
        fs::remove_dir_all(job.path(&output)).unwrap();
        round += 1;
        assert!(round < 40, "too few kills hit: {dealt}");
    }
    println!("{dealt} kills in {round} output directories of {} images", job.images);
}

#[test]
fn a_full_disk_stops_the_run_which_then_goes_on() {
    let mut job = Job::new(6);
    // Larger than the disk.
    let (width, height) = (600, 500);
    let pixels = pictures::landscape(width, height, 7);
    pictures::files::write(&job.path("in/large.tif"), &pixels, width, height, 3);
    mpix(job.arguments("undisturbed", &[])).expect_code(0);
    job.images += 1;
    let bands = ["--distribute", "bands", "--band-rows", "64"];
    fill_a_disk(&job, 0, &[]);
    fill_a_disk(&job, 0, &bands);
    if have("mpirun") {
        fill_a_disk(&job, 2, &bands);
    }
}

fn fill_a_disk(job: &Job, ranks: usize, flags: &[&str]) {
    let output = job.path("small");
    fs::create_dir_all(&output).unwrap();
    let mount = |size: &str| {
        let options = format!("size={size}");
        Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&output).status()
    };
    if !mount("200k").is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CI").is_none(), "a tmpfs cannot be mounted: run as root");
        eprintln!("\n*** SKIPPED: a tmpfs cannot be mounted; run as root ***\n");
        return;
    }
    let run = || match ranks {
        0 => finish(command(&[PROGRAM], job.arguments("small", flags))),
        _ => finish(mpirun_command(ranks, job.arguments("small", flags))),
    };
    let first = run();
    let more = Command::new("mount").args(["-o", "remount,size=64m"]).arg(&output).status();
    let again = run();
    let same = (files(&output), files(&job.path("undisturbed")));
    let _ = Command::new("umount").arg(&output).status();
    assert!(more.unwrap().success());
    assert_eq!(first.code, Some(4), "{}", first.stderr);
    assert!(
        first.tells(&["cannot be", "run the same command again", "No space left"]),
        "{}",
        first.stderr
    );
    again.expect_code(0);
    assert!(same.0 == same.1);
}

#[test]
fn an_output_directory_that_vanishes_stops_the_run() {
    let job = Job::new(16);
    let mut run = start(command(&[PROGRAM], job.arguments("gone", &["--threads", "1"])));
    wait_for_results(&job.path("gone"), 3, &mut run);
    fs::rename(job.path("gone"), job.path("elsewhere")).unwrap();
    let code = run.wait().unwrap().code();
    assert!(matches!(code, Some(4 | 0)), "{code:?}");
    assert!(!job.path("gone").exists(), "it is not made again");
    fs::rename(job.path("elsewhere"), job.path("gone")).unwrap();
    mpix(job.arguments("gone", &[])).expect_code(0);
    job.assert_finished("gone");
}

#[cfg(feature = "faults")]
#[test]
fn an_image_that_kills_ranks_is_found_and_set_aside() {
    let job = Job::new(3);
    pictures::files::write(&job.path("in/killer.png"), &pictures::landscape(64, 48, 5), 64, 48, 3);
    let mut codes = Vec::new();
    for _ in 0..6 {
        let mut command = command(&[PROGRAM], job.arguments("out", &[]));
        command.env("MPIX_FAULT", "abort-image:killer.png");
        let run = finish(command);
        codes.push(run.code);
        if run.code == Some(1) {
            assert!(run.tells(&["killer.png", "2 crashes", "set aside"]), "{}", run.stderr);
            break;
        }
    }
    assert_eq!(codes.last(), Some(&Some(1)), "{codes:?}");
    assert_eq!(codes.len(), 3, "once in company, once alone, then set aside: {codes:?}");
    let state = mpix::journal::read(&job.path("out")).unwrap();
    assert_eq!((state.counts().done, state.counts().set_aside), (job.images, 1));
}

/// One thread to a rank: the one that hangs must be replaced, or nothing else would be done.
#[cfg(feature = "faults")]
#[test]
fn an_image_that_takes_too_long_fails_alone() {
    let job = Job::new(2);
    // Whole images by name; bands by their image's number, of which the first is a picture, too.
    let whole = ("images", "hang-image:0/gray.jpg");
    let bands = ("bands", "hang-image:of image 0");
    for ranks in if have("mpirun") { vec![0, 2] } else { vec![0] } {
        for (distribute, fault) in [whole, bands] {
            let output = format!("late-{distribute}-{ranks}");
            let limits = ["--image-timeout", "1", "--threads", "1", "--distribute", distribute];
            let arguments = job.arguments(&output, &limits);
            let mut command = match ranks {
                0 => command(&[PROGRAM], arguments),
                _ => mpirun_command(ranks, arguments),
            };
            command.env("MPIX_FAULT", fault);
            let run = finish(command).expect_code(1);
            let reason = "took longer than 1 s (`--image-timeout`)";
            assert!(run.tells(&["failed: ", reason]), "{}", run.stderr);
            assert_eq!(files(&job.path(&output)).len(), job.images - 1);
            mpix(job.arguments(&output, &["--retry-failed"])).expect_code(0);
            job.assert_finished(&output);
        }
    }
}
