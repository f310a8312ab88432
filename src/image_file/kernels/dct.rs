//! Blocks of 8 by 8 samples as cosines, and coefficients as multiples of their steps: libjpeg's accurate
//! integer DCT. Its factors for sums and differences of opposite values are written out as products with
//! matrices of integers; as nothing is rounded on the way, the results are the same.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use super::huffman::Block;
use crate::simd::kernel;
#[cfg(target_arch = "x86_64")]
use crate::simd::vectors;

/// Of the sums of the first and the last, the second and the last but one value and so on, the even
/// coefficients, in units of 2^-13.
const EVEN: [[i16; 4]; 4] = [
    [8192, 8192, 8192, 8192],
    [10_703, 4433, -4433, -10_703],
    [8192, -8192, -8192, 8192],
    [4433, -10_704, 10_704, -4433],
];
/// Of the differences, the odd ones.
const ODD: [[i16; 4]; 4] = [
    [11_363, 9633, 6437, 2260],
    [9633, -2259, -11_362, -6436],
    [6437, -11_362, 2261, 9633],
    [2260, -6436, 9633, -11_363],
];
/// Bits behind the point of the matrices, and of what rows become before columns are made of it.
const BITS: u32 = 13;
const ROW_BITS: u32 = 2;

/// Divisions by the steps of a block's coefficients, eight times as large, rounded half away from 0.
#[derive(Debug)]
pub(in crate::image_file) struct Dividers {
    /// What is added first, the factors in units of 2^-16, and how far products are then shifted.
    more: Block,
    factors: Block,
    shifts: Block,
}

impl Dividers {
    pub(in crate::image_file) fn new(steps: &[u16; 64]) -> Self {
        let mut dividers = Self { more: [0; 64], factors: [0; 64], shifts: [0; 64] };
        for (at, step) in steps.iter().enumerate() {
            let [more, factor, shift] = divider(8 * u32::from(*step)).map(low_word);
            (dividers.more[at], dividers.factors[at], dividers.shifts[at]) = (more, factor, shift);
        }
        dividers
    }
}

/// What is added to a number, and what it is then multiplied with and shifted by, to divide it by
/// `divisor`, 2 to 2^15, and round it half up.
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
    /// Writes the coefficients of blocks side by side, of 8 rows of samples: 8 for each block.
    fn forward(rows: [&[u8]; 8], dividers: &Dividers, blocks: &mut [Block]) {
        for (index, block) in blocks.iter_mut().enumerate() {
            *block = forward_block(rows.map(|row| &row[8 * index..][..8]), dividers);
        }
    }
    avx512 {
        for (index, blocks) in blocks.chunks_mut(2).enumerate() {
            let (first, count) = (16 * index, 8 * blocks.len());
            forward_two(rows.map(|row| &row[first..][..count]), dividers, blocks);
        }
    }
}

