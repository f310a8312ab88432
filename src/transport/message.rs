//! What ranks say to each other, and how it stands in bytes.

use std::ops::Range;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{BugError, FailureKind};
use crate::image_file::Format;
use crate::plan::{HostFacts, Work};

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
    /// The rows in the payload: those and their halo.
    pub input_rows: Range<usize>,
    /// Pixels in a row.
    pub width: usize,
    /// Bytes in a pixel of the payload.
    pub channels: usize,
    /// Rows of the image.
    pub height: usize,
    /// The format in which the rows that are made are encoded as pieces, if they are to be.
    pub format: Option<Format>,
}

/// From rank 0 to a rank.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToRank {
    /// What the run is about; the first message.
    Start(Work),
    /// A file to decode, filter and encode. Payload: the file.
    Image {
        /// Its number in the run.
        image: usize,
        /// Its name, for messages.
        name: String,
        /// The format to write.
        format: Format,
        /// Bytes of its pixels, decoded.
        pixel_bytes: usize,
    },
    /// Rows to filter. Payload: the pixels.
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
    /// Nothing more to do.
    Stop,
}

/// Microseconds that a rank worked on a whole image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RankTimes {
    /// Decoding.
    pub decode_us: u64,
    /// Filtering.
    pub filter_us: u64,
    /// Encoding.
    pub encode_us: u64,
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

/// What became of a whole image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImageResult {
    /// It is filtered; the payload is the file to write.
    Done {
        /// Pixels filtered.
        pixels: u64,
        /// How long it took.
        times: RankTimes,
    },
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
    /// What became of an image. Payload: the file to write.
    Image {
        /// Its number in the run.
        image: usize,
        /// What became of it.
        result: ImageResult,
    },
    /// Rows are filtered. Payload: the pixels, or what they are encoded to.
    Band {
        /// The image.
        image: usize,
        /// The band.
        band: usize,
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
    },
}

const MAGIC: u32 = u32::from_be_bytes(*b"mpix");
const VERSION: u16 = 4;

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
