//! What ranks say to each other, and how it stands in bytes.

use std::fs::Metadata;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{BugError, FailureKind};
use crate::hash::{ContentHash, GroupHashes, OutputHash};
use crate::image_file::Format;
use crate::path_bytes;
use crate::plan::{Arrived, HostFacts, Work};

/// A header that says what it is, and the bytes it speaks of: a file, or rows of pixels.
#[derive(Clone, Debug)]
pub struct Message<H> {
    /// What it is.
    pub header: H,
    /// The bytes; often none.
    pub payload: Bytes,
}

impl<H> Message<H> {
    /// A message without payload.
    pub fn bare(header: H) -> Self {
        Self { header, payload: Bytes::new() }
    }

    /// A message with payload.
    pub fn new(header: H, payload: impl Into<Bytes>) -> Self {
        Self { header, payload: payload.into() }
    }
}

/// Rows of an image that a rank is to filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BandHeader {
    /// The image, by its number in the run.
    pub image: usize,
    /// The round of the chain.
    pub round: usize,
    /// The number of the band in this round, from the top.
    pub band: usize,
    /// The rows to make.
    pub rows: Range<usize>,
    /// The rows that it takes: those and their halo.
    pub input_rows: Range<usize>,
    /// Where these are.
    pub input: BandInput,
    /// Pixels in a row.
    pub width: usize,
    /// Bytes in a pixel of the input.
    pub channels: usize,
    /// Rows of the image.
    pub height: usize,
    /// What becomes of the rows that are made.
    pub result: BandResult,
}

/// Where the input rows of a band are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BandInput {
    /// In the payload: their pixels.
    Rows,
    /// In the payload: a file that holds them among others.
    Slice {
        /// The row that it begins with.
        first_row: usize,
    },
    /// In a file that the rank sees, as they are.
    Place(InputPlace),
}

/// The rows of an image in a file that ranks see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputPlace {
    /// The file, from the root.
    #[serde(with = "path_bytes")]
    pub path: PathBuf,
    /// What rank 0 saw of it.
    pub seen: FileSeen,
    /// Where the first row of the image begins; the others follow.
    pub rows_from: u64,
}

/// What becomes of the rows that are made of a band.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BandResult {
    /// They come back.
    Rows,
    /// They are encoded as pieces of a file of this format, which come back. Where the first row of the
    /// image begins in that file, if the others follow it.
    Pieces(Format, Option<u64>),
    /// The rank writes these pieces to a file that it sees, but for the edges that are rank 0's to
    /// write. These come back, or all where it has none to write or cannot.
    Place(Format, OutputPlace),
}

/// The rows of an image in a file that rank 0 has begun, and that ranks see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputPlace {
    /// The file, below the output directory.
    #[serde(with = "path_bytes")]
    pub name: PathBuf,
    /// Where the first row of the image begins; the others follow.
    pub rows_from: u64,
}

/// What is seen of a file without reading it. A rank that sees the same sees the same file, not
/// another of the same name, and it has not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSeen {
    /// Its length in bytes.
    pub bytes: u64,
    /// When it was changed, in nanoseconds since 1970; earlier is negative.
    pub modified_ns: i64,
    /// Its number in its file system.
    pub inode: u64,
}

impl FileSeen {
    /// What the system tells of a file.
    #[must_use]
    pub fn of(file: &Metadata) -> Self {
        let seconds = file.mtime().saturating_mul(1_000_000_000);
        let modified_ns = seconds.saturating_add(file.mtime_nsec());
        Self { bytes: file.len(), modified_ns, inode: file.ino() }
    }
}

/// Where rank 0 writes results, for ranks that see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedOutput {
    /// The output directory, from the root.
    #[serde(with = "path_bytes")]
    pub directory: PathBuf,
    /// A file that rank 0 has just made in it. Who has a directory of the same name has not this.
    /// None: there is no other rank.
    pub token: Option<Token>,
    /// Permissions that new files do not get.
    pub umask: u32,
}

/// A file that is like no other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Where it is, from the root.
    #[serde(with = "path_bytes")]
    pub path: PathBuf,
    /// What is in it, drawn at random.
    pub content: u128,
}

/// The files of an image, for a rank that sees them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedFiles {
    /// The input, from the root.
    #[serde(with = "path_bytes")]
    pub input: PathBuf,
    /// What rank 0 saw of it.
    pub seen: FileSeen,
    /// The result, below the output directory.
    #[serde(with = "path_bytes")]
    pub output: PathBuf,
}

