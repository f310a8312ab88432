//! What each rank has in hand, and which one gets the next unit.

use std::cmp::Ordering;

use super::{Cluster, Crossing};

/// One rank in this many threads has one more image in hand than it works on, beside the first.
const THREADS_PER_SPARE: usize = 4;

/// Results that a rank writes at a time: most of that time it waits for the disk to say that it is
/// done. Those that wait for their turn count as work.
pub const WRITES_AT_ONCE: usize = 4;

/// Files that rank 0 looks at, or has in bands, before ranks are free for them: some for each rank, and
/// one for every few of its threads.
const AHEAD_PER_RANK: usize = 1;
const THREADS_PER_FILE_AHEAD: usize = 4;

/// Files that are ahead of `ranks` ranks with `threads` threads in all, at the most.
#[must_use]
pub fn files_ahead(ranks: usize, threads: usize) -> usize {
    ranks * AHEAD_PER_RANK + threads.div_ceil(THREADS_PER_FILE_AHEAD)
}

/// What an image takes on a rank, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    /// Of one thread, from the file to the result.
    pub work: f64,
    /// Of the link, if there is one.
    pub link: Crossing,
}

impl Pace {
    /// Whether rank 0 sends the file and gets the result.
    fn is_far(&self) -> bool {
        self.link.sum() > 0.0
    }

    /// From the moment that it is handed out, where nothing is in the way.
    fn alone(&self) -> f64 {
        self.link.sum() + self.work
    }

    /// Between two images, once all of `threads` threads and the link are busy.
    fn turn(&self, threads: usize) -> f64 {
        (self.work / number(threads)).max(self.link.longest())
    }

    /// Images that are on the link while all threads work.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "two at the most")]
    fn on_link(&self, threads: usize) -> usize {
        let turn = self.turn(threads);
        if turn > 0.0 { (self.link.sum() / turn).round() as usize } else { 0 }
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn number(count: usize) -> f64 {
    count as f64
}

/// More than is under way over rank 0's link in the time that an image takes would only wait for it: so many
/// times as much may.
const ON_THEIR_WAY: f64 = 1.25;

/// A link is much faster than another if an image is back in one part of the time in so many.
const MUCH_FASTER: f64 = 2.0;

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
    /// Images and bands that are filtered, and are being written by the rank.
    in_writing: usize,
    /// Those that it ever had.
    given: usize,
    /// Bytes of memory that it takes.
    bytes: u64,
}

impl Hand {
    /// A little more in hand than it works on, so that the next unit is there when one is done, and
    /// than is `on_link`.
    fn has_room(&self, bytes: u64, on_link: usize) -> bool {
        let load = self.load + self.in_writing.saturating_sub(WRITES_AT_ONCE);
        let is_free = load < in_hand(self.threads) + on_link;
        is_free && self.bytes.saturating_add(bytes) <= self.memory
    }

    /// When an image would be done that it got now, while `far` images are at ranks that have theirs
    /// over rank 0's link.
    fn end(&self, pace: &Pace, far: usize) -> f64 {
        let waiting = (self.load + 1).saturating_sub(self.threads);
        let for_thread = number(waiting) * pace.work / number(self.threads);
        let for_link = number(self.load) * pace.link.longest();
        let for_rank0 = number(far) * pace.link.at_rank0;
        pace.alone() + for_thread.max(for_link).max(for_rank0)
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
        Self::of(cluster.ranks.iter().map(|rank| rank.threads).zip(cluster.filter_memories()))
    }

    /// Those of ranks with so many threads and so many bytes of memory.
    pub(super) fn of(ranks: impl Iterator<Item = (usize, u64)>) -> Self {
        let hand = |(threads, memory)| Hand {
            threads,
            memory,
            load: 0,
            in_writing: 0,
            given: 0,
            bytes: 0,
        };
        Self { ranks: ranks.map(hand).collect() }
    }

    /// The rank for an image that takes `bytes` bytes, one of `left` that no rank has: of those with
    /// room for it the one that is done with it first, unless nearer ones would have done all that are
    /// left by then. `pace` tells what an image takes on a rank.
    ///
    /// `waiting` are the bytes of an image that waits longer, if one does: ranks that could ever
    /// hold it are left to it.
    #[must_use]
    pub fn for_image(
        &self,
        (bytes, left): (u64, usize),
        waiting: Option<u64>,
        pace: impl Fn(usize) -> Pace,
    ) -> Option<usize> {
        let are_far = self.ranks.iter().enumerate().filter(|&(rank, _)| pace(rank).is_far());
        let far = are_far.map(|(_, hand)| hand.load).sum();
        let end = |rank: usize| self.ranks[rank].end(&pace(rank), far);
        let suits = |&rank: &usize| {
            let hand = &self.ranks[rank];
            let pace = pace(rank);
            hand.has_room(bytes, pace.on_link(hand.threads))
                && number(far) * pace.link.at_rank0 <= pace.alone() * ON_THEIR_WAY
                && waiting.is_none_or(|waiting| waiting > hand.memory)
        };
        let first = (0..self.ranks.len())
            .filter(suits)
            .min_by(|&a, &b| end(a).total_cmp(&end(b)).then_with(|| self.by_load(a, b)))?;
        let helps =
            !pace(first).is_far() || end(first) <= self.end_nearer(first, (bytes, left), pace);
        helps.then_some(first)
    }

