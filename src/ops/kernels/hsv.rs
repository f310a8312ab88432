//! Hue, saturation and value in whole numbers.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use crate::simd::kernel;
#[cfg(target_arch = "x86_64")]
use crate::simd::{lanes, vectors};

/// 1.5 · 2^23: adding it to a number below 2^22 leaves no fraction, rounded half to even.
const ROUND: f32 = 12_582_912.0;

/// `numerator / denominator` rounded half to even; 0 for a denominator of 0.
///
/// For the two numerators here and all denominators up to 255 the single-precision quotient rounds
/// as the exact one does.
#[inline(always)]
fn rounded_quotient(numerator: f32, denominator: i32) -> i32 {
    #[expect(clippy::cast_precision_loss, reason = "at most 255")]
    let quotient = numerator / denominator.max(1) as f32;
    // The sum's last bits count whole numbers.
    let whole = (quotient + ROUND).to_bits().cast_signed() - ROUND.to_bits().cast_signed();
    if denominator == 0 { 0 } else { whole }
}

kernel! {
    /// Writes value, saturation and hue (half degrees) in the place of R, G and B.
    fn hsv_row(rgb: &[u8], out: &mut [u8]) {
        hsv(rgb, out);
    }
    avx2 {
        let (chunks, rest) = rgb.as_chunks();
        let (out_chunks, out_rest) = out.as_chunks_mut();
        let quotients = Steps::load();
        for (out, chunk) in out_chunks.iter_mut().zip(chunks) {
            vectors::interleave_96(hsv_of_32(vectors::deinterleave_96(chunk), &quotients), out);
        }
        hsv(rest, out_rest);
    }
    avx512 {
        let (chunks, rest) = rgb.as_chunks();
        let (out_chunks, out_rest) = out.as_chunks_mut();
        let quotients = Quotients::load();
        for (out, chunk) in out_chunks.iter_mut().zip(chunks) {
            let rgb = vectors::deinterleave_192(vectors::load_192(chunk));
            vectors::interleave_192(hsv_of_64(rgb, &quotients), &vectors::IN_ORDER, out);
        }
        hsv(rest, out_rest);
    }
}

#[inline(always)]
fn hsv(rgb: &[u8], out: &mut [u8]) {
    for (out, pixel) in out.as_chunks_mut::<3>().0.iter_mut().zip(rgb.as_chunks::<3>().0) {
        let [red, green, blue] = pixel.map(i32::from);
        let value = red.max(green).max(blue);
        let spread = value - red.min(green).min(blue);
        let saturation = spread * rounded_quotient(1_044_480.0, value) + 2048;
        let sector = if value == red {
            green - blue
        } else if value == green {
            blue - red + 2 * spread
        } else {
            red - green + 4 * spread
        };
        let hue = (sector * rounded_quotient(122_880.0, spread) + 2048) >> 12;
        let hue = if hue < 0 { hue + 180 } else { hue };
        *out = [value, saturation >> 12, hue].map(|channel| channel.to_le_bytes()[0]);
    }
}

/// The rounded quotients by their denominator, one table for each byte of them.
#[cfg(target_arch = "x86_64")]
struct Quotients {
    saturation: [[__m512i; 4]; 2],
    /// The third byte, 0 from the denominator 16 on.
    saturation_top: __m512i,
    hue: [[__m512i; 4]; 2],
}

#[cfg(target_arch = "x86_64")]
impl Quotients {
    const SATURATION: [[u8; 256]; 3] = quotients(255 << 12);
    const HUE: [[u8; 256]; 3] = quotients(30 << 12);

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load() -> Self {
        let [low, high, top] = &Self::SATURATION;
        let saturation = [vectors::load_table(low), vectors::load_table(high)];
        let saturation_top = vectors::load_64(lanes(top, 0));
        let [low, high, _] = &Self::HUE;
        Self {
            saturation,
            saturation_top,
            hue: [vectors::load_table(low), vectors::load_table(high)],
        }
    }
}

/// Bytes 0, 1 and 2 of `numerator` by each denominator, rounded; there is no tie. 0 for 0.
#[cfg(target_arch = "x86_64")]
const fn quotients(numerator: u32) -> [[u8; 256]; 3] {
    let mut tables = [[0; 256]; 3];
    let mut denominator = 1;
    while denominator < 256 {
        let quotient = (numerator + denominator / 2) / denominator;
        let [low, high, top, _] = quotient.to_le_bytes();
        tables[0][denominator as usize] = low;
        tables[1][denominator as usize] = high;
        tables[2][denominator as usize] = top;
        denominator += 1;
    }
    tables
}

