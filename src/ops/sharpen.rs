//! Sharpening after a slight blur.

use std::ops::Range;

use super::blur::Blur;
use super::kernels::stencil::{sharpen_row, sum_of_three};
use super::padding::PaddedRow;
use super::{Op, OpEntry, Simd, Step};
use crate::band::{Band, BandMut, rows_around};

pub(super) const OP: OpEntry = OpEntry {
    name: "sharpen",
    summary: "Blur of ksize 5, then 10 times each pixel less the 3 x 3 pixels around it",
    parameters: &[],
    samples: &[""],
    build: |params| {
        let simd = params.simd();
        Ok(vec![Step::rows(Blur::new(5, 0.0, simd)), Step::rows(Sharpen { simd })])
    },
};

/// The kernel -1 -1 -1 / -1 9 -1 / -1 -1 -1, clamped.
#[derive(Debug)]
struct Sharpen {
    simd: Simd,
}

impl Op for Sharpen {
    fn cost(&self) -> f32 {
        0.1
    }

    fn input_rows(&self, output: Range<usize>, height: usize) -> Range<usize> {
        rows_around(output, 1, height)
    }

    fn write_rows(&self, input: Band<'_>, rows: Range<usize>, out: &mut BandMut<'_>) {
        let channels = input.channels();
        let mut sums = PaddedRow::new(input.width(), channels, 1, 1);
        for row in rows {
            let at = |distance: isize| input.row_reflected(row.cast_signed() + distance);
            sum_of_three(self.simd, at(-1), at(0), at(1), sums.own_mut());
            sums.reflect();
            sharpen_row(self.simd, at(0), sums.all(), channels, out.row_mut(row));
        }
    }
}
