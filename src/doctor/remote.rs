//! Other hosts, asked by ssh: `mpix doctor --json` there, at the same path as here.

mod answer;

use std::num::NonZero;
use std::time::{Duration, Instant};

use super::{Check, Finding, Report};
use crate::launch::agent::{Agent, is_this_host};
use crate::launch::at_once;
use crate::launch::hostfile::HostEntry;
use crate::launch::program::run_bounded;

/// Hosts that are asked at a time.
const AT_ONCE: NonZero<usize> = NonZero::new(16).unwrap();

/// The host that asks: what others are held against.
#[derive(Debug)]
pub(super) struct Head {
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
            version: own.version.clone().unwrap_or_default(),
            // Where it is not known, `PATH` finds it.
            program: own.program.clone().unwrap_or_else(|| "mpix".to_owned()),
            mpi_library: own.mpi_library.clone(),
            cores: own.cores,
            agent,
            timeout,
        }
    }
}

/// Asks all hosts, several at a time. The answers are in the order of the hosts.
pub(super) fn examine(hosts: &[HostEntry], head: &Head) -> Vec<Other> {
    at_once(hosts, AT_ONCE, |host| examine_one(host, head))
}

fn examine_one(host: &HostEntry, head: &Head) -> Other {
    if is_this_host(&host.name) {
        let report = Report::of_unknown(host.name.clone(), slots(host, head.cores));
        return Other { is_head: true, report };
    }
    let mut asked = head.agent.mpix(host, &head.program, &["doctor", "--json"]);
    let start = Instant::now();
    let said = run_bounded(&mut asked, head.timeout);
    let mut report = match said {
        Ok(said) => answer::report(host, head, &said, start.elapsed()),
        Err(error) => {
            let found = format!("`{}` {error}", head.agent.program);
            let cure = head.agent.cure_of_silence(host, &error);
            Report::of_unknown(host.name.clone(), Finding::problem(Check::Reach, found, cure))
        }
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
            version: "1.0.0".into(),
            program: "/opt/mpix".into(),
            mpi_library: Some("Open MPI v4.1.4, package: x".into()),
            cores: Some(2),
            agent: Agent::new(None, |_| true),
            timeout: Duration::from_secs(1),
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
