//! Gradients and the thinning of edges.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use crate::simd::kernel;
#[cfg(target_arch = "x86_64")]
use crate::simd::{chunk_starts, lanes, lanes_mut, vectors};

/// tan(22.5°) in units of 2^-15.
const TANGENT: u16 = 13573;

kernel! {
    /// Writes the two column sums of Sobel's operator: smoothed, and differentiated.
    fn sobel_columns(
        above: &[u8],
        middle: &[u8],
        below: &[u8],
        smooth: &mut [i16],
        slope: &mut [i16],
    ) {
        let rows = above.iter().zip(middle).zip(below);
        let sums = smooth.iter_mut().zip(slope.iter_mut());
        for ((smooth, slope), ((above, middle), below)) in sums.zip(rows) {
            let [above, middle, below] = [*above, *middle, *below].map(i16::from);
            *smooth = above + 2 * middle + below;
            *slope = below - above;
        }
    }
}

kernel! {
    /// Writes the gradient along x and y and its magnitude `|dx| + |dy|`; the column sums are one
    /// value wider than the row at both ends.
    fn gradient_row(
        smooth: &[i16],
        slope: &[i16],
        along_x: &mut [i16],
        along_y: &mut [i16],
        magnitude: &mut [i16],
    ) {
        let columns = smooth.iter().zip(&smooth[2..]);
        let slopes = slope.iter().zip(&slope[1..]).zip(&slope[2..]);
        let out = along_x.iter_mut().zip(along_y.iter_mut()).zip(magnitude.iter_mut());
        for (((x, y), magnitude), ((left, right), ((before, at), after))) in
            out.zip(columns.zip(slopes))
        {
            *x = right - left;
            *y = before + 2 * at + after;
            *magnitude = x.abs() + y.abs();
        }
    }
}

/// Magnitudes of three rows, each one value wider than the row at both ends.
#[derive(Clone, Copy, Debug)]
pub(in crate::ops) struct Magnitudes<'a> {
    pub(in crate::ops) above: &'a [i16],
    pub(in crate::ops) middle: &'a [i16],
    pub(in crate::ops) below: &'a [i16],
}

kernel! {
    /// Writes 0 for no edge, 1 for a weak and 2 for a strong one: the magnitude is over `low` (or
    /// `high`) and greatest across the edge's direction, one of four.
    fn candidates_row(
        magnitudes: Magnitudes<'_>,
        along_x: &[i16],
        along_y: &[i16],
        low: i16,
        high: i16,
        out: &mut [u8],
    ) {
        candidates(magnitudes, along_x, along_y, [low, high], out);
    }
    avx512 {
        if out.len() < 32 {
            return candidates(magnitudes, along_x, along_y, [low, high], out);
        }
        for start in chunk_starts(out.len(), 32) {
            let along = [lanes(along_x, start), lanes(along_y, start)];
            let found = candidates_of_32(magnitudes, along, [low, high], start);
            vectors::store_32(found, lanes_mut(out, start));
        }
    }
}

#[inline(always)]
fn candidates(
    magnitudes: Magnitudes<'_>,
    along_x: &[i16],
    along_y: &[i16],
    [low, high]: [i16; 2],
    out: &mut [u8],
) {
    let length = out.len();
    let (along_x, along_y) = (&along_x[..length], &along_y[..length]);
    let above = &magnitudes.above[..length + 2];
    let middle = &magnitudes.middle[..length + 2];
    let below = &magnitudes.below[..length + 2];
    for at in 0..length {
        let value = peak(
            [along_x[at], along_y[at]],
            [above[at], above[at + 1], above[at + 2]],
            [middle[at], middle[at + 1], middle[at + 2]],
            [below[at], below[at + 1], below[at + 2]],
        );
        out[at] = u8::from(value > low) + u8::from(value > high);
    }
}

