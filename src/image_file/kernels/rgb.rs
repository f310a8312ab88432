//! Luma and chroma as RGB, as JPEG has them: chroma of two by two pixels together (4:2:0), made smooth
//! between them.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use crate::simd::kernel;
#[cfg(target_arch = "x86_64")]
use crate::simd::{chunk_starts, lanes, lanes_mut, vectors};

/// What a step of chroma adds to red, green and blue in units of 2^-16, as libjpeg rounds it: of its red
/// to red and green, of its blue to green and blue.
const RED: [i32; 2] = [91_881, -46_802];
const BLUE: [i32; 2] = [-22_554, 116_130];
const HALF: i32 = 1 << 15;

kernel! {
    /// Writes three of each value of the row of chroma that is near and one of the row that is far, less
    /// four times 128: between the first and the last of `sums`, which are as those beside them.
    fn sum_rows(near: &[u8], far: &[u8], sums: &mut [i16]) {
        let count = near.len();
        for ((near, far), sum) in near.iter().zip(far).zip(&mut sums[1..=count]) {
            *sum = 3 * i16::from(*near) + i16::from(*far) - 4 * 128;
        }
        (sums[0], sums[count + 1]) = (sums[1], sums[count]);
    }
}

kernel! {
    /// Writes a row of RGB of one of luma and two of chroma, blue and red, summed by [`sum_rows`]. Chroma of
    /// a pixel is three quarters of the nearer and a quarter of the farther value, in both directions; one
    /// half is rounded up at even columns, down at odd ones. `luma` may go on behind the last pixel.
    fn to_rgb(luma: &[u8], sums: [&[i16]; 2], rgb: &mut [u8]) {
        from_column(0, luma, sums, rgb);
    }
    avx512 {
        by_64_columns(luma, sums, rgb);
    }
}

