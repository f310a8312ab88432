//! Rows of pixels as the luma and chroma that a JPEG is made of, made for libjpeg-turbo: at AVX-512 it
//! takes half the time of libjpeg-turbo's own way.

use super::kernels::ycc::{TwoRows, to_ycc};
use super::libjpeg::{Fault, Shape};
use crate::simd::Simd;

/// Rows and columns of a unit (MCU) of 4:2:0.
const UNIT: usize = 16;

/// Collects the rows of a row of units.
pub(super) struct Planes {
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
    /// Luma, and behind it half as long and half as many rows of blue and of red.
    planes: Vec<u8>,
}

impl Planes {
    /// Bytes of all planes of a row of units, for pictures of so many columns, and of a row of luma.
    pub(super) fn lengths(width: usize) -> (usize, usize) {
        let columns = width.next_multiple_of(UNIT);
        ((UNIT + UNIT / 2) * columns, columns)
    }

    /// Planes of pictures of this shape, RGB or RGB and a byte that does not count.
    pub(super) fn new(simd: Simd, (width, _, channels): Shape) -> Self {
        let (all, columns) = Self::lengths(width);
        let (row_bytes, planes) = (width * channels, vec![0; all]);
        Self { simd, row_bytes, channels, columns, rows: 0, waiting: Vec::new(), planes }
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
        for (plane, by) in self.planes_mut().into_iter().zip([1, 2, 2]) {
            let (rows, length) = (rows / by, columns / by);
            for row in (rows * length..plane.len()).step_by(length) {
                plane.copy_within((rows - 1) * length..rows * length, row);
            }
        }
        self.rows = 0;
        write(&self.planes)
    }

    /// Luma, blue, red.
    fn planes_mut(&mut self) -> [&mut [u8]; 3] {
        let (luma, chroma) = self.planes.split_at_mut(UNIT * self.columns);
        let (blue, red) = chroma.split_at_mut(chroma.len() / 2);
        [luma, blue, red]
    }

    fn add(
        &mut self,
        pixels: [&[u8]; 2],
        write: &mut impl FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let Self { simd, channels, columns, rows, .. } = *self;
        let [luma, blue, red] = self.planes_mut();
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