/// Value, saturation and hue of 64 pixels.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn hsv_of_64([red, green, blue]: [__m512i; 3], quotients: &Quotients) -> [__m512i; 3] {
    let zero = _mm512_setzero_si512();
    let value = _mm512_max_epu8(_mm512_max_epu8(red, green), blue);
    let least = _mm512_min_epu8(_mm512_min_epu8(red, green), blue);
    let spread = _mm512_sub_epi8(value, least);

    let low = vectors::look_up_64(value, quotients.saturation[0]);
    let high = vectors::look_up_64(value, quotients.saturation[1]);
    let small = _mm512_cmplt_epu8_mask(value, _mm512_set1_epi8(16));
    let top = _mm512_maskz_permutexvar_epi8(small, value, quotients.saturation_top);
    let saturation = _mm512_packus_epi16(
        scaled(
            _mm512_unpacklo_epi8(spread, zero),
            _mm512_unpacklo_epi8(low, zero),
            _mm512_unpacklo_epi8(high, top),
        ),
        scaled(
            _mm512_unpackhi_epi8(spread, zero),
            _mm512_unpackhi_epi8(low, zero),
            _mm512_unpackhi_epi8(high, top),
        ),
    );

    let is_red = _mm512_cmpeq_epi8_mask(value, red);
    let is_green = _mm512_cmpeq_epi8_mask(value, green);
    // The sector is `plus - minus + turns · spread`.
    let plus = _mm512_mask_blend_epi8(is_green, red, blue);
    let plus = _mm512_mask_blend_epi8(is_red, plus, green);
    let minus = _mm512_mask_blend_epi8(is_green, green, red);
    let minus = _mm512_mask_blend_epi8(is_red, minus, blue);
    let turns = _mm512_mask_blend_epi8(is_green, _mm512_set1_epi8(4), _mm512_set1_epi8(2));
    let turns = _mm512_mask_blend_epi8(is_red, turns, zero);
    let low = vectors::look_up_64(spread, quotients.hue[0]);
    let high = vectors::look_up_64(spread, quotients.hue[1]);
    // Only the quotient by 1 has a third byte that the sector does not lose; it is 1.
    let top = _mm512_maskz_set1_epi8(_mm512_cmpeq_epi8_mask(spread, _mm512_set1_epi8(1)), 1);
    let hue = _mm512_packus_epi16(
        hue_of(
            _mm512_unpacklo_epi8(plus, minus),
            _mm512_unpacklo_epi8(spread, zero),
            _mm512_unpacklo_epi8(turns, zero),
            _mm512_unpacklo_epi8(low, zero),
            _mm512_unpacklo_epi8(high, top),
        ),
        hue_of(
            _mm512_unpackhi_epi8(plus, minus),
            _mm512_unpackhi_epi8(spread, zero),
            _mm512_unpackhi_epi8(turns, zero),
            _mm512_unpackhi_epi8(low, zero),
            _mm512_unpackhi_epi8(high, top),
        ),
    );
    [value, saturation, hue]
}

/// `(factor · (256 · high + low) + 2048) >> 12`, for a factor and a low of less than 12 bits, where
/// `factor · high` fits 16.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn scaled(factor: __m512i, low: __m512i, high: __m512i) -> __m512i {
    // (factor · low) >> 8
    let low = _mm512_mulhi_epi16(_mm512_slli_epi16::<4>(factor), _mm512_slli_epi16::<4>(low));
    let high = _mm512_mullo_epi16(factor, high);
    let sum = _mm512_add_epi16(_mm512_add_epi16(low, high), _mm512_set1_epi16(8));
    _mm512_srai_epi16::<4>(sum)
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn hue_of(
    plus_and_minus: __m512i,
    spread: __m512i,
    turns: __m512i,
    low: __m512i,
    high: __m512i,
) -> __m512i {
    // One of each two bytes less the other.
    let ones = _mm512_set1_epi16(i16::from_le_bytes([1, 255]));
    let difference = _mm512_maddubs_epi16(plus_and_minus, ones);
    let sector = _mm512_add_epi16(difference, _mm512_mullo_epi16(spread, turns));
    let hue = scaled(sector, low, high);
    let is_negative = _mm512_movepi16_mask(hue);
    _mm512_mask_add_epi16(hue, is_negative, hue, _mm512_set1_epi16(180))
}

/// The same as [`Quotients`], for vectors of half the size.
#[cfg(target_arch = "x86_64")]
struct Steps {
    saturation: [[__m256i; 16]; 2],
    saturation_top: __m256i,
    hue: [[__m256i; 16]; 2],
}

#[cfg(target_arch = "x86_64")]
impl Steps {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn load() -> Self {
        let [low, high, top] = &Quotients::SATURATION;
        let saturation = [vectors::table_steps(low), vectors::table_steps(high)];
        let saturation_top = _mm256_broadcastsi128_si256(vectors::load_16(lanes(top, 0)));
        let [low, high, _] = &Quotients::HUE;
        let hue = [vectors::table_steps(low), vectors::table_steps(high)];
        Self { saturation, saturation_top, hue }
    }
}

