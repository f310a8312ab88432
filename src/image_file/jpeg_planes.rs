//! Rows of pixels from and to the luma and chroma that a JPEG is made of, in place of libjpeg-turbo: at
//! AVX-512 it takes half the time of libjpeg-turbo's own way.

use super::kernels::rgb::{sum_rows, to_rgb};
use super::kernels::ycc::{TwoRows, to_ycc};
use super::libjpeg::{Fault, Shape};
use crate::simd::Simd;

/// Rows and columns of a unit (MCU) of 4:2:0.
const UNIT: usize = 16;

/// Room behind the last row of planes: blocks of 8 columns are read two by two.
const ROOM: usize = 8;

/// Bytes of the planes of a row of units, of pictures of so many columns, and of a row of luma: 16 rows of
/// luma, and behind them 8 of blue and 8 of red, half as long.
fn lengths(width: usize) -> (usize, usize) {
    let columns = width.next_multiple_of(UNIT);
    ((UNIT + UNIT / 2) * columns + ROOM, columns)
}

/// The length of a row of luma in such planes.
///
/// # Panics
/// When they are not of pictures of so many columns.
pub(super) fn row_length(width: usize, planes: &[u8]) -> usize {
    let (all, row_length) = lengths(width);
    assert!(planes.len() == all, "{} bytes of planes of {width} columns", planes.len());
    row_length
}

/// Luma, blue, red of the planes of a row of units.
fn apart(planes: &mut [u8]) -> [&mut [u8]; 3] {
    let rows = planes.len() - ROOM;
    let (luma, chroma) = planes[..rows].split_at_mut(rows / 3 * 2);
    let (blue, red) = chroma.split_at_mut(chroma.len() / 2);
    [luma, blue, red]
}

/// Collects the rows of a row of units.
pub(super) struct ToPlanes {
    simd: Simd,
    /// Bytes in a row of pixels, and in a pixel.
    row_bytes: usize,
    channels: usize,
    /// Columns of whole units.
    columns: usize,
    /// Rows of pixels that are in `planes`, but for one that waits.
    rows: usize,
    /// The first of two rows, if its second has not come.
    waiting: Vec<u8>,
    planes: Vec<u8>,
}

impl ToPlanes {
    /// For pictures of this shape, RGB or RGB and a byte that does not count.
    pub(super) fn new(simd: Simd, (width, _, channels): Shape) -> Self {
        let (all, columns) = lengths(width);
        let (row_bytes, planes) = (width * channels, vec![0; all]);
        Self { simd, row_bytes, channels, columns, rows: 0, waiting: Vec::new(), planes }
    }

    pub(super) fn simd(&self) -> Simd {
        self.simd
    }

    /// Takes the next rows; `write` gets the planes of each row of units that is full.
    pub(super) fn take(
        &mut self,
        mut rows: &[u8],
        mut write: impl FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let length = self.row_bytes;
        if !self.waiting.is_empty() && !rows.is_empty() {
            let (second, rest) = rows.split_at(length);
            let mut first = std::mem::take(&mut self.waiting);
            self.add([&first, second], &mut write)?;
            first.clear();
            (self.waiting, rows) = (first, rest);
        }
        let twos = rows.chunks_exact(2 * length);
        self.waiting.extend_from_slice(twos.remainder());
        for two in twos {
            let (first, second) = two.split_at(length);
            self.add([first, second], &mut write)?;
        }
        Ok(())
    }

    /// Writes what is left: the last row of each plane stands for those that are missing.
    pub(super) fn end(
        &mut self,
        mut write: impl FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if !self.waiting.is_empty() {
            let last = std::mem::take(&mut self.waiting);
            self.add([&last, &last], &mut write)?;
        }
        if self.rows == 0 {
            return Ok(());
        }
        let (rows, columns) = (self.rows, self.columns);
        for (plane, by) in apart(&mut self.planes).into_iter().zip([1, 2, 2]) {
            let (rows, length) = (rows / by, columns / by);
            for row in (rows * length..plane.len()).step_by(length) {
                plane.copy_within((rows - 1) * length..rows * length, row);
            }
        }
        self.rows = 0;
        write(&self.planes)
    }

