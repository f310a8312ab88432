//! RGB as luma and chroma, as JPEG has them: chroma of two by two pixels together (4:2:0).

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use crate::simd::kernel;
#[cfg(target_arch = "x86_64")]
use crate::simd::{chunk_starts, lanes_mut, vectors};

/// Weights of red, green and blue in units of 2^-16, as libjpeg rounds them.
const LUMA: [i32; 3] = [19_595, 38_470, 7_471];
const BLUE: [i32; 3] = [-11_059, -21_709, 32_768];
const RED: [i32; 3] = [32_768, -27_439, -5_329];
/// What is added before the lower 16 bits go: luma is rounded half up, chroma half down.
const LUMA_MORE: i32 = 1 << 15;
const CHROMA_MORE: i32 = (128 << 16) + (1 << 15) - 1;

/// Two rows of luma, of an even number of columns, and the row of chroma that belongs to both, half as
/// long. Behind the columns of the picture, its last one goes on.
#[derive(Debug)]
pub(in crate::image_file) struct TwoRows<'p> {
    pub(in crate::image_file) luma: [&'p mut [u8]; 2],
    pub(in crate::image_file) blue: &'p mut [u8],
    pub(in crate::image_file) red: &'p mut [u8],
}

kernel! {
    /// Writes luma and chroma of two rows of RGB (3 channels), or of RGB and a byte that does not count (4).
    /// Chroma is the mean of four values; of two means in a row, the first is rounded up from three
    /// quarters on, the second from one half on.
    fn to_ycc(rows: [&[u8]; 2], channels: usize, out: TwoRows<'_>) {
        from_column(0, rows, channels, out);
    }
    avx512 {
        if channels == 3 {
            by_64_columns::<3>(rows, out);
        } else {
            by_64_columns::<4>(rows, out);
        }
    }
}

/// All from column `first` on, the first of four.
#[inline(always)]
fn from_column(first: usize, rows: [&[u8]; 2], channels: usize, out: TwoRows<'_>) {
    let TwoRows { mut luma, blue, red } = out;
    let last = rows[0].len() / channels - 1;
    for half in first / 2..luma[0].len() / 2 {
        let mut sums = [1 + half % 2; 2];
        for (row, luma) in rows.iter().zip(&mut luma) {
            for column in [2 * half, 2 * half + 1] {
                let pixel = &row[column.min(last) * channels..][..3];
                let weighted = |[red, green, blue]: [i32; 3]| {
                    red * i32::from(pixel[0])
                        + green * i32::from(pixel[1])
                        + blue * i32::from(pixel[2])
                };
                luma[column] = third_byte(weighted(LUMA) + LUMA_MORE);
                sums[0] += usize::from(third_byte(weighted(BLUE) + CHROMA_MORE));
                sums[1] += usize::from(third_byte(weighted(RED) + CHROMA_MORE));
            }
        }
        [blue[half], red[half]] = sums.map(|sum| (sum >> 2).to_le_bytes()[0]);
    }
}

