//! Samples as coefficients.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use super::super::huffman::Block;
use super::{EVEN, FIRST, ODD, SECOND};
use crate::simd::kernel;
#[cfg(target_arch = "x86_64")]
use crate::simd::{lanes, vectors};

/// Divisions by the steps of a block's coefficients, eight times as large, rounded half away from 0. They
/// stand in the order in which two rows of coefficients are made at once: [`made_at`].
#[derive(Debug)]
pub(in crate::image_file) struct Dividers {
    /// What is added first, the factors in units of 2^-16, and how far products are then shifted.
    more: Block,
    factors: Block,
    shifts: Block,
}

impl Dividers {
    /// Those of steps from 1 to 255.
    pub(in crate::image_file) fn new(steps: &[u16; 64]) -> Self {
        let mut dividers = Self { more: [0; 64], factors: [0; 64], shifts: [0; 64] };
        for (place, step) in steps.iter().enumerate() {
            let [more, factor, shift] = divider(8 * u32::from(*step)).map(low_word);
            let at = made_at(place / 8, place % 8);
            (dividers.more[at], dividers.factors[at], dividers.shifts[at]) = (more, factor, shift);
        }
        dividers
    }
}

/// Where a coefficient stands among those of a block if of two rows, the left four of the first and of the
/// second are followed by the right four.
fn made_at(row: usize, column: usize) -> usize {
    row / 2 * 16 + column / 4 * 8 + row % 2 * 4 + column % 4
}

/// What is added to a number, and what it is then multiplied with and shifted by, to divide it by
/// `divisor`, 8 to 2040, and round it half up.
fn divider(divisor: u32) -> [u32; 3] {
    let (half, bits) = (divisor / 2, divisor.ilog2());
    let (factor, rest) = ((1 << (16 + bits)) / divisor, (1 << (16 + bits)) % divisor);
    if rest == 0 {
        [half, factor / 2, bits - 1]
    } else if 2 * rest <= divisor {
        // The factor is too small; as one is added, no product is.
        [half + 1, factor, bits]
    } else {
        [half, factor + 1, bits]
    }
}

/// The lower 16 bits of a number.
fn low_word(number: u32) -> i16 {
    let [low, high, ..] = number.to_le_bytes();
    i16::from_le_bytes([low, high])
}

kernel! {
    /// Writes the coefficients of one block, or of two side by side, of 8 rows of samples that begin `stride`
    /// bytes apart; 16 bytes of each row are there.
    fn forward(samples: &[u8], stride: usize, dividers: &Dividers, blocks: &mut [Block]) {
        for (index, block) in blocks.iter_mut().enumerate() {
            *block = forward_block(&samples[8 * index..], stride, dividers);
        }
    }
    avx512 {
        assert!(blocks.len() <= 2, "{} blocks", blocks.len());
        forward_two(samples, stride, dividers, blocks);
    }
}

#[inline(always)]
fn forward_block(samples: &[u8], stride: usize, dividers: &Dividers) -> Block {
    let mut by_rows = [[0; 8]; 8];
    for (out, row) in by_rows.iter_mut().zip(samples.chunks(stride)) {
        let mut values = [0; 8];
        for (value, sample) in values.iter_mut().zip(row) {
            *value = i32::from(*sample) - 128;
        }
        *out = cosines(values, FIRST);
    }
    let mut block = [0; 64];
    for column in 0..8 {
        let found = cosines(by_rows.map(|row| row[column]), SECOND);
        for (row, value) in found.into_iter().enumerate() {
            let at = made_at(row, column);
            let size = value.unsigned_abs() + u32::from(dividers.more[at].cast_unsigned());
            let product = size * u32::from(dividers.factors[at].cast_unsigned());
            let size = low_word(product >> 16 >> dividers.shifts[at]);
            block[8 * row + column] = if value < 0 { -size } else { size };
        }
    }
    block
}

/// The coefficients of eight values; the lowest bits are rounded away.
#[inline(always)]
fn cosines(values: [i32; 8], bits: u32) -> [i32; 8] {
    let mut found = [0; 8];
    for (at, found) in found.iter_mut().enumerate() {
        let weights = [EVEN, ODD][at % 2][at / 2];
        let mut sum = 1 << (bits - 1);
        for (place, weight) in weights.into_iter().enumerate() {
            let (first, last) = (values[place], values[7 - place]);
            sum += i32::from(weight) * if at % 2 == 0 { first + last } else { first - last };
        }
        *found = sum >> bits;
    }
    found
}

