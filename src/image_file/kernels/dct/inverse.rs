//! Coefficients as samples.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use super::super::huffman::Block;
use super::{EVEN, FIRST, ODD, SECOND};
use crate::simd::kernel;
#[cfg(target_arch = "x86_64")]
use crate::simd::vectors;

/// The steps of the coefficients of a block, as libjpeg-turbo's vectors multiply with them: modulo 2^16.
pub(in crate::image_file) type Steps = Block;

/// Bits that are rounded away in the end: the values are eight times as large as they should be.
const LAST: u32 = SECOND + 3;

/// The largest size of a value of which sums of two are sure to fit 16 bits.
const MOST: i16 = (1 << 14) - 1;

kernel! {
    /// Writes the samples of a block, 8 rows that begin `stride` bytes apart, and tells whether it did: not if
    /// a coefficient is so large that libjpeg-turbo's sums would not fit 16 bits, in broken files.
    fn inverse(block: &Block, steps: &Steps, samples: &mut [u8], stride: usize) -> bool {
        inverse_block(block, steps, samples, stride).is_some()
    }
    avx512 {
        inverse_512(block, steps, samples, stride)
    }
}

#[inline(always)]
fn inverse_block(block: &Block, steps: &Steps, samples: &mut [u8], stride: usize) -> Option<()> {
    let fits = |value: i32| (-i32::from(MOST) - 1..=i32::from(MOST)).contains(&value);
    let mut by_columns = [[0; 8]; 8];
    for (column, out) in by_columns.iter_mut().enumerate() {
        let mut values = [0; 8];
        for (row, value) in values.iter_mut().enumerate() {
            let at = 8 * row + column;
            *value = block[at].wrapping_mul(steps[at]).into();
        }
        let found = sines(values, FIRST);
        if !values.into_iter().chain(found).all(fits) {
            return None;
        }
        *out = found;
    }
    for (row, samples) in samples.chunks_mut(stride).enumerate().take(8) {
        let found = sines(by_columns.map(|column| column[row]), LAST);
        for (sample, value) in samples.iter_mut().zip(found) {
            *sample = (value + 128).clamp(0, 255).to_le_bytes()[0];
        }
    }
    Some(())
}

/// The values of eight coefficients; the lowest bits are rounded away.
#[inline(always)]
fn sines(values: [i32; 8], bits: u32) -> [i32; 8] {
    let mut found = [0; 8];
    for at in 0..4 {
        let (mut even, mut odd) = (1 << (bits - 1), 0);
        for row in 0..4 {
            even += i32::from(EVEN[row][at]) * values[2 * row];
            odd += i32::from(ODD[row][at]) * values[2 * row + 1];
        }
        (found[at], found[7 - at]) = ((even + odd) >> bits, (even - odd) >> bits);
    }
    found
}

/// Four pairs of weights of one matrix, for four places: the rows with which the coefficients of a pair
/// enter, of the first row that is named and the one behind the next.
#[cfg(target_arch = "x86_64")]
const fn weights(matrix: &[[i16; 4]; 4], row: usize) -> [i32; 4] {
    let mut weights = [0; 4];
    let mut at = 0;
    while at < 4 {
        weights[at] = vectors::two_words(matrix[row][at] as i32, matrix[row + 2][at] as i32);
        at += 1;
    }
    weights
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
fn inverse_512(block: &Block, steps: &Steps, samples: &mut [u8], stride: usize) -> bool {
    let [upper, lower] = vectors::load_words_64(block);
    let steps = vectors::load_words_64(steps);
    let (upper, lower) = (_mm512_mullo_epi16(upper, steps[0]), _mm512_mullo_epi16(lower, steps[1]));
    let [above, below] = columns_512(upper, lower);
    let mut beyond = _mm512_setzero_si512();
    for values in [upper, lower, above, below] {
        let moved = _mm512_add_epi16(values, _mm512_set1_epi16(MOST + 1));
        beyond = _mm512_or_si512(beyond, moved);
    }
    if _mm512_movepi16_mask(beyond) != 0 {
        return false;
    }
    // Rows 0 and 2, 1 and 3, 7 and 5, 6 and 4.
    let rows = [0, 2, 1, 3, 7, 5, 6, 4];
    vectors::store_rows_8(rows_512(above, below), samples, stride, rows);
    true
}

/// Columns of coefficients as values: rows 0, 2, 1, 3, first their left columns, then the right ones; and rows
/// 7, 5, 6, 4.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn columns_512(upper: __m512i, lower: __m512i) -> [__m512i; 2] {
    // Rows 0 and 4, 1 and 5 and so on, two by two, of the left and of the right four columns.
    let left = _mm512_unpacklo_epi16(upper, lower);
    let right = _mm512_unpackhi_epi16(upper, lower);
    let pairs = [
        _mm512_shuffle_i32x4::<0x00>(left, right),
        _mm512_shuffle_i32x4::<0x55>(left, right),
        _mm512_shuffle_i32x4::<0xAA>(left, right),
        _mm512_shuffle_i32x4::<0xFF>(left, right),
    ];
    let mut rows = [_mm512_setzero_si512(); 4];
    for half in 0..2 {
        // Of four columns the one row, and then the other, on the left and on the right.
        let weights = |[first, second, third, fourth]: [i32; 4]| {
            let two = if half == 0 { [first, second] } else { [third, fourth] };
            let [one, other] = two.map(i64::from);
            let [one, other] = [one & 0xFFFF_FFFF | one << 32, other & 0xFFFF_FFFF | other << 32];
            _mm512_setr_epi64(one, one, other, other, one, one, other, other)
        };
        let (sums, differences) = sums_and_differences(pairs, weights, 1 << (FIRST - 1));
        rows[half] = _mm512_srai_epi32::<FIRST>(sums);
        rows[half + 2] = _mm512_srai_epi32::<FIRST>(differences);
    }
    [_mm512_packs_epi32(rows[0], rows[1]), _mm512_packs_epi32(rows[2], rows[3])]
}

