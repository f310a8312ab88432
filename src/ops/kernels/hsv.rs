//! Hue, saturation and value in whole numbers.

use super::kernel;

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
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
