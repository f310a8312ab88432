//! A file in pieces, which are encoded alone, anywhere, in any order, and joined.
//!
//! The bytes of the file depend on the pixels and the options alone.

use std::io;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::encode::{fitting, guarded_encoder, with_channels};
use super::png_writer::{self, Sum};
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
            Format::Png => png_writer::piece_rows(shape.0 * shape.2),
            Format::Jpeg | Format::WebP | Format::Bmp | Format::Gif | Format::Qoi => return None,
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
        if self.passes_pixels_on() {
            return 0;
        }
        let result = self.most_bytes_of(rows);
        let beside =
            if self.is_png() { png_writer::working_bytes(self.row_bytes()) } else { result };
        (result as u64).saturating_add(beside as u64)
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
        if self.passes_pixels_on() {
            return Ok(pixels);
        }
        // What is not written to takes no memory.
        let mut encoded = Vec::with_capacity(self.most_bytes_of(pixels.len() / self.row_bytes()));
        self.append(first_row, &pixels, &mut encoded)?;
        encoded.shrink_to_fit();
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
        let rows = pixels.len() / self.row_bytes();
        assert!(pixels.len() == rows * self.row_bytes(), "these are no whole rows");
        let end = first_row + rows;
        let is_whole = |row: usize| row.is_multiple_of(self.rows);
        assert!(is_whole(first_row) && (is_whole(end) || end == height), "half a piece");
        guarded_encoder(self.format(), || {
            if !self.is_png() {
                encoded.extend_from_slice(&with_channels(pixels, channels, self.held_channels()));
                return Ok(());
            }
            let size = (width, channels);
            let sum = png_writer::append_pieces(pixels, size, first_row == 0, encoded)
                .map_err(|error| unfit(self.format(), &error))?;
            encoded.extend(sum.to_bytes());
            Ok(())
        })
    }

    pub(super) fn format(&self) -> Format {
        self.options.format
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
        self.most_bytes_of(self.shape.1)
    }

    /// The most bytes that pieces of so many rows have, encoded.
    fn most_bytes_of(&self, rows: usize) -> usize {
        if self.is_png() {
            return png_writer::most_bytes(rows, self.row_bytes()).saturating_add(Sum::BYTES);
        }
        self.shape.0.saturating_mul(rows).saturating_mul(self.held_channels())
    }

    fn held_channels(&self) -> usize {
        self.format().held_channels(self.shape.2)
    }

    /// Whether pixels are in the file as they are given.
    fn passes_pixels_on(&self) -> bool {
        !self.is_png() && self.held_channels() == self.shape.2
    }

    fn is_png(&self) -> bool {
        self.format() == Format::Png
    }
}

/// Joins encoded pieces, in their order, to a file. No byte is changed once it was given out.
pub struct Joiner {
    format: Format,
    /// Of the pieces so far, where the file ends with one.
    sum: Sum,
}

impl Joiner {
    /// A joiner of `pieces`, and the first bytes of the file.
    ///
    /// # Errors
    /// When the format's limits are exceeded ([`Format::check_fits`]).
    pub fn new(pieces: &Pieces, metadata: &Metadata) -> Result<(Self, Vec<u8>), ImageError> {
        let Pieces { shape: (width, height, channels), options, .. } = pieces;
        let format = options.format;
        format.check_fits(*width, *height, *channels)?;
        let (icc, exif) = fitting(metadata, *channels, options);
        let held = (*width, *height, pieces.held_channels());
        let start = match format {
            Format::Tiff => tiff_header::header(held, icc),
            Format::Pnm => pnm::header(held).into_bytes(),
            Format::Png => {
                png_writer::header(held, icc, exif).map_err(|error| unfit(format, &error))?
            }
            Format::Jpeg | Format::WebP | Format::Bmp | Format::Gif | Format::Qoi => {
                unreachable!("it has no pieces")
            }
        };
        Ok((Self { format, sum: Sum::START }, start))
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
        if self.format != Format::Png {
            return Ok(encoded.len());
        }
        let Some((of_file, sum)) = encoded.split_last_chunk() else {
            return Err(self.format.unfit("a piece of it is cut off".to_owned()));
        };
        self.sum = self.sum.then(Sum::from_bytes(*sum));
        Ok(of_file.len())
    }

    /// The last bytes of the file.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn end(self) -> Result<Vec<u8>, ImageError> {
        if self.format != Format::Png {
            return Ok(Vec::new());
        }
        png_writer::end(self.sum).map_err(|error| unfit(self.format, &error))
    }
}

fn unfit(format: Format, error: &io::Error) -> ImageError {
    format.unfit(error.to_string())
}
