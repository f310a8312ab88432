//! Edges by the second derivative.

use std::ops::Range;

use super::gray::Gray;
use super::kernels::stencil::laplacian_row;
use super::{Kind, Op, OpEntry, Parameter, Simd, Step};
use crate::band::{Band, BandMut, rows_around};

pub(super) const OP: OpEntry = OpEntry {
    name: "laplacian",
    summary: "Size of the Laplacian of gray, as OpenCV's Laplacian",
    parameters: &[Parameter {
        name: "overflow",
        summary: "what becomes of values over 255: 255, or their low 8 bits",
        kind: Kind::Choice(&["saturate", "wrap"]),
        default: Some("saturate"),
    }],
    samples: &["", "overflow=wrap"],
    build: |params| {
        let (simd, wrap) = (params.simd(), params.choice("overflow") == "wrap");
        Ok(vec![Step::rows(Gray::new(simd)), Step::rows(Laplacian { wrap, simd })])
    },
};

/// `|N + S + W + E - 4 C|` of gray.
#[derive(Debug)]
struct Laplacian {
    wrap: bool,
    simd: Simd,
}

impl Op for Laplacian {
    fn cost(&self) -> f32 {
        0.1
    }

    fn input_rows(&self, output: Range<usize>, height: usize) -> Range<usize> {
        rows_around(output, 1, height)
    }

    fn write_rows(&self, input: Band<'_>, rows: Range<usize>, out: &mut BandMut<'_>) {
        for row in rows {
            let at = |distance: isize| input.row_reflected(row.cast_signed() + distance);
            laplacian_row(self.simd, at(-1), at(0), at(1), self.wrap, out.row_mut(row));
        }
    }
}
