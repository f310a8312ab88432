//! What a run says of itself, to people and to programs: events, their log, the status beside the
//! results.
//!
//! | file | what it is |
//! |---|---|
//! | `OUT/.mpix/log.jsonl`, `log.2.jsonl`, … | one [`Entry`] a line, a new file at 5 MB |
//! | `OUT/.mpix/status.json` | the [`Status`], replaced each second |
//! | `OUT/.mpix/launch.jsonl`, … | the same of the supervisor, if there is one |
//! | `OUT/.mpix/launch.json` | its [`LaunchStatus`], replaced with each change |
//!
//! Rank 0 and the supervisor alone write them. Who reads them needs no rank: `mpix status`, `mpix logs` and
//! `mpix report` work while a run goes on, from any host that sees the directory.

mod event;
mod launch_event;
mod launch_status;
mod log_file;
mod log_reader;
pub mod logger;
mod replace;
mod status;
mod tally;
mod text;

use std::io;
use std::path::{Path, PathBuf};

pub use event::{
    Distribution, Entry, Foreseen, ImageDone, ImageFailed, Level, Outcome, RankInfo, RankLoad,
    RankPulse, RunEnded, RunEvent, RunStarted, Stages, milliseconds,
};
pub use launch_event::LaunchEvent;
pub use launch_status::{HostRole, HostStatus, LaunchStatus};
pub use log_file::{LogFile, NEW_FILE_AT};
pub use log_reader::{LogReader, files_of};
pub use replace::replace;
pub use status::{Failure, ImageCounts, RankStatus, RunState, Status, StatusError, megapixels};
pub use tally::Tally;
pub use text::{bytes_text, clock, count_of, grouped};

/// The logs of the runs that have written to an output directory, by their first files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logs {
    /// The directory's own, where there is one, then the one that its status names, where that is
    /// another.
    pub there: Vec<PathBuf>,
    /// The one that its status names, where that is not to be seen from here.
    pub missing: Option<PathBuf>,
}

/// The logs of the runs that have written to `directory`, which is `OUT/.mpix`.
///
/// # Errors
/// When the directory cannot be read.
pub fn logs_of(directory: &Path) -> io::Result<Logs> {
    let own = log_path(directory);
    let mut logs = Logs::default();
    if !files_of(&own)?.is_empty() {
        logs.there.push(own.clone());
    }
    // A directory that was copied or moved names the place where its own log was.
    let is_own = |log: &Path| {
        let parent = log.parent().and_then(Path::file_name);
        parent == directory.file_name() && log.file_name() == own.file_name()
    };
    let named = Status::read(directory).ok().map(|status| status.log);
    if let Some(named) = named.filter(|log| !is_own(log)) {
        if files_of(&named).is_ok_and(|files| !files.is_empty()) {
            logs.there.push(named);
        } else {
            logs.missing = Some(named);
        }
    }
    Ok(logs)
}

/// `OUT/.mpix/log.jsonl`, where a run logs that was told no other place.
#[must_use]
pub fn log_path(directory: &Path) -> PathBuf {
    directory.join("log.jsonl")
}

/// `OUT/.mpix/launch.jsonl`, where a supervisor logs.
#[must_use]
pub fn launch_log_path(directory: &Path) -> PathBuf {
    directory.join("launch.jsonl")
}
