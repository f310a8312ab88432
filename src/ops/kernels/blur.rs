//! Sums with symmetric weights, along columns and along rows.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use std::num::Wrapping;

use crate::simd::{chunk_starts, kernel, lanes};
#[cfg(target_arch = "x86_64")]
use crate::simd::{lanes_mut, vectors};

/// Values summed at once, few enough for the sums to stay in registers.
const COLUMN_LANES: usize = 64;
const ROW_LANES: usize = 32;

/// Rows that are made at once.
pub(in crate::ops) const ROWS: usize = 4;

/// Half a unit, and the 2^15 by which each sum is less; all weights are 256.
const ROUND: i32 = (1 << 15) + (256 << 15);

/// Weights that are the same from either end and sum up to 256, an odd number of them.
#[derive(Debug)]
pub(in crate::ops) struct Weights {
    each: Vec<u16>,
    /// For rows, two by two, and four by four.
    #[cfg(target_arch = "x86_64")]
    of_two_rows: Vec<[[u8; 2]; ROWS]>,
    #[cfg(target_arch = "x86_64")]
    of_four_rows: Vec<[[u8; 4]; ROWS]>,
    /// For values in a row.
    #[cfg(target_arch = "x86_64")]
    twos: Vec<Twos>,
}

impl Weights {
    pub(in crate::ops) fn new(each: Vec<u16>) -> Self {
        Self {
            #[cfg(target_arch = "x86_64")]
            of_two_rows: weights_of_rows(&each),
            #[cfg(target_arch = "x86_64")]
            of_four_rows: weights_of_rows(&each),
            #[cfg(target_arch = "x86_64")]
            twos: twos_of_weights(&each),
            each,
        }
    }

    pub(in crate::ops) fn are_binomial(&self) -> bool {
        self.each == BINOMIAL
    }

    pub(in crate::ops) fn len(&self) -> usize {
        self.each.len()
    }
}

kernel! {
    /// Writes [`ROWS`] rows, each the weighted sum of as many rows as there are weights, the first
    /// from the first of `rows` on; less 2^15, so that it fits.
    fn column_sums(rows: &[&[u8]], weights: &Weights, sums: &mut [&mut [i16]; ROWS]) {
        column_sums_in_pairs(rows, &weights.each, sums);
    }
    avx2 {
        let len = sums[0].len();
        // Two products at a time are summed in 16 bits with a sign.
        let each = &weights.each;
        if len < 32 || each.len() < 2 || each.windows(2).any(|two| two[0] + two[1] > 128) {
            return column_sums_in_pairs(rows, each, sums);
        }
        let rows = groups_of_rows(rows);
        for start in chunk_starts(len, 32) {
            let found = column_sums_256(&rows, &weights.of_two_rows, start);
            for (row, found) in sums.iter_mut().zip(found) {
                vectors::store_words_32(found, lanes_mut(row, start));
            }
        }
    }
    avx512 {
        let len = sums[0].len();
        // Weights have 8 bits with a sign.
        if len < 64 || weights.each.iter().any(|weight| *weight > 127) {
            return column_sums_in_pairs(rows, &weights.each, sums);
        }
        let rows = groups_of_rows(rows);
        for start in chunk_starts(len, 64) {
            let found = column_sums_512(&rows, &weights.of_four_rows, start);
            for (row, found) in sums.iter_mut().zip(found) {
                vectors::store_words_64(found, lanes_mut(row, start));
            }
        }
    }
}

#[inline(always)]
fn column_sums_in_pairs(rows: &[&[u8]], weights: &[u16], sums: &mut [&mut [i16]; ROWS]) {
    for (index, sums) in sums.iter_mut().enumerate() {
        let rows = &rows[index..index + weights.len()];
        for start in chunk_starts(sums.len(), COLUMN_LANES) {
            let chunk = column_sum::<COLUMN_LANES>(rows, weights, start);
            sums[start..start + COLUMN_LANES].copy_from_slice(&chunk);
        }
        if sums.len() < COLUMN_LANES {
            for (start, sum) in sums.iter_mut().enumerate() {
                [*sum] = column_sum::<1>(rows, weights, start);
            }
        }
    }
}

