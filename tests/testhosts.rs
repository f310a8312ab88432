//! The test hosts themselves, and the main job over three of them.
#![expect(clippy::expect_used, reason = "a test that cannot go on panics")]
#![expect(clippy::print_stdout, reason = "what was measured, for those who ask by --nocapture")]

mod hosts;
mod launch;
mod pictures;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hosts::Hosts;
use launch::{PROGRAM, Run, assert_same, files, finish, have, mpix};

/// A host that has been silent for 2 s is asked 3 times, 1 s apart; then it is lost.
const KEEPALIVE: [&str; 9] = [
    "--mca",
    "oob_tcp_keepalive_time",
    "2",
    "--mca",
    "oob_tcp_keepalive_intvl",
    "1",
    "--mca",
    "oob_tcp_keepalive_probes",
    "3",
];

fn three_hosts() -> Option<Hosts> {
    if have("mpirun") { Hosts::up(3) } else { None }
}

/// A job of `mpirun` whose three ranks all run, and say no more on standard output until they end.
struct Job {
    mpirun: Child,
    stdout: BufReader<std::process::ChildStdout>,
}

impl Job {
    /// Each rank sleeps so long.
    fn start(hosts: &Hosts, options: &[&str], seconds: u32) -> Self {
        let script = format!("echo runs; exec sleep {seconds}");
        let arguments = options.iter().copied().chain(["sh", "-c", &script]);
        let mut command = hosts.mpirun(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut mpirun = command.spawn().expect("it starts");
        let mut stdout = BufReader::new(mpirun.stdout.take().expect("it is piped"));
        for _ in 0..3 {
            let mut line = String::new();
            stdout.read_line(&mut line).expect("text");
            assert_eq!(line, "runs\n");
        }
        Self { mpirun, stdout }
    }

    fn end(mut self) -> Run {
        let rest = self.stdout.lines().map_while(Result::ok).collect();
        let stderr = std::io::read_to_string(self.mpirun.stderr.take().expect("it is piped"));
        let status = self.mpirun.wait().expect("it ends");
        Run { code: status.code(), stdout: rest, stderr: stderr.expect("text") }
    }

    /// Fails unless the job soon ends badly, and tells which host it lost.
    #[track_caller]
    fn must_lose(self, host: &str, within: Duration) {
        let start = Instant::now();
        let run = self.end();
        let took = start.elapsed();
        println!("lost {host}: code {:?} after {took:?}", run.code);
        assert!(run.code.is_some_and(|code| code != 0), "{run:?}");
        assert!(run.tells(&[host]), "{run:?}");
        assert!(took < within, "{took:?}: {run:?}");
    }
}

#[track_caller]
fn assert_all_hosts_answer(hosts: &Hosts) {
    let run = finish(hosts.mpirun(["hostname"])).expect_code(0);
    let names: BTreeSet<&str> = run.stdout.lines().collect();
    assert_eq!(names, BTreeSet::from(["host1", "host2", "host3"]), "{run:?}");
}

#[test]
fn the_main_job_over_three_hosts() {
    let Some(hosts) = three_hosts() else { return };
    assert_all_hosts_answer(&hosts);
    let input = hosts.shared_dir().join("in");
    let count = pictures::files::write_tree(&input);
    let arguments = |output: &Path, ways: &[&str]| {
        let mut arguments: Vec<PathBuf> =
            ["run", "-q", "-r", "--op", "blur:ksize=9", "--op", "canny:low=20,high=60"]
                .iter()
                .chain(ways)
                .map(PathBuf::from)
                .collect();
        arguments.extend(["-o".into(), output.into(), input.clone()]);
        arguments
    };
    let alone = hosts.shared_dir().join("alone");
    mpix(arguments(&alone, &["--distribute", "images"])).expect_code(0);
    let expected = files(&alone);
    assert_eq!(expected.len(), count);
    for way in ["images", "bands"] {
        let output = hosts.shared_dir().join(way);
        let job = arguments(&output, &["--distribute", way]);
        finish(hosts.mpirun([PathBuf::from(PROGRAM)].into_iter().chain(job))).expect_code(0);
        assert_eq!(assert_same(&expected, &output, way), count);
    }
}

#[test]
fn a_killed_host_ends_the_job_and_comes_back() {
    let Some(hosts) = three_hosts() else { return };
    let job = Job::start(&hosts, &[], 60);
    hosts.kill(2);
    assert!(hosts.status().contains("host2 10.64.0.12 down, link up;"), "{}", hosts.status());
    job.must_lose("host2", Duration::from_secs(10));
    assert_eq!(finish(hosts.exec(2, ["true"])).code, Some(125));
    hosts.revive(2);
    assert_all_hosts_answer(&hosts);
}

#[test]
fn a_host_without_power_is_only_missed_by_its_silence() {
    let Some(hosts) = three_hosts() else { return };
    let job = Job::start(&hosts, &KEEPALIVE, 60);
    let start = Instant::now();
    hosts.powerfail(3);
    job.must_lose("host3", Duration::from_secs(20));
    assert!(start.elapsed() > Duration::from_secs(2), "a closed socket told it");
    hosts.revive(3);
    assert_all_hosts_answer(&hosts);
}

#[test]
fn a_job_outlives_a_short_cut_of_the_network() {
    let Some(hosts) = three_hosts() else { return };
    let reach = || finish(hosts.exec(0, ["ssh", "host1", "true"])).code;
    let job = Job::start(&hosts, &[], 4);
    hosts.linkdown(1);
    assert_eq!(reach(), Some(255));
    assert!(hosts.status().contains("host1 10.64.0.11 up, link down;"), "{}", hosts.status());
    hosts.linkup(1);
    assert_eq!(reach(), Some(0));
    job.end().expect_code(0);
}

#[test]
fn a_slow_link_takes_its_time() {
    const BYTES: usize = 10_000_000;
    let Some(hosts) = three_hosts() else { return };
    let file = hosts.shared_dir().join("bytes");
    File::create(&file).and_then(|mut file| file.write_all(&[b'7'; BYTES])).expect("a file");
    let fetch = |from: usize, to: usize| {
        let from = format!("host{from}");
        let mut command = hosts.exec(to, ["ssh", &from, "cat"]);
        command.arg(&file);
        let start = Instant::now();
        let run = finish(command).expect_code(0);
        assert_eq!(run.stdout.len(), BYTES);
        start.elapsed().as_secs_f64()
    };
    hosts.rate(1, 50);
    // Either way; less what the bucket lets through at once.
    let least = (BYTES - 200_000) as f64 * 8.0 / 50e6;
    for (from, to) in [(1, 2), (2, 1)] {
        let took = fetch(from, to);
        println!("host{from} to host{to} at 50 Mbit/s: {took:.2} s; least: {least:.2} s");
        assert!(took > least, "{took} {least}");
    }
    let other = fetch(2, 3);
    println!("host2 to host3: {other:.2} s");
    assert!(hosts.status().contains("link up at 50 Mbit/s;"), "{}", hosts.status());
    hosts.rate(1, 0);
    assert!(!hosts.status().contains("Mbit/s"), "{}", hosts.status());
    println!("host1 to host2 without a limit: {:.2} s", fetch(1, 2));
}

/// Seconds of CPU time that a busy loop gets on host 1 within two, when `from` starts it there.
fn busy_for_two_seconds(hosts: &Hosts, before: &[&str]) -> f64 {
    let script = "timeout 2 bash -c 'while :; do :; done'; times";
    let script = if before.is_empty() { vec!["bash", "-c", script] } else { vec![script] };
    let host = usize::from(before.is_empty());
    let run = finish(hosts.exec(host, before.iter().copied().chain(script))).expect_code(0);
    // The line of the shell's children: `0m0.497s 0m0.003s`.
    let user = run.stdout.lines().nth(1).and_then(|line| line.split(['m', 's']).nth(1));
    user.and_then(|seconds| seconds.parse().ok()).expect("what `times` says")
}

/// The control groups of a set.
fn groups_of(name: &str) -> usize {
    let directories = walkdir::WalkDir::new("/sys/fs/cgroup").max_depth(2).into_iter().flatten();
    directories.filter(|entry| entry.file_name().to_string_lossy().contains(name)).count()
}

#[test]
fn a_host_gets_its_share_of_the_cores_however_its_work_is_started() {
    let Some(hosts) = Hosts::up(1) else { return };
    if !hosts.cores(1, "0.25") {
        return;
    }
    let parent = hosts.dir().parent().and_then(Path::file_name).expect("a temporary directory");
    let name = parent.to_string_lossy().into_owned();
    assert_eq!(groups_of(&name), 1);
    let ssh: &[&str] = &["ssh", "host1"];
    let limited = [&[], ssh].map(|before| busy_for_two_seconds(&hosts, before));
    hosts.kill(1);
    hosts.revive(1);
    let again = busy_for_two_seconds(&hosts, ssh);
    assert!(hosts.status().contains("with 0.25 cores"), "{}", hosts.status());
    assert!(hosts.cores(1, "0"));
    println!("a quarter of 2 s: {limited:?}, {again}; all: {}", busy_for_two_seconds(&hosts, ssh));
    assert!(limited.iter().all(|&seconds| seconds < 0.7) && again < 0.7, "{limited:?}, {again}");
    assert!(!hosts.status().contains("cores"), "{}", hosts.status());
    drop(hosts);
    assert_eq!(groups_of(&name), 0);
}

#[test]
fn commands_keep_their_streams_exit_codes_and_signals() {
    let Some(hosts) = three_hosts() else { return };
    let run = finish(hosts.exec(1, ["sh", "-c", "hostname; echo told >&2; exit 7"])).expect_code(7);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("host1\n", "told\n"));
    let mut command = hosts.exec(2, ["wc", "-c"]);
    command.stdin(File::open(hosts.hostfile()).expect("a hostfile"));
    assert_eq!(finish(command).expect_code(0).stdout, "42\n");
    assert_eq!(finish(hosts.exec(1, ["no-such-program"])).code, Some(127));

