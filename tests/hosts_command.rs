//! `mpix hosts` over real test hosts that are killed, cut off and switched off; checks and sweeps there.
#![expect(clippy::expect_used, reason = "a test that cannot go on panics")]

mod hosts;
mod launch;

use std::fs::{File, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use hosts::Hosts;
use launch::{PROGRAM, Run, command, finish, mpix};
use mpix::launch::agent::Agent;
use mpix::launch::check::{Asker, CheckError};
use mpix::launch::hostfile::HostEntry;
use mpix::launch::sweep::{Sweep, sweep_all};
use serde_json::Value;

/// Longer than anything takes here, on a busy machine as well.
const LONG: Duration = Duration::from_secs(30);

/// `mpix hosts --json ARGUMENTS` on the head, a line for each host of the hostfile; with its time.
#[track_caller]
fn look(hosts: &Hosts, arguments: &[&str]) -> (Run, Vec<Value>, Duration) {
    let hostfile = hosts.hostfile();
    let mut words = vec![PROGRAM, "hosts", "--json", "--hostfile", path(&hostfile)];
    words.extend(arguments);
    let start = Instant::now();
    let run = finish(hosts.exec(0, words));
    let took = start.elapsed();
    let told = run.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    (run, told, took)
}

fn path(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn states(told: &[Value]) -> Vec<&str> {
    told.iter().map(|host| host["state"].as_str().expect("text")).collect()
}

/// Why the host of that number cannot take ranks.
fn why(told: &[Value], host: usize) -> &str {
    told[host - 1]["why"].as_str().unwrap_or("nothing")
}

#[track_caller]
fn assert_words(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}

/// A script in the place of a program.
fn script(path: &Path, text: &str) {
    let mut file = File::create(path).expect("a file");
    write!(file, "#!/bin/sh\n{text}\n").expect("it is written");
    file.set_permissions(Permissions::from_mode(0o755)).expect("it may be started");
}

#[test]
fn each_way_to_be_lost_is_seen_with_its_reason_and_the_way_back() {
    let Some(hosts) = Hosts::up(4) else { return };
    let (run, told, took) = look(&hosts, &[]);
    println!("4 hosts up: {took:?}");
    assert_eq!((run.code, states(&told)), (Some(0), vec!["up"; 4]), "{run:?}");
    for (host, number) in told.iter().zip(1..) {
        assert_eq!(host["facts"]["host"], format!("host{number}"));
        assert_eq!(host["facts"]["version"], env!("CARGO_PKG_VERSION"));
        assert!(host["round_trip_ms"].as_f64().is_some_and(|time| time > 0.0));
        assert!(host["why"].is_null() && host["slots"] == 1);
    }
    hosts.kill(1);
    hosts.powerfail(2);
    hosts.linkdown(3);
    let (run, told, took) = look(&hosts, &["--timeout", "3"]);
    println!("3 of 4 hosts lost, 3 s to answer: {took:?}");
    assert!(took < LONG, "{took:?}");
    assert_eq!((run.code, states(&told)), (Some(1), vec!["down", "down", "down", "up"]));
    assert_words(why(&told, 1), &["10.64.0.11:22 refuses", "no sshd listens"]);
    for host in [2, 3] {
        // Whether it is known by then that there is no way depends on what the kernel knew before.
        // Looking its name up takes of the 3 s, on a busy machine more than a tenth.
        let why = why(&told, host);
        let waited_s = why
            .strip_suffix(" s: it is off, cut off, or behind a firewall")
            .and_then(|rest| {
                rest.strip_prefix(&format!("10.64.0.1{host}:22 does not answer within "))
            })
            .map(|number| number.parse::<f64>().expect("a number"));
        let waited = waited_s.is_some_and(|seconds| (2.0..=3.0).contains(&seconds));
        assert!(waited || why.contains("no route to 10.64.0.1"), "{why}");
    }
    hosts.revive(1);
    hosts.revive(2);
    hosts.linkup(3);
    let (run, told, _) = look(&hosts, &[]);
    assert_eq!((run.code, states(&told)), (Some(0), vec!["up"; 4]), "{run:?}");
    let table = finish(hosts.exec(0, [PROGRAM, "hosts", "--hostfile", path(&hosts.hostfile())]));
    let lines: Vec<&str> = table.stdout.lines().collect();
    assert!(lines[0].starts_with("HOST   STATE  PING"), "{table:?}");
    assert!(lines[1].starts_with("host1  up     "), "{table:?}");
    assert_eq!(lines[5], "4 hosts: 4 up");
}

/// A `mpix hosts --watch` on the head, and its lines as they come.
struct Watch {
    child: Child,
    lines: Receiver<String>,
}

impl Watch {
    fn start(hosts: &Hosts, hostfile: &Path) -> Self {
        let words = [PROGRAM, "hosts", "--watch", "--timeout", "3", "--hostfile", path(hostfile)];
        let mut child = hosts.exec(0, words).stdout(Stdio::piped()).spawn().expect("it starts");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
        });
        Self { child, lines }
    }

    /// The next change must be that of this host, with these words.
    #[track_caller]
    fn next(&self, words: &[&str]) -> Duration {
        let start = Instant::now();
        let line = self.lines.recv_timeout(LONG).expect("a change");
        assert_words(&line, words);
        start.elapsed()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

#[test]
fn a_watch_tells_each_change_and_reads_the_hostfile_again() {
    let Some(hosts) = Hosts::up(2) else { return };
    let hostfile = hosts.shared_dir().join("changing");
    let write = |text: &str| {
        let mut file = File::create(&hostfile).expect("a file");
        file.write_all(text.as_bytes()).expect("it is written");
    };
    write("host1 slots=1\n");
    let watch = Watch::start(&hosts, &hostfile);
    watch.next(&[" host1 up"]);
    hosts.kill(1);
    let killed = watch.next(&[" host1 DOWN: 10.64.0.11:22 refuses"]);
    hosts.revive(1);
    let revived = watch.next(&[" host1 up"]);
    hosts.linkdown(1);
    let unplugged = watch.next(&[" host1 DOWN: "]);
    hosts.linkup(1);
    let plugged = watch.next(&[" host1 up"]);
    println!("seen: killed {killed:?}, back {revived:?}, link down {unplugged:?}, up {plugged:?}");
    assert!(killed < Duration::from_secs(5) && unplugged < Duration::from_secs(10));
    write("host1 slots=1\nhost2 slots=two\n");
    write("host2 slots=1\n");
    watch.next(&[" host2 up"]);
}

#[test]
fn hosts_without_the_same_mpix_are_up_and_cannot_take_ranks() {
    let Some(hosts) = Hosts::up(4) else { return };
    let program = hosts.shared_dir().join("mpix");
    std::fs::copy(PROGRAM, &program).expect("a copy");
    let put = |host: usize, name: &str, text: &str| {
        let own = hosts.shared_dir().join(name);
        script(&own, text);
        let mount = ["mount", "-n", "--bind", path(&own), path(&program)];
        finish(hosts.exec(host, mount)).expect_code(0);
    };
    put(1, "other", r#"echo '{"version": "9.9.9", "host": "host1"}'"#);
    put(2, "silly", "echo hello");
    put(3, "hangs", "sleep 100 & sleep 100");
    let unstartable = hosts.shared_dir().join("none");
    File::create(&unstartable).expect("a file");
    finish(hosts.exec(4, ["mount", "-n", "--bind", path(&unstartable), path(&program)]))
        .expect_code(0);
    let hostfile = hosts.hostfile();
    let words =
        [path(&program), "hosts", "--json", "--timeout", "3", "--hostfile", path(&hostfile)];
    let start = Instant::now();
    let run = finish(hosts.exec(0, words)).expect_code(1);
    println!("one hangs: {:?}", start.elapsed());
    let told: Vec<Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(states(&told), ["unusable"; 4], "{run:?}");
    let copy = |host| format!("`scp {} host{host}:{}`", path(&program), path(&program));
    assert_words(
        why(&told, 1),
        &["mpix 9.9.9, this host has", env!("CARGO_PKG_VERSION"), &copy(1)],
    );
    assert_words(why(&told, 2), &["(exit code 0): hello; try `ssh host2 "]);
    assert_words(why(&told, 3), &["not answered after 3.0 s", "`ssh host3 true`"]);
    assert_words(why(&told, 4), &["no mpix that can be started at", &copy(4)]);
}

#[test]
fn what_takes_connections_and_says_nothing_is_no_host() {
    let mute = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = mute.local_addr().expect("it has one").port();
    let directory = tempfile::tempdir().expect("a directory");
    let hostfile = directory.path().join("hosts");
    let text = format!("localhost slots=1\n127.0.0.1 port={port}\n");
    File::create(&hostfile).expect("a file").write_all(text.as_bytes()).expect("it is written");
    let run = mpix(["hosts", "--timeout", "1", "--hostfile", path(&hostfile)]).expect_code(1);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_words(lines[1], &["localhost  up", "here"]);
    assert_words(lines[2], &["DOWN", "takes connections, but no sshd greets"]);
    assert_eq!(lines[3], "2 hosts: 1 up, 1 down");
}

#[test]
fn a_hundred_hosts_of_which_none_answers_take_no_longer_than_one() {
    let mute = TcpListener::bind("0.0.0.0:0").expect("a port");
    let port = mute.local_addr().expect("it has one").port();
    let directory = tempfile::tempdir().expect("a directory");
    let hostfile = directory.path().join("hosts");
    let lines: String = (1..=100).map(|n| format!("127.0.0.{n} port={port}\n")).collect();
    File::create(&hostfile).expect("a file").write_all(lines.as_bytes()).expect("it is written");
    let start = Instant::now();
    let run = mpix(["hosts", "--timeout", "2", "--hostfile", path(&hostfile)]).expect_code(1);
    println!("100 mute hosts, 2 s each: {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    assert!(run.stdout.ends_with("100 hosts: 0 up, 100 down\n"), "{run:?}");
}

#[test]
fn a_way_that_only_the_agent_knows_is_asked_by_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let hostfile = directory.path().join("hosts");
    File::create(&hostfile).expect("a file").write_all(b"near\nfar\n").expect("it is written");
    script(
        &directory.path().join("ssh"),
        r#"case "$*" in
  -G*) echo "hostname x"; echo "proxyjump gate" ;;
  *far*) echo "channel 0: open failed" >&2; exit 255 ;;
  *) for word do command=$word; done; exec sh -c "$command" ;;
esac"#,
    );
    let mut hosts = command(&[PROGRAM], ["hosts", "--hostfile", path(&hostfile)]);
    let path = std::env::var("PATH").unwrap_or_default();
    hosts.env("PATH", format!("{}:{path}", directory.path().display()));
    let run = finish(hosts).expect_code(1);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_words(lines[1], &["near  up", env!("CARGO_PKG_VERSION")]);
    assert_words(lines[2], &["far   DOWN", "`ssh` does not get through: channel 0: open failed"]);
}