#[inline(always)]
fn column_sum<const N: usize>(rows: &[&[u8]], weights: &[u16], start: usize) -> [i16; N] {
    let half = weights.len() / 2;
    let mut sums = [0; N];
    for (sum, value) in sums.iter_mut().zip(lanes::<_, N>(rows[half], start)) {
        *sum = u16::from(*value) * weights[half];
    }
    for index in 0..half {
        let (above, below) = (rows[index], rows[rows.len() - 1 - index]);
        let weight = weights[index];
        let (above, below) = (lanes::<_, N>(above, start), lanes::<_, N>(below, start));
        for lane in 0..N {
            sums[lane] += (u16::from(above[lane]) + u16::from(below[lane])) * weight;
        }
    }
    let mut signed = [0; N];
    for (signed, sum) in signed.iter_mut().zip(sums) {
        *signed = (sum ^ 1 << 15).cast_signed();
    }
    signed
}

kernel! {
    /// Writes the weighted sum of as many values from each of `sums` on as there are weights, in
    /// units of 2^-16, rounded half up; `sums` are less by 2^15 than they should be.
    fn row_sums(sums: &[i16], weights: &Weights, out: &mut [u8]) {
        row_sums_in_pairs(sums, &weights.each, out);
    }
    avx2 {
        if out.len() < 32 {
            return row_sums_in_pairs(sums, &weights.each, out);
        }
        for start in chunk_starts(out.len(), 32) {
            let found = row_sums_256(sums, &weights.twos, start);
            vectors::store_32(found, lanes_mut(out, start));
        }
    }
    avx512 {
        if out.len() < 128 {
            return row_sums_in_pairs(sums, &weights.each, out);
        }
        for start in chunk_starts(out.len(), 128) {
            let [left, right] = row_sums_512(sums, &weights.twos, start);
            vectors::store_64(left, lanes_mut(out, start));
            vectors::store_64(right, lanes_mut(out, start + 64));
        }
    }
}

#[inline(always)]
fn row_sums_in_pairs(sums: &[i16], weights: &[u16], out: &mut [u8]) {
    for start in chunk_starts(out.len(), ROW_LANES) {
        row_sum::<ROW_LANES>(sums, weights, start, &mut out[start..start + ROW_LANES]);
    }
    if out.len() < ROW_LANES {
        for (start, value) in out.chunks_exact_mut(1).enumerate() {
            row_sum::<1>(sums, weights, start, value);
        }
    }
}

#[inline(always)]
fn row_sum<const N: usize>(sums: &[i16], weights: &[u16], start: usize, out: &mut [u8]) {
    let last = weights.len() - 1;
    let half = last / 2;
    let mut totals = [0; N];
    for (total, sum) in totals.iter_mut().zip(lanes::<_, N>(sums, start + half)) {
        *total = i32::from(*sum) * i32::from(weights[half]) + ROUND;
    }
    for (at, weight) in weights[..half].iter().enumerate() {
        let left = lanes::<_, N>(sums, start + at);
        let right = lanes::<_, N>(sums, start + last - at);
        let weight = i32::from(*weight);
        for lane in 0..N {
            totals[lane] += (i32::from(left[lane]) + i32::from(right[lane])) * weight;
        }
    }
    for (out, total) in out.iter_mut().zip(totals) {
        *out = (total >> 16).to_le_bytes()[0];
    }
}

/// For each `N` rows, the weights with which they enter each of the sums.
#[cfg(target_arch = "x86_64")]
fn weights_of_rows<const N: usize>(weights: &[u16]) -> Vec<[[u8; N]; ROWS]> {
    let weight = |at: Option<usize>| at.and_then(|at| weights.get(at)).map_or(0, |weight| *weight);
    let groups = 0..(weights.len() + ROWS - 1).div_ceil(N);
    let group = |group: usize| {
        std::array::from_fn(|row| {
            std::array::from_fn(|at| weight((N * group + at).checked_sub(row)).to_le_bytes()[0])
        })
    };
    groups.map(group).collect()
}

/// The rows in groups of `N`; the last row makes the last group full.
#[cfg(target_arch = "x86_64")]
fn groups_of_rows<'a, const N: usize>(rows: &[&'a [u8]]) -> Vec<[&'a [u8]; N]> {
    let groups = 0..rows.len().div_ceil(N);
    let row = |index: usize| rows[index.min(rows.len() - 1)];
    groups.map(|group| std::array::from_fn(|at| row(N * group + at))).collect()
}

