//! Gradients and the thinning of edges.

use super::kernel;

/// tan(22.5°) in units of 2^-15.
const TANGENT: u32 = 13573;

kernel! {
    /// Writes the two column sums of Sobel's operator: smoothed, and differentiated.
    fn sobel_columns(
        above: &[u8],
        middle: &[u8],
        below: &[u8],
        smooth: &mut [i16],
        slope: &mut [i16],
    ) {
        let rows = above.iter().zip(middle).zip(below);
        let sums = smooth.iter_mut().zip(slope.iter_mut());
        for ((smooth, slope), ((above, middle), below)) in sums.zip(rows) {
            let [above, middle, below] = [*above, *middle, *below].map(i16::from);
            *smooth = above + 2 * middle + below;
            *slope = below - above;
        }
    }
}

kernel! {
    /// Writes the gradient along x and y and its magnitude `|dx| + |dy|`; the column sums are one
    /// value wider than the row at both ends.
    fn gradient_row(
        smooth: &[i16],
        slope: &[i16],
        along_x: &mut [i16],
        along_y: &mut [i16],
        magnitude: &mut [u16],
    ) {
        let columns = smooth.iter().zip(&smooth[2..]);
        let slopes = slope.iter().zip(&slope[1..]).zip(&slope[2..]);
        let out = along_x.iter_mut().zip(along_y.iter_mut()).zip(magnitude.iter_mut());
        for (((x, y), magnitude), ((left, right), ((before, at), after))) in
            out.zip(columns.zip(slopes))
        {
            *x = right - left;
            *y = before + 2 * at + after;
            *magnitude = x.unsigned_abs() + y.unsigned_abs();
        }
    }
}

/// Magnitudes of three rows, each one value wider than the row at both ends.
#[derive(Clone, Copy, Debug)]
pub(in crate::ops) struct Magnitudes<'a> {
    pub(in crate::ops) above: &'a [u16],
    pub(in crate::ops) middle: &'a [u16],
    pub(in crate::ops) below: &'a [u16],
}

kernel! {
    /// Writes 0 for no edge, 1 for a weak and 2 for a strong one: the magnitude is over `low` (or
    /// `high`) and greatest across the edge's direction, one of four.
    fn candidates_row(
        magnitudes: Magnitudes<'_>,
        along_x: &[i16],
        along_y: &[i16],
        low: u16,
        high: u16,
        out: &mut [u8],
    ) {
        let length = out.len();
        let (along_x, along_y) = (&along_x[..length], &along_y[..length]);
        let above = &magnitudes.above[..length + 2];
        let middle = &magnitudes.middle[..length + 2];
        let below = &magnitudes.below[..length + 2];
        let (low, high) = (low.cast_signed(), high.cast_signed());
        for at in 0..length {
            let (x, y) = (along_x[at], along_y[at]);
            let value = peak(
                [x, y],
                [above[at], above[at + 1], above[at + 2]].map(u16::cast_signed),
                [middle[at], middle[at + 1], middle[at + 2]].map(u16::cast_signed),
                [below[at], below[at + 1], below[at + 2]].map(u16::cast_signed),
            );
            out[at] = u8::from(value > low) + u8::from(value > high);
        }
    }
}

/// The magnitude in the middle if it is greatest across the edge's direction, else 0.
#[inline(always)]
fn peak([x, y]: [i16; 2], above: [i16; 3], middle: [i16; 3], below: [i16; 3]) -> i16 {
    let magnitude = middle[1];
    let (width, height) = (x.unsigned_abs(), y.unsigned_abs());
    // floor(width · tan): the height is whole, so comparing with it loses nothing (there is no tie
    // for width > 0, and no magnitude for width = height = 0).
    let flat = upper_half(2 * u32::from(width) * TANGENT);
    let is_flat = height <= flat;
    let is_steep = height > flat + 2 * width;
    let differ = (x ^ y) < 0;
    let before = if differ { above[2] } else { above[0] };
    let after = if differ { below[0] } else { below[2] };
    let before = if is_steep { above[1] } else { before };
    let after = if is_steep { below[1] } else { after };
    let before = if is_flat { middle[0] } else { before };
    let after = if is_flat { middle[2] } else { after };
    // Along rows and columns the pixel behind may be as great.
    let tie = i16::from(is_flat | is_steep);
    if (magnitude > before) & (magnitude + tie > after) { magnitude } else { 0 }
}

#[inline(always)]
fn upper_half(value: u32) -> u16 {
    (value >> 16) as u16
}

#[cfg(test)]
mod tests {
    #[test]
    fn whole_comparisons_agree_with_the_products() {
        for x in 0u32..=1020 {
            let flat = (2 * x * super::TANGENT) >> 16;
            for y in 0u32..=1020 {
                if x + y > 0 {
                    let product = x * super::TANGENT;
                    assert_eq!(y <= flat, (y << 15) < product, "{x} {y}");
                    assert_eq!(y > flat + 2 * x, (y << 15) > product + (x << 16), "{x} {y}");
                }
            }
        }
    }
}