/// From rank 0 to a rank.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToRank {
    /// What the run is about; the first message.
    Start(Work),
    /// Does the rank see where rank 0 writes?
    Look(SharedOutput),
    /// A file to decode, filter and encode. Payload: the file, unless the rank sees it.
    Image {
        /// Its number in the run.
        image: usize,
        /// Its name, for messages.
        name: String,
        /// The format to write.
        format: Format,
        /// Bytes of its pixels, decoded.
        pixel_bytes: usize,
        /// Where it is, if the rank is to read it and to write the result.
        files: Option<SharedFiles>,
    },
    /// Rows to filter. Payload: the pixels, or what they are decoded from, if the rank does not read them.
    Band(BandHeader),
    /// What a global pass found out for a band that this rank summarized. Payload: its shares.
    Share {
        /// The image.
        image: usize,
        /// The band.
        band: usize,
    },
    /// The time of an image is over: nothing of it is wanted any more.
    GiveUp {
        /// Its number in the run.
        image: usize,
    },
    /// Rank 0 is there, and asks whether the rank is.
    Ping {
        /// The number of the ping.
        sequence: u64,
    },
    /// Something to tell by how fast the link is. Payload: bytes that mean nothing.
    Probe,
    /// Nothing more to do.
    Stop,
}

/// Microseconds that a rank's threads worked on a whole image, or on a band of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RankTimes {
    /// Reading, if the rank did that, and hashing.
    pub read_us: u64,
    /// Decoding.
    pub decode_us: u64,
    /// Filtering.
    pub filter_us: u64,
    /// Encoding.
    pub encode_us: u64,
    /// Hashing the result, and writing it, if the rank did that.
    pub write_us: u64,
}

impl RankTimes {
    /// Those that grow with the pixels: decoding, filtering, encoding.
    #[must_use]
    pub fn of_pixels(&self) -> [u64; 3] {
        [self.decode_us, self.filter_us, self.encode_us]
    }

    /// Adds those of another image.
    pub fn add(&mut self, other: &Self) {
        self.read_us = self.read_us.saturating_add(other.read_us);
        self.decode_us = self.decode_us.saturating_add(other.decode_us);
        self.filter_us = self.filter_us.saturating_add(other.filter_us);
        self.encode_us = self.encode_us.saturating_add(other.encode_us);
        self.write_us = self.write_us.saturating_add(other.write_us);
    }

    /// One of so many equal parts.
    #[must_use]
    pub fn part(&self, of: u64) -> Self {
        Self {
            read_us: self.read_us / of,
            decode_us: self.decode_us / of,
            filter_us: self.filter_us / of,
            encode_us: self.encode_us / of,
            write_us: self.write_us / of,
        }
    }
}

/// A time in microseconds, as messages tell it.
pub(crate) fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// How much a rank has to do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Tasks that wait for a thread.
    pub tasks_waiting: usize,
    /// Tasks that threads work on.
    pub tasks_in_hand: usize,
    /// Threads that it filters with; none before the start.
    pub threads: usize,
    /// Programs that ran or waited to run on its host, on average over the last minute.
    pub host_load: Option<f64>,
    /// Bytes of memory that its host could give now without swapping.
    pub available_bytes: Option<u64>,
}

/// A whole image that a rank has filtered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filtered {
    /// Pixels filtered.
    pub pixels: u64,
    /// How long it took.
    pub times: RankTimes,
    /// The hash of the file that was filtered.
    pub input: ContentHash,
    /// Length of the result in bytes.
    pub bytes: u64,
    /// Its hash.
    pub hash: OutputHash,
    /// The name of the file that the result is in, beside its place. None: it is the payload.
    pub temporary: Option<String>,
}

/// What became of a whole image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImageResult {
    /// It is filtered.
    Done(Filtered),
    /// The rank does not see the file that rank 0 saw.
    NotSeen,
    /// It failed.
    Failed {
        /// How to count it.
        kind: FailureKind,
        /// Why, for people.
        reason: String,
    },
}

