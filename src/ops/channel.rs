//! One of the three channels, the others black.

use std::ops::Range;

use super::{Op, OpEntry, Simd, Step, kernels};
use crate::band::{Band, BandMut};

pub(super) const RED: OpEntry = OpEntry {
    name: "red",
    summary: "The red channel; green and blue become 0",
    parameters: &[],
    samples: &[""],
    build: |params| Ok(vec![Step::rows(Channel { kept: 0, simd: params.simd() })]),
};

pub(super) const GREEN: OpEntry = OpEntry {
    name: "green",
    summary: "The green channel; red and blue become 0",
    parameters: &[],
    samples: &[""],
    build: |params| Ok(vec![Step::rows(Channel { kept: 1, simd: params.simd() })]),
};

pub(super) const BLUE: OpEntry = OpEntry {
    name: "blue",
    summary: "The blue channel; red and green become 0",
    parameters: &[],
    samples: &[""],
    build: |params| Ok(vec![Step::rows(Channel { kept: 2, simd: params.simd() })]),
};

/// Keeps one channel of R, G, B; gray counts as R = G = B.
#[derive(Debug)]
struct Channel {
    kept: usize,
    simd: Simd,
}

impl Op for Channel {
    fn channels(&self, _input: usize) -> usize {
        3
    }

    fn cost(&self) -> f32 {
        0.05
    }

    fn write_rows(&self, input: Band<'_>, rows: Range<usize>, out: &mut BandMut<'_>) {
        let bytes = input.slice(rows).bytes();
        if input.channels() == 1 {
            kernels::point::spread_channel_row(self.simd, bytes, self.kept, out.bytes_mut());
        } else {
            kernels::point::keep_channel_row(self.simd, bytes, self.kept, out.bytes_mut());
        }
    }
}
