//! A picture, row by row.

use std::io::Cursor;
use std::ops::Range;

use super::decode::{Opened, OpenedJpeg, guarded_decoder, sniff};
use super::{DecodeOptions, Format, Metadata, Picture, jpeg};
use crate::band::{Band, Rows, Window};
use crate::error::ImageError;

/// Gives the rows of the upright picture in a file: read by and by where the format allows it,
/// otherwise decoded whole.
pub struct Reader<'f> {
    /// Columns, rows, channels.
    shape: (usize, usize, usize),
    metadata: Metadata,
    pixels: Pixels<'f>,
}

enum Pixels<'f> {
    /// Read by and by, without need of this memory.
    Jpeg(jpeg::Reader<'f>, Window, Vec<u8>),
    /// Decoded whole.
    Decoded(Vec<u8>),
}

impl<'f> Reader<'f> {
    /// Reads the header of `file`. Where its rows cannot be read by and by, decodes them all into
    /// the memory of `recycled` if that is large enough.
    ///
    /// # Errors
    /// Those of [`decode`](super::decode), as far as it is read.
    pub fn open(
        file: &'f [u8],
        options: &DecodeOptions,
        recycled: Vec<u8>,
    ) -> Result<Self, ImageError> {
        let mut reader = Cursor::new(file);
        let format = sniff(&mut reader)?;
        guarded_decoder(format, || {
            if format != Format::Jpeg {
                return Ok(Self::of(Opened::new(format, reader, options)?.decode(recycled)?));
            }
            let jpeg = OpenedJpeg::new(file, options)?;
            if !jpeg.is_upright() {
                return Ok(Self::of(jpeg.decode(recycled)?));
            }
            let (rows, metadata) = jpeg.into_rows();
            let (width, height, channels) = rows.shape();
            let window = Window::new(width, channels, height);
            let pixels = Pixels::Jpeg(rows, window, recycled);
            Ok(Self { shape: (width, height, channels), metadata, pixels })
        })
    }

    fn of(picture: Picture) -> Self {
        let Picture { width, height, channels, pixels, metadata } = picture;
        Self { shape: (width, height, channels), metadata, pixels: Pixels::Decoded(pixels) }
    }

    /// What the file says about the pixels, once; its orientation is 1.
    #[must_use]
    pub fn take_metadata(&mut self) -> Metadata {
        std::mem::take(&mut self.metadata)
    }

    /// Reads the rest of the file, behind the last row. Gives memory back that can be used again.
    ///
    /// # Errors
    /// When the file is cut off or damaged: the rows are not those of the picture.
    pub fn end(self) -> Result<Vec<u8>, ImageError> {
        match self.pixels {
            Pixels::Jpeg(mut rows, window, recycled) => {
                let (width, height, channels) = self.shape;
                let mut unread = vec![0; width * channels];
                guarded_decoder(Format::Jpeg, move || {
                    for _ in window.rows().end..height {
                        rows.read(&mut unread)?;
                    }
                    rows.end()
                })?;
                Ok(recycled)
            }
            Pixels::Decoded(pixels) => Ok(pixels),
        }
    }
}

impl Rows for Reader<'_> {
    type Fault = ImageError;

    fn width(&self) -> usize {
        self.shape.0
    }

    fn height(&self) -> usize {
        self.shape.1
    }

    fn channels(&self) -> usize {
        self.shape.2
    }

    /// # Panics
    /// When rows are left out.
    fn rows(&mut self, rows: Range<usize>) -> Result<Band<'_>, ImageError> {
        let (width, height, channels) = self.shape;
        match &mut self.pixels {
            Pixels::Jpeg(reader, window, _) => {
                assert!(rows.start <= window.rows().end, "rows are left out");
                guarded_decoder(Format::Jpeg, || {
                    window.advance(rows, |out| reader.read(out.bytes_mut()))
                })?;
                Ok(window.band())
            }
            Pixels::Decoded(pixels) => Ok(Band::new(pixels, width, channels, 0, height)),
        }
    }
}