#[test]
fn mistakes_are_told_by_file_and_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let hostfile = directory.path().join("hosts");
    File::create(&hostfile).expect("a file").write_all(b"a\nb slots=x\n").expect("it is written");
    for more in [&["--json"][..], &["--watch"], &[]] {
        let words =
            ["hosts", "--hostfile", path(&hostfile)].into_iter().chain(more.iter().copied());
        let run = mpix(words).expect_code(2);
        assert!(run.tells(&["hosts`, line 2", "slots=x"]) && run.stdout.is_empty(), "{run:?}");
    }
    assert!(mpix(["hosts"]).expect_code(2).tells(&["--hostfile <FILE>"]));
    mpix(["hosts", "--hostfile", "/no/such"]).expect_code(2);
}

#[test]
fn a_host_tells_of_itself_in_a_moment() {
    mpix(["host", "--json"]).expect_code(0);
    let took = (0..5).map(|_| {
        let start = Instant::now();
        Command::new(PROGRAM).args(["host", "--json"]).output().expect("it runs");
        start.elapsed()
    });
    let took = took.min().expect("five");
    println!("mpix host: {took:?}");
    assert!(took < Duration::from_millis(500), "{took:?}");
    let run = mpix(["host"]).expect_code(0);
    assert_words(&run.stdout, &["cores ", "memory ", "load "]);
}

