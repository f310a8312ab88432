//! Values made from one value.

use super::kernel;

kernel! {
    /// Writes `255 - value`.
    fn invert_row(row: &[u8], out: &mut [u8]) {
        for (out, value) in out.iter_mut().zip(row) {
            *out = !value;
        }
    }
}

/// Writes what `table` holds for each value. There is one form only: vectors gather more slowly than
/// plain loads.
pub(in crate::ops) fn look_up_row(row: &[u8], table: &[u8; 256], out: &mut [u8]) {
    let (chunks, rest) = row.as_chunks::<8>();
    let (out_chunks, out_rest) = out.as_chunks_mut::<8>();
    for (out, chunk) in out_chunks.iter_mut().zip(chunks) {
        *out = chunk.map(|value| table[usize::from(value)]);
    }
    for (out, value) in out_rest.iter_mut().zip(rest) {
        *out = table[usize::from(*value)];
    }
}

/// Writes the three values that `table` holds for each value.
pub(in crate::ops) fn look_up_triples_row(row: &[u8], table: &[[u8; 3]; 256], out: &mut [u8]) {
    for (out, value) in out.as_chunks_mut::<3>().0.iter_mut().zip(row) {
        *out = table[usize::from(*value)];
    }
}

kernel! {
    /// Keeps one of each three values, the others become 0.
    fn keep_channel_row(row: &[u8], kept: usize, out: &mut [u8]) {
        let mut mask = [0u8; 192];
        for value in mask.iter_mut().skip(kept).step_by(3) {
            *value = 255;
        }
        let (chunks, rest) = row.as_chunks::<192>();
        let (out_chunks, out_rest) = out.as_chunks_mut::<192>();
        for (out, chunk) in out_chunks.iter_mut().zip(chunks) {
            for index in 0..192 {
                out[index] = chunk[index] & mask[index];
            }
        }
        for ((out, value), mask) in out_rest.iter_mut().zip(rest).zip(mask) {
            *out = value & mask;
        }
    }
}

kernel! {
    /// Puts each value into one of three channels, the others become 0.
    fn spread_channel_row(row: &[u8], kept: usize, out: &mut [u8]) {
        for (out, value) in out.as_chunks_mut::<3>().0.iter_mut().zip(row) {
            *out = [0; 3];
            out[kept] = *value;
        }
    }
}
