//! What is wrong with one image.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Kinds of failure of one image, for counting and for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
    /// It has killed ranks, or taken longer than it may.
    SetAside,
}

impl FailureKind {
    /// The name by which programs know it, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::NotAnImage => "not-an-image",
            Self::OverLimit => "over-limit",
            Self::Unsupported => "unsupported",
            Self::CannotWrite => "cannot-write",
            Self::SetAside => "set-aside",
        }
    }
}

/// Why one image failed; the rest of the run goes on.
#[derive(Debug, Error)]
pub enum ImageError {
    /// The file cannot be opened or read.
    #[error("cannot be read")]
    Unreadable(#[source] io::Error),
    /// A directory, a pipe or a device where a file was expected.
    #[error("is {what}, not a file")]
    NotAFile {
        /// What it is.
        what: &'static str,
    },
    /// A file without content.
    #[error("is empty")]
    Empty,
    /// It is being written while the run is to read it.
    #[error("changes while it is read; another run takes it as it is then")]
    Changing,
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
    /// More bytes of pixels than `--max-decoded`.
    #[error(
        "decodes to {width} x {height} pixels of {pixel_bytes} bytes = {bytes} bytes, over the \
         limit of {limit} (`--max-decoded`)"
    )]
    TooManyBytes {
        /// Columns.
        width: u64,
        /// Rows.
        height: u64,
        /// Channels times bytes per sample.
        pixel_bytes: u64,
        /// Their product.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// More columns than `--max-width`.
    #[error("is {width} pixels wide, over the limit of {limit} (`--max-width`)")]
    TooWide {
        /// Columns.
        width: u64,
        /// The limit.
        limit: u64,
    },
    /// More rows than `--max-height`.
    #[error("is {height} pixels high, over the limit of {limit} (`--max-height`)")]
    TooHigh {
        /// Rows.
        height: u64,
        /// The limit.
        limit: u64,
    },
    /// A larger file than `--max-file-size`.
    #[error("is a file of {bytes} bytes, over the limit of {limit} (`--max-file-size`)")]
    FileTooLarge {
        /// Bytes of the file.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// More metadata than `--max-metadata`.
    #[error(
        "has at least {bytes} bytes of metadata, over the limit of {limit} (`--max-metadata`){}",
        without.map(|bytes| format!("; with `--strip` it has {bytes}")).unwrap_or_default()
    )]
    TooMuchMetadata {
        /// Bytes of metadata, counted until they were too many.
        bytes: u64,
        /// The limit.
        limit: u64,
        /// Bytes that are left with `--strip`, if the limit allows them.
        without: Option<u64>,
    },
    /// More memory than `--max-image-memory` allows.
    #[error(
        "needs {need} bytes of memory on a rank, over the limit of {limit} (`--max-image-memory`)"
    )]
    TooMuchImageMemory {
        /// Bytes needed.
        need: u64,
        /// The limit.
        limit: u64,
    },
    /// More memory than `--memory` allows.
    #[error(
        "needs {need} bytes of memory, over the limit of {limit} for one image; `--memory {enough}` \
         allows it"
    )]
    TooMuchMemory {
        /// Bytes needed.
        need: u64,
        /// The limit: what rank 0 may hold, or what a rank may filter with.
        limit: u64,
        /// The `--memory` that would do.
        enough: u64,
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
    /// A rare kind of a format that mpix reads otherwise.
    #[error("is a {format} file of a kind that mpix does not read: {feature}")]
    Feature {
        /// The format of the content.
        format: &'static str,
        /// What the decoder lacks, in its own words.
        feature: String,
    },
    /// The output format cannot hold the image.
    #[error("does not fit a {format} file: {reason}")]
    Encode {
        /// The output format.
        format: &'static str,
        /// The encoder's own words, or the limit.
        reason: String,
    },
    /// It has killed ranks again and again.
    #[error(
        "was in hand at {crashes} crashes and is set aside (`--crash-limit`, `--retry-failed`)"
    )]
    Crashes {
        /// How many.
        crashes: u32,
    },
    /// It took longer than it may.
    #[error("took longer than {seconds} s (`--image-timeout`)")]
    Timeout {
        /// The limit.
        seconds: u64,
    },
    /// It failed in an earlier run, and nothing has changed.
    #[error("{reason} (in an earlier run; `--retry-failed` tries again)")]
    Before {
        /// The kind.
        kind: FailureKind,
        /// The reason of the earlier run.
        reason: String,
    },
    /// The output cannot be written.
    #[error("cannot be written to `{}`", path.display())]
    CannotWrite {
        /// The output file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl ImageError {
    /// The kind, for counting.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Unreadable(_) | Self::NotAFile { .. } | Self::Changing => FailureKind::Unreadable,
            Self::Empty
            | Self::NotAnImage { .. }
            | Self::Broken { .. }
            | Self::WrongExtension { .. } => FailureKind::NotAnImage,
            Self::TooManyPixels { .. }
            | Self::TooManyBytes { .. }
            | Self::TooWide { .. }
            | Self::TooHigh { .. }
            | Self::FileTooLarge { .. }
            | Self::TooMuchMetadata { .. }
            | Self::TooMuchImageMemory { .. }
            | Self::TooMuchMemory { .. } => FailureKind::OverLimit,
            Self::Depth { .. }
            | Self::Pixels { .. }
            | Self::Feature { .. }
            | Self::Encode { .. } => FailureKind::Unsupported,
            Self::Crashes { .. } | Self::Timeout { .. } => FailureKind::SetAside,
            Self::Before { kind, .. } => *kind,
            Self::CannotWrite { .. } => FailureKind::CannotWrite,
        }
    }
}
