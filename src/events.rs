//! What a run says of itself, to people and to programs: events, their log, the status beside the
//! results.
//!
//! | file | what it is |
//! |---|---|
//! | `OUT/.mpix/log.jsonl`, `log.2.jsonl`, … | one [`Entry`] a line, a new file at 5 MB |
//! | `OUT/.mpix/status.json` | the [`Status`], replaced each second |
//!
//! Rank 0 alone writes them. Who reads them needs no rank: `mpix status`, `mpix logs` and
//! `mpix report` work while a run goes on, from any host that sees the directory.

mod event;
mod log_file;
mod log_reader;
pub mod logger;
mod status;
mod tally;
mod text;

use std::path::{Path, PathBuf};

pub use event::{
    Distribution, Entry, ImageDone, ImageFailed, Level, Outcome, RankInfo, RankLoad, RankPulse,
    RunEnded, RunEvent, RunStarted, Stages, milliseconds,
};
pub use log_file::{LogFile, NEW_FILE_AT};
pub use log_reader::{LogReader, files_of};
pub use status::{Failure, ImageCounts, RankStatus, RunState, Status, StatusError};
pub use tally::Tally;
pub use text::{clock, count_of};

/// `OUT/.mpix/log.jsonl`, where a run logs that was told no other place.
#[must_use]
pub fn log_path(directory: &Path) -> PathBuf {
    directory.join("log.jsonl")
}
