//! Marked pixels of a row of a map, a bit for each.

use super::components::Run;

/// The low bit of each of 8 bytes.
const LOW_BITS: u64 = u64::from_le_bytes([1; 8]);
/// Moves the low bits of 8 bytes into the highest byte, the first to its lowest bit.
const GATHER: u64 = 0x0102_0408_1020_4080;

/// Which pixels of a row are 1 (weak) or 2 (strong), in words of 64.
#[derive(Debug, Default)]
pub(super) struct Marks {
    any: Vec<u64>,
    strong: Vec<u64>,
}

impl Marks {
    /// Looks at a row of 0, 1 and 2.
    pub(super) fn read(&mut self, row: &[u8]) {
        self.any.clear();
        self.strong.clear();
        let (chunks, rest) = row.as_chunks::<64>();
        let mut last = [0; 64];
        last[..rest.len()].copy_from_slice(rest);
        // The last word ends in a 0, so that each run has an end.
        for chunk in chunks.iter().chain([&last]) {
            let (any, strong) = words(chunk);
            self.any.push(any);
            self.strong.push(strong);
        }
    }

    /// Its runs of weak and strong pixels, from left to right.
    pub(super) fn runs(&self) -> impl Iterator<Item = Run> {
        let mut turns = turns(&self.any);
        std::iter::from_fn(move || Some(Run { start: turns.next()?, end: turns.next()? }))
    }

    /// Whether a run holds a strong pixel.
    pub(super) fn is_strong(&self, run: Run) -> bool {
        let (first, last) = (run.start / 64, (run.end - 1) / 64);
        (first..=last).any(|index| {
            let from = if index == first { run.start % 64 } else { 0 };
            let to = if index == last { (run.end - 1) % 64 } else { 63 };
            self.strong[index as usize] & u64::MAX << from & u64::MAX >> (63 - to) != 0
        })
    }
}

/// The bits of 64 pixels.
fn words(pixels: &[u8; 64]) -> (u64, u64) {
    // Most have none.
    if pixels.iter().fold(0, |all, pixel| all | pixel) == 0 {
        return (0, 0);
    }
    let eights = pixels.as_chunks::<8>().0.iter().rev();
    eights.fold((0, 0), |(any, strong), eight| {
        let eight = u64::from_le_bytes(*eight);
        let gather = |bits: u64| (bits & LOW_BITS).wrapping_mul(GATHER) >> 56;
        (any << 8 | gather(eight | eight >> 1), strong << 8 | gather(eight >> 1))
    })
}

/// The columns where a bit differs from the one before.
fn turns(words: &[u64]) -> impl Iterator<Item = u32> {
    let (mut words, mut start, mut before, mut left) = (words.iter(), 0, 0, 0u64);
    std::iter::from_fn(move || {
        while left == 0 {
            let word = words.next()?;
            left = word ^ (word << 1 | before);
            before = word >> 63;
            start += 64;
        }
        let turn = start - 64 + left.trailing_zeros();
        left &= left - 1;
        Some(turn)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::components::narrow;

    #[test]
    fn runs_are_found_at_every_place() {
        let mut marks = Marks::default();
        for width in [1, 63, 64, 65, 130] {
            for (start, end) in
                (0..width).flat_map(|start| (start + 1..=width).map(move |end| (start, end)))
            {
                let mut row = vec![0; width];
                row[start..end].fill(1);
                marks.read(&row);
                let run = Run { start: narrow(start), end: narrow(end) };
                assert!(marks.runs().eq([run]), "{start}..{end} of {width}");
                assert!(!marks.is_strong(run));
                for place in [start, end - 1] {
                    row[place] = 2;
                    marks.read(&row);
                    assert!(marks.runs().eq([run]) && marks.is_strong(run));
                    row[place] = 1;
                }
            }
        }
    }

    #[test]
    fn runs_come_from_left_to_right() {
        let row = [2, 0, 1, 1, 0, 0, 2];
        let mut marks = Marks::default();
        marks.read(&row);
        let runs = marks.runs().map(|run| (run.columns(), marks.is_strong(run)));
        assert!(runs.eq([(0..1, true), (2..4, false), (6..7, true)]));
    }
}
