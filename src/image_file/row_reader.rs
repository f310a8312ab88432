//! What gives the rows of a file one after the other, whatever its format.

use super::raw_rows::{self, Places};
use super::source::Source;
use super::tiff_rows::{self, Chunks};
use super::{Format, memory, png_rows};
use crate::error::ImageError;

/// Gives rows as they stand in the file, from the top.
pub(super) trait RowReader {
    /// Reads the next rows, as many as `rows` holds.
    fn read(&mut self, rows: &mut [u8]) -> Result<(), ImageError>;

    /// Where the first row begins, if all of them stand in the file as they are, without a gap.
    fn plain_from(&self) -> Option<u64> {
        None
    }

    /// Looks at what stands behind the last row, which must have been read.
    fn end(self: Box<Self>) -> Result<(), ImageError>;
}

/// How the rows of a file can be read one after the other.
pub(super) enum RowPlan {
    /// They stand there as they are.
    Raw(Places),
    /// In PNG, whose decoder may take so many bytes.
    Png(u64),
    /// In chunks of TIFF.
    Tiff(Chunks),
}

impl RowPlan {
    /// The most memory that reading takes beside the rows asked for, which have `row_bytes`.
    pub(super) fn bytes(&self, row_bytes: u64) -> u64 {
        match self {
            Self::Raw(places) => memory::of_raw_rows(places.strips.len() as u64),
            Self::Png(_) => memory::of_png_rows(row_bytes),
            Self::Tiff(chunks) => chunks.bytes(row_bytes),
        }
    }

    /// A reader of the rows of `source`, which have `row_bytes` in memory.
    pub(super) fn open(
        self,
        format: Format,
        source: Source<'_>,
        row_bytes: usize,
    ) -> Result<Box<dyn RowReader + '_>, ImageError> {
        Ok(match self {
            Self::Raw(places) => Box::new(raw_rows::Reader::new(source, format, places, row_bytes)),
            Self::Png(most_bytes) => {
                let reader = source.reader().map_err(ImageError::Unreadable)?;
                Box::new(png_rows::Reader::new(reader, row_bytes, most_bytes)?)
            }
            Self::Tiff(chunks) => {
                let reader = source.reader().map_err(ImageError::Unreadable)?;
                Box::new(tiff_rows::Reader::new(reader, chunks, row_bytes)?)
            }
        })
    }
}
