//! What each rank has in hand, and which one gets the next unit.

use super::Cluster;

/// One rank in this many threads has one more image in hand than it works on, beside the first.
const THREADS_PER_SPARE: usize = 4;

/// Results that a rank writes at a time: most of that time it waits for the disk to say that it is
/// done. Those that wait for their turn count as work.
pub const WRITES_AT_ONCE: usize = 4;

/// What all ranks have in hand.
#[derive(Debug)]
pub struct Hands {
    ranks: Vec<Hand>,
}

#[derive(Clone, Copy, Debug)]
struct Hand {
    threads: usize,
    memory: u64,
    /// Images and bands that it works on or that wait there.
    load: usize,
    /// Images that are filtered, and are being written by the rank.
    in_writing: usize,
    /// Those that it ever had.
    given: usize,
    /// Bytes of memory that it takes.
    bytes: u64,
}

impl Hand {
    /// A little more in hand than it works on, so that the next unit is there when one is done.
    fn has_room(&self, bytes: u64) -> bool {
        let load = self.load + self.in_writing.saturating_sub(WRITES_AT_ONCE);
        load < in_hand(self.threads) && self.bytes.saturating_add(bytes) <= self.memory
    }
}

/// What a rank of `threads` has in hand at the most: one more than it works on, and some more where
/// many threads end at a time.
pub(super) fn in_hand(threads: usize) -> usize {
    threads + 1 + threads / THREADS_PER_SPARE
}

impl Hands {
    /// Empty hands.
    #[must_use]
    pub fn new(cluster: &Cluster) -> Self {
        let hand = |(rank, memory): (&super::RankPlan, u64)| Hand {
            threads: rank.threads,
            memory,
            load: 0,
            in_writing: 0,
            given: 0,
            bytes: 0,
        };
        Self { ranks: cluster.ranks.iter().zip(cluster.filter_memories()).map(hand).collect() }
    }

    /// The rank for an image that takes `bytes` bytes: the least busy one with room for it.
    ///
    /// `waiting` are the bytes of an image that waits longer, if one does: ranks that could ever
    /// hold it are left to it.
    #[must_use]
    pub fn for_image(&self, bytes: u64, waiting: Option<u64>) -> Option<usize> {
        self.least_busy(|hand| {
            hand.has_room(bytes) && waiting.is_none_or(|waiting| waiting > hand.memory)
        })
    }

    /// The rank for a band that takes `bytes` bytes.
    ///
    /// Where nobody has room, and nobody is at work who could make some, the rank with the least in
    /// memory takes it: a run that takes more than planned beats one that waits for ever.
    #[must_use]
    pub fn for_band(&self, bytes: u64) -> Option<usize> {
        let stuck = || {
            let idle = self.ranks.iter().all(|hand| hand.load + hand.in_writing == 0);
            let poorest = (0..self.ranks.len()).min_by_key(|&rank| self.ranks[rank].bytes);
            poorest.filter(|_| idle)
        };
        self.least_busy(|hand| hand.has_room(bytes)).or_else(stuck)
    }

    fn least_busy(&self, suits: impl Fn(&Hand) -> bool) -> Option<usize> {
        (0..self.ranks.len()).filter(|&rank| suits(&self.ranks[rank])).min_by(|&a, &b| {
            let (a, b) = (&self.ranks[a], &self.ranks[b]);
            let by_load = (a.load * b.threads).cmp(&(b.load * a.threads));
            // Of those that are as busy, the one that has had least: none is left out.
            by_load.then_with(|| (a.given * b.threads).cmp(&(b.given * a.threads)))
        })
    }

    /// Rank `rank` gets an image of `bytes` bytes.
    pub fn give_image(&mut self, rank: usize, bytes: u64) {
        self.give(rank, bytes);
    }

    /// Rank `rank` has filtered an image, and writes the result.
    pub fn end_image_work(&mut self, rank: usize) {
        self.ranks[rank].load -= 1;
        self.ranks[rank].in_writing += 1;
    }

    /// Rank `rank` is done with an image of `bytes` bytes.
    pub fn take_image(&mut self, rank: usize, bytes: u64, is_filtered: bool) {
        let hand = &mut self.ranks[rank];
        let count = if is_filtered { &mut hand.in_writing } else { &mut hand.load };
        *count -= 1;
        hand.bytes -= bytes;
    }

    /// Rank `rank` gets a band of `bytes` bytes.
    pub fn give_band(&mut self, rank: usize, bytes: u64) {
        self.give(rank, bytes);
    }

    fn give(&mut self, rank: usize, bytes: u64) {
        let hand = &mut self.ranks[rank];
        hand.load += 1;
        hand.given += 1;
        hand.bytes += bytes;
    }

    /// Rank `rank` no longer works on a band.
    pub fn end_band_work(&mut self, rank: usize) {
        self.ranks[rank].load -= 1;
    }

    /// Rank `rank` no longer holds a band of `bytes` bytes.
    pub fn end_band_memory(&mut self, rank: usize, bytes: u64) {
        self.ranks[rank].bytes -= bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::cluster::test_cluster;

    #[test]
    fn the_least_busy_rank_gets_the_next_image_and_none_gets_too_many() {
        let mut hands = Hands::new(&test_cluster(3, 1000));
        let mut given = Vec::new();
        while let Some(rank) = hands.for_image(1, None) {
            hands.give_image(rank, 1);
            given.push(rank);
        }
        assert_eq!(given, [0, 1, 2, 0, 1, 2]);
        hands.take_image(1, 1, false);
        assert_eq!(hands.for_image(1, None), Some(1));
    }

    #[test]
    fn a_rank_that_writes_filters_on_until_too_much_waits_for_its_disk() {
        let mut hands = Hands::new(&test_cluster(1, 1000));
        let mut begun = 0;
        while let Some(rank) = hands.for_image(1, None) {
            hands.give_image(rank, 1);
            hands.end_image_work(rank);
            begun += 1;
        }
        assert_eq!(begun, WRITES_AT_ONCE + 2);
        hands.take_image(0, 1, true);
        assert_eq!(hands.for_image(1, None), Some(0));
    }

    #[test]
    fn memory_is_kept_for_the_image_that_waits_longest() {
        // Rank 0 filters with 375 bytes, the others with 750.
        let mut hands = Hands::new(&test_cluster(2, 1000));
        hands.give_image(1, 200);
        assert_eq!(hands.for_image(600, None), None);
        assert_eq!(hands.for_image(100, Some(600)), Some(0));
        hands.give_image(0, 300);
        assert_eq!(hands.for_image(100, Some(600)), None);
        hands.take_image(1, 200, false);
        assert_eq!(hands.for_image(600, None), Some(1));
    }

    #[test]
    fn bands_never_wait_for_nobody() {
        let mut hands = Hands::new(&test_cluster(2, 1000));
        assert_eq!(hands.for_band(5000), Some(0));
        hands.give_band(0, 5000);
        assert_eq!(hands.for_band(5000), None);
        hands.end_band_work(0);
        assert_eq!(hands.for_band(5000), Some(1));
    }
}
