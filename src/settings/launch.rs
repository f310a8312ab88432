//! Settings of a launch, checked before anything is started.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{RunSettings, run_of};
use crate::cli::LaunchArgs;
use crate::error::UsageError;

/// A checked `mpix launch`.
#[derive(Clone, Debug)]
pub struct LaunchSettings {
    /// The hostfile; none: the hosts of the Slurm job.
    pub hostfile: Option<PathBuf>,
    /// Hosts to run on.
    pub hosts: Option<usize>,
    /// Fewest hosts to run on.
    pub min_hosts: usize,
    /// Ranks of each host.
    pub ranks_per_host: usize,
    /// Time that a rank may say nothing.
    pub stall_timeout: Duration,
    /// Failures in a row without progress after which the launch ends.
    pub max_restarts: u32,
    /// Time that a host is left alone after it failed.
    pub cooldown: Duration,
    /// Time that there may be too few hosts.
    pub wait: Duration,
    /// Whether it waits for the place of another supervisor.
    pub standby: bool,
    /// Whether the command is printed and nothing done.
    pub dry_run: bool,
    /// Whether events are printed as JSON.
    pub json: bool,
    /// What each attempt runs.
    pub run: RunSettings,
    /// The same as the user wrote it, `run` first.
    pub command: Vec<OsString>,
}

impl LaunchSettings {
    /// Checks the command line.
    ///
    /// # Errors
    /// When what follows `--` is no `run`, or one that cannot be carried out.
    pub fn new(args: LaunchArgs) -> Result<Self, UsageError> {
        let run = run_of(&args.command)?;
        let refuse = |told: &str| Err(UsageError::InnerCommand { told: told.to_owned() });
        if run.dry_run {
            return refuse(
                "`run --dry-run` does nothing (`mpix launch --dry-run` prints the command)",
            );
        }
        if run.files_from.as_deref() == Some(Path::new("-")) {
            return refuse("standard input (`--files-from -`) can be read once only");
        }
        if args.hosts.is_some_and(|hosts| hosts < args.min_hosts) {
            return Err(UsageError::FewerHosts { hosts: args.hosts, min_hosts: args.min_hosts });
        }
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(Self {
            hostfile: args.hostfile,
            hosts: args.hosts.map(count),
            min_hosts: count(args.min_hosts),
            ranks_per_host: count(args.ranks_per_host),
            stall_timeout: Duration::from_secs(args.stall_timeout),
            max_restarts: args.max_restarts,
            cooldown: Duration::from_secs(args.cooldown),
            wait: Duration::from_secs(args.wait),
            standby: args.standby,
            dry_run: args.dry_run,
            json: args.json,
            run,
            command: args.command,
        })
    }
}
