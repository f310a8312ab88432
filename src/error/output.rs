//! What is wrong with the output directory.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why the output directory is not, or no longer, to be had. What is done stays done.
#[derive(Debug, Error)]
pub enum OutputError {
    /// Another run writes there.
    #[error("another run has the output directory")]
    Held {
        /// Which.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another run has taken it from this one.
    #[error("this run has lost the output directory")]
    Lost {
        /// To which.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The journal cannot be read or written.
    #[error("the journal cannot be kept; run the same command again when it can")]
    Journal {
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It can no longer be written.
    #[error(
        "the output directory cannot be written any more; {missing} images and {missing_bytes} bytes \
         of finished results are missing; run the same command again when it can"
    )]
    Gone {
        /// Images that have no result.
        missing: usize,
        /// Bytes of results that could not be written.
        missing_bytes: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Nothing was written there by a run.
    #[error("`{}` has no journal: it is no output directory of `mpix run`", output.display())]
    NoJournal {
        /// The directory.
        output: PathBuf,
    },
    /// A second signal came before the work in hand was finished.
    #[error("stopped at once; the same command goes on")]
    StoppedTwice,
}
