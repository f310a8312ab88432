//! A file, row by row.

use super::encode::{encode, fitting, guarded_encoder, with_channels};
use super::{EncodeOptions, Format, Metadata, jpeg, jpeg_segments};
use crate::error::ImageError;

/// Makes the file that [`encode`] makes, of rows that come one after the other: by and by where the
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
    /// Kept.
    Pixels(Vec<u8>),
}

impl<'m> Writer<'m> {
    /// A writer for a picture of `shape`: columns, rows, channels. The file, or rows that cannot be
    /// written by and by, are kept in the memory of `recycled`, if that is as large as
    /// [`writer_bytes`](super::writer_bytes) says.
    ///
    /// # Errors
    /// Those of [`encode`].
    pub fn new(
        shape: (usize, usize, usize),
        metadata: &'m Metadata,
        options: &EncodeOptions,
        recycled: Vec<u8>,
    ) -> Result<Self, ImageError> {
        let (width, height, channels) = shape;
        let format = options.format;
        format.check_fits(width, height, channels)?;
        let rows = if format == Format::Jpeg {
            // A fourth byte is left out by libjpeg-turbo itself.
            let passed = if channels == 4 { 4 } else { format.held_channels(channels) };
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
            Taken::Pixels(pixels) => {
                pixels.extend_from_slice(rows);
                Ok(())
            }
        }
    }

    /// The file, once it has all rows, and memory that can be used again.
    ///
    /// # Errors
    /// Those of [`encode`].
    pub fn end(self) -> Result<(Vec<u8>, Vec<u8>), ImageError> {
        let (width, height, channels) = self.shape;
        match self.rows {
            Taken::Jpeg(writer, _) => {
                Ok((guarded_encoder(self.options.format, || writer.end())?, Vec::new()))
            }
            Taken::Pixels(pixels) => {
                let (metadata, options) = (self.metadata, &self.options);
                Ok((encode(&pixels, width, height, channels, metadata, options)?, pixels))
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
