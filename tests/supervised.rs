//! `mpix launch` over real hosts through real failures: each time every image is done once, as if
//! nothing had happened, and nothing is left on any host.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![expect(clippy::print_stdout, reason = "what was measured, for those who ask by --nocapture")]

mod hosts;
mod launch;
mod pictures;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use hosts::Hosts;
use launch::{PROGRAM, assert_same, files, finish, have, mpix};
use mpix::events::{Entry, HostRole, LaunchEvent, LaunchStatus, RunEvent};

/// No step of a test takes longer.
const PATIENCE: Duration = Duration::from_secs(90);
/// Pictures of a job: enough that it is still under way when a fault comes.
const PICTURES: usize = 48;

/// Hosts with pictures on them, and what the results must be.
struct Job {
    hosts: Hosts,
    expected: BTreeMap<PathBuf, Vec<u8>>,
    blurs: usize,
}

impl Job {
    fn on(count: usize) -> Option<Self> {
        Self::of(count, PICTURES, (640, 480), 1)
    }

    /// `blurs` makes the job longer.
    fn of(
        count: usize,
        images: usize,
        (width, height): (usize, usize),
        blurs: usize,
    ) -> Option<Self> {
        if !have("mpirun") {
            return None;
        }
        let hosts = Hosts::up(count)?;
        let input = hosts.shared_dir().join("in");
        fs::create_dir_all(&input).unwrap();
        for number in 0..u32::try_from(images).unwrap() {
            let pixels = pictures::landscape(width, height, number);
            let path = input.join(format!("{number:04}.png"));
            pictures::files::write(&path, &pixels, width, height, 3);
        }
        let alone = hosts.shared_dir().join("alone");
        let words = run_words(blurs, &input, &alone);
        mpix(&words).expect_code(0);
        let expected = files(&alone);
        Some(Self { hosts, expected, blurs })
    }

    fn output(&self) -> PathBuf {
        self.hosts.shared_dir().join("out")
    }

    fn words(&self, options: &[&str]) -> Vec<String> {
        let mut words = vec![PROGRAM.to_owned(), "launch".into(), "--json".into()];
        words.extend(["--hostfile".into(), self.hosts.hostfile().display().to_string()]);
        words.extend(options.iter().map(|&option| option.to_owned()));
        words.push("--".into());
        words.extend(run_words(self.blurs, &self.hosts.shared_dir().join("in"), &self.output()));
        words
    }

    fn start(&self, options: &[&str]) -> Launch {
        self.start_on(0, options)
    }

