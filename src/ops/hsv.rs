//! Hue, saturation, value.

use std::ops::Range;

use super::{Op, OpEntry, Simd, Step, kernels};
use crate::band::{Band, BandMut};

pub(super) const OP: OpEntry = OpEntry {
    name: "hsv",
    summary: "Value, saturation and hue (half degrees) as R, G and B; OpenCV's COLOR_BGR2HSV",
    parameters: &[],
    samples: &[""],
    build: |params| Ok(vec![Step::rows(Hsv { simd: params.simd() })]),
};

/// OpenCV's whole-number HSV, in memory as V, S, H; gray counts as R = G = B.
#[derive(Debug)]
struct Hsv {
    simd: Simd,
}

impl Op for Hsv {
    fn channels(&self, _input: usize) -> usize {
        3
    }

    fn cost(&self) -> f32 {
        0.1
    }

    fn write_rows(&self, input: Band<'_>, rows: Range<usize>, out: &mut BandMut<'_>) {
        let bytes = input.slice(rows).bytes();
        if input.channels() == 1 {
            // Gray has neither saturation nor hue.
            kernels::point::spread_channel_row(self.simd, bytes, 0, out.bytes_mut());
        } else {
            kernels::hsv::hsv_row(self.simd, bytes, out.bytes_mut());
        }
    }
}
