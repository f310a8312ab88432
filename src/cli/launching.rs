//! `mpix launch`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

/// `mpix launch`
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: those of `mpix run`; 3 another launch has the output directory, 71 hosts are used up, or
the same fault came again and again. The same command goes on.

Examples:
  mpix launch --hostfile hosts -- run --op canny -o /shared/out -r /shared/in
  mpix launch --hostfile hosts --hosts 4 --stall-timeout 10 -- run --op blur -o /shared/out /shared/in
  mpix launch --hostfile hosts --dry-run -- run --op gray -o /shared/out /shared/in   # the mpirun command
  mpix launch --hostfile hosts --standby -- run --op gray -o /shared/out /shared/in   # on a second host")]
pub struct LaunchArgs {
    /// Hosts to run on, as `mpirun --hostfile` takes them; inside a Slurm job: its own
    #[arg(long, value_name = "FILE")]
    pub hostfile: Option<PathBuf>,

    /// Run on the first N hosts that can take ranks; the others are spares. Default: on all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub hosts: Option<u64>,

    /// Wait while fewer hosts than that can take ranks
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub min_hosts: u64,

    /// Ranks of each host; each filters with its share of the host's cores
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub ranks_per_host: u64,

    /// A rank that says nothing for longer has failed, in seconds, though its process may live
    #[arg(long, value_name = "SECONDS", default_value_t = 30, env = "MPIX_STALL_TIMEOUT",
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub stall_timeout: u64,

    /// End after so many failures in a row without one image done between them
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub max_restarts: u32,

    /// Leave a host alone for so long after it failed, in seconds, unless no other is left
    #[arg(long, value_name = "SECONDS", default_value_t = 30,
          value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub cooldown: u64,

    /// End when there were too few hosts for so long, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600,
          value_parser = clap::value_parser!(u64).range(0..=31_536_000))]
    pub wait: u64,

    /// Wait until the supervisor that is there ends or dies, and take its place
    #[arg(long)]
    pub standby: bool,

    /// Print the mpirun command that a first attempt would start, and do nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Print each event of the launch and of its runs as a line of JSON on standard output
    #[arg(long)]
    pub json: bool,

    /// `run` and its arguments
    #[arg(last = true, required = true, value_name = "run …")]
    pub command: Vec<OsString>,
}

/// `mpix tied`
#[derive(Debug, Args)]
pub struct TiedArgs {
    /// The process that it must not outlive
    pub parent: u32,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    pub command: Vec<OsString>,
}
