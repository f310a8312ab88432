//! A file in pieces, which are encoded alone, anywhere, in any order, and joined.
//!
//! The bytes of the file depend on the pixels and the options alone.

use std::io;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::encode::{fitting, guarded_encoder, with_channels};
use super::png_writer::{self, Sum};
use super::{
    EncodeOptions, Format, Metadata, jpeg, jpeg_pieces, jpeg_segments, memory, pnm, tiff_header,
};
use crate::error::ImageError;
use crate::simd::Simd;

/// The most pixels of a JPEG without restart markers, which has OpenCV's bytes.
const JPEG_WHOLE: usize = 1 << 27;

/// The formats of files in pieces.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Kind {
    Pnm,
    Tiff,
    Png,
    Jpeg,
}

/// How pixels become a file in pieces.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Pieces {
    /// Columns, rows, channels of the pixels.
    shape: (usize, usize, usize),
    rows: usize,
    kind: Kind,
    options: EncodeOptions,
}

impl Pieces {
    /// The pieces of a picture of `shape`: columns, rows, channels.
    ///
    /// None where the format is encoded whole, by one ([`Writer`](super::Writer)): WebP, BMP, and
    /// JPEG up to 2^27 pixels, which has OpenCV's bytes.
    #[must_use]
    pub fn new(shape: (usize, usize, usize), options: &EncodeOptions) -> Option<Self> {
        let (width, height, channels) = shape;
        let (kind, rows) = match options.format {
            Format::Pnm => (Kind::Pnm, 1),
            Format::Tiff => (Kind::Tiff, 1),
            Format::Png => (Kind::Png, png_writer::piece_rows(width * channels)),
            Format::Jpeg if width.saturating_mul(height) > JPEG_WHOLE => {
                (Kind::Jpeg, jpeg_pieces::ROWS)
            }
            Format::Jpeg | Format::WebP | Format::Bmp | Format::Gif | Format::Qoi => return None,
        };
        Some(Self { shape, rows, kind, options: options.clone() })
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
        let (width, _, channels) = self.shape;
        let result = self.most_bytes_of(rows) as u64;
        let beside = match self.kind {
            // The pixels with other channels.
            Kind::Pnm | Kind::Tiff => result,
            Kind::Png => png_writer::working_bytes(rows, self.row_bytes()) as u64,
            Kind::Jpeg => memory::encode_bytes(width, rows, channels, Format::Jpeg),
        };
        result.saturating_add(beside)
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
        guarded_encoder(self.format(), || match self.kind {
            Kind::Pnm | Kind::Tiff => {
                encoded.extend_from_slice(&with_channels(pixels, channels, self.held_channels()));
                Ok(())
            }
            Kind::Png => {
                let size = (width, channels);
                let sum = png_writer::append_pieces(
                    Simd::detect(),
                    pixels,
                    size,
                    first_row == 0,
                    encoded,
                )
                .map_err(|error| unfit(self.format(), &error))?;
                encoded.extend(sum.to_bytes());
                Ok(())
            }
            Kind::Jpeg => {
                let passed = jpeg::passed_channels(channels);
                let (size, quality) = ((width, passed), self.options.quality);
                let pixels = with_channels(pixels, channels, passed);
                jpeg_pieces::append_pieces(&pixels, size, quality, first_row, encoded)
            }
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
        let pixels = self.shape.0.saturating_mul(rows);
        match self.kind {
            Kind::Pnm | Kind::Tiff => pixels.saturating_mul(self.held_channels()),
            Kind::Png => png_writer::most_bytes(rows, self.row_bytes()).saturating_add(Sum::BYTES),
            // As for whole files, and a marker before each row of blocks.
            Kind::Jpeg => pixels.saturating_mul(3).saturating_add(rows),
        }
    }

    /// Where row `row` begins in a file whose first row begins at `first`, if that is known before any
    /// row is encoded.
    #[must_use]
    pub fn place(&self, row: usize, first: u64) -> Option<u64> {
        match self.kind {
            Kind::Pnm | Kind::Tiff => first.checked_add(self.most_bytes_of(row) as u64),
            Kind::Png | Kind::Jpeg => None,
        }
    }

    fn held_channels(&self) -> usize {
        self.format().held_channels(self.shape.2)
    }

    /// Whether pixels are in the file as they are given.
    fn passes_pixels_on(&self) -> bool {
        let is_raw = matches!(self.kind, Kind::Pnm | Kind::Tiff);
        is_raw && self.held_channels() == self.shape.2
    }
}

/// Joins encoded pieces, in their order, to a file. No byte is changed once it was given out.
pub struct Joiner {
    kind: Kind,
    /// Of the pieces so far, where the file ends with one.
    sum: Sum,
}

impl Joiner {
    /// A joiner of `pieces`, and the first bytes of the file.
    ///
    /// # Errors
    /// When the format's limits are exceeded ([`Format::check_fits`]).
    pub fn new(pieces: &Pieces, metadata: &Metadata) -> Result<(Self, Vec<u8>), ImageError> {
        let Pieces { shape: (width, height, channels), kind, options, .. } = pieces;
        let format = options.format;
        format.check_fits(*width, *height, *channels)?;
        let (icc, exif) = fitting(metadata, *channels, options);
        let held = (*width, *height, pieces.held_channels());
        let start = match kind {
            Kind::Pnm => pnm::header(held).into_bytes(),
            Kind::Tiff => tiff_header::header(held, icc),
            Kind::Png => {
                png_writer::header(held, icc, exif).map_err(|error| unfit(format, &error))?
            }
            Kind::Jpeg => {
                let shape = (*width, *height, jpeg::passed_channels(*channels));
                let segments = jpeg_segments::of_blocks(icc, exif);
                guarded_encoder(format, || jpeg_pieces::header(shape, options.quality, segments))?
            }
        };
        Ok((Self { kind: *kind, sum: Sum::START }, start))
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
        if self.kind != Kind::Png {
            return Ok(encoded.len());
        }
        let Some((of_file, sum)) = encoded.split_last_chunk() else {
            return Err(Format::Png.unfit("a piece of it is cut off".to_owned()));
        };
        self.sum = self.sum.then(Sum::from_bytes(*sum));
        Ok(of_file.len())
    }

    /// The last bytes of the file.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn end(self) -> Result<Vec<u8>, ImageError> {
        match self.kind {
            Kind::Pnm | Kind::Tiff => Ok(Vec::new()),
            Kind::Png => png_writer::end(self.sum).map_err(|error| unfit(Format::Png, &error)),
            Kind::Jpeg => Ok(jpeg_pieces::end()),
        }
    }
}

fn unfit(format: Format, error: &io::Error) -> ImageError {
    format.unfit(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_places_where_they_are_not_compressed() {
        let pieces = |format, channels| {
            let options = EncodeOptions { format, quality: 95, strip: false };
            Pieces::new((5, 9, channels), &options).unwrap()
        };
        for (format, channels, held) in
            [(Format::Tiff, 3, 3), (Format::Tiff, 2, 4), (Format::Pnm, 2, 2), (Format::Pnm, 1, 1)]
        {
            let pieces = pieces(format, channels);
            let (_, start) = Joiner::new(&pieces, &Metadata::default()).unwrap();
            let first = start.len() as u64;
            let rows = pieces.encode(2, vec![0; 3 * 5 * channels]).unwrap();
            let places = [2, 5, 9].map(|row| pieces.place(row, first).unwrap());
            assert_eq!(places[1] - places[0], rows.len() as u64);
            assert_eq!(places, [2, 5, 9].map(|row| first + row * 5 * held));
            assert_eq!(pieces.place(9, u64::MAX), None);
        }
        assert_eq!(pieces(Format::Png, 3).place(0, 10), None);
    }

    #[test]
    fn a_jpeg_is_made_of_pieces_when_it_is_very_large() {
        let options = EncodeOptions { format: Format::Jpeg, quality: 95, strip: false };
        assert!(Pieces::new((1 << 14, 1 << 13, 3), &options).is_none());
        let pieces = Pieces::new((1 << 14, (1 << 13) + 1, 4), &options).unwrap();
        assert_eq!(pieces.rows(), 16);
        let (mut joiner, start) = Joiner::new(&pieces, &Metadata::default()).unwrap();
        assert_eq!(start[..4], [0xFF, 0xD8, 0xFF, 0xE0]);
        let encoded = pieces.encode(16, vec![90; 16 * (4 << 14)]).unwrap();
        assert_eq!(encoded[..2], [0xFF, 0xD0]);
        assert_eq!(joiner.add(encoded.clone().into()).unwrap(), encoded);
        assert_eq!(joiner.end().unwrap(), [0xFF, 0xD9]);
    }
}
