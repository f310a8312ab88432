//! Bits behind each other, lowest first.

/// Some bits, and how many.
#[derive(Clone, Copy, Default)]
pub(super) struct Code {
    pub(super) bits: u64,
    pub(super) count: u32,
}

impl Code {
    /// These bits, and those of `next` behind them.
    #[inline(always)]
    pub(super) fn then(self, next: Self) -> Self {
        Self { bits: self.bits | next.bits << self.count, count: self.count + next.count }
    }
}

/// Bits, of which whole bytes can be taken.
#[derive(Default)]
pub(super) struct Bits {
    /// Written up to `end`; behind it, room.
    bytes: Vec<u8>,
    end: usize,
    word: u64,
    held: u32,
}

/// Bytes that the bits of one call are appended to, at most.
const PLACES: usize = 128;

impl Bits {
    /// The most bits that are appended at once.
    pub(super) const MOST: u32 = 56;

    /// Appends at most 16 codes, for which there must be room.
    #[inline(always)]
    pub(super) fn push<const N: usize>(&mut self, codes: [Code; N]) {
        self.push_each(codes.into_iter());
    }

    /// Appends at most 16 codes of at most [`MOST`](Self::MOST) bits, for which there must be room.
    #[inline(always)]
    pub(super) fn push_each(&mut self, codes: impl Iterator<Item = Code>) {
        #[expect(clippy::expect_used, reason = "callers make room; a fault must not pass")]
        let place: &mut [u8; PLACES + 8] =
            self.bytes[self.end..].first_chunk_mut().expect("room for the bits");
        let (mut word, mut held, mut end) = (self.word, self.held, 0);
        for code in codes {
            word |= code.bits << held;
            held += code.count;
            // It is less: the compiler need not compare.
            let here = end % PLACES;
            place[here..here + 8].copy_from_slice(&word.to_le_bytes());
            end += (held / 8) as usize;
            word >>= held & 56;
            held %= 8;
        }
        self.end += end;
        (self.word, self.held) = (word, held);
    }

    pub(super) fn push_number(&mut self, number: usize, count: u32) {
        self.push([Code { bits: number as u64, count }]);
    }

    /// Makes room for so many bits.
    pub(super) fn make_room(&mut self, bits: usize) {
        self.bytes.resize(self.end + bits / 8 + PLACES + 9, 0);
    }

    /// Zeros up to a byte's border.
    pub(super) fn fill_byte(&mut self) {
        self.push_number(0, (8 - self.held) % 8);
    }

    /// Gives all whole bytes to `out`.
    pub(super) fn give(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes[..self.end]);
        self.end = 0;
    }
}
