//! Gray of R, G, B.

use std::ops::Range;

use super::{Op, OpEntry, Simd, Step, kernels};
use crate::band::{Band, BandMut};

pub(super) const OP: OpEntry = OpEntry {
    name: "gray",
    summary: "Gray by the BT.601 weights, as OpenCV's COLOR_BGR2GRAY",
    parameters: &[],
    samples: &[""],
    build: |params| Ok(vec![Step::rows(Gray { simd: params.simd() })]),
};

/// `(9798 R + 19235 G + 3735 B + 16384) >> 15`; gray stays as it is.
#[derive(Debug)]
pub(super) struct Gray {
    pub(super) simd: Simd,
}

impl Op for Gray {
    fn channels(&self, _input: usize) -> usize {
        1
    }

    fn cost(&self) -> f32 {
        0.5
    }

    fn write_rows(&self, input: Band<'_>, rows: Range<usize>, out: &mut BandMut<'_>) {
        let bytes = input.slice(rows).bytes();
        if input.channels() == 1 {
            out.bytes_mut().copy_from_slice(bytes);
        } else {
            kernels::gray::gray_row(self.simd, bytes, out.bytes_mut());
        }
    }
}
