//! Gaussian blur.

use std::ops::Range;

use super::kernels::blur::{ColumnPair, RowPair, column_sums, row_sums};
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
    samples: &["", "ksize=3", "ksize=9,sigma=1.7", "ksize=1", "ksize=101,sigma=12"],
    build: |params| {
        let (size, sigma) = (params.integer("ksize"), params.number("sigma"));
        Ok(vec![Step::rows(Blur::new(size, sigma, params.simd()))])
    },
};

/// Separable blur: columns are summed in 16 bits, then rows in 32, rounded once at the end.
#[derive(Debug)]
pub(super) struct Blur {
    /// From the middle to the end, in units of 1/256.
    coefficients: Vec<u16>,
    simd: Simd,
}

impl Blur {
    /// A blur over `size` (odd) pixels each way; a `sigma` of 0 is taken from the size.
    pub(super) fn new(size: usize, sigma: f64, simd: Simd) -> Self {
        let coefficients = gaussian::coefficients(size, sigma).split_off(size / 2);
        Self { coefficients, simd }
    }

    fn radius(&self) -> usize {
        self.coefficients.len() - 1
    }

    /// Distance from the middle and coefficient, without those of 0.
    fn sides(&self) -> impl Iterator<Item = (usize, u16)> {
        self.coefficients.iter().copied().enumerate().skip(1).filter(|(_, weight)| *weight > 0)
    }
}

impl Op for Blur {
    fn cost(&self) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "at most a few hundred")]
        let pairs = self.radius() as f32;
        0.25 + 0.06 * pairs
    }

    fn input_rows(&self, output: Range<usize>, height: usize) -> Range<usize> {
        rows_around(output, self.radius(), height)
    }

    fn write_rows(&self, input: Band<'_>, rows: Range<usize>, out: &mut BandMut<'_>) {
        let (radius, channels) = (self.radius(), input.channels());
        let columns: Vec<ColumnPair> = self
            .sides()
            .map(|(distance, weight)| ColumnPair {
                left: (radius - distance) * channels,
                right: (radius + distance) * channels,
                weight: u32::from(weight),
            })
            .collect();
        let weight = self.coefficients[0];
        let mut sums = PaddedRow::new(input.width(), channels, radius, radius);
        let mut pairs = Vec::with_capacity(radius);
        for row in rows {
            let at = |distance: isize| input.row_reflected(row.cast_signed() + distance);
            pairs.clear();
            pairs.extend(self.sides().map(|(distance, weight)| RowPair {
                above: at(-distance.cast_signed()),
                below: at(distance.cast_signed()),
                weight,
            }));
            column_sums(self.simd, at(0), weight, &pairs, sums.own_mut());
            sums.reflect();
            let middle = radius * channels;
            let out = out.row_mut(row);
            row_sums(self.simd, sums.all(), middle, u32::from(weight), &columns, out);
        }
    }
}
