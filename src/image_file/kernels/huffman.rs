//! Coefficients of a JPEG's blocks, out of Huffman codes: up to two for one look into a table.

/// Coefficients of 8 x 8 frequencies, by rows.
pub(in crate::image_file) type Block = [i16; 64];

/// How many codes there are of each length, from 1 on, and what they stand for, the shorter ones
/// first (ITU-T T.81, annex C).
pub(in crate::image_file) type Counts = [u8; LONGEST as usize + 1];
pub(in crate::image_file) type Symbols = [u8; 256];

/// The most bits of a code, and of a code and the value behind it.
const LONGEST: u32 = 16;
const MOST_BITS: u32 = LONGEST + 15;
/// Bits that are looked up at once.
const LOOKUP_BITS: u32 = 10;
const LOOKUPS: usize = 1 << LOOKUP_BITS;
/// Bits that are there once they were filled up, at least.
const FILLED: u32 = 56;

/// The place in a block of each coefficient, in the order of the file.
const ZIGZAG: [u8; 64] = {
    let mut places = [0; 64];
    let (mut row, mut column, mut nth) = (0_u8, 0_u8, 0);
    while nth < 64 {
        places[nth] = row * 8 + column;
        let is_upwards = (row + column) % 2 == 0;
        match (is_upwards, row, column) {
            (true, _, 7) | (false, 0..7, 0) => row += 1,
            (true, 0, _) | (false, 7, _) => column += 1,
            (true, ..) => (row, column) = (row - 1, column + 1),
            (false, ..) => (row, column) = (row + 1, column - 1),
        }
        nth += 1;
    }
    places
};

/// Where the `nth` coefficient of a block stands.
#[inline(always)]
fn place(nth: u32) -> usize {
    usize::from(ZIGZAG[(nth & 63) as usize] & 63)
}

/// A code and the value behind it.
#[derive(Clone, Copy)]
struct Coefficient {
    /// Of both.
    bits: u32,
    /// From the last coefficient: those between are 0.
    step: u32,
    value: i16,
    /// It is none: the rest of the block is 0.
    is_end: bool,
}

/// The codes of a Huffman table.
pub(in crate::image_file) struct Codes {
    /// For all that bits can begin with, the length of the code, 0 if it is longer, and its symbol.
    short: [(u8, u8); LOOKUPS],
    /// For each length the first code that is longer, with zeros behind it up to [`LONGEST`] bits; and
    /// what a code and this make the place of its symbol.
    ends: Lengths,
    offsets: Lengths,
    symbols: Symbols,
}

type Lengths = [u32; LONGEST as usize + 1];

impl Codes {
    pub(in crate::image_file) fn new(counts: &Counts, symbols: &Symbols) -> Self {
        let mut short = [(0, 0); LOOKUPS];
        let (mut ends, mut offsets): (Lengths, Lengths) = Default::default();
        let (mut code, mut nth) = (0_u32, 0_u32);
        for (length, &count) in (0_u8..).zip(counts).skip(1) {
            let end = code + u32::from(count);
            if let Some(free) = LOOKUP_BITS.checked_sub(length.into()) {
                let codes = short.chunks_mut(1 << free).skip(code as usize);
                for (entries, nth) in codes.take(count.into()).zip(nth..) {
                    entries.fill((length, symbols[nth as usize & 255]));
                }
            }
            ends[usize::from(length)] = end << (LONGEST - u32::from(length));
            offsets[usize::from(length)] = nth.wrapping_sub(code);
            (code, nth) = (end << 1, nth + u32::from(count));
        }
        Self { short, ends, offsets, symbols: *symbols }
    }