    let script = "trap 'exit 9' TERM; echo runs; while :; do sleep 0.05; done";
    let mut command = hosts.exec(1, ["sh", "-c", script]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    stdout.read_line(&mut line).expect("text");
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("`kill`").success());
    assert_eq!(child.wait().expect("it ends").code(), Some(9));
}

#[test]
fn hosts_share_files_except_their_own() {
    let Some(hosts) = three_hosts() else { return };
    let sh =
        |host: usize, script: &str| finish(hosts.exec(host, ["sh", "-c", script])).expect_code(0);
    let (shared, local) = (hosts.shared_dir(), hosts.local_dir());
    sh(1, &format!("hostname >{}/name", shared.display()));
    assert_eq!(sh(2, &format!("cat {}/name", shared.display())).stdout, "host1\n");
    for place in ["/tmp", "/dev/shm", "/run", local.to_str().expect("UTF-8")] {
        sh(1, &format!("hostname >{place}/name"));
        sh(2, &format!("test ! -e {place}/name"));
        assert!(!Path::new(place).join("name").exists(), "{place}");
    }
    assert!(hosts.local_dir_of(1).join("name").exists());
    // A file system that is full, on one host only.
    sh(3, &format!("mount -n -t tmpfs -o size=64k tmpfs {0}", local.display()));
    let fill = format!("head -c 1000000 /dev/zero >{}/file", local.display());
    assert_eq!(finish(hosts.exec(3, ["sh", "-c", &fill])).code, Some(1));
    sh(2, &fill);
}