/// Two weights for two words that stand side by side, `more` times as large.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f")]
fn two(weights: [i16; 4], at: usize, more: i32) -> __m512i {
    let [first, second] = [weights[at], weights[at + 1]].map(|weight| i32::from(weight) * more);
    _mm512_set1_epi32(vectors::two_words(first, second))
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vbmi,avx512vnni")]
fn forward_two(samples: &[u8], stride: usize, dividers: &Dividers, blocks: &mut [Block]) {
    // What 128 less in each sample takes from the first coefficient of a row.
    let less = i32::from(EVEN[0][0]) * 8 * 128;
    let half = 1 << (FIRST - 1);
    let found = sums_of_pairs(pairs_in_rows(samples, stride), 1, [half - less, half]);
    let mut packed = [_mm512_setzero_si512(); 4];
    for (packed, two) in packed.iter_mut().zip(found.as_chunks().0) {
        *packed = rounded_words::<FIRST>(*two);
    }
    // Twice the weights: the result is the upper half.
    let found = sums_of_pairs(pairs_in_columns(packed), 2, [1 << SECOND; 2]);
    let mut divided = [_mm512_setzero_si512(); 4];
    for (rows, (divided, two)) in divided.iter_mut().zip(found.as_chunks().0).enumerate() {
        *divided = divide(rounded_words::<{ SECOND + 1 }>(*two), dividers, rows);
    }
    // The fours of two rows of a block, out of the order of `made_at`.
    let orders = [
        _mm512_setr_epi64(0, 2, 1, 3, 8, 10, 9, 11),
        _mm512_setr_epi64(4, 6, 5, 7, 12, 14, 13, 15),
    ];
    for (block, order) in blocks.iter_mut().zip(orders) {
        let upper = _mm512_permutex2var_epi64(divided[0], order, divided[1]);
        let lower = _mm512_permutex2var_epi64(divided[2], order, divided[3]);
        vectors::store_words_64([upper, lower], block);
    }
}

/// Two coefficients of each row or column as words, without their lowest bits.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn rounded_words<const BITS: u32>([first, second]: [__m512i; 2]) -> __m512i {
    _mm512_packs_epi32(_mm512_srai_epi32::<BITS>(first), _mm512_srai_epi32::<BITS>(second))
}

/// For each row of two blocks (0, 1, 2, 3, 7, 6, 5, 4 of each), samples two by two: the first and the
/// second, the third and the fourth, the last and the one before it, the two before these.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vbmi")]
fn pairs_in_rows(samples: &[u8], stride: usize) -> [__m512i; 4] {
    /// Where the samples stand in four rows of 16.
    const PLACES: [[u8; 64]; 4] = {
        let firsts = [[0, 1], [2, 3], [7, 6], [5, 4]];
        let mut places = [[0; 64]; 4];
        let mut at = 0;
        while at < 4 * 16 {
            let (pair, lane) = (at / 16, at % 16);
            let start = lane % 4 * 16 + lane / 8 * 8;
            places[pair][4 * lane] = (start + firsts[pair][0]).to_le_bytes()[0];
            places[pair][4 * lane + 2] = (start + firsts[pair][1]).to_le_bytes()[0];
            at += 1;
        }
        places
    };
    /// The lower byte of words, of every other four pairs.
    const UPPER: u64 = 0x0000_5555_0000_5555;
    let [upper, lower] = vectors::load_rows_16(samples, stride);
    let mut pairs = [_mm512_setzero_si512(); 4];
    for (pairs, places) in pairs.iter_mut().zip(&PLACES) {
        let places = vectors::load_64(places);
        let above = _mm512_maskz_permutexvar_epi8(UPPER, places, upper);
        *pairs = _mm512_mask_permutexvar_epi8(above, UPPER << 16, places, lower);
    }
    pairs
}

