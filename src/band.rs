//! Rows of an image that know where they stand in it, and the border rule.

mod window;

use std::ops::Range;

use ndarray::{ArrayView3, ArrayViewMut3};

pub use window::{Rows, Window};

/// Consecutive rows of an image, rows x columns x channels, 8 bits each, row-major without gaps.
///
/// It carries the index of its first row and the height of the whole image, so that the edge of a
/// cut is never taken for the edge of the image.
#[derive(Clone, Copy, Debug)]
pub struct Band<'a> {
    bytes: &'a [u8],
    width: usize,
    channels: usize,
    first_row: usize,
    height: usize,
}

impl<'a> Band<'a> {
    /// A band over `bytes`, which hold whole rows of `width` pixels of `channels` bytes; its first
    /// row is row `first_row` of an image of `height` rows.
    ///
    /// # Panics
    /// When `bytes` are no whole number of rows, or the rows reach past the image.
    #[must_use]
    pub fn new(
        bytes: &'a [u8],
        width: usize,
        channels: usize,
        first_row: usize,
        height: usize,
    ) -> Self {
        check_shape(bytes.len(), width, channels, first_row, height);
        Self { bytes, width, channels, first_row, height }
    }

    /// The pixels, rows x columns x channels.
    #[must_use]
    pub fn pixels(&self) -> ArrayView3<'a, u8> {
        let shape = (self.rows().len(), self.width, self.channels);
        #[expect(clippy::expect_used, reason = "new() has checked the length")]
        ArrayView3::from_shape(shape, self.bytes).expect("rows x columns x channels")
    }

    /// The bytes of all rows, one after the other.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The image rows it holds.
    #[must_use]
    pub fn rows(&self) -> Range<usize> {
        self.first_row..self.first_row + self.bytes.len() / self.stride()
    }

    /// Rows of the whole image.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// Pixels in a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Bytes in a pixel.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Bytes in a row.
    #[must_use]
    pub fn stride(&self) -> usize {
        self.width * self.channels
    }

    /// Image row `row`, `width x channels` bytes.
    ///
    /// # Panics
    /// When the band does not hold that row: a halo was declared too small.
    #[must_use]
    pub fn row(&self, row: usize) -> &'a [u8] {
        let rows = self.rows();
        assert!(rows.contains(&row), "row {row} is outside the band {rows:?}");
        let start = (row - self.first_row) * self.stride();
        &self.bytes[start..start + self.stride()]
    }

    /// The image row that stands for `row` under the reflect-101 rule.
    ///
    /// # Panics
    /// When the band does not hold that row.
    #[must_use]
    pub fn row_reflected(&self, row: isize) -> &'a [u8] {
        self.row(reflect_101(row, self.height))
    }

    /// The image row that stands for `row` when the first and the last row are repeated.
    ///
    /// # Panics
    /// When the band does not hold that row.
    #[must_use]
    pub fn row_replicated(&self, row: isize) -> &'a [u8] {
        self.row(row.clamp(0, self.height.cast_signed() - 1).cast_unsigned())
    }

    /// The part of the band that holds the image rows `rows`.
    ///
    /// # Panics
    /// When the band does not hold them all.
    #[must_use]
    pub fn slice(&self, rows: Range<usize>) -> Band<'a> {
        let own = self.rows();
        assert!(
            own.start <= rows.start && rows.end <= own.end,
            "rows {rows:?} are outside the band {own:?}"
        );
        let start = (rows.start - self.first_row) * self.stride();
        let end = (rows.end - self.first_row) * self.stride();
        Band::new(&self.bytes[start..end], self.width(), self.channels(), rows.start, self.height)
    }
}

/// Consecutive rows of an image, to be written; the same layout as [`Band`].
#[derive(Debug)]
pub struct BandMut<'a> {
    bytes: &'a mut [u8],
    width: usize,
    channels: usize,
    first_row: usize,
    height: usize,
}

