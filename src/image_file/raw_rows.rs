//! Rows that stand in a file as they are.

use super::Format;
use super::decode::from_io;
use super::row_reader::RowReader;
use super::source::Source;
use crate::error::ImageError;

/// Where they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Places {
    /// Where each strip begins.
    pub(super) strips: Vec<u64>,
    /// Rows of a strip; the last may have fewer.
    pub(super) strip_rows: usize,
}

/// Reads them.
pub(super) struct Reader<'f> {
    source: Source<'f>,
    format: Format,
    places: Places,
    row_bytes: usize,
    next_row: usize,
}

impl<'f> Reader<'f> {
    pub(super) fn new(
        source: Source<'f>,
        format: Format,
        places: Places,
        row_bytes: usize,
    ) -> Self {
        Self { source, format, places, row_bytes, next_row: 0 }
    }

    /// Where the next row begins, and how many of `wanted` rows stand together from there.
    fn together(&self, wanted: usize) -> (u64, usize) {
        let Places { strips, strip_rows } = &self.places;
        let (strip, above) = (self.next_row / strip_rows, self.next_row % strip_rows);
        let strip_bytes = *strip_rows as u64 * self.row_bytes as u64;
        let mut rows = strip_rows - above;
        let mut last = strip;
        while rows < wanted && strips.get(last + 1) == Some(&strips[last].wrapping_add(strip_bytes))
        {
            last += 1;
            rows += strip_rows;
        }
        let start = strips[strip].saturating_add(above as u64 * self.row_bytes as u64);
        (start, rows.min(wanted))
    }
}

impl RowReader for Reader<'_> {
    fn plain_from(&self) -> Option<u64> {
        let Places { strips, strip_rows } = &self.places;
        let strip_bytes = *strip_rows as u64 * self.row_bytes as u64;
        let follow = |pair: &[u64]| pair[0].checked_add(strip_bytes) == Some(pair[1]);
        strips.first().copied().filter(|_| strips.windows(2).all(follow))
    }

    fn read(&mut self, mut rows: &mut [u8]) -> Result<(), ImageError> {
        while !rows.is_empty() {
            let (start, count) = self.together(rows.len() / self.row_bytes);
            let (next, rest) = rows.split_at_mut(count * self.row_bytes);
            self.source.read_at(start, next).map_err(|error| from_io(self.format, error))?;
            self.next_row += count;
            rows = rest;
        }
        Ok(())
    }

    fn end(self: Box<Self>) -> Result<(), ImageError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips_that_follow_each_other_are_read_at_once() {
        let places = Places { strips: vec![10, 16, 40, 46], strip_rows: 2 };
        let bytes: Vec<u8> = (0..50).collect();
        let mut reader = Reader::new(Source::Memory(&bytes), Format::Tiff, places, 3);
        assert_eq!((reader.plain_from(), reader.together(9)), (None, (10, 4)));
        let mut rows = [0; 9];
        reader.read(&mut rows).unwrap();
        assert_eq!(rows, [10, 11, 12, 13, 14, 15, 16, 17, 18]);
        assert_eq!(reader.together(9), (19, 1));
        reader.read(&mut rows).unwrap();
        assert_eq!(rows, [19, 20, 21, 40, 41, 42, 43, 44, 45]);
        let error = reader.read(&mut rows[..6]).unwrap_err().to_string();
        assert!(error.ends_with("it ends early"), "{error}");
        let places = Places { strips: vec![10, 16, 22], strip_rows: 2 };
        let reader = Reader::new(Source::Memory(&bytes), Format::Tiff, places, 3);
        assert_eq!(reader.plain_from(), Some(10));
    }
}