/// The same as [`candidates`] with [`peak`], for 32 values from `start` on.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn candidates_of_32(
    magnitudes: Magnitudes<'_>,
    along: [&[i16; 32]; 2],
    [low, high]: [i16; 2],
    start: usize,
) -> __m256i {
    let around = |row, offset| vectors::load_words_32(lanes(row, start + offset));
    let Magnitudes { above, middle, below } = magnitudes;
    let [x, y] = [vectors::load_words_32(along[0]), vectors::load_words_32(along[1])];
    let magnitude = around(middle, 1);
    let (width, height) = (_mm512_abs_epi16(x), _mm512_abs_epi16(y));
    let twice = _mm512_add_epi16(width, width);
    let flat = _mm512_mulhi_epu16(twice, _mm512_set1_epi16(TANGENT.cast_signed()));
    let is_flat = _mm512_cmple_epi16_mask(height, flat);
    let is_steep = _mm512_cmpgt_epi16_mask(height, _mm512_add_epi16(flat, twice));
    let differ = _mm512_movepi16_mask(_mm512_xor_si512(x, y));
    let before = _mm512_mask_blend_epi16(differ, around(above, 0), around(above, 2));
    let after = _mm512_mask_blend_epi16(differ, around(below, 2), around(below, 0));
    let before = _mm512_mask_blend_epi16(is_steep, before, around(above, 1));
    let after = _mm512_mask_blend_epi16(is_steep, after, around(below, 1));
    let before = _mm512_mask_blend_epi16(is_flat, before, around(middle, 0));
    let after = _mm512_mask_blend_epi16(is_flat, after, around(middle, 2));
    let over = _mm512_cmpgt_epi16_mask(magnitude, after);
    let tie = _mm512_mask_cmpeq_epi16_mask(is_flat | is_steep, magnitude, after);
    let is_peak = _mm512_mask_cmpgt_epi16_mask(over | tie, magnitude, before);
    let weak = _mm512_mask_cmpgt_epi16_mask(is_peak, magnitude, _mm512_set1_epi16(low));
    let strong = _mm512_mask_cmpgt_epi16_mask(is_peak, magnitude, _mm512_set1_epi16(high));
    _mm256_mask_set1_epi8(_mm256_maskz_set1_epi8(weak, 1), strong, 2)
}

/// The magnitude in the middle if it is greatest across the edge's direction, else 0.
#[inline(always)]
fn peak([x, y]: [i16; 2], above: [i16; 3], middle: [i16; 3], below: [i16; 3]) -> i16 {
    let magnitude = middle[1];
    let (width, height) = (x.unsigned_abs(), y.unsigned_abs());
    // floor(width · tan): the height is whole, so comparing with it loses nothing (there is no tie
    // for width > 0, and no magnitude for width = height = 0).
    let flat = upper_half(2 * u32::from(width) * u32::from(TANGENT));
    let is_flat = height <= flat;
    let is_steep = height > flat + 2 * width;
    let differ = (x ^ y) < 0;
    let before = if differ { above[2] } else { above[0] };
    let after = if differ { below[0] } else { below[2] };
    let before = if is_steep { above[1] } else { before };
    let after = if is_steep { below[1] } else { after };
    let before = if is_flat { middle[0] } else { before };
    let after = if is_flat { middle[2] } else { after };
    // Along rows and columns the pixel behind may be as great.
    let tie = i16::from(is_flat | is_steep);
    if (magnitude > before) & (magnitude + tie > after) { magnitude } else { 0 }
}

#[inline(always)]
fn upper_half(value: u32) -> u16 {
    (value >> 16) as u16
}

#[cfg(test)]
mod tests {
    #[test]
    fn whole_comparisons_agree_with_the_products() {
        for x in 0u32..=1020 {
            let flat = (2 * x * u32::from(super::TANGENT)) >> 16;
            for y in 0u32..=1020 {
                if x + y > 0 {
                    let product = x * u32::from(super::TANGENT);
                    assert_eq!(y <= flat, (y << 15) < product, "{x} {y}");
                    assert_eq!(y > flat + 2 * x, (y << 15) > product + (x << 16), "{x} {y}");
                }
            }
        }
    }
}