/// Value, saturation and hue of 32 pixels, by the steps of [`hsv_of_64`].
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
fn hsv_of_32([red, green, blue]: [__m256i; 3], quotients: &Steps) -> [__m256i; 3] {
    let zero = _mm256_setzero_si256();
    let value = _mm256_max_epu8(_mm256_max_epu8(red, green), blue);
    let least = _mm256_min_epu8(_mm256_min_epu8(red, green), blue);
    let spread = _mm256_sub_epi8(value, least);
    let spreads = [_mm256_unpacklo_epi8(spread, zero), _mm256_unpackhi_epi8(spread, zero)];

    let low = vectors::look_up_32(value, &quotients.saturation[0]);
    let high = vectors::look_up_32(value, &quotients.saturation[1]);
    let small = _mm256_cmpeq_epi8(value, _mm256_min_epu8(value, _mm256_set1_epi8(15)));
    let top = _mm256_and_si256(small, _mm256_shuffle_epi8(quotients.saturation_top, value));
    let saturation = _mm256_packus_epi16(
        scaled_256(spreads[0], _mm256_unpacklo_epi8(low, zero), _mm256_unpacklo_epi8(high, top)),
        scaled_256(spreads[1], _mm256_unpackhi_epi8(low, zero), _mm256_unpackhi_epi8(high, top)),
    );

    let is_red = _mm256_cmpeq_epi8(value, red);
    let is_green = _mm256_cmpeq_epi8(value, green);
    let plus = _mm256_blendv_epi8(_mm256_blendv_epi8(red, blue, is_green), green, is_red);
    let minus = _mm256_blendv_epi8(_mm256_blendv_epi8(green, red, is_green), blue, is_red);
    let turns = _mm256_blendv_epi8(_mm256_set1_epi8(4), _mm256_set1_epi8(2), is_green);
    let turns = _mm256_andnot_si256(is_red, turns);
    let low = vectors::look_up_32(spread, &quotients.hue[0]);
    let high = vectors::look_up_32(spread, &quotients.hue[1]);
    let one = _mm256_set1_epi8(1);
    let top = _mm256_and_si256(_mm256_cmpeq_epi8(spread, one), one);
    let hue = _mm256_packus_epi16(
        hue_of_256(
            _mm256_unpacklo_epi8(plus, minus),
            _mm256_mullo_epi16(spreads[0], _mm256_unpacklo_epi8(turns, zero)),
            _mm256_unpacklo_epi8(low, zero),
            _mm256_unpacklo_epi8(high, top),
        ),
        hue_of_256(
            _mm256_unpackhi_epi8(plus, minus),
            _mm256_mullo_epi16(spreads[1], _mm256_unpackhi_epi8(turns, zero)),
            _mm256_unpackhi_epi8(low, zero),
            _mm256_unpackhi_epi8(high, top),
        ),
    );
    [value, saturation, hue]
}

/// The same as [`scaled`].
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
fn scaled_256(factor: __m256i, low: __m256i, high: __m256i) -> __m256i {
    let low = _mm256_mulhi_epi16(_mm256_slli_epi16::<4>(factor), _mm256_slli_epi16::<4>(low));
    let high = _mm256_mullo_epi16(factor, high);
    let sum = _mm256_add_epi16(_mm256_add_epi16(low, high), _mm256_set1_epi16(8));
    _mm256_srai_epi16::<4>(sum)
}

/// The same as [`hue_of`], from `turns · spread`.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
fn hue_of_256(plus_and_minus: __m256i, turned: __m256i, low: __m256i, high: __m256i) -> __m256i {
    let ones = _mm256_set1_epi16(i16::from_le_bytes([1, 255]));
    let difference = _mm256_maddubs_epi16(plus_and_minus, ones);
    let hue = scaled_256(_mm256_add_epi16(difference, turned), low, high);
    let is_negative = _mm256_srai_epi16::<15>(hue);
    _mm256_add_epi16(hue, _mm256_and_si256(is_negative, _mm256_set1_epi16(180)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::every_colour;

    #[test]
    fn single_precision_quotients_round_as_exact_ones() {
        for numerator in [255 << 12, 30 << 12] {
            for denominator in 1..256 {
                let exact = (f64::from(numerator) / f64::from(denominator)).round_ties_even();
                #[expect(clippy::cast_precision_loss, reason = "below 2^24")]
                let got = rounded_quotient(numerator as f32, denominator);
                assert_eq!(f64::from(got), exact, "{numerator}/{denominator}");
            }
        }
        assert_eq!(rounded_quotient(1_044_480.0, 0), 0);
    }

    #[test]
    fn every_colour_at_every_level() {
        every_colour::agree(hsv_row, hsv, 3);
    }
}