    fn add(
        &mut self,
        pixels: [&[u8]; 2],
        write: &mut impl FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let Self { simd, channels, columns, rows, .. } = *self;
        let [luma, blue, red] = apart(&mut self.planes);
        let (upper, lower) = luma[rows * columns..][..2 * columns].split_at_mut(columns);
        let half = columns / 2;
        let [blue, red] = [blue, red].map(|chroma| &mut chroma[rows / 2 * half..][..half]);
        to_ycc(simd, pixels, channels, TwoRows { luma: [upper, lower], blue, red });
        self.rows += 2;
        if self.rows < UNIT {
            return Ok(());
        }
        self.rows = 0;
        write(&self.planes)
    }
}

/// Gives the rows of rows of units.
pub(super) struct FromPlanes {
    simd: Simd,
    width: usize,
    /// Rows of chroma.
    halves: usize,
    /// The next row.
    row: usize,
    /// Rows of units that were read.
    units: usize,
    /// Those of the last one.
    planes: Vec<u8>,
    /// The last row of each plane of the one before it.
    above: [Vec<u8>; 3],
    /// Sums of two rows of blue and of red.
    sums: [Vec<i16>; 2],
}

impl FromPlanes {
    /// For RGB pictures of this size.
    pub(super) fn new(simd: Simd, width: usize, height: usize) -> Self {
        let (all, columns) = lengths(width);
        Self {
            simd,
            width,
            halves: height.div_ceil(2),
            row: 0,
            units: 0,
            planes: vec![0; all],
            above: [columns, columns / 2, columns / 2].map(|length| vec![0; length]),
            sums: [(); 2].map(|()| vec![0; width.div_ceil(2) + 2]),
        }
    }

    /// Gives the next rows, as many as `rows` holds; `read` fills the planes of the next row of units.
    pub(super) fn give(
        &mut self,
        rows: &mut [u8],
        mut read: impl FnMut(&mut [u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        for rgb in rows.chunks_exact_mut(3 * self.width) {
            let (row, near) = (self.row, self.row / 2);
            // Beyond the first and the last row of chroma, it goes on.
            let far =
                if row % 2 == 0 { near.saturating_sub(1) } else { (near + 1).min(self.halves - 1) };
            if near.max(far) >= self.units * (UNIT / 2) {
                self.keep_last_rows();
                read(&mut self.planes)?;
                self.units += 1;
            }
            self.make(row, near, far, rgb);
            self.row += 1;
        }
        Ok(())
    }

    fn keep_last_rows(&mut self) {
        for (above, plane) in self.above.iter_mut().zip(apart(&mut self.planes)) {
            let last = plane.len() - above.len();
            above.copy_from_slice(&plane[last..]);
        }
    }

    fn make(&mut self, row: usize, near: usize, far: usize, rgb: &mut [u8]) {
        let first = (self.units - 1) * UNIT;
        let [luma, blue, red] = apart(&mut self.planes);
        let [above_luma, above_chroma @ ..] = &self.above;
        for ((plane, above), sums) in [blue, red].iter().zip(above_chroma).zip(&mut self.sums) {
            let row = |row| &row_of(plane, above, first / 2, row)[..self.width.div_ceil(2)];
            sum_rows(self.simd, row(near), row(far), sums);
        }
        let sums = self.sums.each_ref().map(|sums| &sums[..]);
        to_rgb(self.simd, row_of(luma, above_luma, first, row), sums, rgb);
    }
}

/// A row of a plane whose first row is `first`, or of the one `above` it.
fn row_of<'p>(plane: &'p [u8], above: &'p [u8], first: usize, row: usize) -> &'p [u8] {
    match row.checked_sub(first) {
        Some(row) => &plane[row * above.len()..][..above.len()],
        None => above,
    }
}