/// 32 sums of each row.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
fn column_sums_256(
    rows: &[[&[u8]; 2]],
    twos: &[[[u8; 2]; ROWS]],
    start: usize,
) -> [[__m256i; 2]; ROWS] {
    let mut sums = [[_mm256_set1_epi16(i16::MIN); 2]; ROWS];
    for ([first, second], weights) in rows.iter().zip(twos) {
        let first = vectors::load_32(lanes(first, start));
        let second = vectors::load_32(lanes(second, start));
        let low = _mm256_unpacklo_epi8(first, second);
        let high = _mm256_unpackhi_epi8(first, second);
        for (sums, weights) in sums.iter_mut().zip(weights) {
            let weights = _mm256_set1_epi16(i16::from_le_bytes(*weights));
            sums[0] = _mm256_add_epi16(sums[0], _mm256_maddubs_epi16(low, weights));
            sums[1] = _mm256_add_epi16(sums[1], _mm256_maddubs_epi16(high, weights));
        }
    }
    let mut ordered = sums;
    for (ordered, [low, high]) in ordered.iter_mut().zip(sums) {
        ordered[0] = _mm256_permute2x128_si256::<0x20>(low, high);
        ordered[1] = _mm256_permute2x128_si256::<0x31>(low, high);
    }
    ordered
}

/// 64 sums of each row.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn column_sums_512(
    rows: &[[&[u8]; 4]],
    fours: &[[[u8; 4]; ROWS]],
    start: usize,
) -> [[__m512i; 2]; ROWS] {
    let mut sums = [[_mm512_set1_epi32(i32::from(i16::MIN)); 4]; ROWS];
    for (rows, weights) in rows.iter().zip(fours) {
        for row in rows {
            vectors::prefetch(row, start + 192);
        }
        let columns = vectors::load_columns(*rows, start);
        for (sums, weights) in sums.iter_mut().zip(weights) {
            let weights = _mm512_set1_epi32(i32::from_le_bytes(*weights));
            for (sum, columns) in sums.iter_mut().zip(columns) {
                *sum = _mm512_dpbusd_epi32(*sum, columns, weights);
            }
        }
    }
    let mut packed = [[_mm512_setzero_si512(); 2]; ROWS];
    for (packed, sums) in packed.iter_mut().zip(sums) {
        let left = _mm512_packs_epi32(sums[0], sums[1]);
        let right = _mm512_packs_epi32(sums[2], sums[3]);
        // Lanes of 8 sums, by turns from the one and the other.
        let low = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
        let high = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
        packed[0] = _mm512_permutex2var_epi64(left, low, right);
        packed[1] = _mm512_permutex2var_epi64(left, high, right);
    }
    packed
}

/// The weights with which two neighbours in a row, the first at an even distance, enter the sum for an
/// even place, and the one for the odd place behind it.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug)]
struct Twos {
    even: i32,
    odd: i32,
}

/// The weights two by two.
#[cfg(target_arch = "x86_64")]
fn twos_of_weights(weights: &[u16]) -> Vec<Twos> {
    let weight = |at: Option<usize>| {
        i32::from(at.and_then(|at| weights.get(at)).map_or(0, |weight| *weight))
    };
    let two = |at: usize| {
        let first = weight(Some(at));
        let (even, odd) =
            (first | weight(Some(at + 1)) << 16, weight(at.checked_sub(1)) | first << 16);
        Twos { even, odd }
    };
    (0..weights.len()).step_by(2).map(two).collect()
}

/// 32 values.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
fn row_sums_256(sums: &[i16], twos: &[Twos], start: usize) -> __m256i {
    let [mut even, mut odd] = [[_mm256_set1_epi32(ROUND); 2]; 2];
    for (index, twos) in twos.iter().enumerate() {
        let weights = [_mm256_set1_epi32(twos.even), _mm256_set1_epi32(twos.odd)];
        let at: &[i16; 32] = lanes(sums, start + 2 * index);
        let windows = [vectors::load_words_16(lanes(at, 0)), vectors::load_words_16(lanes(at, 16))];
        for ((even, odd), window) in even.iter_mut().zip(&mut odd).zip(windows) {
            *even = _mm256_add_epi32(*even, _mm256_madd_epi16(window, weights[0]));
            *odd = _mm256_add_epi32(*odd, _mm256_madd_epi16(window, weights[1]));
        }
    }
    let left = _mm256_blend_epi16::<0xAA>(_mm256_srli_epi32::<16>(even[0]), odd[0]);
    let right = _mm256_blend_epi16::<0xAA>(_mm256_srli_epi32::<16>(even[1]), odd[1]);
    _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi16(left, right))
}