/// Rows in the order of [`columns_512`] as samples: rows 0 and 2, 1 and 3, 7 and 5, 6 and 4.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
fn rows_512(above: __m512i, below: __m512i) -> __m512i {
    let left = _mm512_shuffle_i32x4::<0x44>(above, below);
    let right = _mm512_shuffle_i32x4::<0xEE>(above, below);
    let mut packed = [_mm512_unpacklo_epi16(left, right), _mm512_unpackhi_epi16(left, right)];
    for rows in &mut packed {
        let pairs = [
            _mm512_shuffle_epi32::<0x00>(*rows),
            _mm512_shuffle_epi32::<0x55>(*rows),
            _mm512_shuffle_epi32::<0xAA>(*rows),
            _mm512_shuffle_epi32::<0xFF>(*rows),
        ];
        let weights = |[first, second, third, fourth]: [i32; 4]| {
            _mm512_set4_epi32(fourth, third, second, first)
        };
        let (sums, differences) = sums_and_differences(pairs, weights, 1 << (LAST - 1));
        *rows = _mm512_packs_epi32(
            _mm512_srai_epi32::<LAST>(sums),
            _mm512_srai_epi32::<LAST>(differences),
        );
    }
    let bytes = _mm512_packs_epi16(packed[0], packed[1]);
    let bytes = _mm512_xor_si512(bytes, _mm512_set1_epi8(i8::MIN));
    // The right four columns of each row go from the end.
    let order = _mm_setr_epi8(0, 1, 2, 3, 7, 6, 5, 4, 8, 9, 10, 11, 15, 14, 13, 12);
    _mm512_shuffle_epi8(bytes, _mm512_broadcast_i32x4(order))
}

/// Of pairs of coefficients (0 and 4, 1 and 5, 2 and 6, 3 and 7), the sums of the even and the odd ones, which
/// are the first values, and their differences, which are the last ones from the end.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn sums_and_differences(
    pairs: [__m512i; 4],
    vector: impl Fn([i32; 4]) -> __m512i,
    half: i32,
) -> (__m512i, __m512i) {
    let even =
        _mm512_dpwssd_epi32(_mm512_set1_epi32(half), pairs[0], vector(const { weights(&EVEN, 0) }));
    let even = _mm512_dpwssd_epi32(even, pairs[2], vector(const { weights(&EVEN, 1) }));
    let odd = _mm512_madd_epi16(pairs[1], vector(const { weights(&ODD, 0) }));
    let odd = _mm512_dpwssd_epi32(odd, pairs[3], vector(const { weights(&ODD, 1) }));
    (_mm512_add_epi32(even, odd), _mm512_sub_epi32(even, odd))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Simd;

    #[test]
    fn all_levels_agree_on_the_way_back() {
        const STRIDE: usize = 11;
        const STEPS: [i16; 4] = [1, 3, 20, 127];
        let mut seen = [0; 2];
        for round in 0..2000_usize {
            let noise = |at: usize| {
                let value = (64 * round + at).wrapping_mul(2_654_435_761).rotate_left(9);
                i16::from_le_bytes([value.to_le_bytes()[2], value.to_le_bytes()[3]])
            };
            let bits = 4 + round % 9;
            let block: Block =
                std::array::from_fn(|at| noise(at) >> bits >> (at / (1 + round % 64)).min(15));
            let steps: Steps = std::array::from_fn(|at| 1 + (noise(at + 7) & 127) % STEPS[at % 4]);
            let made = |simd| {
                let mut samples = vec![0; 7 * STRIDE + 8];
                let is_made = inverse(simd, &block, &steps, &mut samples, STRIDE);
                (is_made, if is_made { samples } else { Vec::new() })
            };
            let plain = made(Simd::scalar());
            seen[usize::from(plain.0)] += 1;
            for simd in Simd::all() {
                assert_eq!(made(simd), plain, "{simd} {round}");
            }
        }
        assert!(seen[0] > 300 && seen[1] > 300, "{seen:?}");
    }
}
