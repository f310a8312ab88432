//! The rows of a TIFF file: of strips as they are, or of chunks (strips, tiles) one row of them at a
//! time.

use std::io::{Read, Seek};

use image::ImageFormat;
use image::error::{
    DecodingError, ImageError as Fault, LimitError, LimitErrorKind, UnsupportedError,
    UnsupportedErrorKind,
};
use tiff::decoder::{ChunkType, Decoder, Limits};
use tiff::tags::{
    CompressionMethod, PhotometricInterpretation, PlanarConfiguration, Predictor, Tag,
};
use tiff::{ColorType, TiffError};

use super::decode::from_image;
use super::opened::DECODER_MEMORY;
use super::raw_rows::Places;
use super::row_reader::{RowPlan, RowReader};
use super::samples::gather_upper_bytes;
use super::source::ReadSeek;
use super::{Format, memory};
use crate::error::ImageError;

/// How the picture is cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunks {
    /// Columns and rows of a chunk.
    pub(super) chunk: (u32, u32),
    /// Columns and rows of the picture.
    pub(super) picture: (u32, u32),
    /// Bytes of a pixel, as the file holds it.
    pixel_bytes: usize,
    /// Whether samples have 16 bits, of which the upper 8 are kept.
    pub(super) is_deep: bool,
    /// How many chunks there are.
    count: u64,
    /// Bytes of the longest one in the file.
    longest: u64,
}

impl Chunks {
    /// The most memory that reading takes: a row of chunks, a chunk, and a compressed one.
    pub(super) fn bytes(&self, row_bytes: u64) -> u64 {
        memory::of_raw_rows(self.count)
            .saturating_add(u64::from(self.chunk.1).saturating_mul(row_bytes))
            .saturating_add(self.chunk_bytes().saturating_mul(2))
            .saturating_add(self.longest)
    }

    /// Bytes of a chunk, decoded.
    fn chunk_bytes(&self) -> u64 {
        let (width, height) = (u64::from(self.chunk.0), u64::from(self.chunk.1));
        width.saturating_mul(height).saturating_mul(self.pixel_bytes as u64)
    }
}

/// How the rows of the first image can be read, unless only the whole picture can be, or a fault
/// stands in the way.
pub(super) fn plan(reader: impl Read + Seek) -> Option<RowPlan> {
    let mut decoder = Decoder::new(reader).ok()?;
    #[expect(clippy::wildcard_enum_match_arm, reason = "few of many kinds")]
    let (channels, bits) = match decoder.colortype().ok()? {
        ColorType::Gray(bits) => (1, bits),
        ColorType::RGB(bits) => (3, bits),
        ColorType::RGBA(bits) => (4, bits),
        _ => return None,
    };
    let mut number = |tag, default| decoder.find_tag_unsigned::<u16>(tag).ok()?.or(Some(default));
    let samples = number(Tag::SamplesPerPixel, 1)?;
    let is_plain = number(Tag::Compression, 1)? == CompressionMethod::None.to_u16()
        && number(Tag::Predictor, 1)? == Predictor::None.to_u16()
        && number(Tag::PhotometricInterpretation, 0)?
            != PhotometricInterpretation::WhiteIsZero.to_u16()
        && samples == channels;
    let planes = number(Tag::PlanarConfiguration, 1)?;
    let is_strips = decoder.get_chunk_type() == ChunkType::Strip;
    // Samples beside the colours make `tiff` take tiles apart in another way when it decodes all.
    let is_odd = planes != PlanarConfiguration::Chunky.to_u16()
        || !matches!(bits, 8 | 16)
        || !is_strips && samples != channels;
    if is_odd {
        return None;
    }
    let tags = if is_strips {
        (Tag::StripOffsets, Tag::StripByteCounts)
    } else {
        (Tag::TileOffsets, Tag::TileByteCounts)
    };
    let lengths = decoder.get_tag_u64_vec(tags.1).ok()?;
    let longest = lengths.iter().copied().max()?;
    let (picture, chunk) = (decoder.dimensions().ok()?, decoder.chunk_dimensions());
    if is_strips && is_plain && bits == 8 && longest <= DECODER_MEMORY {
        let strips = decoder.get_tag_u64_vec(tags.0).ok()?;
        let strip_rows = chunk.1.min(picture.1) as usize;
        return Some(RowPlan::Raw(Places { strips, strip_rows }));
    }
    let pixel_bytes = usize::from(channels) * usize::from(bits / 8);
    let count = lengths.len() as u64;
    let chunks = Chunks { chunk, picture, pixel_bytes, is_deep: bits == 16, count, longest };
    // A row of chunks that is the picture is better decoded to its place.
    (chunk.1 < picture.1).then_some(RowPlan::Tiff(chunks))
}

