//! Gray of R, G, B.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

#[cfg(target_arch = "x86_64")]
use super::point;
use crate::simd::kernel;
#[cfg(target_arch = "x86_64")]
use crate::simd::{lanes, vectors};

kernel! {
    /// Writes the luma of each pixel: BT.601 weights in units of 2^-15, rounded half up.
    fn gray_row(rgb: &[u8], gray: &mut [u8]) {
        luma(rgb, gray);
    }
    avx2 {
        luma_256(rgb, gray);
    }
    avx512 {
        let (chunks, rest) = rgb.as_chunks();
        let (gray_chunks, gray_rest) = gray.as_chunks_mut();
        for (gray, chunk) in gray_chunks.iter_mut().zip(chunks) {
            vectors::store_64(luma_of_64(vectors::load_192(chunk)), gray);
        }
        luma(rest, gray_rest);
    }
}

kernel! {
    /// Writes the luma of each pixel after its values were replaced by what `table` holds for them.
    fn gray_of_table_row(rgb: &[u8], table: &[u8; 256], gray: &mut [u8]) {
        luma_of_table(rgb, table, gray);
    }
    avx2 {
        let mut found = [0; 3 * 1024];
        for (gray, rgb) in gray.chunks_mut(1024).zip(rgb.chunks(found.len())) {
            let found = &mut found[..rgb.len()];
            point::look_up_256(rgb, table, found);
            luma_256(found, gray);
        }
    }
    avx512 {
        let (chunks, rest) = rgb.as_chunks();
        let (gray_chunks, gray_rest) = gray.as_chunks_mut();
        let in_vectors = vectors::load_table(table);
        for (gray, chunk) in gray_chunks.iter_mut().zip(chunks) {
            let [left, middle, right] = vectors::load_192(chunk);
            let found = [
                vectors::look_up_64(left, in_vectors),
                vectors::look_up_64(middle, in_vectors),
                vectors::look_up_64(right, in_vectors),
            ];
            vectors::store_64(luma_of_64(found), gray);
        }
        luma_of_table(rest, table, gray_rest);
    }
}

#[inline(always)]
fn luma_of_table(rgb: &[u8], table: &[u8; 256], gray: &mut [u8]) {
    for (gray, pixel) in gray.iter_mut().zip(rgb.as_chunks::<3>().0) {
        luma(&pixel.map(|value| table[usize::from(value)]), std::slice::from_mut(gray));
    }
}

#[inline(always)]
fn luma(rgb: &[u8], gray: &mut [u8]) {
    for (gray, pixel) in gray.iter_mut().zip(rgb.as_chunks::<3>().0) {
        let [red, green, blue] = pixel.map(u32::from);
        let luma = (9798 * red + 19235 * green + 3735 * blue + 16384) >> 15;
        *gray = luma.to_le_bytes()[0];
    }
}

/// Four weights for R, G, B and G once more, each in 8 bits.
#[cfg(target_arch = "x86_64")]
const fn weights(weights: [i8; 4]) -> i32 {
    let [red, green, blue, again] = weights;
    i32::from_le_bytes([
        red.cast_unsigned(),
        green.cast_unsigned(),
        blue.cast_unsigned(),
        again.cast_unsigned(),
    ])
}

/// Where R, G, B and G once more of successive pixels stand; those of the first from `start` on.
#[cfg(target_arch = "x86_64")]
const fn pixels_from<const N: usize>(start: u8) -> [u8; N] {
    let mut places = [0; N];
    let (mut at, mut pixel) = (0, start);
    while at < N {
        places[at] = pixel;
        places[at + 1] = pixel + 1;
        places[at + 2] = pixel + 2;
        places[at + 3] = pixel + 1;
        (at, pixel) = (at + 4, pixel + 3);
    }
    places
}

