//! Rows of a file as files of their own, still compressed: whoever has one decodes it alone.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use super::decode::{guarded_decoder, sniff};
use super::opened::{Opened, upright_jpeg};
use super::source::Source;
use super::{DecodeOptions, Format, Metadata, jpeg_segments, jpeg_slices, tiff_slices};
use crate::error::ImageError;

/// Cuts rows out of a file: a JPEG with restart markers where rows of blocks begin, or a TIFF of
/// compressed strips or tiles.
#[derive(Debug)]
pub struct Slicer {
    cut: Cut,
    /// Columns, rows, channels.
    shape: (usize, usize, usize),
    metadata: Metadata,
}

#[derive(Debug)]
enum Cut {
    Jpeg(jpeg_slices::Cut),
    Tiff(tiff_slices::Cut),
}

/// A file of some rows of a picture.
#[derive(Debug)]
pub struct Slice {
    /// What [`Reader::open`](super::Reader::open) reads: the same pixels, as the whole file has there.
    pub file: Vec<u8>,
    /// The row of the picture that is its first.
    pub first_row: usize,
}

impl Slicer {
    /// Reads the header of a file. None: its rows cannot be cut out.
    ///
    /// # Errors
    /// Those of [`Reader::open_file`](super::Reader::open_file), as far as it is read.
    pub fn open(file: File, options: &DecodeOptions) -> Result<Option<Self>, ImageError> {
        let source = Source::Disk(Arc::new(file));
        let mut reader = source.reader().map_err(ImageError::Unreadable)?;
        let format = sniff(&mut reader)?;
        guarded_decoder(format, || match format {
            Format::Jpeg => {
                let head = jpeg_segments::read_head(&mut reader, options)?;
                if head.restart_interval == 0 || !head.junk.is_empty() {
                    return Ok(None);
                }
                let Some((shape, metadata)) = upright_jpeg(head, options)? else {
                    return Ok(None);
                };
                let mut file = Vec::new();
                let whole = reader.rewind().and_then(|()| reader.read_to_end(&mut file));
                whole.map_err(ImageError::Unreadable)?;
                let cut = jpeg_slices::Cut::new(file).map(Cut::Jpeg);
                Ok(cut.map(|cut| Self { cut, shape, metadata }))
            }
            Format::Tiff => {
                let opened = Opened::new(format, reader, options)?;
                let Some((shape, metadata, chunks)) = opened.into_chunks() else { return Ok(None) };
                let cut = tiff_slices::Cut::new(source, chunks).map(Cut::Tiff);
                Ok(cut.map(|cut| Self { cut, shape, metadata }))
            }
            Format::Png | Format::Pnm | Format::WebP | Format::Bmp | Format::Gif | Format::Qoi => {
                Ok(None)
            }
        })
    }

    /// Columns, rows, channels.
    #[must_use]
    pub fn shape(&self) -> (usize, usize, usize) {
        self.shape
    }

    /// What the file says about the pixels, once; its orientation is 1.
    #[must_use]
    pub fn take_metadata(&mut self) -> Metadata {
        std::mem::take(&mut self.metadata)
    }

    /// Rows that slices are made of: one has whole units.
    #[must_use]
    pub fn unit_rows(&self) -> usize {
        match &self.cut {
            Cut::Jpeg(cut) => cut.unit_rows(),
            Cut::Tiff(cut) => cut.unit_rows(),
        }
    }

    /// A file with these rows in it.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn slice(&self, rows: &Range<usize>) -> Result<Slice, ImageError> {
        let (file, first_row) = match &self.cut {
            Cut::Jpeg(cut) => cut.slice(rows),
            Cut::Tiff(cut) => cut.slice(rows)?,
        };
        Ok(Slice { file, first_row })
    }
}
