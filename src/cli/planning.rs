//! `mpix plan`.

use std::ffi::OsString;
use std::num::NonZero;

use clap::Args;

/// `mpix plan`
#[derive(Debug, Args)]
#[command(after_help = "\
A few of the images are filtered here, without writing results, to measure what they cost; then a
model of a run tells how long so many ranks take, and what holds them up. --threads of the run are
those of each rank; default: the cores of this host.

Exit codes: 0 foreseen, 1 no image could be measured, 2 usage.

Examples:
  mpix plan --ranks 1..4096 --network 25G -- run --op canny -o out/ -r photos/
  mpix plan --ranks 8,16 --network 10G --storage 80G --images 1000000 -- run -t 16 --shared-fs yes -o out/ photos/")]
pub struct PlanArgs {
    /// Numbers of ranks: 8, or 1,2,3, or 1..4096, which doubles from the first to the last
    #[arg(long, value_name = "LIST", default_value = "1..64")]
    pub ranks: String,

    /// Ranks of each host
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub ranks_per_host: u64,

    /// What the link of a host carries each way, in bits a second with k, M, G
    #[arg(long, value_name = "RATE", default_value = "10G")]
    pub network: String,

    /// What the storage that all hosts share carries, in bits a second; default: more than they use
    #[arg(long, value_name = "RATE")]
    pub storage: Option<String>,

    /// Plan for N images like those that are named; default: for these
    #[arg(long, value_name = "N")]
    pub images: Option<NonZero<u64>>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,

    /// The job: `run` with its options, as it would be started
    #[arg(last = true, required = true, value_name = "run …")]
    pub command: Vec<OsString>,
}
