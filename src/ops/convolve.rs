//! Any kernel.

use std::ops::Range;

use super::kernels::convolve::{Tap, convolve_row, widen_row};
use super::padding::PaddedRow;
use super::parameter::MAX_WEIGHT;
use super::{Kind, Matrix, Op, OpEntry, Parameter, Simd, Step};
use crate::band::{Band, BandMut, reflect_101, rows_around};

/// The least size of a divisor: with it a weight stays inside single precision.
const MIN_DIVISOR: f64 = 1e-9;

pub(super) const OP: OpEntry = OpEntry {
    name: "convolve",
    summary: "Weighted sum of the pixels around each pixel, as OpenCV's filter2D",
    parameters: &[
        Parameter {
            name: "kernel",
            summary: "the weights, row by row; the anchor is at half the size",
            kind: Kind::Kernel { max_size: 11 },
            default: None,
        },
        Parameter {
            name: "divisor",
            summary: "divides all weights; not 0",
            kind: Kind::Number { min: -MAX_WEIGHT, max: MAX_WEIGHT },
            default: Some("1"),
        },
        Parameter {
            name: "offset",
            summary: "added to each sum",
            kind: Kind::Number { min: -MAX_WEIGHT, max: MAX_WEIGHT },
            default: Some("0"),
        },
    ],
    samples: &[
        "kernel=-2,-1,0/-1,1,1/0,1,2",
        "kernel=0,-1,0/-1,5,-1/0,-1,0",
        "kernel=1 2 3 4 5/5 4 3 2 1,divisor=30,offset=-3.5",
        "kernel=0.1/-0.7/1.3/0.35,offset=12",
        "kernel=1 1 1 1 1 1 1 1 1 1 1/0 0 0 0 0 0 0 0 0 0 0/1 2 3 4 5 6 5 4 3 2 1,divisor=47",
    ],
    build: |params| {
        let (kernel, divisor) = (params.kernel("kernel"), params.number("divisor"));
        if divisor.abs() < MIN_DIVISOR {
            return Err(params.refuse("divisor", "a number of at least 1e-9 in size"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "OpenCV computes in single precision")]
        let offset = params.number("offset") as f32;
        Ok(vec![Step::rows(Convolve::new(kernel, divisor, offset, params.simd()))])
    },
};

/// Correlation with reflected borders in single precision, weight by weight in reading order, as
/// OpenCV computes it where the CPU has fused multiply-add; exact for whole weights.
#[derive(Debug)]
struct Convolve {
    rows: usize,
    columns: usize,
    /// Row and column in the kernel, and weight; none is 0.
    weights: Vec<(usize, usize, f32)>,
    offset: f32,
    simd: Simd,
}

impl Convolve {
    fn new(kernel: &Matrix, divisor: f64, offset: f32, simd: Simd) -> Self {
        let columns = kernel.columns();
        let weights = kernel.values().iter().enumerate().map(|(index, value)| {
            #[expect(clippy::cast_possible_truncation, reason = "as OpenCV does")]
            let weight = (value / divisor) as f32;
            (index / columns, index % columns, weight)
        });
        let weights = weights.filter(|(_, _, weight)| *weight != 0.0).collect();
        Self { rows: kernel.rows(), columns, weights, offset, simd }
    }

    /// The image row that the kernel's row `kernel_row` meets for output row `row`.
    fn image_row(&self, row: usize, kernel_row: usize, height: usize) -> usize {
        reflect_101((row + kernel_row).cast_signed() - (self.rows / 2).cast_signed(), height)
    }
}

/// The values at a row's end that OpenCV sums one by one, with two roundings per weight, because it
/// sums four at a time and counts them as B, G, R.
fn summed_apart(width: usize, channels: usize) -> Range<usize> {
    let values = width * channels;
    let apart = values % 4;
    let start = values - if channels == 3 { 3 } else { apart };
    start..start + apart
}

impl Op for Convolve {
    fn cost(&self) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "at most 121")]
        let taps = self.weights.len() as f32;
        0.3 + 0.035 * taps
    }

    fn input_rows(&self, output: Range<usize>, height: usize) -> Range<usize> {
        rows_around(output, self.rows / 2, height)
    }

    fn write_rows(&self, input: Band<'_>, rows: Range<usize>, out: &mut BandMut<'_>) {
        let (height, channels) = (input.height(), input.channels());
        let before = self.columns / 2;
        let room = PaddedRow::new(input.width(), channels, before, self.columns - 1 - before);
        // The rows around one row are fewer than twice the kernel's: each has a place of its own.
        let places = 2 * (self.rows / 2) + 1;
        let mut widened = vec![room; places];
        let mut held = vec![None; places];
        for row in rows {
            for source in self.input_rows(row..row + 1, height) {
                let place = source % places;
                if held[place] != Some(source) {
                    widen_row(self.simd, input.row(source), widened[place].own_mut());
                    widened[place].reflect();
                    held[place] = Some(source);
                }
            }
            let taps = self.weights.iter().map(|(kernel_row, column, weight)| {
                let place = self.image_row(row, *kernel_row, height) % places;
                Tap { values: &widened[place].all()[column * channels..], weight: *weight }
            });
            let taps: Vec<Tap<'_>> = taps.collect();
            let apart = summed_apart(input.width(), channels);
            convolve_row(self.simd, &taps, self.offset, apart, out.row_mut(row));
        }
    }
}