/// From a rank to rank 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToRank0 {
    /// What its host offers; the first message.
    Hello(HostFacts),
    /// An image, or the first band of one, is being worked on from now on.
    Began {
        /// Its number in the run.
        image: usize,
    },
    /// The answer to a ping.
    Pong {
        /// The number of the ping.
        sequence: u64,
        /// How much the rank has to do.
        load: Load,
    },
    /// A message for the log of the run.
    Log {
        /// How much it matters.
        level: log::Level,
        /// What.
        text: String,
    },
    /// What rank 0 sent has come, over a link.
    Arrived(Arrived),
    /// Whether it sees where rank 0 writes.
    Sees {
        /// Whether it does.
        output: bool,
    },
    /// An image is filtered, and its result about to be written by the rank: its thread is free.
    Filtered {
        /// Its number in the run.
        image: usize,
    },
    /// What became of an image. Payload: the file to write, if it is not written.
    Image {
        /// Its number in the run.
        image: usize,
        /// What became of it.
        result: ImageResult,
    },
    /// The rank does not see the file with the input rows of a band as rank 0 saw it.
    BandNotSeen {
        /// The image.
        image: usize,
        /// The band.
        band: usize,
    },
    /// Rows are filtered, and about to be written by the rank: its thread is free.
    BandFiltered {
        /// The image.
        image: usize,
        /// The band.
        band: usize,
    },
    /// Rows are filtered. Payload: the pixels, or what they are encoded to.
    Band {
        /// The image.
        image: usize,
        /// The band.
        band: usize,
        /// How long it took.
        times: RankTimes,
        /// Hashes of the groups of the input that begin in the band's rows, if the rank has read them,
        /// and has not told them before.
        groups: GroupHashes,
        /// Hashes of the groups of the result that are whole in these rows, if its hash is made of such
        /// and they have places in it.
        made: GroupHashes,
        /// Whether the rank has written its part of them: only the edges are in the payload.
        is_written: bool,
    },
    /// Rows cannot be encoded.
    BandFailed {
        /// The image.
        image: usize,
        /// The band.
        band: usize,
        /// How to count it.
        kind: FailureKind,
        /// Why, for people.
        reason: String,
    },
    /// Rows are summarized, and wait for their share. Payload: a list of partials.
    Partials {
        /// The image.
        image: usize,
        /// The band.
        band: usize,
        /// How long it took.
        times: RankTimes,
        /// As for `Band`.
        groups: GroupHashes,
    },
}

const MAGIC: u32 = u32::from_be_bytes(*b"mpix");
const VERSION: u16 = 7;

#[derive(Serialize, Deserialize)]
struct Frame<H> {
    magic: u32,
    version: u16,
    payload_bytes: u64,
    header: H,
}

/// The bytes of a header, and how many bytes of payload follow.
///
/// # Errors
/// When a header cannot be written, which is a bug.
pub fn write_frame<H: Serialize>(header: &H, payload_bytes: usize) -> Result<Vec<u8>, BugError> {
    let frame =
        Frame { magic: MAGIC, version: VERSION, payload_bytes: payload_bytes as u64, header };
    postcard::to_stdvec(&frame).map_err(|source| BugError::Encode { source })
}

/// A header, and how many bytes of payload follow.
///
/// # Errors
/// When `bytes` are no header of this version of mpix.
pub fn read_frame<H: DeserializeOwned>(from: usize, bytes: &[u8]) -> Result<(H, usize), BugError> {
    let fault = |what| BugError::Message { from, what };
    // The magic and the version come first, so that another version's header is told by name.
    let (magic, rest) =
        postcard::take_from_bytes::<u32>(bytes).map_err(|_| fault("it is cut short"))?;
    let (version, _) =
        postcard::take_from_bytes::<u16>(rest).map_err(|_| fault("it is cut short"))?;
    if magic != MAGIC {
        return Err(fault("it does not start as a message of mpix"));
    }
    if version != VERSION {
        return Err(fault("it is of another version of mpix"));
    }
    let frame: Frame<H> =
        postcard::from_bytes(bytes).map_err(|_| fault("its header makes no sense"))?;
    let payload = usize::try_from(frame.payload_bytes).map_err(|_| fault("it is too long"))?;
    Ok((frame.header, payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_and_garbage_does_not() {
        let header = ToRank::Share { image: 7, band: 300 };
        let bytes = write_frame(&header, 1 << 40).unwrap();
        let (read, payload) = read_frame::<ToRank>(1, &bytes).unwrap();
        assert_eq!((read, payload), (header, 1 << 40));
        for cut in 0..bytes.len() {
            assert!(read_frame::<ToRank>(1, &bytes[..cut]).is_err(), "cut at {cut}");
        }
        let mut other = bytes.clone();
        other[0] ^= 1;
        assert!(read_frame::<ToRank>(1, &other).is_err());
    }
}