#[inline(always)]
fn third_byte(sum: i32) -> u8 {
    sum.to_le_bytes()[2]
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni")]
fn by_64_columns<const CHANNELS: usize>(rows: [&[u8]; 2], out: TwoRows<'_>) {
    // Two chroma values are rounded in turns: no chunk begins amid the four columns of two.
    let columns = (rows[0].len() / CHANNELS) & !3;
    if columns < 64 {
        return from_column(0, rows, CHANNELS, out);
    }
    let TwoRows { luma: [upper, lower], blue, red } = out;
    for start in chunk_starts(columns, 64) {
        let above = ycc_of_64::<CHANNELS>(&rows[0][start * CHANNELS..]);
        let below = ycc_of_64::<CHANNELS>(&rows[1][start * CHANNELS..]);
        vectors::store_64(above[0], lanes_mut(upper, start));
        vectors::store_64(below[0], lanes_mut(lower, start));
        vectors::store_32(mean_of_pairs(above[1], below[1]), lanes_mut(blue, start / 2));
        vectors::store_32(mean_of_pairs(above[2], below[2]), lanes_mut(red, start / 2));
    }
    from_column(columns, rows, CHANNELS, TwoRows { luma: [upper, lower], blue, red });
}

/// The luma of 64 pixels, and their chroma.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni")]
fn ycc_of_64<const CHANNELS: usize>(pixels: &[u8]) -> [__m512i; 3] {
    /// Every other byte: those between are 0.
    const LOW: u64 = 0x5555_5555_5555_5555;
    /// A weight beyond 16 bits with a sign is shared out, or its negative is taken.
    const SHARE: i32 = 1 << 14;
    let weights = |first, second| _mm512_set1_epi32(vectors::two_words(first, second));
    let (luma_more, chroma_more) = (_mm512_set1_epi32(LUMA_MORE), _mm512_set1_epi32(CHROMA_MORE));
    // Red and green, blue and green of 16 pixels.
    let red_at = vectors::load_64(&const { places_of_two(CHANNELS, 0) });
    let blue_at = vectors::load_64(&const { places_of_two(CHANNELS, 2) });
    let mut sums = [[_mm512_setzero_si512(); 4]; 3];
    for (part, pixels) in pixels[..64 * CHANNELS].chunks_exact(16 * CHANNELS).enumerate() {
        let pixels = vectors::load_some(pixels);
        let red = _mm512_maskz_permutexvar_epi8(LOW, red_at, pixels);
        let blue = _mm512_maskz_permutexvar_epi8(LOW, blue_at, pixels);
        let sum = |more, of_red, of_blue| {
            _mm512_dpwssd_epi32(_mm512_dpwssd_epi32(more, red, of_red), blue, of_blue)
        };
        let zero = _mm512_setzero_si512();
        let luma = sum(luma_more, weights(LUMA[0], LUMA[1] - SHARE), weights(LUMA[2], SHARE));
        let not_blue = sum(zero, weights(-BLUE[0], 0), weights(-BLUE[2], -BLUE[1]));
        let not_red = sum(zero, weights(-RED[0], -RED[1]), weights(-RED[2], 0));
        sums[0][part] = luma;
        sums[1][part] = _mm512_sub_epi32(chroma_more, not_blue);
        sums[2][part] = _mm512_sub_epi32(chroma_more, not_red);
    }
    let [luma, blue, red] = sums;
    [third_bytes(luma), third_bytes(blue), third_bytes(red)]
}

/// Where the words of two colours come from, the first of them and green, for 16 pixels.
#[cfg(target_arch = "x86_64")]
const fn places_of_two(channels: usize, first: usize) -> [u8; 64] {
    let mut places = [0; 64];
    let mut pixel = 0;
    while pixel < 16 {
        places[4 * pixel] = (channels * pixel + first).to_le_bytes()[0];
        places[4 * pixel + 2] = (channels * pixel + 1).to_le_bytes()[0];
        pixel += 1;
    }
    places
}

/// The third byte of each of 64 sums, none of which has a fourth.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn third_bytes(parts: [__m512i; 4]) -> __m512i {
    let mut words = parts;
    for sums in &mut words {
        *sums = _mm512_srli_epi32::<16>(*sums);
    }
    let [first, second, third, fourth] = words;
    let left = _mm512_packus_epi32(first, second);
    let right = _mm512_packus_epi32(third, fourth);
    // Of each 16 bytes, four are of each part.
    let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    _mm512_permutexvar_epi32(order, _mm512_packus_epi16(left, right))
}

/// Of two rows of 64 values, the means of two by two.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn mean_of_pairs(above: __m512i, below: __m512i) -> __m256i {
    let ones = _mm512_set1_epi8(1);
    let sums =
        _mm512_add_epi16(_mm512_maddubs_epi16(above, ones), _mm512_maddubs_epi16(below, ones));
    let more = _mm512_set1_epi32(vectors::two_words(1, 2));
    _mm512_cvtepi16_epi8(_mm512_srli_epi16::<2>(_mm512_add_epi16(sums, more)))
}

#[cfg(test)]
mod tests {
    use super::super::noise;
    use super::*;
    use crate::simd::{Simd, every_colour};

    /// Fills `out` with luma of two rows, and chroma behind it: as many values as one row of it.
    fn fill(simd: Simd, rows: [&[u8]; 2], channels: usize, out: &mut [u8]) {
        let columns = out.len() / 3;
        let (luma, chroma) = out.split_at_mut(2 * columns);
        let (upper, lower) = luma.split_at_mut(columns);
        let (blue, red) = chroma.split_at_mut(columns / 2);
        to_ycc(simd, rows, channels, TwoRows { luma: [upper, lower], blue, red });
    }

    #[test]
    fn all_levels_agree_at_every_width() {
        let noise = noise(2000);
        for channels in [3, 4] {
            for columns in 1..=200_usize {
                let rows = [&noise[..columns * channels], &noise[1000..][..columns * channels]];
                let made = |simd| {
                    let mut out = vec![0; 3 * (columns.next_multiple_of(2) + 6)];
                    fill(simd, rows, channels, &mut out);
                    out
                };
                let plain = made(Simd::scalar());
                for simd in Simd::all() {
                    assert_eq!(made(simd), plain, "{simd} {channels} {columns}");
                }
            }
        }
    }

    #[test]
    fn all_levels_agree_on_all_colours() {
        every_colour::agree(
            |simd, rgb, out| fill(simd, [rgb; 2], 3, out),
            |rgb, out| fill(Simd::scalar(), [rgb; 2], 3, out),
            3,
        );
    }
}