impl<'a> BandMut<'a> {
    /// A writable band; the arguments are those of [`Band::new`].
    ///
    /// # Panics
    /// When `bytes` are no whole number of rows, or the rows reach past the image.
    #[must_use]
    pub fn new(
        bytes: &'a mut [u8],
        width: usize,
        channels: usize,
        first_row: usize,
        height: usize,
    ) -> Self {
        check_shape(bytes.len(), width, channels, first_row, height);
        Self { bytes, width, channels, first_row, height }
    }

    /// The pixels, rows x columns x channels.
    #[must_use]
    pub fn pixels_mut(&mut self) -> ArrayViewMut3<'_, u8> {
        let shape = (self.rows().len(), self.width, self.channels);
        #[expect(clippy::expect_used, reason = "new() has checked the length")]
        ArrayViewMut3::from_shape(shape, &mut *self.bytes).expect("rows x columns x channels")
    }

    /// The bytes of all rows, one after the other.
    #[must_use]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes
    }

    /// The image rows it holds.
    #[must_use]
    pub fn rows(&self) -> Range<usize> {
        self.first_row..self.first_row + self.bytes.len() / self.stride()
    }

    /// Rows of the whole image.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// Pixels in a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Bytes in a pixel.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Bytes in a row.
    #[must_use]
    pub fn stride(&self) -> usize {
        self.width * self.channels
    }

    /// Image row `row`, `width x channels` bytes.
    ///
    /// # Panics
    /// When the band does not hold that row.
    #[must_use]
    pub fn row_mut(&mut self, row: usize) -> &mut [u8] {
        let rows = self.rows();
        assert!(rows.contains(&row), "row {row} is outside the band {rows:?}");
        let start = (row - self.first_row) * self.stride();
        let end = start + self.stride();
        &mut self.bytes[start..end]
    }

    /// The same rows, to be read.
    #[must_use]
    pub fn as_band(&self) -> Band<'_> {
        Band::new(self.bytes, self.width, self.channels, self.first_row, self.height)
    }
}

fn check_shape(bytes: usize, width: usize, channels: usize, first_row: usize, height: usize) {
    let stride = width * channels;
    assert!(stride > 0, "a band of empty rows");
    let rows = bytes / stride;
    assert!(rows * stride == bytes, "{bytes} bytes are no whole rows of {stride} bytes");
    assert!(first_row + rows <= height, "rows {first_row}+{rows} reach past {height}");
}

/// The index in `0..len` that stands for `index` when a line is mirrored at its first and last
/// element without repeating them (… c b | a b c …), again and again if `len` is small.
///
/// # Panics
/// When `len` is 0.
#[must_use]
pub fn reflect_101(index: isize, len: usize) -> usize {
    assert!(len > 0, "an empty line has no border");
    if len == 1 {
        return 0;
    }
    let period = 2 * (len - 1);
    let folded = index.rem_euclid(period.cast_signed()).cast_unsigned();
    folded.min(period - folded)
}

/// The rows that lie at most `radius` rows from one of `rows`, inside an image of `height` rows.
///
/// They also hold every row that stands for an outside one by reflection or replication.
#[must_use]
pub fn rows_around(rows: Range<usize>, radius: usize, height: usize) -> Range<usize> {
    rows.start.saturating_sub(radius)..(rows.end + radius).min(height)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reflection_does_not_repeat_the_edge() {
        let line: Vec<usize> = (-4..8).map(|i| reflect_101(i, 4)).collect();
        assert_eq!(line, [2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]);
        assert_eq!(reflect_101(-7, 1), 0);
        assert_eq!(reflect_101(5, 2), 1);
    }

    #[test]
    fn rows_around_hold_every_reflected_row() {
        for height in 1..12 {
            for radius in 0..16 {
                for row in 0..height {
                    let held = rows_around(row..row + 1, radius, height);
                    for offset in -radius.cast_signed()..=radius.cast_signed() {
                        let needed = reflect_101(row.cast_signed() + offset, height);
                        assert!(held.contains(&needed), "{height} {radius} {row} {offset}");
                    }
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "outside the band")]
    fn a_row_outside_panics() {
        let bytes = [0; 12];
        let _ = Band::new(&bytes, 2, 3, 4, 10).row(3);
    }
}
