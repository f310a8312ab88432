//! The filters of PNG: a row as its difference from what its neighbours foretell.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

#[cfg(target_arch = "x86_64")]
use crate::simd::vectors;
use crate::simd::{Simd, kernel};

/// From the pixel to the left; the only one here that needs no row above.
const SUB: u8 = 1;
/// From the mean of the pixels to the left and above.
const AVERAGE: u8 = 3;
/// From that of three neighbours that is nearest to their plane.
const PAETH: u8 = 4;

/// Bytes that are filtered before their costs are summed: few enough to be still at hand.
const SPAN: usize = 1 << 12;

/// Writes `row`, of pixels of `pixel_bytes`, to `out` behind the number of its filter: of those that
/// are worth their time, that which leaves less. `other` is as long as `out`; its content does not
/// matter.
pub(in crate::image_file) fn filter(
    simd: Simd,
    row: &[u8],
    above: Option<&[u8]>,
    pixel_bytes: usize,
    out: &mut [u8],
    other: &mut [u8],
) {
    let Some(above) = above else {
        out[0] = SUB;
        return subtract_left(simd, row, pixel_bytes, &mut out[1..]);
    };
    out[0] = PAETH;
    other[0] = AVERAGE;
    let left = subtract_both(simd, row, above, pixel_bytes, [&mut out[1..], &mut other[1..]]);
    if left[1] < left[0] {
        out.copy_from_slice(other);
    }
}

kernel! {
    fn subtract_left(row: &[u8], pixel_bytes: usize, out: &mut [u8]) {
        let (first, rest) = out.split_at_mut(pixel_bytes);
        first.copy_from_slice(&row[..pixel_bytes]);
        for ((out, byte), left) in rest.iter_mut().zip(&row[pixel_bytes..]).zip(row) {
            *out = byte.wrapping_sub(*left);
        }
    }
}

kernel! {
    /// Writes the differences of `row` from the nearest neighbours, and those from the means; gives
    /// what either costs.
    fn subtract_both(
        row: &[u8],
        above: &[u8],
        pixel_bytes: usize,
        out: [&mut [u8]; 2],
    ) -> [u64; 2] {
        subtract(row, above, pixel_bytes, out, cost)
    }
    avx2 {
        subtract(row, above, pixel_bytes, out, |row| cost_256(row))
    }
    avx512 {
        subtract(row, above, pixel_bytes, out, |row| cost_512(row))
    }
}

#[inline(always)]
fn subtract(
    row: &[u8],
    above: &[u8],
    pixel_bytes: usize,
    [nearests, means]: [&mut [u8]; 2],
    cost: impl Fn(&[u8]) -> u64,
) -> [u64; 2] {
    for at in 0..pixel_bytes {
        nearests[at] = row[at].wrapping_sub(above[at]);
        means[at] = row[at].wrapping_sub(above[at] / 2);
    }
    let mut costs = [cost(&nearests[..pixel_bytes]), cost(&means[..pixel_bytes])];
    let inputs = row[pixel_bytes..].chunks(SPAN).zip(row.chunks(SPAN));
    let inputs = inputs.zip(above[pixel_bytes..].chunks(SPAN).zip(above.chunks(SPAN)));
    let out = nearests[pixel_bytes..].chunks_mut(SPAN).zip(means[pixel_bytes..].chunks_mut(SPAN));
    for (((row, left), (up, corner)), (nearests, means)) in inputs.zip(out) {
        let bytes = row.iter().zip(left).zip(up.iter().zip(corner));
        let out = nearests.iter_mut().zip(&mut *means);
        for (((byte, &left), (&up, &corner)), (from_nearest, from_mean)) in bytes.zip(out) {
            *from_nearest = byte.wrapping_sub(nearest(left, up, corner));
            // The mean, rounded down, without a sum of nine bits.
            *from_mean = byte.wrapping_sub((left & up) + ((left ^ up) >> 1));
        }
        costs[0] += cost(nearests);
        costs[1] += cost(means);
    }
    costs
}

/// That of the neighbours which is nearest to `left + up - corner`, in numbers of a byte.
#[inline(always)]
fn nearest(left: u8, up: u8, corner: u8) -> u8 {
    let (left_over, left_under) = (left.saturating_sub(corner), corner.saturating_sub(left));
    let (up_over, up_under) = (up.saturating_sub(corner), corner.saturating_sub(up));
    let (to_left, to_up) = (up_over | up_under, left_over | left_under);
    // Where it does not fit, it is no less than the others.
    let over = left_over.saturating_add(up_over);
    let under = left_under.saturating_add(up_under);
    let to_corner = over.abs_diff(under);
    let vertical = if to_up <= to_corner { up } else { corner };
    if to_left <= to_up.min(to_corner) { left } else { vertical }
}

