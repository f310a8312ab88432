//! Ends what an attempt to run has left behind on hosts: ranks that did not notice that `mpirun` is
//! gone, and `mpirun`'s own daemons; and the memory that these ranks shared.
//!
//! What belongs to a launch says so: a process by [`LAUNCH_VARIABLE`] in its environment, a daemon of Open MPI
//! (`orted`), which has none, by the same mark after [`PARAMETER`] on its command line. Nothing else is
//! touched, nor what belongs to other users, nor this process and those above it.
//!
//! The names of shared memory tell no launch: what the ended ranks had mapped is theirs. Where all of
//! them were gone before, it stays, and `mpix doctor` tells of it.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, PidfdFlags, Signal, geteuid, kill_process, pidfd_open, pidfd_send_signal,
};
use serde::{Deserialize, Serialize};

use super::agent::is_this_host;
use super::at_once;
use super::check::{AT_ONCE, Asker, CheckError};
use super::hostfile::HostEntry;
use super::segments;
use crate::error::on_one_line;
use crate::host;
use crate::journal::{LAUNCH_VARIABLE, start_of};

/// What stands before the same mark on the command line of `orted`: `--mca mpix_launch ID:ATTEMPT`.
pub const PARAMETER: &str = "mpix_launch";

/// Time that processes have to be gone.
const LIMIT: Duration = Duration::from_secs(2);
/// Sleep between two looks whether they are.
const LOOK: Duration = Duration::from_millis(10);

/// What is to be ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// The launch.
    pub launch: String,
    /// Attempts of it from this one on are left alone.
    pub below: Option<u64>,
}

/// What a sweep of one host came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swept {
    /// Version of mpix.
    pub version: String,
    /// The host, by its own name.
    pub host: String,
    /// What was ended.
    pub ended: Vec<Process>,
    /// What would not go.
    pub left: Vec<Process>,
    /// Files of memory that the ended shared with no process that lives, now removed.
    #[serde(default)]
    pub removed: Vec<String>,
}

/// A process of a launch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its name, cut short by the kernel.
    pub name: String,
    /// The attempt that it belongs to.
    pub attempt: u64,
}

impl Swept {
    /// Shows it, a line for each process, or as a JSON object.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn print(&self, json: bool, out: &mut impl Write) -> io::Result<()> {
        if json {
            serde_json::to_writer(&mut *out, self)?;
            return writeln!(out);
        }
        let ended = self.ended.iter().map(|process| ("ended", process));
        for (what, process) in ended.chain(self.left.iter().map(|process| ("LEFT", process))) {
            let Process { pid, name, attempt } = process;
            writeln!(out, "{what} {pid} {}, of attempt {attempt}", on_one_line(name))?;
        }
        for file in &self.removed {
            writeln!(out, "removed {}", on_one_line(file))?;
        }
        Ok(())
    }
}

/// Ends what is left on each host, several at a time. The outcomes are in the order of the hosts.
#[must_use]
pub fn sweep_all(
    asker: &Asker,
    hosts: &[HostEntry],
    sweep: &Sweep,
    limit: Duration,
) -> Vec<Result<Swept, CheckError>> {
    let below = sweep.below.map(|attempt| attempt.to_string());
    let mut arguments = vec!["sweep", "--json", "--launch", &sweep.launch];
    arguments.extend(below.iter().flat_map(|attempt| ["--below", attempt.as_str()]));
    at_once(hosts, AT_ONCE, |host| {
        if is_this_host(&host.name) {
            return Ok(sweep_here(sweep));
        }
        asker.ask(host, &arguments, limit)
    })
}

/// Ends what is left on this host. Takes no longer than about two seconds.
#[must_use]
pub fn sweep_here(sweep: &Sweep) -> Swept {
    let deadline = Instant::now() + LIMIT;
    let (mut found, mut shared) = (Vec::<Found>::new(), BTreeSet::new());
    // Again until nothing new is found: a process may have started another before it ended.
    loop {
        let mut new = found_here(sweep);
        new.retain(|one| !found.iter().any(|known| known.is_same(one)));
        if new.is_empty() {
            break;
        }
        for one in &new {
            shared.extend(one.segments());
            if let Err(error) = one.end() {
                log::warn!("failed to end process {}: {error}", one.process.pid);
            }
        }
        found.extend(new);
        while !found.iter().all(Found::is_gone) && Instant::now() < deadline {
            thread::sleep(LOOK);
        }
        if Instant::now() >= deadline {
            break;
        }
    }
    let (ended, left): (Vec<_>, Vec<_>) = found.into_iter().partition(Found::is_gone);
    let processes = |found: Vec<Found>| found.into_iter().map(|one| one.process).collect();
    Swept {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: host::name(),
        ended: processes(ended),
        left: processes(left),
        removed: segments::remove_unused(shared),
    }
}

