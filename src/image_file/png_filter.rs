//! The filters of PNG: a row as its difference from what its neighbours foretell.

/// From the pixel to the left; the only one here that needs no row above.
const SUB: u8 = 1;
/// From the mean of the pixels to the left and above.
const AVERAGE: u8 = 3;
/// From that of three neighbours that is nearest to their plane.
const PAETH: u8 = 4;

/// Writes `row`, of pixels of `pixel_bytes`, to `out` behind the number of its filter: of those that
/// are worth their time, that which leaves less. `other` is as long as `out`; its content does not
/// matter.
pub(super) fn filter(
    row: &[u8],
    above: Option<&[u8]>,
    pixel_bytes: usize,
    out: &mut [u8],
    other: &mut [u8],
) {
    let Some(above) = above else {
        out[0] = SUB;
        return subtract_left(row, pixel_bytes, &mut out[1..]);
    };
    out[0] = PAETH;
    subtract_nearest(row, above, pixel_bytes, &mut out[1..]);
    other[0] = AVERAGE;
    subtract_mean(row, above, pixel_bytes, &mut other[1..]);
    if cost(&other[1..]) < cost(&out[1..]) {
        out.copy_from_slice(other);
    }
}

/// What a filtered row costs, about: the sum of its bytes, taken as numbers with a sign.
fn cost(row: &[u8]) -> u64 {
    let size = |&byte: &u8| u32::from(byte.cast_signed().unsigned_abs());
    row.chunks(1 << 16).map(|part| u64::from(part.iter().map(size).sum::<u32>())).sum()
}

fn subtract_left(row: &[u8], pixel_bytes: usize, out: &mut [u8]) {
    let (first, rest) = out.split_at_mut(pixel_bytes);
    first.copy_from_slice(&row[..pixel_bytes]);
    for ((out, byte), left) in rest.iter_mut().zip(&row[pixel_bytes..]).zip(row) {
        *out = byte.wrapping_sub(*left);
    }
}

fn subtract_mean(row: &[u8], above: &[u8], pixel_bytes: usize, out: &mut [u8]) {
    let (first, rest) = out.split_at_mut(pixel_bytes);
    for ((out, byte), up) in first.iter_mut().zip(row).zip(above) {
        *out = byte.wrapping_sub(up / 2);
    }
    let (bytes, ups) = (&row[pixel_bytes..], &above[pixel_bytes..]);
    for (((out, byte), left), up) in rest.iter_mut().zip(bytes).zip(row).zip(ups) {
        // The mean, rounded down, without a sum of nine bits.
        *out = byte.wrapping_sub((left & up) + ((left ^ up) >> 1));
    }
}

fn subtract_nearest(row: &[u8], above: &[u8], pixel_bytes: usize, out: &mut [u8]) {
    let (first, rest) = out.split_at_mut(pixel_bytes);
    for ((out, byte), up) in first.iter_mut().zip(row).zip(above) {
        *out = byte.wrapping_sub(*up);
    }
    let (bytes, ups) = (&row[pixel_bytes..], &above[pixel_bytes..]);
    for ((((out, byte), &left), &up), &corner) in
        rest.iter_mut().zip(bytes).zip(row).zip(ups).zip(above)
    {
        *out = byte.wrapping_sub(nearest(left, up, corner));
    }
}

/// That of the neighbours which is nearest to `left + up - corner`.
#[inline(always)]
fn nearest(left: u8, up: u8, corner: u8) -> u8 {
    let [a, b, c] = [left, up, corner].map(i16::from);
    let (to_left, to_up, to_corner) = ((b - c).abs(), (a - c).abs(), (a + b - 2 * c).abs());
    let vertical = if to_up <= to_corner { up } else { corner };
    if to_left <= to_up && to_left <= to_corner { left } else { vertical }
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
        filter(&[1, 2, 3, 4, 5, 255], None, 2, &mut out, &mut other);
        assert_eq!(out, [SUB, 1, 2, 2, 2, 2, 251]);
        filter(&[9; 6], Some(&[9; 6]), 2, &mut out, &mut other);
        assert_eq!(out, [PAETH, 0, 0, 0, 0, 0, 0]);
        filter(&[10, 20, 40, 30, 10, 40], Some(&[20, 60, 70, 20, 0, 70]), 1, &mut out, &mut other);
        assert_eq!(out, [AVERAGE, 0, 241, 251, 0, 251, 0]);
    }
}
