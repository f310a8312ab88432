//! The negative.

use std::ops::Range;

use super::table::Table;
use super::{Op, OpEntry, Simd, Step, kernels};
use crate::band::{Band, BandMut};

pub(super) const OP: OpEntry = OpEntry {
    name: "invert",
    summary: "The negative: 255 - p",
    parameters: &[],
    samples: &[""],
    build: |params| Ok(vec![Step::rows(Invert { simd: params.simd() })]),
};

#[derive(Debug)]
struct Invert {
    simd: Simd,
}

impl Op for Invert {
    fn cost(&self) -> f32 {
        0.05
    }

    fn as_table(&self) -> Option<Table> {
        Some(Table::of(|value| 255 - value, self.simd))
    }

    fn write_rows(&self, input: Band<'_>, rows: Range<usize>, out: &mut BandMut<'_>) {
        kernels::point::invert_row(self.simd, input.slice(rows).bytes(), out.bytes_mut());
    }
}
