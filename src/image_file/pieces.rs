//! A file in pieces, which are encoded alone, anywhere, in any order, and joined.
//!
//! The bytes of the file depend on the pixels and the options alone.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::encode::{fitting, guarded_encoder, with_channels};
use super::{EncodeOptions, Format, Metadata, pnm, tiff_header};
use crate::error::ImageError;

/// How pixels become a file in pieces.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Pieces {
    /// Columns, rows, channels of the pixels.
    shape: (usize, usize, usize),
    rows: usize,
    options: EncodeOptions,
}

impl Pieces {
    /// The pieces of a picture of `shape`: columns, rows, channels.
    ///
    /// None where the format is encoded whole, by one ([`Writer`](super::Writer)): JPEG, WebP, BMP.
    #[must_use]
    pub fn new(shape: (usize, usize, usize), options: &EncodeOptions) -> Option<Self> {
        let rows = match options.format {
            Format::Tiff | Format::Pnm => 1,
            Format::Jpeg | Format::Png | Format::WebP | Format::Bmp | Format::Gif | Format::Qoi => {
                return None;
            }
        };
        Some(Self { shape, rows, options: options.clone() })
    }

    /// Rows of a piece; the last has fewer. A piece begins at a multiple of it.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The most memory that [`encode`](Self::encode) takes for so many rows beside their pixels, its
    /// result among it.
    #[must_use]
    pub fn encode_bytes(&self, rows: usize) -> u64 {
        let (width, _, channels) = self.shape;
        let held = self.options.format.held_channels(channels);
        if held == channels { 0 } else { (width * rows * held) as u64 }
    }

    /// The file's bytes of whole pieces: those whose `pixels` are the rows from `first_row` on. For
    /// [`Joiner::add`].
    ///
    /// # Errors
    /// When they cannot be encoded.
    ///
    /// # Panics
    /// When these are no whole pieces.
    pub fn encode(&self, first_row: usize, pixels: Vec<u8>) -> Result<Vec<u8>, ImageError> {
        if self.is_raw() && self.held_channels() == self.shape.2 {
            return Ok(pixels);
        }
        let mut encoded = Vec::new();
        self.append(first_row, &pixels, &mut encoded)?;
        Ok(encoded)
    }

    /// As [`encode`](Self::encode), behind what `encoded` holds.
    pub(super) fn append(
        &self,
        first_row: usize,
        pixels: &[u8],
        encoded: &mut Vec<u8>,
    ) -> Result<(), ImageError> {
        let (width, height, channels) = self.shape;
        let rows = pixels.len() / (width * channels);
        assert!(pixels.len() == rows * width * channels, "these are no whole rows");
        let end = first_row + rows;
        let is_whole = |row: usize| row.is_multiple_of(self.rows);
        assert!(is_whole(first_row) && (is_whole(end) || end == height), "half a piece");
        guarded_encoder(self.options.format, || {
            let pixels = with_channels(pixels, channels, self.held_channels());
            encoded.extend_from_slice(&pixels);
            Ok(())
        })
    }

    /// Bytes of pixels in a row.
    pub(super) fn row_bytes(&self) -> usize {
        self.shape.0 * self.shape.2
    }

    /// Bytes of pixels in a piece.
    pub(super) fn piece_bytes(&self) -> usize {
        self.rows * self.row_bytes()
    }

    /// The most bytes that all pieces have, encoded.
    pub(super) fn most_bytes(&self) -> usize {
        let (width, height, _) = self.shape;
        width.saturating_mul(height).saturating_mul(self.held_channels())
    }

    pub(super) fn format(&self) -> Format {
        self.options.format
    }

    fn held_channels(&self) -> usize {
        self.options.format.held_channels(self.shape.2)
    }

    /// Whether pixels stand in the file as they are.
    fn is_raw(&self) -> bool {
        matches!(self.options.format, Format::Tiff | Format::Pnm)
    }
}

/// Joins encoded pieces, in their order, to a file. No byte is changed once it was given out.
pub struct Joiner {}

impl Joiner {
    /// A joiner of `pieces`, and the first bytes of the file.
    ///
    /// # Errors
    /// When the format's limits are exceeded ([`Format::check_fits`]).
    pub fn new(pieces: &Pieces, metadata: &Metadata) -> Result<(Self, Vec<u8>), ImageError> {
        let Pieces { shape: (width, height, channels), options, .. } = pieces;
        options.format.check_fits(*width, *height, *channels)?;
        let (icc, _exif) = fitting(metadata, *channels, options);
        let held = (*width, *height, pieces.held_channels());
        let start = match options.format {
            Format::Tiff => tiff_header::header(held, icc),
            Format::Pnm => pnm::header(held).into_bytes(),
            Format::Jpeg | Format::Png | Format::WebP | Format::Bmp | Format::Gif | Format::Qoi => {
                unreachable!("it has no pieces")
            }
        };
        Ok((Self {}, start))
    }

    /// Takes what [`Pieces::encode`] gave for the next pieces; gives the bytes to append to the file.
    ///
    /// # Errors
    /// When it did not give these.
    pub fn add(&mut self, encoded: Bytes) -> Result<Bytes, ImageError> {
        let file_bytes = self.take(&encoded)?;
        Ok(encoded.slice(..file_bytes))
    }

    /// How many bytes of `encoded`, from its start, belong to the file.
    pub(super) fn take(&mut self, encoded: &[u8]) -> Result<usize, ImageError> {
        Ok(encoded.len())
    }

    /// The last bytes of the file.
    ///
    /// # Errors
    /// When pieces are missing.
    pub fn end(self) -> Result<Vec<u8>, ImageError> {
        Ok(Vec::new())
    }
}