/// 128 values, in two halves: enough sums that none waits for the one before.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn row_sums_512(sums: &[i16], twos: &[Twos], start: usize) -> [__m512i; 2] {
    let [mut even, mut odd] = [[_mm512_set1_epi32(ROUND); 4]; 2];
    for (index, twos) in twos.iter().enumerate() {
        let weights = [_mm512_set1_epi32(twos.even), _mm512_set1_epi32(twos.odd)];
        let windows: &[i16; 128] = lanes(sums, start + 2 * index);
        for (part, (even, odd)) in even.iter_mut().zip(&mut odd).enumerate() {
            let window = vectors::load_words_32(lanes(windows, 32 * part));
            *even = _mm512_dpwssd_epi32(*even, window, weights[0]);
            *odd = _mm512_dpwssd_epi32(*odd, window, weights[1]);
        }
    }
    // The third byte of each four is the result.
    let words = |part: usize| {
        let even = _mm512_srli_epi32::<16>(even[part]);
        _mm512_mask_blend_epi16(0xAAAA_AAAA, even, odd[part])
    };
    let order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
    let bytes = |left, right| {
        _mm512_permutexvar_epi64(order, _mm512_packus_epi16(words(left), words(right)))
    };
    [bytes(0, 1), bytes(2, 3)]
}

/// The weights of [`binomial_row`], in units of 1/16.
pub(in crate::ops) const BINOMIAL: [u16; 5] = [1, 4, 6, 4, 1];

kernel! {
    /// Writes the sums of five pixels of `channels` values with [`BINOMIAL`] weights, rounded half up.
    /// `sums` are those of columns with the same weights, two pixels wider than the row at both ends.
    fn binomial_row(sums: &[i16], channels: usize, out: &mut [u8]) {
        let from = |pixel: usize| sums[pixel * channels..].iter();
        let around = from(0).zip(from(1)).zip(from(2)).zip(from(3)).zip(from(4));
        for (out, ((((first, second), third), fourth), fifth)) in out.iter_mut().zip(around) {
            // The result fits 16 bits; 16 times the 2^15 by which sums are less is nothing in them.
            let value = |sum: &i16| Wrapping(sum.cast_unsigned());
            let ends = value(first) + value(fifth);
            let sum = ends + ((value(second) + value(fourth)) << 2) + value(third) * Wrapping(6);
            *out = ((sum + Wrapping(128)) >> 8).0.to_le_bytes()[0];
        }
    }
}

kernel! {
    /// Writes the three channels of a row apart.
    fn split_row(row: &[i16], channels: [&mut [i16]; 3]) {
        split(row, channels);
    }
    avx512 {
        let (chunks, rest) = row.as_chunks::<96>();
        let [first, second, third] = channels.map(|channel| channel.as_chunks_mut::<32>());
        let out = first.0.iter_mut().zip(second.0).zip(third.0);
        for (((first, second), third), pixels) in out.zip(chunks) {
            let split = vectors::deinterleave_words_96(pixels);
            for (channel, out) in split.into_iter().zip([first, second, third]) {
                vectors::store_words_of_512(channel, out);
            }
        }
        split(rest, [first.1, second.1, third.1]);
    }
}

#[inline(always)]
fn split(row: &[i16], [first, second, third]: [&mut [i16]; 3]) {
    let out = first.iter_mut().zip(second).zip(third);
    for (((first, second), third), pixel) in out.zip(row.as_chunks::<3>().0) {
        [*first, *second, *third] = *pixel;
    }
}

kernel! {
    /// Writes the three channels of a row pixel by pixel.
    fn join_row(channels: [&[u8]; 3], out: &mut [u8]) {
        join(channels, out);
    }
    avx2 {
        let [first, second, third] = channels.map(|channel| channel.as_chunks::<32>());
        let (chunks, rest) = out.as_chunks_mut();
        let inputs = first.0.iter().zip(second.0).zip(third.0);
        for (out, ((first, second), third)) in chunks.iter_mut().zip(inputs) {
            let channels =
                [vectors::load_32(first), vectors::load_32(second), vectors::load_32(third)];
            vectors::interleave_96(channels, out);
        }
        join([first.1, second.1, third.1], rest);
    }
    avx512 {
        let [first, second, third] = channels.map(|channel| channel.as_chunks::<64>());
        let (chunks, rest) = out.as_chunks_mut();
        let inputs = first.0.iter().zip(second.0).zip(third.0);
        for (out, ((first, second), third)) in chunks.iter_mut().zip(inputs) {
            let channels =
                [vectors::load_64(first), vectors::load_64(second), vectors::load_64(third)];
            vectors::interleave_192(channels, &vectors::IN_ORDER, out);
        }
        join([first.1, second.1, third.1], rest);
    }
}

#[inline(always)]
fn join([first, second, third]: [&[u8]; 3], out: &mut [u8]) {
    let values = first.iter().zip(second).zip(third);
    for (out, ((first, second), third)) in out.as_chunks_mut::<3>().0.iter_mut().zip(values) {
        *out = [*first, *second, *third];
    }
}
