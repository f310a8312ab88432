//! Sums over the 3 x 3 pixels around each pixel.

use super::kernel;

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
    /// Writes `|above + below + left + right - 4 · middle|`, its low 8 bits or clamped. `middle` is
    /// one value wider than the row at both ends.
    fn laplacian_row(above: &[u8], middle: &[u8], below: &[u8], wrap: bool, out: &mut [u8]) {
        let most = if wrap { i16::MAX } else { 255 };
        let columns = above.iter().zip(below);
        let around = middle.iter().zip(&middle[1..]).zip(&middle[2..]);
        for ((out, (above, below)), ((left, middle), right)) in
            out.iter_mut().zip(columns).zip(around)
        {
            let [above, below, left, middle, right] =
                [*above, *below, *left, *middle, *right].map(i16::from);
            let edge = (above + below + left + right - 4 * middle).abs();
            *out = edge.min(most).to_le_bytes()[0];
        }
    }
}