    fn start_on(&self, host: usize, options: &[&str]) -> Launch {
        let mut command = self.hosts.exec(host, self.words(options));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (to, events) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if let Ok(entry) = serde_json::from_str::<Entry>(&line) {
                    let _ = to.send((Instant::now(), entry.event));
                }
            }
        });
        let mut err = child.stderr.take().unwrap();
        let told = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = err.read_to_string(&mut text);
            text
        });
        Launch { child, events, seen: Vec::new(), told }
    }

    /// Ends processes of that name on a host.
    fn signal(&self, host: usize, signal: &str, name: &str) {
        let script = format!("kill -{signal} $(pgrep -x {name} | head -n 1)");
        finish(self.hosts.exec(host, ["sh", "-c", &script])).expect_code(0);
    }

    /// The same, where the process may be gone already.
    fn try_signal(&self, host: usize, signal: &str, name: &str) {
        let script = format!("kill -{signal} $(pgrep -x {name} | head -n 1)");
        finish(self.hosts.exec(host, ["sh", "-c", &script]));
    }

    /// Fails unless every image is done once and as expected, and nothing is left on any host that is
    /// up.
    #[track_caller]
    fn assert_done(&self, hosts: &[usize]) {
        let images = assert_same(&self.expected, &self.output(), "launched");
        let state = mpix::journal::read(&self.output()).unwrap();
        assert_eq!((state.counts().done, state.counts().failed), (images, 0));
        for &host in hosts {
            self.assert_nothing_left(host);
        }
    }

    #[track_caller]
    fn assert_nothing_left(&self, host: usize) {
        let limit = Instant::now() + Duration::from_secs(15);
        loop {
            let names = "mpix|orted|mpirun|ssh";
            let left = finish(self.hosts.exec(host, ["pgrep", "-l", "-x", names]));
            if left.stdout.is_empty() {
                return;
            }
            assert!(Instant::now() < limit, "left on host{host}: {}", left.stdout);
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn run_words(blurs: usize, input: &Path, output: &Path) -> Vec<String> {
    let mut words = vec!["run", "-q", "--threads", "1"];
    words.extend(["--op", "blur:ksize=31"].repeat(blurs));
    words.push("-o");
    let paths = [output, input].map(|path| path.display().to_string());
    words.iter().map(|&word| word.to_owned()).chain(paths).collect()
}

/// A launch under way.
struct Launch {
    child: Child,
    events: Receiver<(Instant, RunEvent)>,
    seen: Vec<RunEvent>,
    told: std::thread::JoinHandle<String>,
}

impl Launch {
    /// Waits for an event; returns when it came.
    #[track_caller]
    fn wait_for(&mut self, what: &str, is_it: impl Fn(&RunEvent) -> bool) -> Instant {
        let limit = Instant::now() + PATIENCE;
        loop {
            let left = limit.saturating_duration_since(Instant::now());
            let Ok((at, event)) = self.events.recv_timeout(left) else {
                panic!("no {what}: {:#?}", self.launch_events());
            };
            let found = is_it(&event);
            self.seen.push(event);
            if found {
                return at;
            }
        }
    }

    fn wait_for_images(&mut self, count: usize) -> Instant {
        let mut at = Instant::now();
        for _ in 0..count {
            at = self.wait_for("image", |event| matches!(event, RunEvent::ImageDone(_)));
        }
        at
    }

    /// Images that are done within `time`.
    fn images_within(&mut self, time: Duration) -> usize {
        let limit = Instant::now() + time;
        let mut images = 0;
        while let Ok((_, event)) =
            self.events.recv_timeout(limit.saturating_duration_since(Instant::now()))
        {
            images += usize::from(image_done(&event).is_some());
            self.seen.push(event);
        }
        std::thread::sleep(limit.saturating_duration_since(Instant::now()));
        images
    }

    fn wait_for_failure(&mut self) -> Instant {
        self.wait_for("failure", |event| {
            matches!(event, RunEvent::Launch(LaunchEvent::Failed { .. }))
        })
    }

    fn launch_events(&self) -> Vec<&LaunchEvent> {
        self.seen.iter().filter_map(of_launch).collect()
    }

    /// Images that were done, in order.
    fn images(&self) -> Vec<&str> {
        self.seen.iter().filter_map(image_done).collect()
    }

    /// Hosts that were blamed, in order.
    fn blamed(&self) -> Vec<Option<String>> {
        let host = |event: &&LaunchEvent| {
            if let LaunchEvent::Failed { host, .. } = event { Some(host.clone()) } else { None }
        };
        self.launch_events().iter().filter_map(host).collect()
    }

    #[track_caller]
    fn end_with(mut self, code: i32) -> Ended {
        while let Ok((_, event)) = self.events.recv_timeout(PATIENCE) {
            self.seen.push(event);
        }
        let status = self.child.wait().unwrap();
        let blamed = self.blamed();
        let events = self.launch_events().into_iter().cloned().collect();
        let mut images = self.images();
        let count = images.len();
        images.sort_unstable();
        images.dedup();
        assert_eq!(images.len(), count, "images done twice");
        let told = self.told.join().unwrap();
        assert_eq!(status.code(), Some(code), "{told}\n{events:#?}");
        Ended { blamed, events, told }
    }
}

fn of_launch(event: &RunEvent) -> Option<&LaunchEvent> {
    let RunEvent::Launch(own) = event else { return None };
    Some(own)
}

fn image_done(event: &RunEvent) -> Option<&str> {
    let RunEvent::ImageDone(done) = event else { return None };
    Some(done.image.as_str())
}

struct Ended {
    blamed: Vec<Option<String>>,
    events: Vec<LaunchEvent>,
    told: String,
}

/// Injects a fault in mid run: the run must end well. Returns what happened.
#[track_caller]
fn survive(job: &Job, name: &str, options: &[&str], fault: impl FnOnce(&Job)) -> Ended {
    let mut launch = job.start(options);
    launch.wait_for_images(3);
    let struck = Instant::now();
    fault(job);
    let noticed = launch.wait_for_failure() - struck;
    let next = launch.wait_for_images(1) - struck;
    let ended = launch.end_with(0);
    println!(
        "{name}: noticed after {:.2} s, the next image after {:.2} s",
        noticed.as_secs_f64(),
        next.as_secs_f64()
    );
    ended
}

fn host(number: usize) -> Option<String> {
    Some(format!("host{number}"))
}

#[test]
fn nothing_happens() {
    let Some(job) = Job::on(3) else { return };
    let mut launch = job.start(&[]);
    launch.wait_for_images(PICTURES);
    let ended = launch.end_with(0);
    assert_eq!(ended.blamed, []);
    job.assert_done(&[0, 1, 2, 3]);
    let status = LaunchStatus::read(&job.output().join(".mpix")).unwrap();
    assert_eq!((status.attempt, status.exit_code), (1, Some(0)));
    assert!(status.hosts.iter().all(|host| host.state == HostRole::Spare), "{status:?}");
}

#[test]
fn processes_are_killed() {
    let Some(job) = Job::on(3) else { return };
    // A rank, rank 0, the daemon of a host.
    for (host_number, process) in [(2, "mpix"), (1, "mpix"), (3, "orted")] {
        let what = format!("kill -9 of {process} on host{host_number}");
        let ended = survive(&job, &what, &[], |job| job.signal(host_number, "KILL", process));
        assert_eq!(ended.blamed, [host(host_number)], "{what}: {:#?}", ended.events);
        job.assert_done(&[0, 1, 2, 3]);
        fs::remove_dir_all(job.output()).unwrap();
    }
    let ended = survive(&job, "kill -9 of mpirun", &[], |job| job.signal(0, "KILL", "mpirun"));
    assert_eq!(ended.blamed, [None], "{:#?}", ended.events);
    job.assert_done(&[0, 1, 2, 3]);
}

#[test]
fn processes_hang() {
    let Some(job) = Job::on(3) else { return };
    for host_number in [2, 1] {
        let what = format!("SIGSTOP of the rank on host{host_number}");
        let options = ["--stall-timeout", "3"];
        let ended = survive(&job, &what, &options, |job| job.signal(host_number, "STOP", "mpix"));
        assert_eq!(ended.blamed, [host(host_number)], "{what}: {:#?}", ended.events);
        job.assert_done(&[0, 1, 2, 3]);
        fs::remove_dir_all(job.output()).unwrap();
    }
}

#[test]
fn hosts_are_lost() {
    let Some(job) = Job::on(3) else { return };
    let options = ["--stall-timeout", "5"];
    let ended = survive(&job, "host killed", &options, |job| job.hosts.kill(2));
    assert_eq!(ended.blamed, [host(2)], "{:#?}", ended.events);
    job.assert_done(&[0, 1, 3]);
    job.hosts.revive(2);
    fs::remove_dir_all(job.output()).unwrap();
    let ended = survive(&job, "power failure", &options, |job| job.hosts.powerfail(3));
    assert_eq!(ended.blamed, [host(3)], "{:#?}", ended.events);
    job.assert_done(&[0, 1, 2]);
    job.hosts.revive(3);
    fs::remove_dir_all(job.output()).unwrap();
    let ended = survive(&job, "link down", &options, |job| job.hosts.linkdown(1));
    assert_eq!(ended.blamed, [host(1)], "{:#?}", ended.events);
    job.hosts.linkup(1);
    job.assert_done(&[0, 1, 2, 3]);
}

#[test]
fn spares_step_in_and_are_used_up() {
    let Some(job) = Job::on(3) else { return };
    let options = ["--hosts", "2", "--min-hosts", "2", "--wait", "4", "--stall-timeout", "5"];
    let mut launch = job.start(&options);
    launch.wait_for_images(3);
    job.hosts.kill(1);
    launch.wait_for("spare", |event| {
        let RunEvent::Launch(LaunchEvent::AttemptStarted { hosts, .. }) = event else {
            return false;
        };
        hosts == &["host2", "host3"]
    });
    launch.wait_for_images(2);
    job.hosts.kill(2);
    let ended = launch.end_with(71);
    assert!(ended.told.contains("1 of 2 hosts (`--min-hosts`)"), "{}", ended.told);
    assert_eq!(ended.blamed, [host(1), host(2)]);
    // The same command goes on with the hosts that came back.
    job.hosts.revive(1);
    job.start(&options).end_with(0);
    job.assert_done(&[0, 1, 3]);
}

#[test]
fn hosts_that_cannot_take_ranks_are_left_out() {
    let Some(job) = Job::on(3) else { return };
    job.hosts.linkdown(3);
    let old = b"#!/bin/sh\necho '{\"version\":\"0.0.9\",\"host\":\"host2\"}'\n";
    let mut program = fs::File::create(job.hosts.local_dir_of(2).join("mpix")).unwrap();
    std::io::Write::write_all(&mut program, old).unwrap();
    let local = job.hosts.local_dir().join("mpix").display().to_string();
    let script = format!("chmod +x {local} && mount --bind {local} {PROGRAM}");
    finish(job.hosts.exec(2, ["sh", "-c", &script])).expect_code(0);
    let ended = job.start(&[]).end_with(0);
    let out: Vec<_> = ended
        .events
        .iter()
        .filter(|event| matches!(event, LaunchEvent::Excluded { .. } | LaunchEvent::Down { .. }))
        .filter_map(LaunchEvent::host)
        .collect();
    assert!(out.contains(&"host2") && out.contains(&"host3"), "{:#?}", ended.events);
    job.assert_done(&[0, 1]);
    let run = finish(job.hosts.exec(0, job.words(&["--min-hosts", "2", "--wait", "1"])));
    assert!(run.expect_code(71).tells(&["1 of 2 hosts", "--min-hosts"]));
}

#[test]
fn an_edited_hostfile_takes_effect_in_mid_run() {
    let Some(job) = Job::on(3) else { return };
    let hostfile = job.hosts.hostfile();
    let write = |names: &[&str]| {
        let new = hostfile.with_extension("new");
        fs::copy(&hostfile, &new).unwrap();
        let text: String = names.iter().map(|name| format!("{name} slots=1\n")).collect();
        std::io::Write::write_all(&mut fs::File::create(&new).unwrap(), text.as_bytes()).unwrap();
        fs::rename(new, &hostfile).unwrap();
    };
    write(&["host1", "host2"]);
    let mut launch = job.start(&[]);
    launch.wait_for_images(2);
    write(&["host2", "host3"]);
    launch.wait_for("attempt on others", |event| {
        let RunEvent::Launch(LaunchEvent::AttemptStarted { hosts, .. }) = event else {
            return false;
        };
        hosts == &["host2", "host3"]
    });
    let ended = launch.end_with(0);
    assert_eq!(ended.blamed, [], "{:#?}", ended.events);
    job.assert_done(&[0, 1, 2, 3]);
}

#[test]
fn the_supervisor_is_lost() {
    let Some(job) = Job::of(3, PICTURES, (640, 480), 8) else { return };
    let mut launch = job.start(&[]);
    launch.wait_for_images(3);
    // The standby waits on another host.
    let mut standby = job.start_on(3, &["--standby"]);
    std::thread::sleep(Duration::from_millis(500));
    let struck = Instant::now();
    job.signal(0, "KILL", "mpix");
    let next = standby.wait_for_images(1) - struck;
    println!("supervisor killed: the next image after {:.2} s", next.as_secs_f64());
    let ended = standby.end_with(0);
    let took_over = ended.events.iter().any(|event| matches!(event, LaunchEvent::TakesOver { .. }));
    assert!(took_over, "{:#?}", ended.events);
    let _ = launch.child.wait();
    job.assert_done(&[0, 1, 2, 3]);
    // A second supervisor is refused while one is there.
    fs::remove_dir_all(job.output()).unwrap();
    let mut launch = job.start(&["--hosts", "1"]);
    launch.wait_for_images(1);
    let second = finish(job.hosts.exec(0, job.words(&[])));
    assert!(second.expect_code(3).tells(&["has the output directory"]));
    launch.end_with(0);
    job.assert_done(&[0, 1, 2, 3]);
}

/// Numbers that look random and are the same in every test run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % sides).unwrap()
    }
}

