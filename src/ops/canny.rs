//! Canny's edges.

use std::ops::Range;

use super::gray::Gray;
use super::hysteresis::{Hysteresis, STRONG, WEAK};
use super::kernels::canny::{Magnitudes, candidates_row, magnitude_row};
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
            let around = rows_of_three(input, row);
            candidates_row(self.simd, around, magnitudes, self.low, self.high, out.row_mut(row));
        }
    }
}

/// A row and those above and below it.
fn rows_of_three(input: Band<'_>, row: usize) -> [&[u8]; 3] {
    [-1, 0, 1].map(|distance| input.row_replicated(row.cast_signed() + distance))
}

/// Sizes of Sobel's gradient in the last three rows that were made.
struct Gradients<'a> {
    input: Band<'a>,
    simd: Simd,
    magnitudes: [PaddedRow<i16>; 3],
    outside: PaddedRow<i16>,
}

impl<'a> Gradients<'a> {
    fn new(input: Band<'a>, simd: Simd) -> Self {
        let outside = PaddedRow::new(input.width(), 1, 1, 1);
        let magnitudes = std::array::from_fn(|_| outside.clone());
        Self { input, simd, magnitudes, outside }
    }

    /// Makes those of an image row; below the image there are none.
    fn make(&mut self, row: usize) {
        if row < self.input.height() {
            let rows = rows_of_three(self.input, row);
            magnitude_row(self.simd, rows, self.magnitudes[row % 3].own_mut());
        }
    }

    /// Those of a row that was made, or 0 outside the image.
    fn magnitude(&self, row: Option<usize>) -> &[i16] {
        match row.filter(|row| *row < self.input.height()) {
            Some(row) => self.magnitudes[row % 3].all(),
            None => self.outside.all(),
        }
    }
}