/// A process that is held, so that no other with its number is taken for it.
#[derive(Debug)]
struct Found {
    process: Process,
    /// When it started, in the kernel's ticks.
    started: u64,
    /// None before Linux 5.3.
    handle: Option<OwnedFd>,
}

impl Found {
    /// The process, if it is one of those.
    fn new(pid: u32, sweep: &Sweep) -> Option<Self> {
        // First the handle: what is read after it is of this process or of a later one, and a signal
        // by the handle reaches no later one.
        let handle = pidfd_open(pid_of(pid)?, PidfdFlags::empty()).ok();
        let started = start_of(pid)?;
        let place = PathBuf::from(format!("/proc/{pid}"));
        if fs::metadata(&place).ok()?.uid() != geteuid().as_raw() {
            return None;
        }
        let words = |file| fs::read(place.join(file)).unwrap_or_default();
        let attempt = sweep
            .attempt_of_environment(&words("environ"))
            .or_else(|| sweep.attempt_of_daemon(&words("cmdline")))?;
        let name = fs::read_to_string(place.join("comm")).unwrap_or_default();
        let process = Process { pid, name: name.trim_end().to_owned(), attempt };
        Some(Self { process, started, handle })
    }

    fn is_same(&self, other: &Self) -> bool {
        self.process.pid == other.process.pid && self.started == other.started
    }

    /// Memory that it shares with other ranks of its attempt.
    fn segments(&self) -> Vec<PathBuf> {
        let mapped = segments::mapped_by(self.process.pid);
        // Else they may be another's, which has its number now.
        if self.is_gone() { Vec::new() } else { mapped }
    }

    fn is_gone(&self) -> bool {
        start_of(self.process.pid) != Some(self.started)
    }

    fn end(&self) -> io::Result<()> {
        match (&self.handle, pid_of(self.process.pid)) {
            _ if self.is_gone() => Ok(()),
            (Some(handle), _) => Ok(pidfd_send_signal(handle, Signal::KILL)?),
            (None, Some(pid)) => Ok(kill_process(pid, Signal::KILL)?),
            (None, None) => Ok(()),
        }
    }
}

impl Sweep {
    /// The attempt of a mark, if it is to be ended.
    fn attempt(&self, mark: &str) -> Option<u64> {
        let (launch, attempt) = mark.trim_matches(['"', '\'']).rsplit_once(':')?;
        let attempt = attempt.parse().ok()?;
        let is_meant = launch == self.launch && self.below.is_none_or(|below| attempt < below);
        is_meant.then_some(attempt)
    }

    fn attempt_of_environment(&self, environment: &[u8]) -> Option<u64> {
        let mut variables = words(environment);
        let mark =
            variables.find_map(|word| word.strip_prefix(LAUNCH_VARIABLE)?.strip_prefix('='))?;
        self.attempt(mark)
    }

    fn attempt_of_daemon(&self, command_line: &[u8]) -> Option<u64> {
        let mut words = words(command_line);
        let program = words.next()?;
        if program.rsplit('/').next() != Some("orted") {
            return None;
        }
        words.find(|word| *word == PARAMETER)?;
        self.attempt(words.next()?)
    }
}

/// Text that is not Unicode is no mark.
fn words(bytes: &[u8]) -> impl Iterator<Item = &str> {
    bytes.split(|&byte| byte == 0).map(|word| str::from_utf8(word).unwrap_or_default())
}

