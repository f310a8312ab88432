//! Other hosts, asked by ssh: `mpix doctor --json` there, at the same path as here.

mod answer;
pub(super) mod ssh;

use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ssh::Agent;

use super::{Check, Finding, Report, program};
use crate::launch::hostfile::HostEntry;

/// Hosts that are asked at a time.
const AT_ONCE: usize = 16;

/// The host that asks: what others are held against.
#[derive(Debug)]
pub(super) struct Head {
    host: String,
    version: String,
    program: String,
    mpi_library: Option<String>,
    cores: Option<usize>,
    agent: Agent,
    timeout: Duration,
}

/// What a host of the hostfile has.
pub(super) struct Other {
    /// Whether it is the host that asks, under one of its names.
    pub(super) is_head: bool,
    pub(super) report: Report,
}

impl Head {
    pub(super) fn new(own: &Report, agent: Agent, timeout: Duration) -> Self {
        Self {
            host: own.host.clone(),
            version: own.version.clone().unwrap_or_default(),
            // Where it is not known, `PATH` finds it.
            program: own.program.clone().unwrap_or_else(|| "mpix".to_owned()),
            mpi_library: own.mpi_library.clone(),
            cores: own.cores,
            agent,
            timeout,
        }
    }

    /// Whether `name` is this host for sure: its own name, or a loopback.
    fn is(&self, name: &str) -> bool {
        let short = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
        let loopback = name.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        loopback || name == "localhost" || name == self.host || name == short(&self.host)
    }
}

/// Asks all hosts, several at a time. The answers are in the order of the hosts.
pub(super) fn examine(hosts: &[HostEntry], head: &Head) -> Vec<Other> {
    let next = AtomicUsize::new(0);
    let others = Mutex::new(Vec::new());
    let ask = || {
        while let Some((place, host)) = take(hosts, &next) {
            let other = examine_one(host, head);
            let mut others = others.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            others.push((place, other));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..hosts.len().min(AT_ONCE) {
            scope.spawn(ask);
        }
    });
    let mut others = others.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    others.sort_by_key(|(place, _)| *place);
    others.into_iter().map(|(_, other)| other).collect()
}

fn take<'a>(hosts: &'a [HostEntry], next: &AtomicUsize) -> Option<(usize, &'a HostEntry)> {
    let place = next.fetch_add(1, Ordering::Relaxed);
    Some((place, hosts.get(place)?))
}

fn examine_one(host: &HostEntry, head: &Head) -> Other {
    if head.is(&host.name) {
        let report = Report::of_unknown(host.name.clone(), slots(host, head.cores));
        return Other { is_head: true, report };
    }
    let start = Instant::now();
    let said = program::run(&mut head.agent.command(host, &head.program), head.timeout);
    let mut report = match said {
        Ok(said) => answer::report(host, head, &said, start.elapsed()),
        Err(error) => Report::of_unknown(host.name.clone(), head.agent.silence(host, &error)),
    };
    if report.version.is_some() {
        report.findings.push(slots(host, report.cores));
    }
    Other { is_head: false, report }
}

/// The slots of a host against its cores.
fn slots(host: &HostEntry, cores: Option<usize>) -> Finding {
    let cores = cores.unwrap_or(1);
    let advice = "one rank on each host (`slots=1`) uses all its cores";
    let HostEntry { name, slots, .. } = host;
    match slots {
        Some(slots) if *slots > cores => {
            let found = format!("`{name}` has slots={slots} and {cores} cores: ranks share them");
            Finding::warning(Check::Slots, found, advice)
        }
        Some(slots) => Finding::ok(Check::Slots, format!("`{name}`: {slots} for {cores} cores")),
        None => {
            let found = format!("`{name}`: mpirun takes one for each of {cores} cores; {advice}");
            Finding::ok(Check::Slots, found)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    pub(super) fn head() -> Head {
        Head {
            host: "head.example.org".into(),
            version: "1.0.0".into(),
            program: "/opt/mpix".into(),
            mpi_library: Some("Open MPI v4.1.4, package: x".into()),
            cores: Some(2),
            agent: Agent::new(None, |_| true),
            timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn this_host_is_known_by_its_names() {
        for name in ["localhost", "127.0.0.1", "::1", "head", "head.example.org"] {
            assert!(head().is(name), "{name}");
        }
        for name in ["head.example.com", "head2", "10.0.0.1", "example"] {
            assert!(!head().is(name), "{name}");
        }
    }

    #[test]
    fn more_slots_than_cores_are_told() {
        let with = |slots| {
            let host = HostEntry { name: "a".into(), slots, ..HostEntry::default() };
            super::slots(&host, Some(2)).level
        };
        assert_eq!(
            [with(Some(2)), with(Some(3)), with(None)],
            [Level::Ok, Level::Warning, Level::Ok]
        );
    }
}
