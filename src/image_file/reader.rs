//! A picture, row by row.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use super::decode::{guarded_decoder, sniff};
use super::opened::{Opened, OpenedJpeg, Opening};
use super::row_reader::RowReader;
use super::source::Source;
use super::{DecodeOptions, Format, Metadata, Picture};
use crate::band::{Band, Rows, Window};
use crate::error::ImageError;

/// Gives the rows of the upright picture in a file: read by and by where the format allows it,
/// otherwise decoded whole.
pub struct Reader<'f> {
    /// Columns, rows, channels.
    shape: (usize, usize, usize),
    metadata: Metadata,
    /// The row that [`read`](Self::read) reads next.
    next_row: usize,
    pixels: Pixels<'f>,
}

enum Pixels<'f> {
    /// Read by and by, without need of this memory.
    Rows(Format, Box<dyn RowReader + 'f>, Window, Vec<u8>),
    /// Decoded whole.
    Decoded(Vec<u8>),
}

impl Reader<'static> {
    /// As [`open`](Self::open), of a file on a disk.
    ///
    /// What can be read by rows is read from the disk as they are needed; only the file of a JPEG is
    /// read into memory first ([`Header::holds_file`](super::Header::holds_file)).
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn open_file(
        file: File,
        options: &DecodeOptions,
        recycled: Vec<u8>,
    ) -> Result<Self, ImageError> {
        Self::of_source(&Source::Disk(Arc::new(file)), options, recycled)
    }
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
        Self::of_source(&Source::Memory(file), options, recycled)
    }

    fn of_source(
        source: &Source<'f>,
        options: &DecodeOptions,
        recycled: Vec<u8>,
    ) -> Result<Self, ImageError> {
        let mut reader = source.reader().map_err(ImageError::Unreadable)?;
        let format = sniff(&mut reader)?;
        guarded_decoder(format, || {
            if format != Format::Jpeg {
                let opened = Opened::new(format, reader, options)?;
                return Ok(Self::of(format, opened.read(source.clone(), recycled)?));
            }
            let file = match source {
                Source::Memory(file) => Cow::Borrowed(*file),
                Source::Disk(_) => {
                    let mut file = Vec::new();
                    reader.read_to_end(&mut file).map_err(ImageError::Unreadable)?;
                    Cow::Owned(file)
                }
            };
            Ok(Self::of(format, OpenedJpeg::new(file, options)?.read(recycled)?))
        })
    }

    fn of(format: Format, opening: Opening<'f>) -> Self {
        match opening {
            Opening::Rows { rows, shape, metadata, recycled } => {
                let window = Window::new(shape.0, shape.2, shape.1);
                Self {
                    shape,
                    metadata,
                    next_row: 0,
                    pixels: Pixels::Rows(format, rows, window, recycled),
                }
            }
            Opening::Picture(Picture { width, height, channels, pixels, metadata }) => {
                let shape = (width, height, channels);
                Self { shape, metadata, next_row: 0, pixels: Pixels::Decoded(pixels) }
            }
        }
    }

    /// Columns, rows, channels.
    #[must_use]
    pub fn shape(&self) -> (usize, usize, usize) {
        self.shape
    }

    /// Where the first row begins, if all of them stand in the file as they are given, without a gap.
    #[must_use]
    pub fn plain_from(&self) -> Option<u64> {
        match &self.pixels {
            Pixels::Rows(_, reader, ..) => reader.plain_from(),
            Pixels::Decoded(_) => None,
        }
    }

    /// Reads the next rows, as many as `out` holds. A reader that is used so keeps none of them, and is
    /// not to be asked for [`rows`](Rows::rows).
    ///
    /// # Errors
    /// Those of [`rows`](Rows::rows).
    ///
    /// # Panics
    /// When there are not so many rows left.
    pub fn read(&mut self, out: &mut [u8]) -> Result<(), ImageError> {
        let (width, height, channels) = self.shape;
        let stride = width * channels;
        let first = self.next_row;
        self.next_row += out.len() / stride;
        assert!(self.next_row <= height, "more rows than there are");
        match &mut self.pixels {
            Pixels::Rows(format, reader, ..) => guarded_decoder(*format, || reader.read(out)),
            Pixels::Decoded(pixels) => {
                out.copy_from_slice(&pixels[first * stride..self.next_row * stride]);
                Ok(())
            }
        }
    }

    /// What the file says about the pixels, once; its orientation is 1.
    #[must_use]
    pub fn take_metadata(&mut self) -> Metadata {
        std::mem::take(&mut self.metadata)
    }

    /// Memory that it got to decode into and does not need, once.
    #[must_use]
    pub fn take_unneeded(&mut self) -> Vec<u8> {
        match &mut self.pixels {
            Pixels::Rows(.., recycled) => std::mem::take(recycled),
            Pixels::Decoded(_) => Vec::new(),
        }
    }

    /// Reads the rest of the file, behind the last row. Gives memory back that can be used again.
    ///
    /// # Errors
    /// When the file is cut off or damaged: the rows are not those of the picture.
    pub fn end(self) -> Result<Vec<u8>, ImageError> {
        match self.pixels {
            Pixels::Rows(format, mut rows, window, recycled) => {
                let (width, height, channels) = self.shape;
                let mut unread = vec![0; width * channels];
                guarded_decoder(format, move || {
                    for _ in window.rows().end.max(self.next_row)..height {
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
            Pixels::Rows(format, reader, window, _) => {
                assert!(rows.start <= window.rows().end, "rows are left out");
                guarded_decoder(*format, || {
                    window.advance(rows, |out| reader.read(out.bytes_mut()))
                })?;
                Ok(window.band())
            }
            Pixels::Decoded(pixels) => Ok(Band::new(pixels, width, channels, 0, height)),
        }
    }
}