/// A fault every few seconds until the job is done; `scripts/test.sh --long` has 1000 images.
#[test]
fn chaos() {
    let wanted = std::env::var("MPIX_SOAK_IMAGES").ok();
    let total = wanted.map_or(250, |text| text.parse().unwrap());
    let Some(job) = Job::of(4, total, (320, 240), 16) else { return };
    let mut dice = Dice(20_260);
    let started = Instant::now();
    let options = ["--stall-timeout", "3", "--cooldown", "2", "--max-restarts", "20"];
    let mut launch = job.start(&options);
    launch.wait_for_images(10);
    let (mut faults, mut images) = (0, 10);
    while images < total * 9 / 10 && started.elapsed() < Duration::from_secs(90) {
        let host = 1 + dice.roll(4);
        match dice.roll(5) {
            0 => job.try_signal(host, "KILL", "mpix"),
            1 => job.try_signal(host, "STOP", "mpix"),
            2 => job.try_signal(host, "KILL", "orted"),
            3 => {
                job.hosts.kill(host);
                std::thread::sleep(Duration::from_millis(500));
                job.hosts.revive(host);
            }
            _ => {
                job.hosts.linkdown(host);
                std::thread::sleep(Duration::from_millis(1500));
                job.hosts.linkup(host);
            }
        }
        faults += 1;
        images += launch.images_within(Duration::from_millis(1500 + 100 * dice.roll(15) as u64));
    }
    let ended = launch.end_with(0);
    let respawns = ended.blamed.len();
    println!(
        "chaos: {faults} faults, {respawns} respawns, {:.1} s",
        started.elapsed().as_secs_f64()
    );
    assert!(faults >= 3 && respawns >= 1, "{faults} faults, {respawns} respawns");
    job.assert_done(&[0, 1, 2, 3, 4]);
}

