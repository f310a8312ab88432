//! Why a journal, a lease or a manifest cannot be had.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::frame::{MOST_PAYLOAD, VERSION};
use super::lease::Holder;

/// Why the journal or the manifest cannot be read or written. Damage is no error: it is reported
/// with the state.
#[derive(Debug, Error)]
pub enum JournalError {
    /// Written by a later mpix.
    #[error(
        "failed to read the journal `{}`: it is of version {version}, and this mpix reads up to \
         {VERSION}; use the mpix that wrote it, or `--fresh` to start anew",
        path.display()
    )]
    NewerVersion {
        /// The journal.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// The system refused.
    #[error("failed to {action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A record longer than a reader would believe.
    #[error("failed to journal {bytes} bytes in one record, over the limit of {MOST_PAYLOAD}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A record that cannot be put in bytes.
    #[error("failed to put a record of the journal in bytes")]
    Encode(#[source] postcard::Error),
    /// An output that does not lie below the output directory.
    #[error(
        "failed to journal the output `{}`: it is not below the output directory", output.display()
    )]
    OutsideOutput {
        /// The output.
        output: PathBuf,
    },
    /// A sync failed before: what became of the records since the one before it is unknown.
    #[error("failed to write the journal `{}`: writing it failed before", path.display())]
    FailedBefore {
        /// The journal.
        path: PathBuf,
    },
}

impl JournalError {
    /// For `map_err`: `action` on `path` failed.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }

    /// Whether the cause is a full disk or quota.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if matches!(
            source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        ))
    }
}

/// Why the right to write an output directory is not, or no longer, to be had.
#[derive(Debug, Error)]
pub enum LeaseError {
    /// Another run writes here.
    #[error(
        "failed to take `{}`: {by} writes there; wait until it ends, or stop it", output.display()
    )]
    Held {
        /// The output directory.
        output: PathBuf,
        /// Who.
        by: Box<Holder>,
        /// When it began, by its own clock, in nanoseconds since 1970.
        since_ns: i64,
        /// When it last said so, by its own clock, in nanoseconds since 1970.
        renewed_ns: i64,
    },
    /// Somebody writes here whose lease cannot be read.
    #[error("failed to take `{}`: another run holds it, and does not say which", output.display())]
    HeldByUnknown {
        /// The output directory.
        output: PathBuf,
    },
    /// A later attempt of the same launch writes here, or has: this one is a ghost, and may write
    /// nothing more.
    #[error(
        "failed to write to `{}`: a later attempt of the same launch has taken it, {by}",
        output.display()
    )]
    Overtaken {
        /// The output directory.
        output: PathBuf,
        /// Which.
        by: Box<Holder>,
    },
    /// Another has taken it from us: nothing more may be written.
    #[error(
        "failed to keep `{}`: {} has taken it, since this run did not renew its lease in time",
        output.display(), by.as_ref().map_or_else(|| "another run".to_owned(), ToString::to_string)
    )]
    Lost {
        /// The output directory.
        output: PathBuf,
        /// Who has it, if that can be read.
        by: Option<Box<Holder>>,
    },
    /// The system refused.
    #[error("failed to {action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl LeaseError {
    /// For `map_err`: `action` on `path` failed.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}