/// What bytes that were left cost, about: their sum, taken as numbers with a sign. At most [`SPAN`].
#[inline(always)]
fn cost(bytes: &[u8]) -> u64 {
    let size = |&byte: &u8| u32::from(byte.cast_signed().unsigned_abs());
    bytes.iter().map(size).sum::<u32>().into()
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
fn cost_256(bytes: &[u8]) -> u64 {
    let (chunks, rest) = bytes.as_chunks();
    let zero = _mm256_setzero_si256();
    let mut sums = zero;
    for chunk in chunks {
        let sizes = _mm256_abs_epi8(vectors::load_32(chunk));
        sums = _mm256_add_epi64(sums, _mm256_sad_epu8(sizes, zero));
    }
    vectors::numbers_4(sums).iter().sum::<u64>() + cost(rest)
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn cost_512(bytes: &[u8]) -> u64 {
    let (chunks, rest) = bytes.as_chunks();
    let zero = _mm512_setzero_si512();
    let mut sums = zero;
    for chunk in chunks {
        let sizes = _mm512_abs_epi8(vectors::load_64(chunk));
        sums = _mm512_add_epi64(sums, _mm512_sad_epu8(sizes, zero));
    }
    vectors::numbers_8(sums).iter().sum::<u64>() + cost(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_neighbour_is_as_the_standard_says() {
        for left in (0..=255).step_by(5) {
            for up in (0..=255).step_by(3) {
                for corner in 0..=255 {
                    let wanted = i32::from(left) + i32::from(up) - i32::from(corner);
                    let distance = |&of: &u8| (wanted - i32::from(of)).abs();
                    let first = [left, up, corner].into_iter().min_by_key(distance).unwrap();
                    assert_eq!(nearest(left, up, corner), first);
                }
            }
        }
    }

    #[test]
    fn a_row_is_filtered_by_what_leaves_less() {
        let (mut out, mut other) = ([0; 7], [0; 7]);
        filter(Simd::scalar(), &[1, 2, 3, 4, 5, 255], None, 2, &mut out, &mut other);
        assert_eq!(out, [SUB, 1, 2, 2, 2, 2, 251]);
        filter(Simd::scalar(), &[9; 6], Some(&[9; 6]), 2, &mut out, &mut other);
        assert_eq!(out, [PAETH, 0, 0, 0, 0, 0, 0]);
        filter(
            Simd::scalar(),
            &[10, 20, 40, 30, 10, 40],
            Some(&[20, 60, 70, 20, 0, 70]),
            1,
            &mut out,
            &mut other,
        );
        assert_eq!(out, [AVERAGE, 0, 241, 251, 0, 251, 0]);
    }

    #[test]
    fn rows_of_every_width_are_the_same_at_every_level() {
        let noise = |start: u32, step: u32| -> Vec<u8> {
            (start..start + 9000)
                .map(|at| (at.wrapping_mul(2_654_435_761) >> step).to_le_bytes()[0])
                .collect()
        };
        let mut filters = [0; 5];
        for (row, above) in [
            (noise(1, 24), noise(77, 24)),
            (noise(5, 13), noise(6, 13)),
            (noise(1, 9), noise(2, 3)),
        ] {
            for length in (1..300).chain([4095, 4096, 4097, 4100, 8192, 8999]) {
                for pixel_bytes in (1..=4).filter(|bytes| length % bytes == 0) {
                    let (row, above) = (&row[..length], &above[..length]);
                    for above in [None, Some(above)] {
                        let filtered = |simd| {
                            let (mut out, mut other) = (vec![0; length + 1], vec![0; length + 1]);
                            filter(simd, row, above, pixel_bytes, &mut out, &mut other);
                            out
                        };
                        let expected = filtered(Simd::scalar());
                        filters[usize::from(expected[0])] += 1;
                        for simd in Simd::all() {
                            assert!(filtered(simd) == expected, "{simd}: {length}, {pixel_bytes}");
                        }
                    }
                }
            }
        }
        assert!([SUB, AVERAGE, PAETH].iter().all(|&filter| filters[usize::from(filter)] > 0));
    }
}