/// A process on a host that sleeps, with a mark; it is no child of a process that is marked.
fn sleeping(hosts: &Hosts, host: usize, mark: &str) -> Child {
    let variable = format!("MPIX_LAUNCH={mark}");
    let mut sleep = hosts.exec(host, ["env", &variable, "sleep", "200"]);
    let child = sleep.spawn().expect("it starts");
    let start = Instant::now();
    let is_there = || {
        let shown = hosts.exec(host, ["pgrep", "-f", "-x", "sleep 200"]);
        !finish(shown).stdout.is_empty()
    };
    while !is_there() {
        assert!(start.elapsed() < LONG, "it does not start");
    }
    child
}

#[test]
fn a_sweep_ends_what_is_marked_there_and_nothing_else() {
    let Some(hosts) = Hosts::up(2) else { return };
    let mut marked = sleeping(&hosts, 1, "run7:2");
    let mut later = sleeping(&hosts, 2, "run7:3");
    let sweep = |host: usize, more: &[&str]| {
        let target = format!("host{host}");
        let words = ["ssh", &target, PROGRAM, "sweep", "--json", "--launch", "run7"];
        let start = Instant::now();
        let run = finish(hosts.exec(0, words.iter().chain(more))).expect_code(0);
        println!("sweep of host{host}: {:?}", start.elapsed());
        serde_json::from_str::<Value>(&run.stdout).expect("JSON")
    };
    let swept = [sweep(1, &["--below", "3"]), sweep(2, &["--below", "3"])];
    let names = |swept: &Value| -> Vec<String> {
        let ended = swept["ended"].as_array().expect("a list").iter();
        ended
            .map(|one| format!("{} {}", one["name"].as_str().expect("text"), one["attempt"]))
            .collect()
    };
    assert_eq!(names(&swept[0]), ["sleep 2"], "{swept:?}");
    assert_eq!(swept[0]["host"], "host1");
    assert!(names(&swept[1]).is_empty() && swept[1]["left"] == Value::Array(Vec::new()));
    assert_eq!(marked.wait().expect("it ends").code(), Some(137));
    assert!(later.try_wait().expect("it is known").is_none());
    assert_eq!(names(&sweep(2, &[])), ["sleep 3"]);
    assert_eq!(later.wait().expect("it ends").code(), Some(137));
}

