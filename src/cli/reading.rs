//! The command lines of those that show what runs have left.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `mpix status`
#[derive(Debug, Args)]
#[command(after_help = "\
It works while a run goes on, from any host that sees the directory.
Exit codes: 0 shown, 2 there is no status.")]
pub struct StatusArgs {
    /// Output directory of `mpix run`
    pub output: PathBuf,

    /// Print JSON: what the run says of itself, and whether it is alive
    #[arg(long)]
    pub json: bool,

    /// Show it again each second, until the run or its launch has ended
    #[arg(short, long)]
    pub watch: bool,
}

/// `mpix logs`
#[derive(Debug, Args)]
#[command(after_help = "\
All filters must let an entry pass. Times are UTC. What `mpix launch` did stands among what the runs
did that it started.
Exit codes: 0 shown, 2 there is no log.

Examples:
  mpix logs out/ --level error
  mpix logs out/ --event image-done --slower-than 2000 --run last
  mpix logs out/ --rank 3 --since 10m --follow")]
pub struct LogsArgs {
    /// Output directory of `mpix run`, or a file of its `--log-file`
    #[arg(value_name = "OUT|FILE")]
    pub source: PathBuf,

    /// Entries of this level and above
    #[arg(long, value_enum)]
    pub level: Option<LogLevel>,

    /// Entries of this event; repeat for more
    #[arg(long = "event", value_name = "NAME", value_parser = [
        "run-started", "image-given", "image-done", "image-done-before", "image-failed", "foreseen", "stopping",
        "message", "run-ended", "launch",
    ])]
    pub events: Vec<String>,

    /// Entries of this rank; repeat for more
    #[arg(long = "rank", value_name = "N")]
    pub ranks: Vec<usize>,

    /// Entries of this host, and what happened to it in a launch
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,

    /// Entries of images that have TEXT in their names
    #[arg(long, value_name = "TEXT")]
    pub image: Option<String>,

    /// Images that took longer than so many milliseconds
    #[arg(long, value_name = "MS")]
    pub slower_than: Option<f64>,

    /// Entries from the start of this run, its number or `last`, to the start of the next
    #[arg(long, value_name = "N|last")]
    pub run: Option<String>,

    /// Entries from then on: a time as 2026-01-31T12:00:00Z, or a span back from now, as 10m
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,

    /// Entries until then
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,

    /// The last N entries only
    #[arg(short = 'n', long, value_name = "N")]
    pub last: Option<usize>,

    /// Go on as the log grows, until the run or its launch has ended
    #[arg(short, long)]
    pub follow: bool,

    /// Print the lines of the log as they are, which are JSON
    #[arg(long)]
    pub json: bool,
}

/// How much an entry matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// For who looks closely
    Debug,
    /// What a run does
    Info,
    /// What the user should know
    Warn,
    /// What went wrong
    Error,
}

/// `mpix report`
#[derive(Debug, Args)]
#[command(after_help = "\
What is done and what failed is told by the journal, times by the log.
Exit codes: 0 told, 2 no output directory, or the page cannot be written.")]
pub struct ReportArgs {
    /// Output directory of `mpix run`
    pub output: PathBuf,

    /// Print JSON
    #[arg(long)]
    pub json: bool,

    /// Write a page to FILE that needs nothing else: pictures before and after, failures, plots
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub html: Option<PathBuf>,

    /// Pairs of pictures on the page, spread evenly over the results
    #[arg(long, value_name = "N", default_value_t = 24)]
    pub thumbnails: usize,
}
