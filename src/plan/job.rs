//! What a run is to do, and what each rank must know of it.

use serde::{Deserialize, Serialize};

use crate::error::UsageError;
use crate::hash::Checksum;
use crate::image_file::{self, DecodeOptions, EncodeOptions, Format, Header, Pieces};
use crate::ops::OpSpec;
use crate::ops::Simd;
use crate::ops::chain::Chain;
use crate::settings::RunSettings;

/// Changes whenever mpix makes other bytes of the same input and settings.
const OUTPUT_VERSION: u32 = 2;

/// Seconds without a word of rank 0 after which a rank ends by itself, at most and at least. Rank 0
/// pings each second; it may be held up for a moment.
pub const LONGEST_SILENCE: u64 = 30;
const SHORTEST_SILENCE: u64 = 10;
/// As a multiple of the time after which rank 0 gives a silent rank up.
const SILENCE_PER_STALL: u64 = 3;

/// A checked run.
#[derive(Debug)]
pub struct Job {
    /// What the user asked for.
    pub settings: RunSettings,
    /// What the ranks do with each image.
    pub work: Work,
}

impl Job {
    /// The job that `settings` ask for.
    #[must_use]
    pub fn new(settings: RunSettings) -> Self {
        let work = Work {
            ops: settings.ops.clone(),
            decode: settings.decode,
            quality: settings.quality,
            strip: settings.strip,
            checksum: settings.checksum,
            threads: 1,
            kept_buffers: 0,
            silence_seconds: silence_seconds(settings.stall_timeout),
        };
        Self { settings, work }
    }

    /// The format that a file of format `input` is written in.
    #[must_use]
    pub fn output_format(&self, input: Format) -> Format {
        self.settings.format.unwrap_or_else(|| input.output())
    }

    /// The shape of a file of `file_bytes` bytes with this header, which `chain` filters.
    #[must_use]
    pub fn shape(&self, header: &Header, file_bytes: u64, chain: &Chain) -> ImageShape {
        let channels = chain.output_channels(header.channels);
        let options = self.work.encode_options(self.output_format(header.format));
        ImageShape::new(header, file_bytes, channels, &options)
    }

    /// What decides the bytes of a result beside its input: two runs with the same text make the
    /// same files.
    #[must_use]
    pub fn output_text(&self) -> String {
        let format = self.settings.format.map_or("own", |format| format.name());
        format!(
            "output version {OUTPUT_VERSION}; ops {}; format {format}; quality {}; strip {}; depth 8 {}",
            self.work.chain_text(),
            self.work.quality,
            self.work.strip,
            self.work.decode.depth_8
        )
    }
}

/// Seconds that a rank stays which hears nothing, when rank 0 waits `stall_timeout` for a rank.
fn silence_seconds(stall_timeout: Option<u64>) -> u64 {
    stall_timeout.map_or(LONGEST_SILENCE, |seconds| {
        seconds.saturating_mul(SILENCE_PER_STALL).clamp(SHORTEST_SILENCE, LONGEST_SILENCE)
    })
}

/// What a rank must know before its first image. Ranks have it from rank 0 alone: nothing on
/// another host has a say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// The chain of ops.
    pub ops: Vec<OpSpec>,
    /// How to read.
    pub decode: DecodeOptions,
    /// JPEG quality.
    pub quality: u8,
    /// Whether metadata is dropped.
    pub strip: bool,
    /// What results are hashed with.
    pub checksum: Checksum,
    /// Threads that this rank filters with.
    pub threads: usize,
    /// Bytes of buffers that this rank may keep for its next images.
    pub kept_buffers: u64,
    /// Seconds without a word of rank 0 after which this rank ends by itself.
    pub silence_seconds: u64,
}

impl Work {
    /// How results are written in `format`.
    #[must_use]
    pub fn encode_options(&self, format: Format) -> EncodeOptions {
        EncodeOptions { format, quality: self.quality, strip: self.strip }
    }

    /// The chain of ops, as text.
    #[must_use]
    pub fn chain_text(&self) -> String {
        let ops: Vec<String> = self.ops.iter().map(ToString::to_string).collect();
        ops.join(" | ")
    }

    /// The chain of ops, ready to run.
    ///
    /// # Errors
    /// When a parameter is out of its range.
    pub fn chain(&self) -> Result<Chain, UsageError> {
        Chain::build(&self.ops, Simd::detect())
    }
}

/// The size of one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageShape {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Bytes in a pixel, 1 to 4.
    pub channels: usize,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Its format.
    pub input: Format,
    /// The format of its result.
    pub output: Format,
    /// Bytes that decoding takes at its peak, the pixels included.
    pub decode_bytes: u64,
    /// Bytes that encoding the result takes at its peak beside the pixels.
    pub encode_bytes: u64,
    /// Bytes that giving its rows one after the other takes, if nothing need be decoded whole.
    pub reader_bytes: Option<u64>,
    /// Bytes that taking the rows of the result one after the other takes: its file so far, or its
    /// pixels.
    pub writer_bytes: u64,
    /// Bytes that giving its rows one after the other takes when they are read from the disk, the
    /// file included if it is read first.
    pub source_bytes: u64,
    /// A piece of the result, if it is encoded in pieces.
    pub piece: Option<Piece>,
    /// Rows of a unit in which the file can be cut, where that is known and pays.
    pub unit_rows: Option<usize>,
}

/// Rows of a result that are encoded by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// How many there are.
    pub rows: usize,
    /// Bytes that encoding them takes beside their pixels, the result among them.
    pub bytes: u64,
}

impl Piece {
    /// One of `pieces`.
    #[must_use]
    pub fn of(pieces: &Pieces) -> Self {
        Self { rows: pieces.rows(), bytes: pieces.encode_bytes(pieces.rows()) }
    }
}

impl ImageShape {
    /// The shape that a file's header tells; its result has `output_channels` and is written as
    /// `options` say.
    #[must_use]
    pub fn new(
        header: &Header,
        file_bytes: u64,
        output_channels: usize,
        options: &EncodeOptions,
    ) -> Self {
        let (width, height, channels) = (header.width, header.height, header.channels);
        let result = (width, height, output_channels);
        let rows = header.reader_bytes.unwrap_or(header.decode_bytes);
        Self {
            width,
            height,
            channels,
            file_bytes,
            input: header.format,
            output: options.format,
            decode_bytes: header.decode_bytes,
            encode_bytes: image_file::encode_bytes(width, height, output_channels, options.format),
            reader_bytes: header.reader_bytes,
            writer_bytes: image_file::writer_bytes(width, height, output_channels, options.format),
            source_bytes: rows.saturating_add(if header.holds_file() { file_bytes } else { 0 }),
            piece: Pieces::new(result, options).as_ref().map(Piece::of),
            unit_rows: None,
        }
    }

    /// Bytes of its pixels, decoded.
    #[must_use]
    pub fn pixel_bytes(&self) -> usize {
        self.width * self.height * self.channels
    }

    /// Columns times rows.
    #[must_use]
    pub fn pixels(&self) -> u64 {
        self.width as u64 * self.height as u64
    }
}