/// The same for columns of two blocks, of coefficients of rows: of two by two of them, fours of rows in the
/// order of [`pairs_in_rows`].
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f")]
fn pairs_in_columns(packed: [__m512i; 4]) -> [__m512i; 4] {
    let (first, second) = (_mm512_castsi512_ps(packed[0]), _mm512_castsi512_ps(packed[1]));
    let (third, fourth) = (_mm512_castsi512_ps(packed[2]), _mm512_castsi512_ps(packed[3]));
    // For the left and the right four columns of both blocks, rows 0 and 1, 7 and 6; 2 and 3, 5 and 4.
    let outer = [
        _mm512_castps_si512(_mm512_shuffle_ps::<0x88>(first, second)),
        _mm512_castps_si512(_mm512_shuffle_ps::<0x88>(third, fourth)),
    ];
    let inner = [
        _mm512_castps_si512(_mm512_shuffle_ps::<0xDD>(first, second)),
        _mm512_castps_si512(_mm512_shuffle_ps::<0xDD>(third, fourth)),
    ];
    let above = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13);
    let below = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
    [
        _mm512_permutex2var_epi64(outer[0], above, outer[1]),
        _mm512_permutex2var_epi64(inner[0], above, inner[1]),
        _mm512_permutex2var_epi64(outer[0], below, outer[1]),
        _mm512_permutex2var_epi64(inner[0], below, inner[1]),
    ]
}

/// The coefficients of values that stand two by two in four vectors, not yet rounded; `start` is what the
/// first and what each other one begins with.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn sums_of_pairs(pairs: [__m512i; 4], more: i32, start: [i32; 2]) -> [__m512i; 8] {
    let [first, second, last, before] = pairs;
    let sums = [_mm512_add_epi16(first, last), _mm512_add_epi16(second, before)];
    let differences = [_mm512_sub_epi16(first, last), _mm512_sub_epi16(second, before)];
    let mut found = [_mm512_setzero_si512(); 8];
    for (at, found) in found.iter_mut().enumerate() {
        let (weights, values) =
            if at % 2 == 0 { (EVEN[at / 2], sums) } else { (ODD[at / 2], differences) };
        let start = _mm512_set1_epi32(start[usize::from(at > 0)]);
        let half = _mm512_dpwssd_epi32(start, values[0], two(weights, 0, more));
        *found = _mm512_dpwssd_epi32(half, values[1], two(weights, 2, more));
    }
    found
}

/// Two rows of coefficients of two blocks, divided.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw")]
fn divide(values: __m512i, dividers: &Dividers, rows: usize) -> __m512i {
    let more = vectors::load_words_16_twice(lanes(&dividers.more, 16 * rows));
    let factors = vectors::load_words_16_twice(lanes(&dividers.factors, 16 * rows));
    let shifts = vectors::load_words_16_twice(lanes(&dividers.shifts, 16 * rows));
    let size = _mm512_add_epi16(_mm512_abs_epi16(values), more);
    let size = _mm512_srlv_epi16(_mm512_mulhi_epu16(size, factors), shifts);
    let is_negative = _mm512_movepi16_mask(values);
    _mm512_mask_sub_epi16(size, is_negative, _mm512_setzero_si512(), size)
}

#[cfg(test)]
mod tests {
    use super::super::super::noise;
    use super::*;
    use crate::simd::Simd;

    #[test]
    fn dividers_divide_all_coefficients_that_there_can_be() {
        for step in 1..=255 {
            let divisor = 8 * step;
            let [more, factor, shift] = divider(divisor);
            assert!(more < 1 << 15 && factor < 1 << 16 && shift < 16, "{step}");
            for size in 0..=1 << 15 {
                let found = ((size + more) * factor) >> 16 >> shift;
                assert_eq!(found, (size + divisor / 2) / divisor, "{size} by {divisor}");
            }
        }
    }

    #[test]
    fn all_levels_agree() {
        const STRIDE: usize = 21;
        let noise = noise(8 * 21);
        let extreme: Vec<u8> = noise.iter().map(|value| value / 128 * 255).collect();
        for samples in [&noise, &extreme, &vec![0; noise.len()], &vec![255; noise.len()]] {
            for (count, step) in [(1, 1), (2, 1), (2, 2), (1, 3), (2, 16), (2, 255)] {
                let dividers = Dividers::new(&std::array::from_fn(|at| {
                    step + u16::try_from(at).unwrap() % (256 - step)
                }));
                let made = |simd| {
                    let mut blocks = vec![[0; 64]; count];
                    forward(simd, samples, STRIDE, &dividers, &mut blocks);
                    blocks
                };
                let plain = made(Simd::scalar());
                for simd in Simd::all() {
                    assert_eq!(made(simd), plain, "{simd} {count} {step}");
                }
            }
        }
    }
}
