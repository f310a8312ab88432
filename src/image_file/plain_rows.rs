//! Places of rows that stand in a file as they are, one behind the other.

use std::ops::Range;

/// Where they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainRows {
    /// Where the first one begins.
    from: u64,
    row_bytes: u64,
    height: usize,
    file_bytes: u64,
}

impl PlainRows {
    /// The rows of a picture of this shape (columns, rows, channels) that begin at `from` in a file of
    /// `file_bytes` bytes. None: the file has not so many bytes.
    #[must_use]
    pub fn new(
        from: u64,
        (width, height, channels): (usize, usize, usize),
        file_bytes: u64,
    ) -> Option<Self> {
        let row_bytes = (width as u64).checked_mul(channels as u64)?;
        let end = row_bytes.checked_mul(height as u64)?.checked_add(from)?;
        (end <= file_bytes).then_some(Self { from, row_bytes, height, file_bytes })
    }

    /// The place of some rows.
    ///
    /// # Panics
    /// When the picture has not so many.
    #[must_use]
    pub fn place(&self, rows: &Range<usize>) -> Range<u64> {
        assert!(rows.end <= self.height, "rows behind the last");
        let place = |row: usize| self.from + row as u64 * self.row_bytes;
        place(rows.start)..place(rows.end)
    }

    /// The same, with all that stands before the first row of the picture and behind its last, so that
    /// each byte of the file belongs to rows.
    ///
    /// # Panics
    /// When the picture has not so many rows.
    #[must_use]
    pub fn share(&self, rows: &Range<usize>) -> Range<u64> {
        let Range { start, end } = self.place(rows);
        let start = if rows.start == 0 { 0 } else { start };
        start..if rows.end == self.height { self.file_bytes } else { end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_of_the_file_belongs_to_rows() {
        let rows = PlainRows::new(10, (3, 5, 2), 45).unwrap();
        assert_eq!((rows.place(&(0..5)), rows.share(&(0..5))), (10..40, 0..45));
        assert_eq!(
            [rows.share(&(0..2)), rows.share(&(2..3)), rows.share(&(3..5))],
            [0..22, 22..28, 28..45]
        );
        assert_eq!(PlainRows::new(10, (3, 5, 2), 39), None);
        assert_eq!(PlainRows::new(u64::MAX, (3, 5, 2), u64::MAX), None);
        assert_eq!(PlainRows::new(0, (usize::MAX, usize::MAX, 4), u64::MAX), None);
    }
}
