//! Gaussian blur.

use std::ops::Range;

use super::kernels::blur::{
    BINOMIAL, ROWS, Weights, binomial_row, column_sums, join_row, row_sums, split_row,
};
use super::padding::PaddedRow;
use super::{Kind, Op, OpEntry, Parameter, Simd, Step, gaussian};
use crate::band::{Band, BandMut, rows_around};

pub(super) const OP: OpEntry = OpEntry {
    name: "blur",
    summary: "Gaussian blur in fixed point, as OpenCV's GaussianBlur",
    parameters: &[
        Parameter {
            name: "ksize",
            summary: "width and height of the kernel in pixels",
            kind: Kind::Integer { min: 1, max: 255, odd: true },
            default: Some("31"),
        },
        Parameter {
            name: "sigma",
            summary: "standard deviation in pixels; 0 takes it from ksize",
            kind: Kind::Number { min: 0.0, max: 1000.0 },
            default: Some("0"),
        },
    ],
    samples: &["", "ksize=3", "ksize=5", "ksize=9,sigma=1.7", "ksize=1", "ksize=101,sigma=12"],
    build: |params| {
        let (size, sigma) = (params.integer("ksize"), params.number("sigma"));
        Ok(vec![Step::rows(Blur::new(size, sigma, params.simd()))])
    },
};

/// Separable blur: columns are summed in 16 bits, then rows in 32, rounded once at the end.
#[derive(Debug)]
pub(super) struct Blur {
    /// From one end to the other, in units of 1/256, or [`BINOMIAL`]; the ends are not 0.
    weights: Weights,
    simd: Simd,
}

impl Blur {
    /// A blur over `size` (odd) pixels each way; a `sigma` of 0 is taken from the size.
    pub(super) fn new(size: usize, sigma: f64, simd: Simd) -> Self {
        let mut weights = gaussian::coefficients(size, sigma);
        let zeros = weights.iter().take_while(|weight| **weight == 0).count();
        weights.truncate(size - zeros);
        weights.drain(..zeros);
        if weights.iter().eq(BINOMIAL.map(|weight| weight * 16).iter()) {
            weights = BINOMIAL.to_vec();
        }
        Self { weights: Weights::new(weights), simd }
    }

    fn radius(&self) -> usize {
        self.weights.len() / 2
    }

    /// The rows of a blur by binomial weights, all channels at once.
    fn write_binomial(&self, input: Band<'_>, rows: Range<usize>, out: &mut BandMut<'_>) {
        let channels = input.channels();
        let padded = PaddedRow::new(input.width(), channels, 2, 2);
        let mut sums: [_; ROWS] = std::array::from_fn(|_| padded.clone());
        for first in rows.clone().step_by(ROWS) {
            self.sum_columns(input, first, rows.end, sums.each_mut().map(PaddedRow::own_mut));
            for (row, sums) in (first..rows.end).zip(&mut sums) {
                sums.reflect();
                binomial_row(self.simd, sums.all(), channels, out.row_mut(row));
            }
        }
    }

    /// The sums of columns of the rows from `first` on; those from `end` on are of no use.
    fn sum_columns(&self, input: Band<'_>, first: usize, end: usize, mut sums: [&mut [i16]; ROWS]) {
        let around = 0..self.weights.len() + ROWS - 1;
        let last = end - 1 + 2 * self.radius();
        let rows = around.map(|offset| {
            let row = (first + offset).min(last).cast_signed() - self.radius().cast_signed();
            input.row_reflected(row)
        });
        column_sums(self.simd, &rows.collect::<Vec<_>>(), &self.weights, &mut sums);
    }
}

impl Op for Blur {
    fn cost(&self) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "at most a few hundred")]
        let radius = self.radius() as f32;
        0.2 + 0.04 * radius
    }

    fn input_rows(&self, output: Range<usize>, height: usize) -> Range<usize> {
        rows_around(output, self.radius(), height)
    }

    fn write_rows(&self, input: Band<'_>, rows: Range<usize>, out: &mut BandMut<'_>) {
        if self.weights.are_binomial() {
            return self.write_binomial(input, rows, out);
        }
        let (width, radius) = (input.width(), self.radius());
        let mut sums: [_; ROWS] = std::array::from_fn(|_| vec![0; input.stride()]);
        let padded = PaddedRow::new(width, 1, radius, radius);
        let mut planes = [padded.clone(), padded.clone(), padded];
        let mut blurred = [vec![0; width], vec![0; width], vec![0; width]];
        for first in rows.clone().step_by(ROWS) {
            self.sum_columns(input, first, rows.end, sums.each_mut().map(Vec::as_mut_slice));
            for (row, sums) in (first..rows.end).zip(&sums) {
                let out = out.row_mut(row);
                if input.channels() == 1 {
                    planes[0].own_mut().copy_from_slice(sums);
                    planes[0].reflect();
                    row_sums(self.simd, planes[0].all(), &self.weights, out);
                } else {
                    split_row(self.simd, sums, planes.each_mut().map(PaddedRow::own_mut));
                    for (plane, blurred) in planes.iter_mut().zip(&mut blurred) {
                        plane.reflect();
                        row_sums(self.simd, plane.all(), &self.weights, blurred);
                    }
                    join_row(self.simd, blurred.each_ref().map(Vec::as_slice), out);
                }
            }
        }
    }
}