fn pid_of(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

fn found_here(sweep: &Sweep) -> Vec<Found> {
    let spared = this_and_above();
    let Ok(directory) = fs::read_dir("/proc") else { return Vec::new() };
    let names = directory.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let pids = names.filter_map(|name| name.parse().ok());
    pids.filter(|pid| !spared.contains(pid)).filter_map(|pid| Found::new(pid, sweep)).collect()
}

/// This process and all above it.
fn this_and_above() -> HashSet<u32> {
    let mut spared = HashSet::new();
    let mut next = Some(std::process::id());
    while let Some(pid) = next.filter(|&pid| pid > 0 && spared.insert(pid)) {
        next = parent_of(pid);
    }
    spared
}

fn parent_of(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Stdio};

    use super::segments::START;
    use super::*;

    fn waiting(mark: Option<&str>, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("sh");
        // It ends when its input does, at the latest with this test.
        command.arg0(name).args(["-c", "read line; :"]).args(arguments).stdin(Stdio::piped());
        command.env_remove(LAUNCH_VARIABLE);
        if let Some(mark) = mark {
            command.env(LAUNCH_VARIABLE, mark);
        }
        command
    }

    fn sweep(launch: &str, below: Option<u64>) -> Sweep {
        Sweep { launch: launch.into(), below }
    }

    #[test]
    fn only_marked_processes_of_those_attempts_are_ended() {
        let launch = format!("test-{}", std::process::id());
        let mark = |attempt| format!("{launch}:{attempt}");
        let mut ended = [
            waiting(Some(&mark(1)), "sh", &[]),
            waiting(Some(&mark(2)), "sh", &[]),
            waiting(None, "/usr/bin/orted", &["-mca", PARAMETER, &mark(2)]),
        ]
        .map(|mut command| command.spawn().unwrap());
        let mut spared = [
            waiting(Some(&mark(3)), "sh", &[]),
            waiting(Some(&format!("{launch}0:1")), "sh", &[]),
            waiting(None, "sh", &["-mca", PARAMETER, &mark(2)]),
            waiting(None, "orted", &["-mca", "other", &mark(2)]),
        ]
        .map(|mut command| command.spawn().unwrap());
        thread::sleep(Duration::from_millis(100));
        let swept = sweep_here(&sweep(&launch, Some(3)));
        assert!(swept.left.is_empty(), "{swept:?}");
        let found = |child: &Child| swept.ended.iter().find(|one| one.pid == child.id());
        let attempts = ended.each_ref().map(|child| found(child).unwrap().attempt);
        assert_eq!(attempts, [1, 2, 2], "{swept:?}");
        for child in &mut ended {
            assert!(child.try_wait().unwrap().is_some());
        }
        for child in &mut spared {
            assert!(found(child).is_none() && child.try_wait().unwrap().is_none());
        }
        assert!(sweep_here(&sweep(&launch, Some(3))).ended.is_empty());
        let rest = sweep_here(&sweep(&launch, None));
        assert!(rest.ended.iter().all(|one| one.attempt == 3), "{rest:?}");
        for mut child in spared {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// A library is mapped as shared memory is, under the name of its file.
    #[test]
    fn memory_that_only_the_ended_shared_is_removed() {
        let own = fs::read_to_string("/proc/self/maps").unwrap();
        let library = own.lines().find(|line| line.contains("/libgcc_s")).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let files = ["1", "2", "3"].map(|job| directory.path().join(format!("{START}a.0.{job}.0")));
        for file in &files {
            fs::copy(&library[library.find('/').unwrap()..], file).unwrap();
        }
        let launch = format!("test-memory-{}", std::process::id());
        let rank = |attempt: u32, shared: &[&PathBuf]| {
            let paths: Vec<_> = shared.iter().map(|file| file.display().to_string()).collect();
            let mut command = waiting(Some(&format!("{launch}:{attempt}")), "sh", &[]);
            command.env("LD_PRELOAD", paths.join(":")).spawn().unwrap()
        };
        let [dead, shared, alive] = &files;
        let mut ended = rank(1, &[dead, shared]);
        let mut spared = rank(2, &[shared, alive]);
        thread::sleep(Duration::from_millis(100));
        let swept = sweep_here(&sweep(&launch, Some(2)));
        assert_eq!(swept.removed, [dead.display().to_string()], "{swept:?}");
        assert_eq!(files.each_ref().map(|file| file.exists()), [false, true, true]);
        ended.wait().unwrap();
        spared.kill().unwrap();
        spared.wait().unwrap();
    }

    #[test]
    fn marks_are_read_as_they_are_written() {
        let all = sweep("a:b", Some(5));
        assert_eq!(all.attempt("a:b:4"), Some(4));
        assert_eq!(all.attempt("\"a:b:4\""), Some(4));
        for other in ["a:b:5", "a:b", "a:4", "a:b:x", "a:b:4:4", ""] {
            assert_eq!(all.attempt(other), None, "{other}");
        }
        assert_eq!(all.attempt_of_environment(b"X=1\0MPIX_LAUNCH=a:b:1\0\xff\0"), Some(1));
        assert_eq!(all.attempt_of_environment(b"XMPIX_LAUNCH=a:b:1\0MPIX_LAUNCHX=a:b:1"), None);
    }

    #[test]
    fn this_process_and_those_above_it_are_spared() {
        let spared = this_and_above();
        assert!(spared.contains(&std::process::id()));
        assert!(spared.contains(&std::os::unix::process::parent_id()));
    }
}
