//! A file, row by row.

use super::encode::{encode_whole, fitting, guarded_encoder, with_channels};
use super::{EncodeOptions, Format, Joiner, Metadata, Pieces, jpeg, jpeg_segments};
use crate::error::ImageError;

/// Makes the file that [`encode`](super::encode) makes, of rows that come one after the other: by and by where the
/// format allows it, otherwise once they are all there.
pub struct Writer<'m> {
    /// Columns, rows, channels.
    shape: (usize, usize, usize),
    metadata: &'m Metadata,
    options: EncodeOptions,
    rows: Taken,
}

enum Taken {
    /// Written, with so many channels.
    Jpeg(jpeg::Writer, usize),
    /// Encoded piece by piece.
    Pieces(Joined),
    /// Kept.
    Pixels(Vec<u8>),
}

/// Pieces, encoded and joined as their rows come.
struct Joined {
    pieces: Pieces,
    joiner: Joiner,
    file: Vec<u8>,
    /// Rows that were encoded.
    rows: usize,
    /// Rows behind them, less than a piece.
    held: Vec<u8>,
}

impl Joined {
    fn new(pieces: Pieces, metadata: &Metadata, recycled: Vec<u8>) -> Result<Self, ImageError> {
        let (joiner, start) = Joiner::new(&pieces, metadata)?;
        // What is not written to takes no memory.
        let mut file = recycled;
        file.clear();
        file.try_reserve_exact(start.len().saturating_add(pieces.most_bytes()))
            .map_err(|error| pieces.format().unfit(error.to_string()))?;
        file.extend(start);
        Ok(Self { pieces, joiner, file, rows: 0, held: Vec::new() })
    }

    /// Takes the next rows of a picture.
    fn write(&mut self, mut rows: &[u8]) -> Result<(), ImageError> {
        let piece = self.pieces.piece_bytes();
        if !self.held.is_empty() {
            let (missing, rest) = rows.split_at((piece - self.held.len()).min(rows.len()));
            self.held.extend_from_slice(missing);
            if self.held.len() < piece {
                return Ok(());
            }
            let held = std::mem::take(&mut self.held);
            self.encode(&held)?;
            self.held = held;
            self.held.clear();
            rows = rest;
        }
        let (whole, rest) = rows.split_at(rows.len() / piece * piece);
        self.encode(whole)?;
        self.held.extend_from_slice(rest);
        Ok(())
    }

    fn encode(&mut self, pixels: &[u8]) -> Result<(), ImageError> {
        if pixels.is_empty() {
            return Ok(());
        }
        let from = self.file.len();
        self.pieces.append(self.rows, pixels, &mut self.file)?;
        let kept = self.joiner.take(&self.file[from..])?;
        self.file.truncate(from + kept);
        self.rows += pixels.len() / self.pieces.row_bytes();
        Ok(())
    }

    fn end(mut self) -> Result<Vec<u8>, ImageError> {
        let last = std::mem::take(&mut self.held);
        self.encode(&last)?;
        self.file.extend(self.joiner.end()?);
        Ok(self.file)
    }
}

impl<'m> Writer<'m> {
    /// A writer for a picture of `shape`: columns, rows, channels. The file, or rows that cannot be
    /// written by and by, are kept in the memory of `recycled`, if that is as large as
    /// [`writer_bytes`](super::writer_bytes) says.
    ///
    /// # Errors
    /// Those of [`encode`](super::encode).
    pub fn new(
        shape: (usize, usize, usize),
        metadata: &'m Metadata,
        options: &EncodeOptions,
        recycled: Vec<u8>,
    ) -> Result<Self, ImageError> {
        let (width, height, channels) = shape;
        let format = options.format;
        format.check_fits(width, height, channels)?;
        let rows = if let Some(pieces) = Pieces::new(shape, options) {
            Taken::Pieces(Joined::new(pieces, metadata, recycled)?)
        } else if format == Format::Jpeg {
            let passed = jpeg::passed_channels(channels);
            let (icc, exif) = fitting(metadata, channels, options);
            let segments = jpeg_segments::of_blocks(icc, exif);
            let shape = (width, height, passed);
            let start = || jpeg::Writer::new(shape, options.quality, segments, recycled);
            Taken::Jpeg(guarded_encoder(format, start)?, passed)
        } else {
            Taken::Pixels(emptied(recycled, width * height * channels))
        };
        Ok(Self { shape, metadata, options: options.clone(), rows })
    }

    /// Takes the next rows.
    ///
    /// # Errors
    /// When they cannot be encoded.
    pub fn write(&mut self, rows: &[u8]) -> Result<(), ImageError> {
        let (_, _, channels) = self.shape;
        match &mut self.rows {
            Taken::Jpeg(writer, passed) => guarded_encoder(self.options.format, || {
                writer.write(&with_channels(rows, channels, *passed))
            }),
            Taken::Pieces(joined) => joined.write(rows),
            Taken::Pixels(pixels) => {
                pixels.extend_from_slice(rows);
                Ok(())
            }
        }
    }

    /// The file, once it has all rows, and memory that can be used again.
    ///
    /// # Errors
    /// Those of [`encode`](super::encode).
    pub fn end(self) -> Result<(Vec<u8>, Vec<u8>), ImageError> {
        match self.rows {
            Taken::Jpeg(writer, _) => {
                Ok((guarded_encoder(self.options.format, || writer.end())?, Vec::new()))
            }
            Taken::Pieces(joined) => Ok((joined.end()?, Vec::new())),
            Taken::Pixels(pixels) => {
                Ok((encode_whole(&pixels, self.shape, self.metadata, &self.options)?, pixels))
            }
        }
    }
}

/// Room for `bytes` bytes, in the memory of `recycled` if that is large enough.
pub(super) fn emptied(mut recycled: Vec<u8>, bytes: usize) -> Vec<u8> {
    if recycled.capacity() < bytes {
        drop(recycled);
        return Vec::with_capacity(bytes);
    }
    recycled.clear();
    recycled
}
