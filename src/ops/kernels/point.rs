//! Values made from one value.

use crate::simd::kernel;
#[cfg(target_arch = "x86_64")]
use crate::simd::vectors;

kernel! {
    /// Writes `255 - value`.
    fn invert_row(row: &[u8], out: &mut [u8]) {
        for (out, value) in out.iter_mut().zip(row) {
            *out = !value;
        }
    }
}

kernel! {
    /// Writes what `table` holds for each value.
    fn look_up_row(row: &[u8], table: &[u8; 256], out: &mut [u8]) {
        look_up(row, table, out);
    }
    avx2 {
        look_up_256(row, table, out);
    }
    avx512 {
        let (chunks, rest) = row.as_chunks::<64>();
        let (out_chunks, out_rest) = out.as_chunks_mut::<64>();
        let table_vectors = vectors::load_table(table);
        for (out, chunk) in out_chunks.iter_mut().zip(chunks) {
            vectors::store_64(vectors::look_up_64(vectors::load_64(chunk), table_vectors), out);
        }
        look_up(rest, table, out_rest);
    }
}

#[inline(always)]
fn look_up(row: &[u8], table: &[u8; 256], out: &mut [u8]) {
    let (chunks, rest) = row.as_chunks::<8>();
    let (out_chunks, out_rest) = out.as_chunks_mut::<8>();
    for (out, chunk) in out_chunks.iter_mut().zip(chunks) {
        *out = chunk.map(|value| table[usize::from(value)]);
    }
    for (out, value) in out_rest.iter_mut().zip(rest) {
        *out = table[usize::from(*value)];
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn look_up_256(row: &[u8], table: &[u8; 256], out: &mut [u8]) {
    let (chunks, rest) = row.as_chunks();
    let (out_chunks, out_rest) = out.as_chunks_mut();
    let steps = vectors::table_steps(table);
    for (out, chunk) in out_chunks.iter_mut().zip(chunks) {
        vectors::store_32(vectors::look_up_32(vectors::load_32(chunk), &steps), out);
    }
    look_up(rest, table, out_rest);
}

kernel! {
    /// Writes the three values that `tables` hold for each value.
    fn look_up_triples_row(row: &[u8], tables: &[[u8; 256]; 3], out: &mut [u8]) {
        look_up_triples(row, tables, out);
    }
    avx2 {
        let (chunks, rest) = row.as_chunks::<32>();
        let (out_chunks, out_rest) = out.as_chunks_mut::<96>();
        let [first, second, third] = tables;
        let steps = [
            vectors::table_steps(first),
            vectors::table_steps(second),
            vectors::table_steps(third),
        ];
        for (out, chunk) in out_chunks.iter_mut().zip(chunks) {
            let values = vectors::load_32(chunk);
            let found = [
                vectors::look_up_32(values, &steps[0]),
                vectors::look_up_32(values, &steps[1]),
                vectors::look_up_32(values, &steps[2]),
            ];
            vectors::interleave_96(found, out);
        }
        look_up_triples(rest, tables, out_rest);
    }
    avx512 {
        let (chunks, rest) = row.as_chunks::<64>();
        let (out_chunks, out_rest) = out.as_chunks_mut::<192>();
        let [first, second, third] = tables;
        let first = vectors::load_table(first);
        let second = vectors::load_table(second);
        let third = vectors::load_table(third);
        for (out, chunk) in out_chunks.iter_mut().zip(chunks) {
            let values = vectors::load_64(chunk);
            let found = [
                vectors::look_up_64(values, first),
                vectors::look_up_64(values, second),
                vectors::look_up_64(values, third),
            ];
            vectors::interleave_192(found, &vectors::IN_ORDER, out);
        }
        look_up_triples(rest, tables, out_rest);
    }
}

#[inline(always)]
fn look_up_triples(row: &[u8], tables: &[[u8; 256]; 3], out: &mut [u8]) {
    for (out, value) in out.as_chunks_mut::<3>().0.iter_mut().zip(row) {
        *out = tables.each_ref().map(|table| table[usize::from(*value)]);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Simd;

    /// Every value at every place of a vector.
    fn values() -> Vec<u8> {
        (0..257 * 64usize).map(|index| (index % 257).to_le_bytes()[0]).collect()
    }

    #[test]
    fn every_value_is_looked_up_at_every_level() {
        let values = values();
        let table: [u8; 256] = std::array::from_fn(|value| (value * 77 + 3).to_le_bytes()[0]);
        let expected: Vec<u8> = values.iter().map(|value| table[usize::from(*value)]).collect();
        for simd in Simd::all() {
            let mut out = vec![0; values.len()];
            look_up_row(simd, &values, &table, &mut out);
            assert!(out == expected, "{simd}");
        }
    }

    #[test]
    fn every_value_has_its_triple_at_every_level() {
        let values = values();
        let table = |factor: usize| std::array::from_fn(|value| (value * factor).to_le_bytes()[0]);
        let tables: [[u8; 256]; 3] = [table(1), table(3), table(77)];
        let mut expected = vec![0; values.len() * 3];
        look_up_triples(&values, &tables, &mut expected);
        for simd in Simd::all() {
            let mut out = vec![0; expected.len()];
            look_up_triples_row(simd, &values, &tables, &mut out);
            assert!(out == expected, "{simd}");
        }
    }
}