#[test]
fn many_hosts_are_swept_at_once_and_those_that_are_lost_are_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let ssh = directory.path().join("ssh");
    let words = "for word do command=$word; done; exec sh -c \"$command\"";
    script(&ssh, &format!("case \"$*\" in *lost*) echo gone >&2; exit 255; esac\n{words}"));
    let asker = Asker {
        agent: Agent::new(Some(path(&ssh)), |_| true),
        program: PROGRAM.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let launch = format!("many-{}", std::process::id());
    let mut sleep = Command::new("sleep");
    let sleep = sleep.arg("100").env(mpix::journal::LAUNCH_VARIABLE, format!("{launch}:0")).spawn();
    let mut sleep = sleep.expect("it starts");
    let host = |name: &str| HostEntry { name: name.to_owned(), ..HostEntry::default() };
    let sweep = Sweep { launch, below: Some(1) };
    let swept = sweep_all(&asker, &[host("far"), host("lost")], &sweep, LONG);
    let first = swept[0].as_ref().expect("it is swept");
    assert_eq!(first.ended.iter().map(|one| one.pid).collect::<Vec<_>>(), [sleep.id()]);
    assert!(matches!(&swept[1], Err(CheckError::Unreachable { told, .. }) if told == "gone"));
    assert!(!sleep.wait().expect("it ends").success());
    assert!(sweep_all(&asker, &[host("localhost")], &sweep, LONG)[0].is_ok());
}

#[test]
fn a_sweep_ends_the_daemons_and_ranks_of_a_dead_mpirun() {
    if !launch::have("mpirun") {
        return;
    }
    let Some(hosts) = Hosts::up(2) else { return };
    let mark = "dead:1";
    let arguments = ["--mca", "mpix_launch", mark, "-x", "MPIX_LAUNCH", "sh", "-c"];
    let script = "echo runs; trap '' TERM HUP; while :; do sleep 100; done";
    let mut mpirun = hosts.mpirun(arguments.into_iter().chain([script]));
    let mut mpirun = mpirun
        .env("MPIX_LAUNCH", mark)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(mpirun.stdout.take().expect("it is piped")).lines();
    for _ in 0..2 {
        assert_eq!(lines.next().expect("a line").expect("text"), "runs");
    }
    let names = |host: usize, program: &Path| {
        let words = [path(program), "sweep", "--launch", "dead"];
        let mut sweep = hosts.exec(host, words);
        sweep.env_remove("MPIX_LAUNCH");
        finish(sweep).expect_code(0).stdout
    };
    let program = PathBuf::from(PROGRAM);
    let swept = names(1, &program);
    assert_words(&swept, &["orted, of attempt 1", "sh, of attempt 1", "sleep, of attempt 1"]);
    let head = names(0, &program);
    assert_words(&head, &["mpirun, of attempt 1"]);
    let _ = mpirun.wait();
    names(2, &program);
    for host in [1, 2] {
        assert_eq!(names(host, &program), "", "nothing is left");
        let left = finish(hosts.exec(host, ["pgrep", "-a", "-f", "-x", "sleep 100|.*orted.*"]));
        assert_eq!(left.stdout, "");
    }
}
