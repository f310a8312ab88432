//! `mpix doctor`: what this machine has, and each host of a hostfile, before a run depends on it.
//!
//! Nothing is changed and nothing is written to find out. Other hosts are asked by ssh, as `mpirun`
//! reaches them: `mpix doctor --json` there tells the same as here.

mod cores;
mod disk;
mod finding;
mod limits;
mod memory;
mod mpi;
mod print;
mod remote;
mod shared_memory;
mod simd;
mod slurm;
mod this_host;

use std::path::PathBuf;
use std::time::Duration;

pub use finding::{Check, Finding, Level, Report};
pub use print::Form;
use remote::Head;
use serde::Serialize;

use crate::error::{Error, UsageError, exit};
use crate::launch::agent::Agent;
use crate::launch::hostfile::{self, Hostfile};

/// What to look at.
#[derive(Clone, Debug)]
pub struct Request {
    /// Hosts to look at, too.
    pub hostfile: Option<PathBuf>,
    /// Where results of a run would go.
    pub output: PathBuf,
    /// Time that a host has to answer.
    pub timeout: Duration,
}

/// What was found, host by host: this one first.
#[derive(Debug, Serialize)]
pub struct Diagnosis {
    hostfile: Option<PathBuf>,
    hosts: Vec<Report>,
}

/// Looks at this host, and at those of a hostfile.
///
/// # Errors
/// When the hostfile cannot be read.
pub fn examine(request: &Request) -> Result<Diagnosis, Error> {
    let hostfile = request.hostfile.as_deref().map(hostfile::read).transpose();
    let hostfile = hostfile.map_err(|error| UsageError::Hostfile(Box::new(error)))?;
    let agent = Agent::of_this_process();
    let mut hosts = vec![this_host::examine(&request.output, &agent, hostfile.is_some())];
    if let Some(hostfile) = hostfile {
        hosts[0].findings.push(oddities(&hostfile));
        let head = Head::new(&hosts[0], agent, request.timeout);
        let others = remote::examine(&hostfile.hosts, &head);
        let (own, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|other| other.is_head);
        hosts[0].findings.extend(own.into_iter().flat_map(|own| own.report.findings));
        hosts.extend(others.into_iter().map(|other| other.report));
    }
    Ok(Diagnosis { hostfile: request.hostfile.clone(), hosts })
}

/// What `mpirun` would make of a hostfile that is clear to mpix.
fn oddities(hostfile: &Hostfile) -> Finding {
    let count = hostfile.hosts.len();
    let found = format!("{count} host{}", if count == 1 { "" } else { "s" });
    if hostfile.oddities.is_empty() {
        return Finding::ok(Check::Hostfile, found);
    }
    let told = hostfile.oddities.iter().map(|odd| format!("line {}: {}", odd.line, odd.kind));
    let found = format!("{found}, with lines that Open MPI 4.1 does not take as they are meant");
    Finding::warning(Check::Hostfile, found, told.collect::<Vec<_>>().join("; "))
}

impl Diagnosis {
    /// 0 when there is no problem, though there may be warnings, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.count(Level::Problem) > 0 { exit::SOME_FAILED } else { exit::DONE }
    }

    /// How many findings are of that level, on all hosts.
    #[must_use]
    pub fn count(&self, level: Level) -> usize {
        self.hosts.iter().map(|host| host.count(level)).sum()
    }
}
