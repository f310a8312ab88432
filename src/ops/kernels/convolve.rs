//! Weighted sums, in single precision or in whole numbers.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;
use std::ops::Range;

use crate::simd::{chunk_starts, kernel, lanes};
#[cfg(target_arch = "x86_64")]
use crate::simd::{lanes_mut, vectors};

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

/// Values of four padded rows and their weights.
#[derive(Clone, Copy, Debug)]
pub(in crate::ops) struct FourTaps<'a> {
    /// The rows, from the values on that meet the first one of the output.
    pub(in crate::ops) rows: [&'a [u8]; 4],
    pub(in crate::ops) weights: [i8; 4],
}

kernel! {
    /// Writes `offset` plus the weighted values, clamped.
    fn convolve_whole_row(taps: &[FourTaps<'_>], offset: i32, out: &mut [u8]) {
        convolve_whole(taps, offset, out);
    }
    avx512 {
        if out.len() < 64 {
            return convolve_whole(taps, offset, out);
        }
        for start in chunk_starts(out.len(), 64) {
            vectors::store_64(weighted_sums_of_64(taps, offset, start), lanes_mut(out, start));
        }
    }
}

#[inline(always)]
fn convolve_whole(taps: &[FourTaps<'_>], offset: i32, out: &mut [u8]) {
    for (start, out) in out.iter_mut().enumerate() {
        let mut sum = offset;
        for FourTaps { rows, weights } in taps {
            for (row, weight) in rows.iter().zip(weights) {
                sum += i32::from(row[start]) * i32::from(*weight);
            }
        }
        *out = sum.clamp(0, 255).to_le_bytes()[0];
    }
}

/// 64 values.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn weighted_sums_of_64(taps: &[FourTaps<'_>], offset: i32, start: usize) -> __m512i {
    let mut sums = [_mm512_set1_epi32(offset); 4];
    for FourTaps { rows, weights } in taps {
        let weights = _mm512_set1_epi32(i32::from_le_bytes(weights.map(i8::cast_unsigned)));
        for (sum, columns) in sums.iter_mut().zip(vectors::load_columns(*rows, start)) {
            *sum = _mm512_dpbusd_epi32(*sum, columns, weights);
        }
    }
    // The order of the columns is that of packing; both packings clamp.
    let left = _mm512_packs_epi32(sums[0], sums[1]);
    let right = _mm512_packs_epi32(sums[2], sums[3]);
    _mm512_packus_epi16(left, right)
}
