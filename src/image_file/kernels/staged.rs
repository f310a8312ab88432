//! Codes of 64 bytes at a time, looked up and joined in AVX-512.
//!
//! They are laid by first, and appended to the bits later, many in a row: so neither waits for the
//! other.

use std::arch::x86_64::*;

use super::deflate::{Codes, Parts, runs};
use crate::image_file::bits::{Bits, Code};
use crate::simd::{lanes_mut, vectors};

/// Codes that are laid by before they are appended; behind them is room for those of 64 bytes.
const STAGED: usize = 1 << 9;
const ROOM: usize = STAGED + 16;

/// Codes that are to be appended: bits, and how many.
struct Staged {
    bits: [u64; ROOM],
    counts: [u8; ROOM],
}

impl Staged {
    /// Lays one more by; gives their number.
    #[inline(always)]
    fn add(&mut self, used: usize, code: Code) -> usize {
        self.bits[used] = code.bits;
        self.counts[used] = code.count.to_le_bytes()[0];
        used + 1
    }

    /// Appends the first `used`.
    #[inline(always)]
    fn push(&self, used: usize, bits: &mut Bits) {
        let mut own = std::mem::take(bits);
        let each = self.bits[..used].chunks(16).zip(self.counts[..used].chunks(16));
        for (bits, counts) in each {
            let codes = bits.iter().zip(counts);
            own.push_each(codes.map(|(&bits, &count)| Code { bits, count: count.into() }));
        }
        *bits = own;
    }
}

/// Appends the codes of `data`, for which there must be room.
#[inline]
#[target_feature(enable = "bmi2,avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vnni")]
pub(super) fn push(data: &[u8], codes: &Codes, bits: &mut Bits) {
    let tables = Tables::new(codes);
    let mut staged = Staged { bits: [0; ROOM], counts: [0; ROOM] };
    let mut used = 0;
    for (bytes, zeros) in Parts::of(data) {
        for chunk in bytes.chunks(64) {
            used = stage_64(chunk, &tables, &mut staged, used);
            if used > STAGED {
                staged.push(used, bits);
                used = 0;
            }
        }
        for run in runs(zeros) {
            used = staged.add(used, codes.runs[run]);
            if used > STAGED {
                staged.push(used, bits);
                used = 0;
            }
        }
    }
    staged.push(used, bits);
}

/// For each byte the low 8 bits of its code; and the 4 bits above them, with their number below.
struct Tables {
    low: [__m512i; 4],
    high_and_count: [__m512i; 4],
}

impl Tables {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn new(codes: &Codes) -> Self {
        let low = codes.bytes.map(|code| code.to_le_bytes()[1]);
        let high_and_count = codes.bytes.map(|code| {
            let [count, _, high, _] = code.to_le_bytes();
            high << 4 | count
        });
        let (low, high_and_count) =
            (vectors::load_table(&low), vectors::load_table(&high_and_count));
        Self { low, high_and_count }
    }
}

/// Lays by the codes of at most 64 bytes behind `used` others; gives the number of all.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
fn stage_64(bytes: &[u8], tables: &Tables, staged: &mut Staged, used: usize) -> usize {
    let values = vectors::load_some(bytes);
    // Of what is no byte, nothing.
    let mask = vectors::first_of_64(bytes.len());
    let low = _mm512_maskz_mov_epi8(mask, vectors::look_up_64(values, tables.low));
    let high_and_count =
        _mm512_maskz_mov_epi8(mask, vectors::look_up_64(values, tables.high_and_count));
    let fifteen = _mm512_set1_epi8(15);
    let high = _mm512_and_si512(_mm512_srli_epi16::<4>(high_and_count), fifteen);
    let counts = _mm512_and_si512(high_and_count, fifteen);
    let zero = _mm512_setzero_si512();
    // Of each 16 bytes, the first eight and the others.
    let (left, left_counts) =
        fours(_mm512_unpacklo_epi8(low, high), _mm512_unpacklo_epi8(counts, zero));
    let (right, right_counts) =
        fours(_mm512_unpackhi_epi8(low, high), _mm512_unpackhi_epi8(counts, zero));
    // Of each eight bytes, the first four and the others.
    let first = _mm512_unpacklo_epi64(left, right);
    let first_counts = _mm512_unpacklo_epi64(left_counts, right_counts);
    let second = _mm512_unpackhi_epi64(left, right);
    let second_counts = _mm512_unpackhi_epi64(left_counts, right_counts);
    let counts = _mm512_add_epi64(first_counts, second_counts);
    let most = _mm512_set1_epi64(Bits::MOST.into());
    if _mm512_cmpgt_epi64_mask(counts, most) == 0 {
        let eights = _mm512_or_si512(first, _mm512_sllv_epi64(second, first_counts));
        vectors::store_numbers_8(eights, lanes_mut(&mut staged.bits, used));
        vectors::store_low_8(counts, lanes_mut(&mut staged.counts, used));
        return used + bytes.len().div_ceil(8);
    }
    let (first, first_counts) = (vectors::numbers_8(first), vectors::numbers_8(first_counts));
    let (second, second_counts) = (vectors::numbers_8(second), vectors::numbers_8(second_counts));
    for at in 0..8 {
        let place = used + 2 * at;
        staged.bits[place] = first[at];
        staged.bits[place + 1] = second[at];
        staged.counts[place] = first_counts[at].to_le_bytes()[0];
        staged.counts[place + 1] = second_counts[at].to_le_bytes()[0];
    }
    used + 16
}

/// Joins each four codes, of 16 bits with the counts beside, to one of 64 bits.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn fours(codes: __m512i, counts: __m512i) -> (__m512i, __m512i) {
    let one = _mm512_set1_epi16(1);
    // 1 and 2 to the count of the first.
    let factors = _mm512_sllv_epi16(one, _mm512_slli_epi32::<16>(counts));
    let pairs = _mm512_madd_epi16(codes, factors);
    let pair_counts = _mm512_madd_epi16(counts, one);
    let low = _mm512_set1_epi64(0xFFFF_FFFF);
    let first_counts = _mm512_and_si512(pair_counts, _mm512_set1_epi64(63));
    let second = _mm512_sllv_epi64(_mm512_srli_epi64::<32>(pairs), first_counts);
    let fours = _mm512_or_si512(_mm512_and_si512(pairs, low), second);
    let counts = _mm512_add_epi64(first_counts, _mm512_srli_epi64::<32>(pair_counts));
    (fours, counts)
}