/// The luma of 64 pixels.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
fn luma_of_64(rgb: [__m512i; 3]) -> __m512i {
    const THIRD_BYTES: [u8; 64] = {
        let mut places = [0; 64];
        let mut at = 0;
        while at < 32 {
            places[at] = 4 * at.to_le_bytes()[0] + 2;
            at += 1;
        }
        places
    };
    let [left, middle, right] = rgb;
    let pixels = [
        _mm512_permutexvar_epi8(vectors::load_64(&pixels_from(0)), left),
        _mm512_permutex2var_epi8(left, vectors::load_64(&pixels_from(48)), middle),
        _mm512_permutex2var_epi8(middle, vectors::load_64(&pixels_from(32)), right),
        _mm512_permutexvar_epi8(vectors::load_64(&pixels_from(16)), right),
    ];
    let mut sums = pixels;
    for sums in &mut sums {
        *sums = luma_sums_512(*sums);
    }
    let third_bytes = vectors::load_64(&THIRD_BYTES);
    let left = _mm512_permutex2var_epi8(sums[0], third_bytes, sums[1]);
    let right = _mm512_permutex2var_epi8(sums[2], third_bytes, sums[3]);
    _mm512_inserti64x4::<1>(left, _mm512_castsi512_si256(right))
}

/// The luma of 16 pixels in units of 2^-16, rounded: the third byte of each four is the result.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn luma_sums_512(pixels: __m512i) -> __m512i {
    // 256 · high + low is twice the weights, green's in two parts.
    let high = _mm512_set1_epi32(weights([77, 75, 29, 75]));
    let low = _mm512_set1_epi32(weights([-116, 35, 46, 35]));
    let sums = _mm512_dpbusd_epi32(_mm512_set1_epi32(128), pixels, high);
    _mm512_dpbusd_epi32(_mm512_slli_epi32::<8>(sums), pixels, low)
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
fn luma_256(rgb: &[u8], gray: &mut [u8]) {
    let (chunks, rest) = rgb.as_chunks::<96>();
    let (gray_chunks, gray_rest) = gray.as_chunks_mut::<32>();
    let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    for (gray, chunk) in gray_chunks.iter_mut().zip(chunks) {
        let left = _mm256_packus_epi32(luma_of_8(lanes(chunk, 0)), luma_of_8(lanes(chunk, 24)));
        let right = _mm256_packus_epi32(luma_of_8(lanes(chunk, 48)), luma_of_8(lanes(chunk, 72)));
        let luma = _mm256_packus_epi16(left, right);
        vectors::store_32(_mm256_permutevar8x32_epi32(luma, order), gray);
    }
    luma(rest, gray_rest);
}

/// The luma of 8 pixels in 32 bits each.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
fn luma_of_8(rgb: &[u8; 24]) -> __m256i {
    let left = _mm_shuffle_epi8(vectors::load_16(lanes(rgb, 0)), vectors::load_16(&pixels_from(0)));
    let right =
        _mm_shuffle_epi8(vectors::load_16(lanes(rgb, 8)), vectors::load_16(&pixels_from(4)));
    let pixels = _mm256_set_m128i(right, left);
    // 256 · high + low is the weights, green's in two parts; no sum of two leaves 16 bits.
    let high = _mm256_set1_epi32(weights([38, 38, 15, 37]));
    let low = _mm256_set1_epi32(weights([70, 17, -105, 18]));
    let high = _mm256_madd_epi16(_mm256_maddubs_epi16(pixels, high), _mm256_set1_epi16(256));
    let low = _mm256_madd_epi16(_mm256_maddubs_epi16(pixels, low), _mm256_set1_epi16(1));
    let sums = _mm256_add_epi32(_mm256_add_epi32(high, low), _mm256_set1_epi32(16384));
    _mm256_srli_epi32::<15>(sums)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Simd;
    use crate::simd::every_colour;

    #[test]
    fn every_colour_at_every_level() {
        every_colour::agree(gray_row, luma, 1);
    }

    #[test]
    fn a_table_beforehand_is_two_steps_in_one() {
        let table: [u8; 256] = std::array::from_fn(|value| (value * 77 % 251).to_le_bytes()[0]);
        let rgb: Vec<u8> =
            (0..3 * 2500usize).map(|index| (index * 7 % 256).to_le_bytes()[0]).collect();
        let found: Vec<u8> = rgb.iter().map(|value| table[usize::from(*value)]).collect();
        let mut expected = vec![0; rgb.len() / 3];
        luma(&found, &mut expected);
        for simd in Simd::all() {
            let mut gray = vec![0; expected.len()];
            gray_of_table_row(simd, &rgb, &table, &mut gray);
            assert!(gray == expected, "{simd}");
        }
    }
}