    /// What `bits` begin with, of which [`MOST_BITS`] must be there. None if there is no such code.
    #[inline(always)]
    fn first(&self, bits: u64) -> Option<Coefficient> {
        let (length, symbol) = match self.short[(bits >> (64 - LOOKUP_BITS)) as usize] {
            (0, _) => self.long(bits)?,
            (length, symbol) => (length.into(), symbol),
        };
        let (zeros, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        let behind = bits << length;
        let value = (behind >> 1 >> (63 - size)).cast_signed();
        // A value that begins with a 0 is negative.
        let below = if behind >> 63 == 0 { (1 << size) - 1 } else { 0 };
        let [low, high, ..] = (value - below).to_le_bytes();
        Some(Coefficient {
            bits: length + size,
            step: zeros + 1,
            value: i16::from_le_bytes([low, high]),
            // Without a value it is that, or 16 zeros.
            is_end: size == 0 && zeros < 15,
        })
    }

    /// The length and the symbol of a code that is not among the short ones.
    #[cold]
    #[inline(never)]
    fn long(&self, bits: u64) -> Option<(u32, u8)> {
        let top = (bits >> (64 - LONGEST)) as u32;
        let length =
            (LOOKUP_BITS + 1..=LONGEST).find(|&length| top < self.ends[length as usize])?;
        let code = top >> (LONGEST - length);
        let nth = code.wrapping_add(self.offsets[length as usize]);
        Some((length, self.symbols[nth as usize & 255]))
    }
}

/// The codes of a table for all coefficients but the first, and what they stand for by twos.
pub(in crate::image_file) struct PairCodes {
    codes: Codes,
    /// For all that bits can begin with.
    pairs: [Pair; LOOKUPS],
}

/// Two coefficients; the second is the first again where only that is known.
#[derive(Clone, Copy)]
struct Pair {
    /// Of both codes and values; 0 if the bits do not tell what even the first one is.
    bits: u8,
    /// From the last coefficient to the first of them, and to the second.
    steps: [u8; 2],
    /// The block ends behind the first: the second is a 0.
    is_end: bool,
    values: [i16; 2],
}

impl Pair {
    const UNKNOWN: Self = Self { bits: 0, steps: [0; 2], is_end: false, values: [0; 2] };

    fn of(codes: &Codes, index: usize) -> Self {
        let bits = (index as u64) << (64 - LOOKUP_BITS);
        let known = |bits, most| codes.first(bits).filter(|one| one.bits <= most);
        let Some(first) = known(bits, LOOKUP_BITS).filter(|first| !first.is_end) else {
            return Self::UNKNOWN;
        };
        match known(bits << first.bits, LOOKUP_BITS - first.bits) {
            Some(second) => {
                let steps = [first.step, first.step + second.step];
                let values = [first.value, if second.is_end { 0 } else { second.value }];
                Self::new(first.bits + second.bits, steps, second.is_end, values)
            }
            None => Self::new(first.bits, [first.step; 2], false, [first.value; 2]),
        }
    }

    fn new(bits: u32, steps: [u32; 2], is_end: bool, values: [i16; 2]) -> Self {
        let [bits, ..] = bits.to_le_bytes();
        Self { bits, steps: steps.map(|step| step.to_le_bytes()[0]), is_end, values }
    }
}

impl PairCodes {
    pub(in crate::image_file) fn new(counts: &Counts, symbols: &Symbols) -> Self {
        let codes = Codes::new(counts, symbols);
        let pairs = std::array::from_fn(|index| Pair::of(&codes, index));
        Self { codes, pairs }
    }
}

/// Bits of a scan: some that were taken out of its bytes, and the bytes behind them.
#[derive(Clone, Copy)]
pub(in crate::image_file) struct Bits<'f> {
    /// The next `count` bits, at most 63, from the top. Bits below them mean nothing.
    pub(in crate::image_file) bits: u64,
    pub(in crate::image_file) count: u32,
    pub(in crate::image_file) bytes: &'f [u8],
}

impl Bits<'_> {
    /// Takes bytes until [`FILLED`] bits are there. None where the bytes end, or at a marker.
    #[inline(always)]
    fn fill(&mut self) -> Option<()> {
        if let Some(next) = self.bytes.first_chunk() {
            let next = u64::from_be_bytes(*next);
            if !has_byte_255(next) {
                // The bits of a byte that finds no room come again with the next bytes.
                self.bits |= next >> self.count;
                self.bytes = &self.bytes[(63 - self.count) as usize / 8..];
                self.count |= FILLED;
                return Some(());
            }
        }
        *self = self.filled_by_bytes()?;
        Some(())
    }

    /// As `fill`, where a 0 behind a byte of 255 does not count.
    #[cold]
    #[inline(never)]
    fn filled_by_bytes(mut self) -> Option<Self> {
        while self.count < FILLED {
            let (byte, behind) = self.bytes.split_first()?;
            self.bytes = if *byte == 255 { behind.strip_prefix(&[0])? } else { behind };
            self.bits |= u64::from(*byte) << (FILLED - self.count);
            self.count += 8;
        }
        Some(self)
    }

    #[inline(always)]
    fn skip(&mut self, bits: u32) {
        self.bits <<= bits;
        self.count -= bits;
    }
}