    /// When ranks that are nearer than rank `far` would have done `left` images, and all that they
    /// have in hand: those of rank 0's host, and those over links that are much faster.
    fn end_nearer(
        &self,
        far: usize,
        (bytes, left): (u64, usize),
        pace: impl Fn(usize) -> Pace,
    ) -> f64 {
        let (mut images, mut rate, mut shortest) = (number(left), 0.0, f64::INFINITY);
        let limit = pace(far).alone() / MUCH_FASTER;
        for (rank, hand) in self.ranks.iter().enumerate() {
            let pace = pace(rank);
            let is_nearer = !pace.is_far() || pace.alone() < limit;
            if is_nearer && bytes <= hand.memory {
                rate += 1.0 / pace.turn(hand.threads).max(1.0);
                images += number(hand.load);
                shortest = shortest.min(pace.alone());
            }
        }
        // Without such, never.
        (images / rate).max(shortest)
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
        let suits = |&rank: &usize| self.ranks[rank].has_room(bytes, 0);
        let least_busy = (0..self.ranks.len()).filter(suits).min_by(|&a, &b| self.by_load(a, b));
        least_busy.or_else(stuck)
    }

    fn by_load(&self, a: usize, b: usize) -> Ordering {
        let (a, b) = (&self.ranks[a], &self.ranks[b]);
        let by_load = (a.load * b.threads).cmp(&(b.load * a.threads));
        // Of those that are as busy, the one that has had least: none is left out.
        by_load.then_with(|| (a.given * b.threads).cmp(&(b.given * a.threads)))
    }

    /// Rank `rank` gets an image of `bytes` bytes.
    pub fn give_image(&mut self, rank: usize, bytes: u64) {
        self.give(rank, bytes);
    }

    /// Rank `rank` has filtered an image or a band, and writes what it has made.
    pub fn begin_writing(&mut self, rank: usize) {
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

    /// Rank `rank` no longer writes a band.
    pub fn end_band_writing(&mut self, rank: usize) {
        self.ranks[rank].in_writing -= 1;
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

    /// The rank for an image of many, where no link is in the way.
    fn at_once(hands: &Hands, bytes: u64, waiting: Option<u64>) -> Option<usize> {
        hands.for_image((bytes, 1000), waiting, |_| Pace { work: 1.0, link: Crossing::default() })
    }

    #[test]
    fn a_far_rank_gets_what_it_does_before_the_others_have_done_the_rest() {
        let mut hands = Hands::new(&test_cluster(2, 1000));
        let far = Crossing { out: 3.0, back: 3.0, at_rank0: 3.0 };
        let link = |rank| if rank == 0 { Crossing::default() } else { far };
        let next = |hands: &Hands, left| {
            hands.for_image((1, left), None, |rank| Pace { work: 1.0, link: link(rank) })
        };
        assert_eq!(next(&hands, 10), Some(0));
        hands.give_image(0, 1);
        assert_eq!(next(&hands, 10), Some(0));
        hands.give_image(0, 1);
        // Rank 0 has no room: rank 1 would need 7, rank 0 for all but this one as well.
        assert_eq!([next(&hands, 4), next(&hands, 5)], [None, Some(1)]);
        // More in hand, for the link.
        for left in [100, 99, 98] {
            assert_eq!(next(&hands, left), Some(1));
            hands.give_image(1, 1);
        }
        assert_eq!(next(&hands, 97), None);
    }

    #[test]
    fn the_least_busy_rank_gets_the_next_image_and_none_gets_too_many() {
        let mut hands = Hands::new(&test_cluster(3, 1000));
        let mut given = Vec::new();
        while let Some(rank) = at_once(&hands, 1, None) {
            hands.give_image(rank, 1);
            given.push(rank);
        }
        assert_eq!(given, [0, 1, 2, 0, 1, 2]);
        hands.take_image(1, 1, false);
        assert_eq!(at_once(&hands, 1, None), Some(1));
    }

    #[test]
    fn a_rank_that_writes_filters_on_until_too_much_waits_for_its_disk() {
        let mut hands = Hands::new(&test_cluster(1, 1000));
        let mut begun = 0;
        while let Some(rank) = at_once(&hands, 1, None) {
            hands.give_image(rank, 1);
            hands.begin_writing(rank);
            begun += 1;
        }
        assert_eq!(begun, WRITES_AT_ONCE + 2);
        hands.take_image(0, 1, true);
        assert_eq!(at_once(&hands, 1, None), Some(0));
    }

    #[test]
    fn memory_is_kept_for_the_image_that_waits_longest() {
        // Rank 0 filters with 375 bytes, the others with 750.
        let mut hands = Hands::new(&test_cluster(2, 1000));
        hands.give_image(1, 200);
        assert_eq!(at_once(&hands, 600, None), None);
        assert_eq!(at_once(&hands, 100, Some(600)), Some(0));
        hands.give_image(0, 300);
        assert_eq!(at_once(&hands, 100, Some(600)), None);
        hands.take_image(1, 200, false);
        assert_eq!(at_once(&hands, 600, None), Some(1));
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
