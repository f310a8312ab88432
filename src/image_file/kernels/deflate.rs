//! Bytes, and runs of zeros between them, counted and written by their codes.

#[cfg(target_arch = "x86_64")]
use super::staged;
use crate::image_file::bits::{Bits, Code};
use crate::simd::kernel;

/// The most bits that the code of a byte has: four of them fit in what is added to [`Bits`] at once.
pub(in crate::image_file) const MOST_BITS: usize = 12;
/// Zeros that are worth a run, and those of the longest one.
pub(in crate::image_file) const SHORTEST_RUN: usize = 6;
pub(in crate::image_file) const LONGEST_RUN: usize = 258;

/// How often bytes and runs of zeros occur. Equal bytes that follow each other are counted apart, as
/// a processor need not wait then.
pub(in crate::image_file) struct Counts {
    bytes: [[u32; 256]; 8],
    pub(in crate::image_file) runs: [usize; LONGEST_RUN + 1],
    /// Zeros that are part of a run.
    in_runs: usize,
}

impl Counts {
    pub(in crate::image_file) const NONE: Self =
        Self { bytes: [[0; 256]; 8], runs: [0; LONGEST_RUN + 1], in_runs: 0 };

    pub(in crate::image_file) fn of_bytes(&self) -> [usize; 256] {
        let mut sums = [0; 256];
        for counts in &self.bytes {
            sums.iter_mut().zip(counts).for_each(|(sum, &count)| *sum += count as usize);
        }
        sums[0] -= self.in_runs;
        sums
    }

    #[inline(always)]
    fn add(&mut self, bytes: &[u8]) {
        let (chunks, rest) = bytes.as_chunks::<8>();
        for chunk in chunks {
            // Taken out of one word: a load less for each.
            let word = u64::from_le_bytes(*chunk);
            for (place, counts) in self.bytes.iter_mut().enumerate() {
                counts[usize::from((word >> (8 * place)).to_le_bytes()[0])] += 1;
            }
        }
        for &byte in rest {
            self.bytes[0][usize::from(byte)] += 1;
        }
    }
}

/// The codes of bytes and of runs of zeros.
pub(in crate::image_file) struct Codes {
    /// Of each byte, the number of bits, and above 8 bits these.
    pub(super) bytes: [u32; 256],
    pub(super) runs: [Code; LONGEST_RUN + 1],
}

impl Codes {
    /// `bytes` have at most [`MOST_BITS`] bits, `runs` at most [`Bits::MOST`].
    pub(in crate::image_file) fn new(bytes: &[Code; 256], runs: [Code; LONGEST_RUN + 1]) -> Self {
        let bytes = bytes.map(|Code { bits, count }| {
            let [a, b, ..] = bits.to_le_bytes();
            u32::from_le_bytes([0, a, b, 0]) | count
        });
        Self { bytes, runs }
    }

    #[inline(always)]
    fn of(&self, byte: u8) -> Code {
        let entry = self.bytes[usize::from(byte)];
        Code { bits: (entry >> 8).into(), count: entry & 255 }
    }

    #[inline(always)]
    fn of_four(&self, bytes: [u8; 4]) -> Code {
        let [a, b, c, d] = bytes.map(|byte| self.of(byte));
        a.then(b).then(c.then(d))
    }

    #[inline(always)]
    fn push(&self, bytes: &[u8], bits: &mut Bits) {
        let (chunks, rest) = bytes.as_chunks::<16>();
        for chunk in chunks {
            let [a, b, c, d] = chunk.as_chunks::<4>().0 else { unreachable!() };
            let [a, b, c, d] = [*a, *b, *c, *d].map(|four| self.of_four(four));
            if a.count + b.count <= Bits::MOST && c.count + d.count <= Bits::MOST {
                bits.push([a.then(b), c.then(d)]);
            } else {
                bits.push([a, b, c, d]);
            }
        }
        let (fours, rest) = rest.as_chunks::<4>();
        for &four in fours {
            bits.push([self.of_four(four)]);
        }
        for &byte in rest {
            bits.push([self.of(byte)]);
        }
    }
}

kernel! {
    /// Counts the bytes and runs of `data`.
    fn count(data: &[u8], counts: &mut Counts) {
        counts.add(data);
        for (_, zeros) in Parts::of(data) {
            runs(zeros).for_each(|run| counts.runs[run] += 1);
            counts.in_runs += zeros;
        }
    }
}

kernel! {
    /// Appends the codes of `data`, for which there must be room.
    fn push(data: &[u8], codes: &Codes, bits: &mut Bits) {
        let mut own = std::mem::take(bits);
        for (bytes, zeros) in Parts::of(data) {
            codes.push(bytes, &mut own);
            runs(zeros).for_each(|run| own.push([codes.runs[run]]));
        }
        *bits = own;
    }
    avx512 {
        staged::push(data, codes, bits);
    }
}