#[test]
fn a_signal_stops_a_launch_which_then_goes_on() {
    let Some(job) = Job::on(2) else { return };
    let mut launch = job.start(&[]);
    launch.wait_for_images(2);
    job.signal(0, "TERM", "mpix");
    launch.end_with(130);
    job.assert_nothing_left(1);
    job.start(&[]).end_with(0);
    job.assert_done(&[0, 1, 2]);
}

#[test]
fn what_cannot_be_launched_is_refused() {
    let Some(job) = Job::on(1) else { return };
    let hostfile = job.hosts.hostfile().display().to_string();
    let refuse = |words: &[&str], told: &[&str]| {
        let run = mpix(["launch"].iter().chain(words));
        assert!(run.expect_code(2).tells(told));
    };
    refuse(&["--hostfile", &hostfile, "--", "verify", "x"], &["only `run`"]);
    refuse(&["--hostfile", &hostfile, "--", "run", "-o", "x"], &["no input"]);
    refuse(&["--hostfile", "/nowhere", "--", "run", "-o", "x", "y"], &["/nowhere"]);
    let dry = ["launch", "--hostfile", &hostfile, "-n", "--", "run", "-o", "x", "in put"];
    let run = mpix(dry).expect_code(0);
    assert!(run.stdout.starts_with("mpirun --hostfile") && run.stdout.contains("'in put'"));
}
