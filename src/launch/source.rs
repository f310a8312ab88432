//! Where a launch has its hosts from: a hostfile that may be edited, or the Slurm job it is in.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::hostfile::{self, HostEntry, HostfileError};
use super::program::run_bounded;
use crate::error::UsageError;

const SLURM_NODES: &str = "SLURM_JOB_NODELIST";
const SLURM_LIMIT: Duration = Duration::from_secs(20);

/// The list of hosts.
#[derive(Debug)]
pub(super) enum Hosts {
    File { path: PathBuf, seen: Option<(SystemTime, u64)> },
    Slurm,
}

impl Hosts {
    /// The hosts of `hostfile`, or of the Slurm job.
    pub(super) fn of(hostfile: Option<&Path>) -> Result<(Self, Vec<HostEntry>), UsageError> {
        let Some(path) = hostfile else { return Ok((Self::Slurm, of_slurm()?)) };
        let seen = stamp(path);
        let hosts = read(path).map_err(|error| UsageError::Hostfile(Box::new(error)))?;
        Ok((Self::File { path: path.to_path_buf(), seen }, hosts))
    }

    /// The hosts anew, where the file was edited.
    pub(super) fn edited(&mut self) -> Option<Result<Vec<HostEntry>, HostfileError>> {
        let Self::File { path, seen } = self else { return None };
        let now = stamp(path);
        if now.is_none() || now == *seen {
            return None;
        }
        *seen = now;
        Some(read(path))
    }
}

/// The hosts of a hostfile. How many slots they have says nothing: each gets as many ranks as the
/// others.
fn read(path: &Path) -> Result<Vec<HostEntry>, HostfileError> {
    let read = hostfile::read(path)?;
    for odd in read.oddities.iter().filter(|odd| odd.kind.is_about_names()) {
        log::warn!("{}:{}: {}", path.display(), odd.line, odd.kind);
    }
    let slotless = |host| HostEntry { slots: None, max_slots: None, ..host };
    Ok(read.hosts.into_iter().map(slotless).collect())
}

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let file = std::fs::metadata(path).ok()?;
    Some((file.modified().ok()?, file.len()))
}

fn of_slurm() -> Result<Vec<HostEntry>, UsageError> {
    let nodes = std::env::var(SLURM_NODES).map_err(|_| UsageError::NoHosts)?;
    let mut command = Command::new("scontrol");
    command.args(["show", "hostnames", &nodes]);
    let told = run_bounded(&mut command, SLURM_LIMIT);
    let names = told.ok().filter(|said| said.code == Some(0)).map(|said| said.stdout);
    let names = names.ok_or(UsageError::NoHosts)?;
    let entry = |name: &str| HostEntry { name: name.to_owned(), ..HostEntry::default() };
    Ok(names.split_whitespace().map(entry).collect())
}
