//! Canny's edges.

use std::ops::Range;

use super::gray::Gray;
use super::hysteresis::{Hysteresis, STRONG, WEAK};
use super::kernels::canny::{Magnitudes, candidates_row, gradient_row, sobel_columns};
use super::padding::PaddedRow;
use super::{Kind, Op, OpEntry, Parameter, Simd, Step};
use crate::band::{Band, BandMut, rows_around};

/// The greatest `|dx| + |dy|`.
const MAX_MAGNITUDE: f64 = 2040.0;

pub(super) const OP: OpEntry = OpEntry {
    name: "canny",
    summary: "Edges of gray by Canny's method, 0 or 255, as OpenCV's Canny",
    parameters: &[
        Parameter {
            name: "low",
            summary: "gradient over which a pixel next to an edge belongs to it",
            kind: Kind::Number { min: 0.0, max: MAX_MAGNITUDE },
            default: Some("100"),
        },
        Parameter {
            name: "high",
            summary: "gradient over which a pixel makes an edge",
            kind: Kind::Number { min: 0.0, max: MAX_MAGNITUDE },
            default: Some("200"),
        },
    ],
    samples: &["", "low=20,high=60.5", "low=300,high=10", "low=0,high=0"],
    build: |params| {
        let simd = params.simd();
        let (low, high) = (whole(params.number("low")), whole(params.number("high")));
        let candidates = Candidates { low: low.min(high), high: low.max(high), simd };
        Ok(vec![
            Step::rows(Gray::new(simd)),
            Step::rows(candidates),
            Step::Global(Box::new(Hysteresis)),
        ])
    },
};

#[expect(clippy::cast_possible_truncation, reason = "0 to 2040")]
fn whole(threshold: f64) -> i16 {
    threshold.floor() as i16
}

/// Thinned edges of gray: 0, [`WEAK`] or [`STRONG`].
#[derive(Debug)]
struct Candidates {
    low: i16,
    high: i16,
    simd: Simd,
}

// The kernel adds up two comparisons.
const _: () = assert!(WEAK == 1 && STRONG == 2);

impl Op for Candidates {
    fn cost(&self) -> f32 {
        0.4
    }

    fn input_rows(&self, output: Range<usize>, height: usize) -> Range<usize> {
        rows_around(output, 2, height)
    }

    fn write_rows(&self, input: Band<'_>, rows: Range<usize>, out: &mut BandMut<'_>) {
        let mut gradients = Gradients::new(input, self.simd);
        for row in rows.start.saturating_sub(1)..rows.start + 1 {
            gradients.make(row);
        }
        for row in rows {
            gradients.make(row + 1);
            let magnitudes = Magnitudes {
                above: gradients.magnitude(row.checked_sub(1)),
                middle: gradients.magnitude(Some(row)),
                below: gradients.magnitude(Some(row + 1)),
            };
            let (along_x, along_y) = &gradients.along[row % 2];
            let (low, high, out) = (self.low, self.high, out.row_mut(row));
            candidates_row(self.simd, magnitudes, along_x, along_y, low, high, out);
        }
    }
}

/// Sobel gradients of the last rows that were made: magnitudes of three rows, directions of two.
struct Gradients<'a> {
    input: Band<'a>,
    simd: Simd,
    smooth: PaddedRow<i16>,
    slope: PaddedRow<i16>,
    along: [(Vec<i16>, Vec<i16>); 2],
    magnitudes: [PaddedRow<i16>; 3],
    outside: PaddedRow<i16>,
}

impl<'a> Gradients<'a> {
    fn new(input: Band<'a>, simd: Simd) -> Self {
        let width = input.width();
        let along = (vec![0; width], vec![0; width]);
        let magnitude = PaddedRow::new(width, 1, 1, 1);
        Self {
            input,
            simd,
            smooth: PaddedRow::new(width, 1, 1, 1),
            slope: PaddedRow::new(width, 1, 1, 1),
            along: [along.clone(), along],
            magnitudes: std::array::from_fn(|_| magnitude.clone()),
            outside: magnitude,
        }
    }

    /// Makes the gradients of an image row; below the image there are none.
    fn make(&mut self, row: usize) {
        if row >= self.input.height() {
            return;
        }
        let at = |distance: isize| self.input.row_replicated(row.cast_signed() + distance);
        let (smooth, slope) = (self.smooth.own_mut(), self.slope.own_mut());
        sobel_columns(self.simd, at(-1), at(0), at(1), smooth, slope);
        self.smooth.replicate();
        self.slope.replicate();
        let (along_x, along_y) = &mut self.along[row % 2];
        let magnitude = self.magnitudes[row % 3].own_mut();
        let (smooth, slope) = (self.smooth.all(), self.slope.all());
        gradient_row(self.simd, smooth, slope, along_x, along_y, magnitude);
    }

    /// Magnitudes of a row that was made, or 0 outside the image.
    fn magnitude(&self, row: Option<usize>) -> &[i16] {
        match row.filter(|row| *row < self.input.height()) {
            Some(row) => self.magnitudes[row % 3].all(),
            None => self.outside.all(),
        }
    }
}
