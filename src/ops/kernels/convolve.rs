//! Weighted sums in single precision.

use std::ops::Range;

use super::{chunk_starts, kernel, lanes};

/// Values summed at once, few enough for the sums to stay in registers.
const LANES: usize = 32;

/// A value of a padded row and its weight.
#[derive(Clone, Copy, Debug)]
pub(in crate::ops) struct Tap<'a> {
    /// The row, from the value on that meets the first one of the output.
    pub(in crate::ops) values: &'a [f32],
    pub(in crate::ops) weight: f32,
}

/// 1.5 · 2^23: adding it to a number below 2^22 leaves no fraction, rounded half to even.
const ROUND: f32 = 12_582_912.0;

#[inline(always)]
fn weighted_sum<const N: usize>(taps: &[Tap<'_>], offset: f32, start: usize, out: &mut [u8]) {
    let mut sums = [offset; N];
    for tap in taps {
        for (sum, value) in sums.iter_mut().zip(lanes::<_, N>(tap.values, start)) {
            *sum = tap.weight.mul_add(*value, *sum);
        }
    }
    for (out, sum) in out.iter_mut().zip(sums) {
        *out = rounded(sum);
    }
}

/// To the nearest whole number, half to even, and clamped.
#[inline(always)]
fn rounded(sum: f32) -> u8 {
    // The last bits count whole numbers.
    (sum.clamp(0.0, 255.0) + ROUND).to_bits().to_le_bytes()[0]
}

kernel! {
    /// Writes `offset` plus the weighted values, summed in the order of `taps` with one rounding
    /// per tap (two for the values `apart`), then rounded half to even and clamped.
    fn convolve_row(taps: &[Tap<'_>], offset: f32, apart: Range<usize>, out: &mut [u8]) {
        for start in chunk_starts(out.len(), LANES) {
            weighted_sum::<LANES>(taps, offset, start, &mut out[start..start + LANES]);
        }
        if out.len() < LANES {
            for (start, value) in out.chunks_exact_mut(1).enumerate() {
                weighted_sum::<1>(taps, offset, start, value);
            }
        }
        for start in apart {
            let sum = taps.iter().fold(offset, |sum, tap| sum + tap.weight * tap.values[start]);
            out[start] = rounded(sum);
        }
    }
}

kernel! {
    /// Writes the values as numbers of single precision.
    fn widen_row(row: &[u8], out: &mut [f32]) {
        for (out, value) in out.iter_mut().zip(row) {
            *out = f32::from(*value);
        }
    }
}
