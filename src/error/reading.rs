//! Why what a run has left cannot be shown.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why `mpix status`, `mpix logs` or `mpix report` has nothing to show; the text says what to write
/// instead.
#[derive(Debug, Error)]
pub enum ReadError {
    /// No run has told where it is.
    #[error(
        "`{}` has no status: it is no output directory of `mpix run`, or the run has not started yet",
        output.display()
    )]
    NoStatus {
        /// The directory.
        output: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No run has logged there.
    #[error(
        "`{}` has no log: name an output directory of `mpix run`, or the file of its `--log-file`",
        path.display()
    )]
    NoLog {
        /// What the user wrote.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The log cannot be read any further.
    #[error("failed to read the log `{}`", path.display())]
    Log {
        /// Its first file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A time that is none.
    #[error(
        "`{flag} {value}` is no time; write one as 2026-01-31T12:00:00Z, or a span back from now, as \
         10m, 2h or 1d"
    )]
    Time {
        /// The flag.
        flag: &'static str,
        /// What the user wrote.
        value: String,
    },
    /// A run that is none.
    #[error("`--run {value}` is no run; write its number, or `last`")]
    Run {
        /// What the user wrote.
        value: String,
    },
    /// The page would stand where something else stands.
    #[error("the page would replace `{}`, which is {what}; choose another `--html`", path.display())]
    ReplacesOther {
        /// Where the page would be.
        path: PathBuf,
        /// What is there.
        what: &'static str,
    },
    /// The page cannot be written.
    #[error("failed to write the page `{}` (`--html`)", path.display())]
    Page {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}