/// Gives the rows of chunks.
pub(super) struct Reader<'f> {
    decoder: Decoder<Box<dyn ReadSeek + 'f>>,
    chunks: Chunks,
    row_bytes: usize,
    /// A row of chunks, and what was given of it.
    rows: Vec<u8>,
    given: usize,
    next_chunk: u32,
    chunk: Vec<u8>,
}

impl<'f> Reader<'f> {
    pub(super) fn new(
        reader: Box<dyn ReadSeek + 'f>,
        chunks: Chunks,
        row_bytes: usize,
    ) -> Result<Self, ImageError> {
        let decoder = Decoder::new(reader).map_err(from_tiff)?;
        let mut limits = Limits::default();
        // As much as the whole picture may take, see `decode::limits`.
        let picture = u64::from(chunks.picture.0)
            .saturating_mul(chunks.picture.1.into())
            .saturating_mul(chunks.pixel_bytes as u64);
        let most = picture.saturating_add(DECODER_MEMORY);
        limits.intermediate_buffer_size = usize::try_from(most).unwrap_or(usize::MAX);
        let decoder = decoder.with_limits(limits);
        let (rows, chunk) = (Vec::new(), Vec::new());
        Ok(Self { decoder, chunks, row_bytes, rows, given: 0, next_chunk: 0, chunk })
    }

    /// Decodes the next row of chunks.
    fn read_chunks(&mut self) -> Result<(), ImageError> {
        let Chunks { chunk: (wide, _), picture: (width, _), pixel_bytes, is_deep, .. } =
            self.chunks;
        self.given = 0;
        for across in 0..width.div_ceil(wide) {
            let (columns, rows) = self.decoder.chunk_data_dimensions(self.next_chunk);
            let columns = columns as usize;
            self.chunk.resize(columns * rows as usize * pixel_bytes, 0);
            self.decoder.read_chunk_bytes(self.next_chunk, &mut self.chunk).map_err(from_tiff)?;
            if is_deep {
                gather_upper_bytes(&mut self.chunk);
            }
            let held = columns * pixel_bytes / if is_deep { 2 } else { 1 };
            self.rows.resize(rows as usize * self.row_bytes, 0);
            let from = across as usize * (wide as usize) * held / columns;
            for (row, part) in
                self.rows.chunks_exact_mut(self.row_bytes).zip(self.chunk.chunks_exact(held))
            {
                row[from..from + held].copy_from_slice(part);
            }
            self.next_chunk += 1;
        }
        Ok(())
    }
}

impl RowReader for Reader<'_> {
    fn read(&mut self, mut rows: &mut [u8]) -> Result<(), ImageError> {
        while !rows.is_empty() {
            if self.given == self.rows.len() {
                self.read_chunks()?;
            }
            let count = rows.len().min(self.rows.len() - self.given);
            let (next, rest) = rows.split_at_mut(count);
            next.copy_from_slice(&self.rows[self.given..self.given + count]);
            self.given += count;
            rows = rest;
        }
        Ok(())
    }

    fn end(self: Box<Self>) -> Result<(), ImageError> {
        Ok(())
    }
}

/// The error that `image` makes of one of `tiff`, as an error of ours.
fn from_tiff(error: TiffError) -> ImageError {
    let hint = || ImageFormat::Tiff.into();
    let fault = match error {
        TiffError::IoError(error) => Fault::IoError(error),
        TiffError::UnsupportedError(feature) => {
            let kind = UnsupportedErrorKind::GenericFeature(feature.to_string());
            Fault::Unsupported(UnsupportedError::from_format_and_kind(hint(), kind))
        }
        TiffError::LimitsExceeded => {
            Fault::Limits(LimitError::from_kind(LimitErrorKind::InsufficientMemory))
        }
        error
        @ (TiffError::FormatError(_) | TiffError::IntSizeError | TiffError::UsageError(_)) => {
            Fault::Decoding(DecodingError::new(hint(), error))
        }
    };
    from_image(Format::Tiff, fault)
}
