//! Errors, sorted by who must act, and the exit codes that follow from them.

use thiserror::Error;

mod bug;
mod host;
mod image;
mod output;
mod reading;
mod telling;
mod usage;

pub use bug::BugError;
pub use host::HostError;
pub use image::{FailureKind, ImageError};
pub use output::OutputError;
pub use reading::ReadError;
pub use telling::{on_one_line, panic_text, printed, tell, with_causes};
pub use usage::UsageError;

/// Exit codes, as the table in the README documents them.
pub mod exit {
    /// Every image was done.
    pub const DONE: u8 = 0;
    /// The run ended, and some images failed.
    pub const SOME_FAILED: u8 = 1;
    /// The command line cannot be carried out.
    pub const USAGE: u8 = 2;
    /// Another run writes to the output directory.
    pub const HELD: u8 = 3;
    /// The output directory cannot be written: the disk is full, or it is gone.
    pub const OUTPUT: u8 = 4;
    /// A fault of mpix itself.
    pub const BUG: u8 = 70;
    /// A rank or a host failed; the same command goes on.
    pub const HOST: u8 = 71;
    /// A signal stopped it; the same command goes on.
    pub const STOPPED: u8 = 130;
}

/// Why a run could not be carried out at all.
#[derive(Debug, Error)]
pub enum Error {
    /// The user must change the command line.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// The output directory is not to be had.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// What a run has left cannot be shown.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A host, or a rank on it, is not to be reached any more.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A rank met something that mpix did not foresee.
    #[error(transparent)]
    Bug(#[from] BugError),
}

impl Error {
    /// The exit code that tells a caller which kind of error it was.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Read(_) => exit::USAGE,
            Self::Output(OutputError::Held { .. } | OutputError::Lost { .. }) => exit::HELD,
            Self::Output(OutputError::Journal { .. } | OutputError::Gone { .. }) => exit::OUTPUT,
            Self::Output(OutputError::NoJournal { .. }) => exit::USAGE,
            Self::Output(OutputError::StoppedTwice) => exit::STOPPED,
            Self::Host(_) => exit::HOST,
            Self::Bug(_) => exit::BUG,
        }
    }

    /// Whether other ranks may have work in hand or wait for some: the run can only be broken off.
    #[must_use]
    pub fn leaves_ranks_waiting(&self) -> bool {
        match self {
            Self::Usage(_)
            | Self::Read(_)
            | Self::Output(
                OutputError::Held { .. } | OutputError::Gone { .. } | OutputError::NoJournal { .. },
            ) => false,
            Self::Output(
                OutputError::Lost { .. } | OutputError::Journal { .. } | OutputError::StoppedTwice,
            )
            | Self::Host(_)
            | Self::Bug(_) => true,
        }
    }

    /// The rank that it is about, where it is one that fell silent.
    #[must_use]
    pub fn rank(&self) -> Option<usize> {
        match self {
            Self::Host(HostError::Silent { rank, .. } | HostError::NeverBegan { rank, .. }) => {
                Some(*rank)
            }
            Self::Host(_) | Self::Usage(_) | Self::Read(_) | Self::Output(_) | Self::Bug(_) => None,
        }
    }
}
