//! Sums with symmetric weights, along columns and along rows.

use super::{chunk_starts, kernel, lanes};

/// Values summed at once, few enough for the sums to stay in registers.
const COLUMN_LANES: usize = 64;
const ROW_LANES: usize = 32;

/// Two rows of one weight, at the same distance above and below.
#[derive(Clone, Copy, Debug)]
pub(in crate::ops) struct RowPair<'a> {
    pub(in crate::ops) above: &'a [u8],
    pub(in crate::ops) below: &'a [u8],
    pub(in crate::ops) weight: u16,
}

/// Two values of one weight, counted from the start of a padded row.
#[derive(Clone, Copy, Debug)]
pub(in crate::ops) struct ColumnPair {
    pub(in crate::ops) left: usize,
    pub(in crate::ops) right: usize,
    pub(in crate::ops) weight: u32,
}

#[inline(always)]
fn column_sum<const N: usize>(
    middle: &[u8],
    weight: u16,
    pairs: &[RowPair<'_>],
    start: usize,
) -> [u16; N] {
    let mut sums = [0; N];
    for (sum, value) in sums.iter_mut().zip(lanes::<_, N>(middle, start)) {
        *sum = u16::from(*value) * weight;
    }
    for pair in pairs {
        let (above, below) = (lanes::<_, N>(pair.above, start), lanes::<_, N>(pair.below, start));
        for lane in 0..N {
            sums[lane] += (u16::from(above[lane]) + u16::from(below[lane])) * pair.weight;
        }
    }
    sums
}

kernel! {
    /// Writes the weighted sum of a row and pairs of rows around it; the weights sum up to 256, so
    /// that a sum fits.
    fn column_sums(middle: &[u8], weight: u16, pairs: &[RowPair<'_>], sums: &mut [u16]) {
        for start in chunk_starts(sums.len(), COLUMN_LANES) {
            let chunk = column_sum::<COLUMN_LANES>(middle, weight, pairs, start);
            sums[start..start + COLUMN_LANES].copy_from_slice(&chunk);
        }
        if sums.len() < COLUMN_LANES {
            for (start, sum) in sums.iter_mut().enumerate() {
                [*sum] = column_sum::<1>(middle, weight, pairs, start);
            }
        }
    }
}

#[inline(always)]
fn row_sum<const N: usize>(
    sums: &[u16],
    middle: usize,
    weight: u32,
    pairs: &[ColumnPair],
    start: usize,
    out: &mut [u8],
) {
    let mut totals = [0u32; N];
    for (total, sum) in totals.iter_mut().zip(lanes::<_, N>(sums, start + middle)) {
        *total = u32::from(*sum) * weight + 32768;
    }
    for pair in pairs {
        let left = lanes::<_, N>(sums, start + pair.left);
        let right = lanes::<_, N>(sums, start + pair.right);
        for lane in 0..N {
            totals[lane] += (u32::from(left[lane]) + u32::from(right[lane])) * pair.weight;
        }
    }
    for (out, total) in out.iter_mut().zip(totals) {
        *out = (total >> 16).to_le_bytes()[0];
    }
}

kernel! {
    /// Writes the weighted sum of the values of a padded row that stand at `middle` and `pairs`,
    /// in units of 2^-16, rounded half up.
    fn row_sums(sums: &[u16], middle: usize, weight: u32, pairs: &[ColumnPair], out: &mut [u8]) {
        for start in chunk_starts(out.len(), ROW_LANES) {
            let chunk = &mut out[start..start + ROW_LANES];
            row_sum::<ROW_LANES>(sums, middle, weight, pairs, start, chunk);
        }
        if out.len() < ROW_LANES {
            for (start, value) in out.chunks_exact_mut(1).enumerate() {
                row_sum::<1>(sums, middle, weight, pairs, start, value);
            }
        }
    }
}
