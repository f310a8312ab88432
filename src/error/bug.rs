//! What mpix itself has done wrong.

use thiserror::Error;

/// A fault of mpix itself, or of something below it that it trusts.
#[derive(Debug, Error)]
pub enum BugError {
    /// A message between ranks that cannot be read.
    #[error("failed to read a message of rank {from}: {what}")]
    Message {
        /// The sender.
        from: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A message between ranks that cannot be made.
    #[error("failed to make a message for another rank")]
    Encode {
        /// Why.
        #[source]
        source: postcard::Error,
    },
    /// A message for a rank that does not exist.
    #[error("failed to send to rank {rank}: there is none")]
    NoSuchRank {
        /// The rank.
        rank: usize,
    },
    /// The threads of a rank cannot be started.
    #[error("failed to start {threads} threads (`--threads`)")]
    Threads {
        /// How many.
        threads: usize,
        /// Why.
        #[source]
        source: rayon::ThreadPoolBuildError,
    },
    /// A job panicked outside the decoders.
    #[error("rank {rank} panicked while it worked on `{work}`: {panic}")]
    Panic {
        /// The rank.
        rank: usize,
        /// What it had in hand.
        work: String,
        /// The panic's own text.
        panic: String,
    },
    /// A global pass got a partial or a share that is not its own.
    #[error("failed to read the {part} of a global pass")]
    GlobalPass {
        /// Which part.
        part: &'static str,
        /// Where reading stopped.
        #[source]
        source: postcard::Error,
    },
    /// A global pass got a partial or a share that belongs to other rows or to another pass.
    #[error("failed to apply a global pass: its {part} belongs to other rows")]
    GlobalPassMismatch {
        /// Which part.
        part: &'static str,
    },
}
