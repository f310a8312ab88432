//! Gray of R, G, B.

use std::ops::Range;

use super::table::Table;
use super::{Op, OpEntry, Simd, Step, kernels};
use crate::band::{Band, BandMut};

pub(super) const OP: OpEntry = OpEntry {
    name: "gray",
    summary: "Gray by the BT.601 weights, as OpenCV's COLOR_BGR2GRAY",
    parameters: &[],
    samples: &[""],
    build: |params| Ok(vec![Step::rows(Gray::new(params.simd()))]),
};

/// `(9798 R + 19235 G + 3735 B + 16384) >> 15`; gray stays as it is.
#[derive(Debug)]
pub(super) struct Gray {
    /// What each value is replaced by beforehand.
    table: Option<Table>,
    simd: Simd,
}

impl Gray {
    pub(super) fn new(simd: Simd) -> Self {
        Self { table: None, simd }
    }
}

impl Op for Gray {
    fn channels(&self, _input: usize) -> usize {
        1
    }

    fn cost(&self) -> f32 {
        0.15
    }

    fn after(&self, table: &Table) -> Option<Box<dyn Op>> {
        let table = match &self.table {
            Some(own) => table.then(own),
            None => table.clone(),
        };
        Some(Box::new(Self { table: Some(table), simd: self.simd }))
    }

    fn write_rows(&self, input: Band<'_>, rows: Range<usize>, out: &mut BandMut<'_>) {
        let bytes = input.slice(rows).bytes();
        let (out, simd) = (out.bytes_mut(), self.simd);
        match (&self.table, input.channels()) {
            (None, 1) => out.copy_from_slice(bytes),
            (None, _) => kernels::gray::gray_row(simd, bytes, out),
            (Some(table), 1) => kernels::point::look_up_row(simd, bytes, table.values(), out),
            (Some(table), _) => kernels::gray::gray_of_table_row(simd, bytes, table.values(), out),
        }
    }
}
