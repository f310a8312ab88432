//! Compresses the filtered rows of PNG: fast, and as small as their statistics allow.
//!
//! Of what deflate offers, this takes a code of its own for each block, and runs of zeros: filtered
//! photographs have hardly anything else that repeats, and flat pictures become such runs. What is
//! compressed ends at a byte's border and refers to nothing before it, so that pieces can be made
//! anywhere and joined.

use super::bits::{Bits, Code};
use super::kernels::deflate::{Codes, Counts, LONGEST_RUN, MOST_BITS, SHORTEST_RUN, count, push};
use crate::simd::Simd;

/// The symbol that ends a block.
const END: usize = 256;
/// Bytes, the end, and lengths of runs.
const SYMBOLS: usize = 286;
/// The most bits that the code of a block takes, with all that stands before the data.
const CODE_BITS: usize = 17 + 19 * 3 + (SYMBOLS + 1) * 14;
/// Zeros in the lengths of a code that its symbol 18 stands for.
const LENGTH_RUN: std::ops::RangeInclusive<usize> = 11..=138;

/// The shortest run of each symbol of lengths, and the bits behind it that tell by how many a run is
/// longer.
const RUNS: [(usize, u32); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];

/// The most bytes that `bytes` in so many blocks are compressed to.
pub(super) fn most_bytes(bytes: usize, blocks: usize) -> usize {
    // A code for counts that are all alike has 8 bits, but for a few.
    bytes.saturating_add(bytes / 32).saturating_add(blocks.saturating_mul(CODE_BITS / 8 + 16))
}

impl Bits {
    /// Compresses `data`, which is not empty, to a block that is not the last, and gives it to `out`
    /// but for its last bits.
    pub(super) fn push_block(&mut self, simd: Simd, data: &[u8], out: &mut Vec<u8>) {
        let mut counts = Counts::NONE;
        count(simd, data, &mut counts);
        let counts = counts_of_symbols(&counts);
        let lengths = code_lengths(&counts, MOST_BITS);
        let codes = codes(&lengths);
        let total: usize =
            counts.iter().zip(&codes).map(|(&n, code)| n * code.count as usize).sum();
        // Of a run, at most six bits more.
        let runs: usize = counts[END + 1..].iter().sum();
        self.make_room(total + 6 * runs + CODE_BITS);
        self.push_code(&lengths);
        push(simd, data, &codes_of_data(&codes), self);
        self.push([codes[END]]);
        self.give(out);
    }

    /// Ends at a byte's border, by an empty block, and gives what is left to `out`.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        self.make_room(64);
        self.push_number(0, 3);
        self.fill_byte();
        self.push_number(0xFFFF_0000, 32);
        self.give(out);
    }

    /// Writes the head of a block: its code, as the lengths of its symbols.
    fn push_code(&mut self, lengths: &[u8]) {
        const ORDER: [usize; 19] =
            [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
        let used = lengths.iter().rposition(|&length| length > 0).map_or(0, |last| last + 1);
        // The one distance, which is 1, has one bit.
        let lengths = [&lengths[..used], &[1]].concat();
        let symbols = length_symbols(&lengths);
        let mut counts = [0; 19];
        symbols.iter().for_each(|&(symbol, _)| counts[symbol] += 1);
        let code = code_lengths(&counts, 7);
        // Not the last block, and one with a code of its own.
        self.push_number(0b100, 3);
        self.push_number(used - (END + 1), 5);
        self.push_number(0, 5);
        self.push_number(ORDER.len() - 4, 4);
        for symbol in ORDER {
            self.push_number(code[symbol].into(), 3);
        }
        let codes = codes(&code);
        for (symbol, zeros) in symbols {
            self.push([codes[symbol]]);
            if symbol == 18 {
                self.push_number(zeros - LENGTH_RUN.start(), 7);
            }
        }
    }
}

/// The symbols that stand for the lengths of a code; beside 18, how many zeros it stands for.
fn length_symbols(lengths: &[u8]) -> Vec<(usize, usize)> {
    let mut symbols = Vec::with_capacity(lengths.len());
    let mut rest = lengths;
    while let Some(&length) = rest.first() {
        let zeros = rest.iter().take_while(|&&length| length == 0).count();
        let zeros = zeros.min(*LENGTH_RUN.end());
        let is_run = LENGTH_RUN.contains(&zeros);
        symbols.push(if is_run { (18, zeros) } else { (length.into(), 0) });
        rest = &rest[if is_run { zeros } else { 1 }..];
    }
    symbols
}

fn counts_of_symbols(counts: &Counts) -> [usize; SYMBOLS] {
    let mut symbols = [0; SYMBOLS];
    symbols[..END].copy_from_slice(&counts.of_bytes());
    symbols[END] = 1;
    for (run, &count) in counts.runs.iter().enumerate().skip(SHORTEST_RUN) {
        symbols[run_symbol(run)] += count;
    }
    symbols
}

fn run_symbol(run: usize) -> usize {
    END + RUNS.partition_point(|&(shortest, _)| shortest <= run)
}

/// The codes of bytes and runs.
fn codes_of_data(codes: &[Code]) -> Codes {
    let mut runs = [Code::default(); LONGEST_RUN + 1];
    for (run, code) in runs.iter_mut().enumerate().skip(SHORTEST_RUN) {
        let symbol = run_symbol(run);
        let (shortest, more) = RUNS[symbol - END - 1];
        let longer = Code { bits: (run - shortest) as u64, count: more };
        // Behind it, the one bit of the one distance.
        *code = codes[symbol].then(longer).then(Code { bits: 0, count: 1 });
    }
    let mut bytes = [Code::default(); END];
    bytes.copy_from_slice(&codes[..END]);
    Codes::new(&bytes, runs)
}