/// What of a set is left: processes, mounts, files.
fn left_of(directory: &Path, namespaces: &BTreeSet<String>) -> Vec<String> {
    let directory = directory.to_str().expect("UTF-8");
    let mut left = Vec::new();
    for process in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let words = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        if words.contains(directory) {
            left.push(words);
        }
        for namespace in
            std::fs::read_dir(process.path().join("ns")).into_iter().flatten().flatten()
        {
            if let Ok(name) = std::fs::read_link(namespace.path()) {
                let name = name.to_string_lossy().into_owned();
                if namespaces.contains(&name) {
                    left.push(name);
                }
            }
        }
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    left.extend(mounts.lines().filter(|mount| mount.contains(directory)).map(str::to_owned));
    if Path::new(directory).exists() {
        left.push(directory.to_owned());
    }
    left
}

#[test]
fn nothing_is_left_and_sets_do_not_meet() {
    let Some(hosts) = three_hosts() else { return };
    let other = Hosts::up(1).expect("as the first");
    let mut namespaces = BTreeSet::new();
    for host in 0..=3 {
        let script =
            "readlink /proc/self/ns/mnt /proc/self/ns/net /proc/self/ns/pid /proc/self/ns/uts";
        let mut command = hosts.exec(host, ["sh", "-c"]);
        command.arg(script);
        namespaces.extend(finish(command).expect_code(0).stdout.lines().map(str::to_owned));
    }
    assert_eq!(namespaces.len(), 16);
    let mut sleeping = hosts.exec(1, ["sh", "-c", "echo runs; exec sleep 100"]);
    let mut sleeping = sleeping.stdout(Stdio::piped()).spawn().expect("it starts");
    // Before that, it may be somewhere on its way into the host.
    let mut line = String::new();
    let mut stdout = BufReader::new(sleeping.stdout.take().expect("it is piped"));
    stdout.read_line(&mut line).expect("text");
    assert_eq!(line, "runs\n");
    let directory = hosts.dir().to_owned();
    assert!(!left_of(&directory, &namespaces).is_empty());
    drop(hosts);
    assert_eq!(left_of(&directory, &namespaces), [""; 0]);
    assert_eq!(sleeping.wait().expect("it ends").code(), Some(137));
    finish(other.exec(0, ["ssh", "host1", "true"])).expect_code(0);
}

#[test]
fn hosts_do_not_outlive_the_test_that_made_them() {
    let Some(first) = three_hosts() else { return };
    drop(first);
    let parent = tempfile::tempdir().expect("a directory");
    let directory = parent.path().join("hosts");
    let mut up = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/testhosts.sh"))
        .args(["up", "1", "--until-eof"])
        .env("TESTHOSTS_DIR", &directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let lifeline = up.stdin.take().expect("it is piped");
    assert!(up.wait().expect("it ends").success());
    assert!(directory.exists());
    drop(lifeline);
    let start = Instant::now();
    while !left_of(&directory, &BTreeSet::new()).is_empty() {
        let left = left_of(&directory, &BTreeSet::new());
        assert!(start.elapsed() < Duration::from_secs(10), "{left:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