/// All from column `first` on.
#[inline(always)]
fn from_column(first: usize, luma: &[u8], sums: [&[i16]; 2], rgb: &mut [u8]) {
    let pixels = rgb.as_chunks_mut::<3>().0.iter_mut();
    for (column, (pixel, luma)) in pixels.zip(luma).enumerate().skip(first) {
        let (here, is_odd) = (1 + column / 2, column % 2);
        let mut chroma = [0; 2];
        for (chroma, sums) in chroma.iter_mut().zip(sums) {
            let sum = 3 * sums[here] + sums[here - 1 + 2 * is_odd];
            *chroma = i32::from((sum + [8, 7][is_odd]) >> 4);
        }
        let [blue, red] = chroma;
        let more = [RED[0] * red, BLUE[0] * blue + RED[1] * red, BLUE[1] * blue];
        for (value, more) in pixel.iter_mut().zip(more) {
            let sum = i32::from(*luma) + ((more + HALF) >> 16);
            *value = sum.clamp(0, 255).to_le_bytes()[0];
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni")]
fn by_64_columns(luma: &[u8], sums: [&[i16]; 2], rgb: &mut [u8]) {
    // Chunks begin at even columns.
    let columns = (rgb.len() / 3) & !1;
    for start in chunk_starts(columns, 64) {
        let chroma = [upsampled(sums[0], start / 2), upsampled(sums[1], start / 2)];
        let colours = rgb_of_64(lanes(luma, start), chroma);
        vectors::interleave_192(colours, &EVEN_COLUMNS_FIRST, lanes_mut(rgb, 3 * start));
    }
    from_column(if columns < 64 { 0 } else { columns }, luma, sums, rgb);
}

/// Chroma less 128 of 64 columns that begin at value `at`: of the even ones, and of the odd ones.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn upsampled(sums: &[i16], at: usize) -> [__m512i; 2] {
    let before = vectors::load_words_32(lanes(sums, at));
    let here = vectors::load_words_32(lanes(sums, at + 1));
    let behind = vectors::load_words_32(lanes(sums, at + 2));
    let thrice = _mm512_mullo_epi16(here, _mm512_set1_epi16(3));
    let even = _mm512_add_epi16(_mm512_add_epi16(thrice, before), _mm512_set1_epi16(8));
    let odd = _mm512_add_epi16(_mm512_add_epi16(thrice, behind), _mm512_set1_epi16(7));
    [_mm512_srai_epi16::<4>(even), _mm512_srai_epi16::<4>(odd)]
}

/// Red, green and blue of 64 pixels; of each 16, first the eight at even columns. `chroma` is blue and red.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
fn rgb_of_64(luma: &[u8; 64], [blue, red]: [[__m512i; 2]; 2]) -> [__m512i; 3] {
    /// Half of a step's weight in units of 2^-15: with this rounding, the same for all 256 steps.
    const HALF_OF_RED: i16 = 22_971;
    const HALF_OF_BLUE: i16 = 29_033;
    /// Green's weights; a whole step is taken from that of red, which would not fit.
    const GREEN: i32 = vectors::two_words(BLUE[0], RED[1] + (1 << 16));
    let luma = vectors::load_64(luma);
    let luma = [_mm512_and_si512(luma, _mm512_set1_epi16(255)), _mm512_srli_epi16::<8>(luma)];
    let mut colours = [[_mm512_setzero_si512(); 2]; 3];
    for part in 0..2 {
        let (luma, blue, red) = (luma[part], blue[part], red[part]);
        let weighted = |chroma, half| {
            _mm512_mulhrs_epi16(_mm512_add_epi16(chroma, chroma), _mm512_set1_epi16(half))
        };
        let green = |two| {
            let half = _mm512_set1_epi32(HALF);
            _mm512_srai_epi32::<16>(_mm512_dpwssd_epi32(half, two, _mm512_set1_epi32(GREEN)))
        };
        let low = green(_mm512_unpacklo_epi16(blue, red));
        let high = green(_mm512_unpackhi_epi16(blue, red));
        let less_red = _mm512_sub_epi16(luma, red);
        colours[0][part] = _mm512_add_epi16(luma, weighted(red, HALF_OF_RED));
        colours[1][part] = _mm512_add_epi16(less_red, _mm512_packs_epi32(low, high));
        colours[2][part] = _mm512_add_epi16(luma, weighted(blue, HALF_OF_BLUE));
    }
    let [red, green, blue] = colours;
    [
        _mm512_packus_epi16(red[0], red[1]),
        _mm512_packus_epi16(green[0], green[1]),
        _mm512_packus_epi16(blue[0], blue[1]),
    ]
}

/// The order of [`rgb_of_64`].
#[cfg(target_arch = "x86_64")]
const EVEN_COLUMNS_FIRST: [[u8; 64]; 3] = {
    let (mut order, mut column) = ([0; 64], 0_usize);
    while column < 64 {
        let place = column / 16 * 16 + column % 2 * 8 + column % 16 / 2;
        order[column] = place.to_le_bytes()[0];
        column += 1;
    }
    vectors::interleaved_from(&order)
};

#[cfg(test)]
mod tests {
    use super::super::noise;
    use super::*;
    use crate::simd::Simd;

    /// RGB of a row of luma and two rows of each chroma.
    fn rgb(simd: Simd, luma: &[u8], chroma: [[&[u8]; 2]; 2]) -> Vec<u8> {
        let mut rgb = vec![0; luma.len() * 3];
        let sums = chroma.map(|[near, far]| {
            let mut sums = vec![0; near.len() + 2];
            sum_rows(simd, near, far, &mut sums);
            sums
        });
        to_rgb(simd, luma, [&sums[0], &sums[1]], &mut rgb);
        rgb
    }

    #[test]
    fn all_levels_agree_at_every_width() {
        let noise = noise(2000);
        for columns in 1..=300_usize {
            let chroma = [[1, 200], [400, 600]]
                .map(|rows| rows.map(|at| &noise[at * 3..][..columns.div_ceil(2)]));
            let plain = rgb(Simd::scalar(), &noise[..columns], chroma);
            for simd in Simd::all() {
                assert_eq!(rgb(simd, &noise[..columns], chroma), plain, "{simd} {columns}");
            }
        }
    }

    #[test]
    fn all_levels_agree_on_all_chroma() {
        let all: Vec<u8> = (0..=255).collect();
        for luma in [0, 1, 77, 128, 200, 255] {
            for blue in 0..=255 {
                let (luma, blue) = ([luma; 512], [blue; 256]);
                let chroma = [[&blue[..], &blue], [&all, &all]];
                let plain = rgb(Simd::scalar(), &luma, chroma);
                for simd in Simd::all() {
                    assert!(rgb(simd, &luma, chroma) == plain, "{simd} {} {}", luma[0], blue[0]);
                }
            }
        }
    }
}