/// How long the code of each symbol is, at most `most`, so that what occurs often has a short one;
/// 0 for one that does not occur.
fn code_lengths(counts: &[usize], most: usize) -> Vec<u8> {
    let mut symbols: Vec<usize> = (0..counts.len()).filter(|&s| counts[s] > 0).collect();
    symbols.sort_by_key(|&symbol| counts[symbol]);
    let mut of_length = vec![0; most + 1];
    for depth in depths(symbols.iter().map(|&symbol| counts[symbol]).collect()) {
        of_length[depth.clamp(1, most)] += 1;
    }
    // Codes that were cut take more room than there is: each step gives one of it back.
    let room: usize = (1..=most).map(|length| of_length[length] << (most - length)).sum();
    for _ in 1 << most..room {
        let shorter = (1..most).rev().find(|&length| of_length[length] > 0).unwrap_or(1);
        of_length[shorter] -= 1;
        of_length[shorter + 1] += 2;
        of_length[most] -= 1;
    }
    let mut lengths = vec![0; counts.len()];
    let from_long = (0..16_u8).zip(of_length).rev();
    let each = from_long.flat_map(|(length, count)| std::iter::repeat_n(length, count));
    for (symbol, length) in symbols.into_iter().zip(each) {
        lengths[symbol] = length;
    }
    lengths
}

/// How deep each of these weights, which ascend, stands in the tree of least total depth.
fn depths(mut weights: Vec<usize>) -> Vec<usize> {
    let leaves = weights.len();
    let nodes = (2 * leaves).saturating_sub(1);
    let mut parents = vec![0; nodes];
    let (mut leaf, mut inner) = (0, leaves);
    for parent in leaves..nodes {
        let mut sum = 0;
        for _ in 0..2 {
            let is_leaf = leaf < leaves && (inner >= parent || weights[leaf] <= weights[inner]);
            let least = if is_leaf { &mut leaf } else { &mut inner };
            sum += weights[*least];
            parents[*least] = parent;
            *least += 1;
        }
        weights.push(sum);
    }
    let mut depths = vec![0; nodes];
    for node in (0..nodes.saturating_sub(1)).rev() {
        depths[node] = depths[parents[node]] + 1;
    }
    depths.truncate(leaves);
    depths
}

/// The codes of these lengths, as deflate numbers them.
fn codes(lengths: &[u8]) -> Vec<Code> {
    let mut next = [0_u32; 17];
    for length in 1..16_u8 {
        let count = lengths.iter().filter(|&&own| own == length).count();
        let length = usize::from(length);
        next[length + 1] = (next[length] + u32::try_from(count).unwrap_or(0)) << 1;
    }
    let code = |&length: &u8| {
        if length == 0 {
            return Code::default();
        }
        let number = next[usize::from(length)];
        next[usize::from(length)] += 1;
        let bits = (number << (32 - u32::from(length))).reverse_bits().into();
        Code { bits, count: length.into() }
    };
    lengths.iter().map(code).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::DeflateDecoder;
    use proptest::prelude::*;

    use super::*;

    /// What `flate2` makes of blocks, after it was found to be `data`.
    fn compressed(blocks: &[&[u8]]) -> Vec<u8> {
        let (mut bits, mut file) = (Bits::default(), Vec::new());
        for block in blocks {
            bits.push_block(Simd::detect(), block, &mut file);
        }
        bits.end(&mut file);
        let length = file.len();
        let most = most_bytes(blocks.concat().len(), blocks.len());
        assert!(length <= most, "{length} bytes of {most}");
        // The last block, which is empty.
        file.extend([3, 0]);
        let mut data = Vec::new();
        DeflateDecoder::new(&file[..]).read_to_end(&mut data).unwrap();
        assert!(data == blocks.concat());
        file.truncate(length);
        file
    }

    fn noise(count: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let mut byte = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888);
            state.to_be_bytes()[0]
        };
        (0..count).map(|_| byte()).collect()
    }

    #[test]
    fn any_data_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        // Counts that make codes longer than they may be.
        let steep: Vec<u8> = (0..25_u8).flat_map(|byte| vec![byte; 1 << (byte / 2)]).collect();
        let noise = noise(100_000);
        let zeros = vec![0; 100_000];
        for data in [&[0][..], &[7], &[0, 0], &all, &steep, &noise, &zeros, &[200; 5000]] {
            compressed(&[data]);
            compressed(&[data, &all, data]);
        }
        assert!(compressed(&[&zeros]).len() < 200);
        assert!(compressed(&[&noise]).len() < 101_000);
    }

    #[test]
    fn runs_of_every_length_come_back() {
        for run in 0..600 {
            for (before, after) in [(&b"ab"[..], &b"cd"[..]), (b"", b"x"), (b"abcdefg", b"")] {
                let data = [before, &vec![0; run], after, &vec![0; run % 50], b"!"].concat();
                compressed(&[&data]);
            }
        }
    }

    proptest! {
        #[test]
        fn data_of_few_values_comes_back(
            data in proptest::collection::vec(prop_oneof![Just(0_u8), any::<u8>(), 0..4_u8], 1..3000),
            cut in 1..3000_usize,
        ) {
            let blocks: Vec<&[u8]> = data.chunks(cut).collect();
            compressed(&blocks);
        }
    }
}