#[inline(always)]
fn has_byte_255(word: u64) -> bool {
    const ONES: u64 = u64::MAX / 255;
    (!word).wrapping_sub(ONES) & word & (ONES << 7) != 0
}

/// Decodes a block of zeros, but does not write its first coefficient: it gives the difference to the
/// one of the block before.
///
/// None where anything is unusual: no code, more coefficients than a block has, a marker, or the end. The
/// block may hold some coefficients then.
#[inline(always)]
pub(in crate::image_file) fn decode(
    dc: &Codes,
    ac: &PairCodes,
    bits: &mut Bits<'_>,
    block: &mut Block,
) -> Option<i16> {
    let mut own = *bits;
    own.fill()?;
    let first = dc.first(own.bits)?;
    own.skip(first.bits);
    let mut nth = 0;
    'filled: while nth < 63 {
        own.fill()?;
        for _ in 0..FILLED / LOOKUP_BITS {
            let pair = &ac.pairs[(own.bits >> (64 - LOOKUP_BITS)) as usize];
            let [one, other] = pair.steps.map(|step| nth + u32::from(step));
            if pair.bits == 0 || other > 63 {
                if own.count < MOST_BITS {
                    continue 'filled;
                }
                let single = ac.codes.first(own.bits)?;
                own.skip(single.bits);
                if single.is_end {
                    break 'filled;
                }
                nth += single.step;
                if nth > 63 {
                    return None;
                }
                block[place(nth)] = single.value;
                continue 'filled;
            }
            own.skip(pair.bits.into());
            block[place(one)] = pair.values[0];
            block[place(other)] = pair.values[1];
            nth = other;
            if pair.is_end || nth == 63 {
                break 'filled;
            }
        }
    }
    *bits = own;
    Some(first.value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As many codes as fit of random lengths, for random symbols.
    fn tables() -> impl Strategy<Value = (Counts, Symbols)> {
        let symbols = Just((0..=255).collect::<Vec<u8>>()).prop_shuffle();
        (proptest::collection::vec(1..=16_usize, 8..256), symbols).prop_map(|(lengths, symbols)| {
            let (mut counts, mut free) = ([0; 17], (1 << 16) - 1);
            for length in lengths {
                if let Some(rest) = usize::checked_sub(free, 1 << (16 - length)) {
                    (counts[length], free) = (counts[length] + 1, rest);
                }
            }
            (counts, symbols.try_into().unwrap())
        })
    }

    /// The code, its length and the symbol of all that a table has.
    fn codes((counts, symbols): &(Counts, Symbols)) -> Vec<(u64, u32, u8)> {
        let lengths = (0..).zip(counts).flat_map(|(length, &count)| vec![length; count.into()]);
        let mut next = 0_u64;
        let mut last = 0;
        let coded = lengths.zip(symbols).map(|(length, &symbol)| {
            next <<= length - last;
            last = length;
            next += 1;
            (next - 1, length, symbol)
        });
        coded.collect()
    }

    /// Bits to bytes, with a 0 behind each 255, and zeros behind all.
    #[derive(Default)]
    struct Writer(Vec<bool>);

    impl Writer {
        fn push(&mut self, bits: u64, count: u32) {
            self.0.extend((0..count).rev().map(|bit| bits >> bit & 1 == 1));
        }

        fn bytes(&self) -> Vec<u8> {
            let bytes = self.0.chunks(8).map(|bits| {
                bits.iter().enumerate().fold(0, |byte, (at, &bit)| byte | u8::from(bit) << (7 - at))
            });
            let stuffed =
                bytes.flat_map(|byte| [byte].into_iter().chain((byte == 255).then_some(0)));
            stuffed.chain([0; 16]).collect()
        }
    }

    /// A value that `size` bits tell, and these.
    fn value(size: u32, random: u64) -> (i16, u64) {
        let bits = random & ((1 << size) - 1);
        let below = if size > 0 && bits >> (size - 1) == 0 { (1 << size) - 1 } else { 0 };
        (i16::try_from(bits.cast_signed() - below).unwrap(), bits)
    }

    proptest! {
        #[test]
        fn coded_blocks_are_decoded(
            dc in tables(),
            ac in tables(),
            choices in proptest::collection::vec(any::<(prop::sample::Index, u64)>(), 1..400),
        ) {
            let (dc_codes, ac_codes) = (codes(&dc), codes(&ac));
            let dc_codes: Vec<_> = dc_codes.into_iter().filter(|code| code.2 < 16).collect();
            prop_assume!(!dc_codes.is_empty() && !ac_codes.is_empty());
            let mut written = Writer::default();
            let mut expected = Vec::new();
            let mut choices = choices.into_iter();
            'all: while let Some((choice, random)) = choices.next() {
                let &(code, length, symbol) = choice.get(&dc_codes);
                let (difference, bits) = value(symbol.into(), random);
                let (mut block, mut nth) = ([0; 64], 0);
                let before = written.0.len();
                written.push(code, length);
                written.push(bits, symbol.into());
                while nth < 63 {
                    let Some((choice, random)) = choices.next() else {
                        written.0.truncate(before);
                        break 'all;
                    };
                    let &(code, length, symbol) = choice.get(&ac_codes);
                    let (zeros, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
                    let is_end = size == 0 && zeros < 15;
                    if !is_end && nth + zeros + 1 > 63 {
                        continue;
                    }
                    let (value, bits) = value(size, random);
                    written.push(code, length);
                    written.push(bits, size);
                    if is_end {
                        break;
                    }
                    nth += zeros + 1;
                    block[usize::from(ZIGZAG[nth])] = value;
                }
                expected.push((difference, block));
            }
            let bytes = written.bytes();
            let (dc, ac) = (Codes::new(&dc.0, &dc.1), PairCodes::new(&ac.0, &ac.1));
            let mut bits = Bits { bits: 0, count: 0, bytes: &bytes };
            for (difference, block) in expected {
                let mut decoded = [0; 64];
                prop_assert_eq!(decode(&dc, &ac, &mut bits, &mut decoded), Some(difference));
                prop_assert_eq!(decoded, block);
            }
        }
    }

    #[test]
    fn coefficients_stand_in_a_zigzag() {
        assert_eq!(ZIGZAG[..10], [0, 1, 8, 16, 9, 2, 3, 10, 17, 24]);
        assert_eq!(ZIGZAG[54..], [39, 46, 53, 60, 61, 54, 47, 55, 62, 63]);
        let mut places = ZIGZAG;
        places.sort_unstable();
        assert!((0..64).eq(places));
    }

    /// A table of three codes: 0 for the end, 10 for 16 zeros, 110 for a value of one bit.
    fn three_codes() -> (Counts, Symbols) {
        let (mut counts, mut symbols) = ([0; 17], [0; 256]);
        counts[1..4].fill(1);
        symbols[..3].copy_from_slice(&[0, 0xF0, 1]);
        (counts, symbols)
    }

    /// What is decoded of a difference of 0 and what follows it.
    fn decoded(bits: &str, end: &[u8]) -> Option<Block> {
        let (counts, symbols) = three_codes();
        let (dc, ac) = (Codes::new(&counts, &symbols), PairCodes::new(&counts, &symbols));
        let mut written = Writer::default();
        for bit in format!("0{bits}").chars() {
            written.push((bit == '1').into(), 1);
        }
        let mut bytes = written.bytes();
        bytes.truncate(bytes.len() - 16);
        bytes.extend(end);
        let mut block = [0; 64];
        decode(&dc, &ac, &mut Bits { bits: 0, count: 0, bytes: &bytes }, &mut block)?;
        Some(block)
    }

    #[test]
    fn what_is_unusual_is_left_alone() {
        let zeros = [0; 16];
        let mut last = [0; 64];
        last[usize::from(ZIGZAG[49])] = 1;
        assert_eq!(decoded("10101011010", &zeros), Some(last));
        // A block may be full, but not more than that.
        let full = "1101".repeat(63);
        assert_eq!(decoded(&full, &zeros).unwrap().iter().filter(|&&one| one == 1).count(), 63);
        assert_eq!(decoded(&("10".repeat(3) + &"1101".repeat(14) + "10"), &zeros), None);
        // No code begins with three ones.
        assert_eq!(decoded("111", &zeros), None);
        // A marker, and the end.
        assert_eq!(decoded("1101", &[255, 0xD9, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(decoded("1101", &[0; 6]), None);
        assert!(decoded("11010", &[0; 7]).is_some());
    }
}
