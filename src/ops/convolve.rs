//! Any kernel.

use std::ops::Range;

use super::kernels::convolve::{FourTaps, Tap, convolve_row, convolve_whole_row, widen_row};
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

/// Correlation with reflected borders, as OpenCV computes it where the CPU has fused multiply-add: in
/// single precision, weight by weight in reading order. What is exact in it may be summed in any way.
#[derive(Debug)]
struct Convolve {
    rows: usize,
    columns: usize,
    weights: Weights,
    offset: f32,
    simd: Simd,
}

#[derive(Debug)]
enum Weights {
    /// Row and column in the kernel, and weight; none is 0.
    Real(Vec<(usize, usize, f32)>),
    /// First of up to four rows in the kernel, column, and weights; not all are 0. The offset is
    /// whole, too, and no sum is as large as 2^23.
    Whole(Vec<(usize, usize, [i8; 4])>),
}

impl Convolve {
    fn new(kernel: &Matrix, divisor: f64, offset: f32, simd: Simd) -> Self {
        let (rows, columns) = (kernel.rows(), kernel.columns());
        #[expect(clippy::cast_possible_truncation, reason = "as OpenCV does")]
        let weights: Vec<f32> =
            kernel.values().iter().map(|value| (value / divisor) as f32).collect();
        let whole = || whole_weights(&weights, columns).filter(|_| is_whole(offset));
        let weights = match simd.has_dot_products().then(whole).flatten() {
            Some(whole) => Weights::Whole(whole),
            None => Weights::Real(real_weights(&weights, columns)),
        };
        Self { rows, columns, weights, offset, simd }
    }

    /// The image row that the kernel's row `kernel_row` meets for output row `row`.
    fn image_row(&self, row: usize, kernel_row: usize, height: usize) -> usize {
        reflect_101((row + kernel_row).cast_signed() - (self.rows / 2).cast_signed(), height)
    }
}

fn real_weights(weights: &[f32], columns: usize) -> Vec<(usize, usize, f32)> {
    let places = weights.iter().enumerate();
    let weights = places.map(|(index, weight)| (index / columns, index % columns, *weight));
    weights.filter(|(_, _, weight)| *weight != 0.0).collect()
}

/// The weights if they are whole numbers of 8 bits.
fn whole_weights(weights: &[f32], columns: usize) -> Option<Vec<(usize, usize, [i8; 4])>> {
    #[expect(clippy::cast_possible_truncation, reason = "compared with what it was")]
    let narrow = |weight: &f32| Some(*weight as i8).filter(|whole| f32::from(*whole) == *weight);
    let weights: Vec<i8> = weights.iter().map(narrow).collect::<Option<_>>()?;
    let rows = weights.len() / columns;
    let firsts = (0..rows).step_by(4).flat_map(|row| (0..columns).map(move |column| (row, column)));
    let weight = |row: usize, column: usize| weights.get(row * columns + column).copied();
    let fours = firsts.map(|(row, column)| {
        (row, column, std::array::from_fn(|index| weight(row + index, column).unwrap_or(0)))
    });
    Some(fours.filter(|(_, _, weights)| *weights != [0; 4]).collect())
}

/// Whether an offset is a whole number that single precision adds exactly to any sum of weighted
/// values: they are at most 121 · 128 · 255.
fn is_whole(offset: f32) -> bool {
    offset.fract() == 0.0 && offset.abs() < 1e6
}

/// The last rows of an image that were asked for, padded.
struct Rows<T> {
    rows: Vec<PaddedRow<T>>,
    held: Vec<Option<usize>>,
}

impl<T: Copy + Default> Rows<T> {
    /// Room for `places` rows like `row`.
    fn new(row: PaddedRow<T>, places: usize) -> Self {
        Self { rows: vec![row; places], held: vec![None; places] }
    }

    /// Has `write` write an image row, unless it is held.
    fn hold(&mut self, row: usize, write: impl FnOnce(&mut [T])) {
        let place = row % self.rows.len();
        if self.held[place] != Some(row) {
            write(self.rows[place].own_mut());
            self.rows[place].reflect();
            self.held[place] = Some(row);
        }
    }

    /// An image row that is held.
    fn row(&self, row: usize) -> &[T] {
        self.rows[row % self.rows.len()].all()
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
        let taps = (self.rows * self.columns) as f32;
        0.3 + 0.035 * taps
    }

    fn input_rows(&self, output: Range<usize>, height: usize) -> Range<usize> {
        rows_around(output, self.rows / 2, height)
    }

    fn write_rows(&self, input: Band<'_>, rows: Range<usize>, out: &mut BandMut<'_>) {
        match &self.weights {
            Weights::Real(weights) => self.write_real(weights, input, rows, out),
            Weights::Whole(weights) => self.write_whole(weights, input, rows, out),
        }
    }
}

impl Convolve {
    /// Room for the rows around one row: as they are fewer than twice the kernel's, each has a place
    /// of its own.
    fn room<T: Copy + Default>(&self, input: Band<'_>) -> Rows<T> {
        let before = self.columns / 2;
        let after = self.columns - 1 - before;
        let row = PaddedRow::new(input.width(), input.channels(), before, after);
        Rows::new(row, 2 * (self.rows / 2) + 1)
    }

    fn write_real(
        &self,
        weights: &[(usize, usize, f32)],
        input: Band<'_>,
        rows: Range<usize>,
        out: &mut BandMut<'_>,
    ) {
        let (height, channels) = (input.height(), input.channels());
        let mut widened = self.room(input);
        for row in rows {
            for source in self.input_rows(row..row + 1, height) {
                widened.hold(source, |values| widen_row(self.simd, input.row(source), values));
            }
            let taps = weights.iter().map(|(kernel_row, column, weight)| {
                let values = widened.row(self.image_row(row, *kernel_row, height));
                Tap { values: &values[column * channels..], weight: *weight }
            });
            let taps: Vec<Tap<'_>> = taps.collect();
            let apart = summed_apart(input.width(), channels);
            convolve_row(self.simd, &taps, self.offset, apart, out.row_mut(row));
        }
    }

    fn write_whole(
        &self,
        weights: &[(usize, usize, [i8; 4])],
        input: Band<'_>,
        rows: Range<usize>,
        out: &mut BandMut<'_>,
    ) {
        let (height, channels) = (input.height(), input.channels());
        let mut padded = self.room(input);
        for row in rows {
            for source in self.input_rows(row..row + 1, height) {
                padded.hold(source, |values| values.copy_from_slice(input.row(source)));
            }
            let taps = weights.iter().map(|(first, column, weights)| {
                let rows = std::array::from_fn(|index| {
                    let kernel_row = (first + index).min(self.rows - 1);
                    &padded.row(self.image_row(row, kernel_row, height))[column * channels..]
                });
                FourTaps { rows, weights: *weights }
            });
            let taps: Vec<FourTaps<'_>> = taps.collect();
            #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^23")]
            convolve_whole_row(self.simd, &taps, self.offset as i32, out.row_mut(row));
        }
    }
}
