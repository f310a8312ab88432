//! Errors, sorted by who must act, and the exit codes that follow from them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Exit codes, as the table in the README documents them.
pub mod exit {
    /// Every image was done.
    pub const DONE: u8 = 0;
    /// The run ended, and some images failed.
    pub const SOME_FAILED: u8 = 1;
    /// The command line cannot be carried out.
    pub const USAGE: u8 = 2;
    /// A fault of mpix itself.
    pub const BUG: u8 = 70;
}

/// Why a run could not be carried out at all.
#[derive(Debug, Error)]
pub enum Error {
    /// The user must change the command line.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// A rank met something that mpix did not foresee.
    #[error(transparent)]
    Bug(#[from] BugError),
}

impl Error {
    /// The exit code that tells a caller which kind of error it was.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => exit::USAGE,
            Self::Bug(_) => exit::BUG,
        }
    }
}

/// A command line that cannot be carried out; the text says what to write instead.
#[derive(Debug, Error)]
pub enum UsageError {
    /// No op has this name.
    #[error("unknown op `{op}` in `--op {spec}`; `mpix ops` lists: {known}")]
    UnknownOp {
        /// The whole argument.
        spec: String,
        /// The name in it.
        op: String,
        /// Names of all ops.
        known: String,
    },
    /// The op has no such parameter.
    #[error("op `{op}` has no parameter `{name}`; it takes: {known}")]
    UnknownParameter {
        /// The op.
        op: &'static str,
        /// What the user wrote.
        name: String,
        /// The parameters it has.
        known: String,
    },
    /// A parameter without a default was left out.
    #[error("op `{op}` needs `{name}`: `--op {op}:{name}=…`, {expected}")]
    MissingParameter {
        /// The op.
        op: &'static str,
        /// The parameter.
        name: &'static str,
        /// What it takes.
        expected: String,
    },
    /// A parameter's value is not one that the op takes.
    #[error("op `{op}` takes no `{name}={value}`; expected {expected}")]
    BadParameter {
        /// The op.
        op: &'static str,
        /// The parameter.
        name: &'static str,
        /// What the user wrote.
        value: String,
        /// What it takes.
        expected: String,
    },
}

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
}

/// Kinds of failure of one image, for counting and for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FailureKind {
    /// The file cannot be read.
    Unreadable,
    /// The bytes are no image, or a broken one.
    NotAnImage,
    /// The image is over a limit.
    OverLimit,
    /// The image is of a kind that mpix or the output format does not take.
    Unsupported,
    /// The output cannot be written.
    CannotWrite,
}

/// Why one image failed; the rest of the run goes on.
#[derive(Debug, Error)]
pub enum ImageError {
    /// The file cannot be opened or read.
    #[error("cannot be read")]
    Unreadable(#[source] std::io::Error),
    /// A directory, a pipe or a device where a file was expected.
    #[error("is {what}, not a file")]
    NotAFile {
        /// What it is.
        what: &'static str,
    },
    /// The content is of no format that mpix reads.
    #[error("is no image that mpix reads ({size} bytes, starting {start})")]
    NotAnImage {
        /// Length of the file in bytes.
        size: u64,
        /// The first bytes, in hexadecimal.
        start: String,
    },
    /// The name promises another format than the content has.
    #[error("is {content} inside but `.{extension}` by name; rename it, or choose `--format`")]
    WrongExtension {
        /// The format of the content.
        content: &'static str,
        /// The extension of the name.
        extension: String,
    },
    /// The decoder gave up.
    #[error("is no whole {format} image: {reason}")]
    Broken {
        /// The format of the content.
        format: &'static str,
        /// The decoder's own words.
        reason: String,
    },
    /// More pixels than `--max-pixels`.
    #[error("has {width} x {height} = {pixels} pixels, over the limit of {limit} (`--max-pixels`)")]
    TooManyPixels {
        /// Columns.
        width: u64,
        /// Rows.
        height: u64,
        /// Their product.
        pixels: u64,
        /// The limit.
        limit: u64,
    },
    /// More memory than `--memory` allows.
    #[error("needs {need} bytes of memory, over the limit of {limit} (`--memory`)")]
    TooMuchMemory {
        /// Bytes needed.
        need: u64,
        /// The limit.
        limit: u64,
    },
    /// Samples of more than 8 bits, without `--depth 8`.
    #[error("has {bits} bits per sample; mpix filters 8 (`--depth 8` keeps the upper 8)")]
    Depth {
        /// Bits per sample.
        bits: u32,
    },
    /// A kind of pixel that mpix does not filter.
    #[error("has {pixels} pixels, which mpix does not filter")]
    Pixels {
        /// The decoder's name for them.
        pixels: String,
    },
    /// The output format cannot hold the image.
    #[error("does not fit a {format} file: {reason}")]
    Encode {
        /// The output format.
        format: &'static str,
        /// The encoder's own words, or the limit.
        reason: String,
    },
    /// The output cannot be written.
    #[error("cannot be written to `{}`", path.display())]
    CannotWrite {
        /// The output file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl ImageError {
    /// The kind, for counting.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Unreadable(_) | Self::NotAFile { .. } => FailureKind::Unreadable,
            Self::NotAnImage { .. } | Self::Broken { .. } | Self::WrongExtension { .. } => {
                FailureKind::NotAnImage
            }
            Self::TooManyPixels { .. } | Self::TooMuchMemory { .. } => FailureKind::OverLimit,
            Self::Depth { .. } | Self::Pixels { .. } | Self::Encode { .. } => {
                FailureKind::Unsupported
            }
            Self::CannotWrite { .. } => FailureKind::CannotWrite,
        }
    }
}
