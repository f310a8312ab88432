//! Sums over the 3 x 3 pixels around each pixel.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use crate::simd::kernel;
#[cfg(target_arch = "x86_64")]
use crate::simd::{chunk_starts, lanes, lanes_mut, vectors};

kernel! {
    /// Writes the sum of three rows.
    fn sum_of_three(above: &[u8], middle: &[u8], below: &[u8], sums: &mut [i16]) {
        let rows = above.iter().zip(middle).zip(below);
        for (sum, ((above, middle), below)) in sums.iter_mut().zip(rows) {
            *sum = i16::from(*above) + i16::from(*middle) + i16::from(*below);
        }
    }
}

kernel! {
    /// Writes ten times each value less the sum of the nine around it, clamped. `sums` are those of
    /// the columns, one pixel of `channels` values wider than the row at both ends.
    fn sharpen_row(row: &[u8], sums: &[i16], channels: usize, out: &mut [u8]) {
        let around = sums.iter().zip(&sums[channels..]).zip(&sums[2 * channels..]);
        for ((out, value), ((left, middle), right)) in out.iter_mut().zip(row).zip(around) {
            let sharp = 10 * i16::from(*value) - (left + middle + right);
            *out = sharp.clamp(0, 255).to_le_bytes()[0];
        }
    }
}

kernel! {
    /// Writes `|above + below + left + right - 4 · middle|`, its low 8 bits or clamped. The row is
    /// mirrored at its first and last value.
    fn laplacian_row(above: &[u8], middle: &[u8], below: &[u8], wrap: bool, out: &mut [u8]) {
        laplacian_of_ends(above, middle, below, wrap, out);
        let inner = 1..out.len().max(2) - 1;
        laplacian(above, middle, below, wrap, &mut out[inner]);
    }
    avx512 {
        laplacian_of_ends(above, middle, below, wrap, out);
        let inner = 1..out.len().max(2) - 1;
        let out = &mut out[inner];
        if out.len() < 64 {
            return laplacian(above, middle, below, wrap, out);
        }
        let mask = _mm512_set1_epi16(if wrap { 255 } else { i16::MAX });
        for start in chunk_starts(out.len(), 64) {
            let rows = [&above[1..], &below[1..], middle, &middle[2..], &middle[1..]];
            let edges = laplacian_of_64(rows.map(|row| lanes(row, start)), mask);
            vectors::store_64(edges, lanes_mut(out, start));
        }
    }
}

#[inline(always)]
fn laplacian(above: &[u8], middle: &[u8], below: &[u8], wrap: bool, out: &mut [u8]) {
    let columns = above[1..].iter().zip(&below[1..]);
    let around = middle.iter().zip(&middle[1..]).zip(middle.get(2..).unwrap_or_default());
    for ((out, (above, below)), ((left, middle), right)) in out.iter_mut().zip(columns).zip(around)
    {
        *out = edge([*above, *below, *left, *right], *middle, wrap);
    }
}

#[inline(always)]
fn laplacian_of_ends(above: &[u8], middle: &[u8], below: &[u8], wrap: bool, out: &mut [u8]) {
    let last = out.len() - 1;
    for (column, next) in [(0, last.min(1)), (last, last.saturating_sub(1))] {
        let next = middle[next];
        out[column] = edge([above[column], below[column], next, next], middle[column], wrap);
    }
}

#[inline(always)]
fn edge(around: [u8; 4], middle: u8, wrap: bool) -> u8 {
    let [above, below, left, right] = around.map(i16::from);
    let edge = (above + below + left + right - 4 * i16::from(middle)).abs();
    edge.min(if wrap { i16::MAX } else { 255 }).to_le_bytes()[0]
}

/// 64 values from the rows above and below, left and right, and in the middle; `mask` says what
/// stays of each before it is clamped.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn laplacian_of_64(rows: [&[u8; 64]; 5], mask: __m512i) -> __m512i {
    let [above, below, left, right, middle] = rows;
    let (above, below) = (vectors::load_64(above), vectors::load_64(below));
    let (left, right) = (vectors::load_64(left), vectors::load_64(right));
    let middle = vectors::load_64(middle);
    let (ones, zero) = (_mm512_set1_epi8(1), _mm512_setzero_si512());
    let edge = |columns, rows, middle| {
        let sums =
            _mm512_add_epi16(_mm512_maddubs_epi16(columns, ones), _mm512_maddubs_epi16(rows, ones));
        let edge = _mm512_sub_epi16(sums, _mm512_slli_epi16::<2>(middle));
        _mm512_and_si512(_mm512_abs_epi16(edge), mask)
    };
    let low = edge(
        _mm512_unpacklo_epi8(above, below),
        _mm512_unpacklo_epi8(left, right),
        _mm512_unpacklo_epi8(middle, zero),
    );
    let high = edge(
        _mm512_unpackhi_epi8(above, below),
        _mm512_unpackhi_epi8(left, right),
        _mm512_unpackhi_epi8(middle, zero),
    );
    _mm512_packus_epi16(low, high)
}
