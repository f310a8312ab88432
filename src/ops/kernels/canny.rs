//! Gradients and the thinning of edges.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use crate::simd::{chunk_starts, kernel, lanes};
#[cfg(target_arch = "x86_64")]
use crate::simd::{lanes_mut, vectors};

/// Values whose edges are thinned at once.
const LANES: usize = 32;

/// tan(22.5°) in units of 2^-15.
const TANGENT: u16 = 13573;

kernel! {
    /// Writes the size `|dx| + |dy|` of Sobel's gradient; the first and the last value of a row stand
    /// for those outside.
    fn magnitude_row(rows: [&[u8]; 3], out: &mut [i16]) {
        for column in alone(out.len()) {
            out[column] = size(gradient(around_one(rows, column)));
        }
        for start in inner_chunks(out.len()) {
            let [along_x, along_y] = gradients_of_chunk(rows, start);
            let chunk = &mut out[start..start + LANES];
            for ((out, x), y) in chunk.iter_mut().zip(along_x).zip(along_y) {
                *out = size([x, y]);
            }
        }
    }
}

/// Where the chunks start that cover a row but for its ends.
#[inline(always)]
fn inner_chunks(width: usize) -> impl Iterator<Item = usize> {
    chunk_starts(width.saturating_sub(2), LANES).map(|start| start + 1)
}

/// The columns that no chunk covers: the ends of a row, or all of a short one.
#[inline(always)]
fn alone(width: usize) -> impl Iterator<Item = usize> {
    (0..width).step_by(if width < LANES + 2 { 1 } else { width - 1 })
}

#[inline(always)]
fn gradients_of_chunk(rows: [&[u8]; 3], start: usize) -> [[i16; LANES]; 2] {
    let [above, middle, below] = rows;
    let rows =
        [around_chunk(above, start), around_chunk(middle, start), around_chunk(below, start)];
    let (mut along_x, mut along_y) = ([0; LANES], [0; LANES]);
    for (at, (x, y)) in along_x.iter_mut().zip(&mut along_y).enumerate() {
        [*x, *y] = gradient(around_lane(rows, at));
    }
    [along_x, along_y]
}

/// A chunk of a row and those that start a value before and behind it.
#[inline(always)]
fn around_chunk<T>(row: &[T], start: usize) -> [&[T; LANES]; 3] {
    let chunk: &[T; LANES + 2] = lanes(row, start - 1);
    [lanes(chunk, 0), lanes(chunk, 1), lanes(chunk, 2)]
}

/// The 3 x 3 values around the one at `at` of a chunk.
#[inline(always)]
fn around_lane<T: Copy>(rows: [[&[T; LANES]; 3]; 3], at: usize) -> [[T; 3]; 3] {
    let around = |row: [&[T; LANES]; 3]| [row[0][at], row[1][at], row[2][at]];
    [around(rows[0]), around(rows[1]), around(rows[2])]
}

/// The 3 x 3 values around one.
#[inline(always)]
fn around_one(rows: [&[u8]; 3], column: usize) -> [[u8; 3]; 3] {
    let next = (column + 1).min(rows[1].len() - 1);
    rows.map(|row| [row[column.saturating_sub(1)], row[column], row[next]])
}

/// Sobel's gradient along x and y. Without `map`, which is not always made part of a loop.
#[inline(always)]
fn gradient(around: [[u8; 3]; 3]) -> [i16; 2] {
    let difference = |[row, column]: [usize; 2], [other_row, other_column]: [usize; 2]| {
        i16::from(around[row][column]) - i16::from(around[other_row][other_column])
    };
    let (falling, rising) = (difference([2, 2], [0, 0]), difference([2, 0], [0, 2]));
    let x = falling - rising + 2 * difference([1, 2], [1, 0]);
    let y = falling + rising + 2 * difference([2, 1], [0, 1]);
    [x, y]
}

#[inline(always)]
fn size([x, y]: [i16; 2]) -> i16 {
    x.abs() + y.abs()
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
    /// `high`) and greatest across the edge's direction, one of four, that of the gradient of `rows`.
    fn candidates_row(
        rows: [&[u8]; 3],
        magnitudes: Magnitudes<'_>,
        low: i16,
        high: i16,
        out: &mut [u8],
    ) {
        candidates_one_by_one(rows, magnitudes, [low, high], out);
        for start in inner_chunks(out.len()) {
            let own: &[i16; LANES] = lanes(magnitudes.middle, start + 1);
            let found = if own.iter().fold(0, |most, own| most.max(*own)) > low {
                candidates_of_chunk(rows, magnitudes, [low, high], start)
            } else {
                [0; LANES]
            };
            out[start..start + LANES].copy_from_slice(&found);
        }
    }
    avx512 {
        candidates_one_by_one(rows, magnitudes, [low, high], out);
        for start in inner_chunks(out.len()) {
            let found = candidates_of_32(rows, magnitudes, [low, high], start);
            vectors::store_32(found, lanes_mut(out, start));
        }
    }
}

/// Writes those of the columns that no chunk covers.
#[inline(always)]
fn candidates_one_by_one(
    rows: [&[u8]; 3],
    magnitudes: Magnitudes<'_>,
    thresholds: [i16; 2],
    out: &mut [u8],
) {
    let Magnitudes { above, middle, below } = magnitudes;
    for column in alone(out.len()) {
        let sizes = [above, middle, below].map(|row| *lanes(row, column));
        out[column] = candidate(gradient(around_one(rows, column)), sizes, thresholds);
    }
}

#[inline(always)]
fn candidates_of_chunk(
    rows: [&[u8]; 3],
    magnitudes: Magnitudes<'_>,
    thresholds: [i16; 2],
    start: usize,
) -> [u8; LANES] {
    let Magnitudes { above, middle, below } = magnitudes;
    let gradients = gradients_of_chunk(rows, start);
    let next = start + 1;
    let sizes = [around_chunk(above, next), around_chunk(middle, next), around_chunk(below, next)];
    let mut found = [0; LANES];
    for at in 0..LANES {
        let gradient = [gradients[0][at], gradients[1][at]];
        found[at] = candidate(gradient, around_lane(sizes, at), thresholds);
    }
    found
}

#[inline(always)]
fn candidate(gradient: [i16; 2], magnitudes: [[i16; 3]; 3], [low, high]: [i16; 2]) -> u8 {
    let [above, middle, below] = magnitudes;
    let value = peak(gradient, above, middle, below);
    u8::from(value > low) + u8::from(value > high)
}

/// The same as [`candidate`] for 32 values from `start` on, none at an end of the row.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn candidates_of_32(
    rows: [&[u8]; 3],
    magnitudes: Magnitudes<'_>,
    [low, high]: [i16; 2],
    start: usize,
) -> __m256i {
    let around = |row, offset| vectors::load_words_32(lanes(row, start + offset));
    let Magnitudes { above, middle, below } = magnitudes;
    let magnitude = around(middle, 1);
    if _mm512_cmpgt_epi16_mask(magnitude, _mm512_set1_epi16(low)) == 0 {
        return _mm256_setzero_si256();
    }
    let [x, y] = gradients_of_chunk(rows, start).map(|along| vectors::load_words_32(&along));
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