#[inline(always)]
fn forward_block(rows: [&[u8]; 8], dividers: &Dividers) -> Block {
    let mut by_rows = [[0; 8]; 8];
    for (out, row) in by_rows.iter_mut().zip(rows) {
        let mut values = [0; 8];
        for (value, sample) in values.iter_mut().zip(row) {
            *value = i32::from(*sample) - 128;
        }
        *out = cosines(values, BITS - ROW_BITS);
    }
    let mut block = [0; 64];
    for column in 0..8 {
        let found = cosines(by_rows.map(|row| row[column]), BITS + ROW_BITS);
        for (row, value) in found.into_iter().enumerate() {
            let at = 8 * row + column;
            let size = value.unsigned_abs() + u32::from(dividers.more[at].cast_unsigned());
            let product = size * u32::from(dividers.factors[at].cast_unsigned());
            let size = low_word(product >> 16 >> dividers.shifts[at]);
            block[at] = if value < 0 { -size } else { size };
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
    _mm512_set1_epi32((first & 0xFFFF) | second << 16)
}

/// One block, or two.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vbmi,avx512vnni")]
fn forward_two(rows: [&[u8]; 8], dividers: &Dividers, blocks: &mut [Block]) {
    // What 128 less in each sample takes from the first coefficient of a row.
    let less = i32::from(EVEN[0][0]) * 8 * 128;
    let found = sums_of_pairs(pairs_in_rows(rows), 1, [(1 << 10) - less, 1 << 10]);
    let mut packed = [_mm512_setzero_si512(); 4];
    for (packed, two) in packed.iter_mut().zip(found.as_chunks::<2>().0) {
        let [first, second] = *two;
        *packed =
            _mm512_packs_epi32(_mm512_srai_epi32::<11>(first), _mm512_srai_epi32::<11>(second));
    }
    // Twice the weights: the result is the upper half.
    let found = sums_of_pairs(pairs_in_columns(packed), 2, [1 << 15; 2]);
    for (packed, two) in packed.iter_mut().zip(found.as_chunks::<2>().0) {
        let [first, second] = *two;
        *packed =
            _mm512_packs_epi32(_mm512_srai_epi32::<16>(first), _mm512_srai_epi32::<16>(second));
    }
    // Fours of a block: of its left columns in two rows, and of its right columns.
    let orders = [
        _mm512_setr_epi64(0, 4, 1, 5, 8, 12, 9, 13),
        _mm512_setr_epi64(2, 6, 3, 7, 10, 14, 11, 15),
    ];
    for (block, order) in blocks.iter_mut().zip(orders) {
        for (half, out) in block.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let values = _mm512_permutex2var_epi64(packed[2 * half], order, packed[2 * half + 1]);
            vectors::store_words_of_512(divided(values, dividers, half), out);
        }
    }
}

/// For each row of two blocks (0, 1, 2, 3, 7, 6, 5, 4 of each), samples two by two: the first and the
/// second, the third and the fourth, the last and the one before it, the two before these.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vbmi")]
fn pairs_in_rows(rows: [&[u8]; 8]) -> [__m512i; 4] {
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
    let four = |rows: [&[u8]; 4]| {
        let row = |at: usize| _mm512_castsi512_si128(vectors::load_some(rows[at]));
        let two = _mm512_inserti32x4::<1>(_mm512_castsi128_si512(row(0)), row(1));
        _mm512_inserti32x4::<3>(_mm512_inserti32x4::<2>(two, row(2)), row(3))
    };
    let upper = four([rows[0], rows[1], rows[2], rows[3]]);
    let lower = four([rows[7], rows[6], rows[5], rows[4]]);
    let mut pairs = [_mm512_setzero_si512(); 4];
    for (pairs, places) in pairs.iter_mut().zip(&PLACES) {
        let places = vectors::load_64(places);
        let above = _mm512_maskz_permutexvar_epi8(UPPER, places, upper);
        *pairs = _mm512_mask_permutexvar_epi8(above, UPPER << 16, places, lower);
    }
    pairs
}

/// The same for columns (left four of both blocks, right four of both), of coefficients of rows: of two by
/// two of them, fours of rows in the order of [`pairs_in_rows`].
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f")]
fn pairs_in_columns(packed: [__m512i; 4]) -> [__m512i; 4] {
    let [first, second, third, fourth] = packed.map(|vector| _mm512_castsi512_ps(vector));
    let outer = [
        _mm512_castps_si512(_mm512_shuffle_ps::<0x88>(first, second)),
        _mm512_castps_si512(_mm512_shuffle_ps::<0x88>(third, fourth)),
    ];
    let inner = [
        _mm512_castps_si512(_mm512_shuffle_ps::<0xDD>(first, second)),
        _mm512_castps_si512(_mm512_shuffle_ps::<0xDD>(third, fourth)),
    ];
    [
        _mm512_shuffle_i32x4::<0x88>(outer[0], outer[1]),
        _mm512_shuffle_i32x4::<0x88>(inner[0], inner[1]),
        _mm512_shuffle_i32x4::<0xDD>(outer[0], outer[1]),
        _mm512_shuffle_i32x4::<0xDD>(inner[0], inner[1]),
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

/// Half a block of coefficients, divided.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn divided(values: __m512i, dividers: &Dividers, half: usize) -> __m512i {
    let of = |block: &Block| vectors::load_words_32(&block.as_chunks::<32>().0[half]);
    let size = _mm512_add_epi16(_mm512_abs_epi16(values), of(&dividers.more));
    let product = _mm512_mulhi_epu16(size, of(&dividers.factors));
    let size = _mm512_srlv_epi16(product, of(&dividers.shifts));
    let is_negative = _mm512_movepi16_mask(values);
    _mm512_mask_sub_epi16(size, is_negative, _mm512_setzero_si512(), size)
}

#[cfg(test)]
mod tests {
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
        let noise: Vec<u8> = (0..8 * 64_u32)
            .map(|at| at.wrapping_mul(2_654_435_761).rotate_left(at % 31).to_be_bytes()[1])
            .collect();
        let extreme: Vec<u8> = noise.iter().map(|value| value / 128 * 255).collect();
        for samples in [&noise, &extreme, &vec![0; 512], &vec![255; 512]] {
            for (count, step) in [(1, 1), (2, 1), (3, 2), (4, 3), (8, 16), (8, 255)] {
                let rows: [&[u8]; 8] = std::array::from_fn(|row| &samples[64 * row..][..8 * count]);
                let dividers = Dividers::new(&std::array::from_fn(|at| {
                    step + u16::try_from(at).unwrap() % (256 - step)
                }));
                let made = |simd| {
                    let mut blocks = vec![[0; 64]; count];
                    forward(simd, rows, &dividers, &mut blocks);
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