/// Data, apart: bytes, and how many zeros stand behind them as runs.
pub(super) struct Parts<'d> {
    data: &'d [u8],
    /// Up to where it was taken apart.
    from: usize,
    /// From where on to look for zeros.
    at: usize,
}

impl<'d> Parts<'d> {
    #[inline(always)]
    pub(super) fn of(data: &'d [u8]) -> Self {
        Self { data, from: 0, at: 0 }
    }
}

impl<'d> Iterator for Parts<'d> {
    type Item = (&'d [u8], usize);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let data = self.data;
        if self.from == data.len() {
            return None;
        }
        let from = self.from;
        let Some(zeros) = zero_word(data, self.at) else {
            self.from = data.len();
            self.at = data.len();
            return Some((&data[from..], 0));
        };
        // Zeros before the word, behind a byte that is none, if any stands there.
        let above =
            if zeros < self.at + 8 { 0 } else { word(data, zeros - 8)?.leading_zeros() / 8 };
        let mut end = zeros + 8;
        loop {
            let Some(next) = word(data, end) else {
                end += data[end..].iter().take_while(|&&byte| byte == 0).count();
                break;
            };
            end += next.trailing_zeros() as usize / 8;
            if next != 0 {
                break;
            }
        }
        // A run repeats the byte before it.
        let start = zeros - above as usize + 1;
        let rest = (end - start) % LONGEST_RUN;
        let rest = if rest < SHORTEST_RUN { rest } else { 0 };
        (self.from, self.at) = (end - rest, end);
        Some((&data[from..start], end - rest - start))
    }
}

/// The runs that so many zeros are.
#[inline(always)]
pub(super) fn runs(zeros: usize) -> impl Iterator<Item = usize> {
    let last = zeros % LONGEST_RUN;
    std::iter::repeat_n(LONGEST_RUN, zeros / LONGEST_RUN).chain((last > 0).then_some(last))
}

#[inline(always)]
fn word(data: &[u8], at: usize) -> Option<u64> {
    data[at..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

/// Where the first of the words from `at` on stands that is zero.
#[inline(always)]
fn zero_word(data: &[u8], mut at: usize) -> Option<usize> {
    while let Some(chunk) = data[at..].first_chunk::<64>() {
        let words = chunk.as_chunks::<8>().0.iter();
        if words.fold(false, |any, word| any | (u64::from_le_bytes(*word) == 0)) {
            break;
        }
        at += 64;
    }
    while word(data, at)? != 0 {
        at += 8;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::simd::Simd;

    /// Codes of every length, the longest among them.
    fn codes() -> Codes {
        let code = |index: usize| {
            let count = [4, 12, 9, 1, 12, 7][index % 6];
            Code { bits: (index as u64 * 2_654_435_761) & ((1 << count) - 1), count }
        };
        Codes::new(&std::array::from_fn(code), std::array::from_fn(|run| code(run * 5)))
    }

    fn pushed(simd: Simd, data: &[u8]) -> Vec<u8> {
        let (mut bits, mut out) = (Bits::default(), Vec::new());
        bits.make_room(data.len() * MOST_BITS + 64);
        bits.push_number(1, 3);
        push(simd, data, &codes(), &mut bits);
        bits.fill_byte();
        bits.give(&mut out);
        out
    }

    fn check(data: &[u8]) {
        let expected = pushed(Simd::scalar(), data);
        let mut wanted = [0; 256];
        let mut runs_wanted = [0; LONGEST_RUN + 1];
        for (bytes, zeros) in Parts::of(data) {
            bytes.iter().for_each(|&byte| wanted[usize::from(byte)] += 1);
            runs(zeros).for_each(|run| runs_wanted[run] += 1);
        }
        for simd in Simd::all() {
            assert!(pushed(simd, data) == expected, "{simd}: {} bytes", data.len());
            let mut counts = Counts::NONE;
            count(simd, data, &mut counts);
            assert!(counts.of_bytes() == wanted, "{simd}");
            assert!(counts.runs == runs_wanted, "{simd}");
        }
    }

    #[test]
    fn every_length_and_byte_is_the_same_at_every_level() {
        let data: Vec<u8> = (1..=255).cycle().take(1500).collect();
        (0..200).for_each(|length| check(&data[..length]));
        (0..70).for_each(|from| check(&data[from..]));
        // Codes of so many bits that eight of them do not fit together.
        check(&[11; 3000]);
        check(&[23; 3000]);
    }

    #[test]
    fn runs_at_every_place_are_the_same_at_every_level() {
        for run in [6, 7, 8, 9, 15, 16, 17, 64, 257, 258, 259, 260, 264, 265, 266, 700] {
            for before in 0..80 {
                check(&[vec![7; before], vec![0; run], vec![9; run % 13]].concat());
            }
        }
    }

    proptest! {
        #[test]
        fn any_data_is_the_same_at_every_level(
            data in proptest::collection::vec(
                prop_oneof![4 => Just(0_u8), 1 => any::<u8>(), 1 => 0..4_u8], 0..3000),
        ) {
            check(&data);
        }
    }
}
