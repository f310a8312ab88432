//! Which file comes next: new ones in their order, then, one at a time, those that were in hand when
//! a run broke off.

use std::collections::VecDeque;
use std::ops::Range;

/// Files that are looked at by one task.
const BATCH: usize = 256;

/// Files that have not been begun.
#[derive(Debug)]
pub(crate) struct Queue {
    looked_at: usize,
    total: usize,
    is_looking: bool,
    fresh: VecDeque<usize>,
    suspects: VecDeque<usize>,
}

impl Queue {
    pub(crate) fn new(total: usize) -> Self {
        let (fresh, suspects) = (VecDeque::new(), VecDeque::new());
        Self { looked_at: 0, total, is_looking: false, fresh, suspects }
    }

    /// Files to look at now: whether an earlier run has done them.
    pub(crate) fn next_batch(&mut self) -> Option<Range<usize>> {
        if self.is_looking || self.looked_at == self.total || self.fresh.len() >= BATCH {
            return None;
        }
        let batch = self.looked_at..(self.looked_at + BATCH).min(self.total);
        self.looked_at = batch.end;
        self.is_looking = true;
        Some(batch)
    }

    /// A batch has been looked at.
    pub(crate) fn looked(&mut self) {
        self.is_looking = false;
    }

    /// A file is to be done.
    pub(crate) fn add(&mut self, image: usize) {
        self.fresh.push_back(image);
    }

    /// A file is to be done alone, after all others.
    pub(crate) fn add_suspect(&mut self, image: usize) {
        self.suspects.push_back(image);
    }

    /// The next file to begin, while `under_way` others are.
    pub(crate) fn next(&mut self, under_way: usize) -> Option<usize> {
        if let Some(image) = self.fresh.pop_front() {
            return Some(image);
        }
        let all_seen = self.looked_at == self.total && !self.is_looking;
        if all_seen && under_way == 0 { self.suspects.pop_front() } else { None }
    }

    /// How many have not been begun.
    pub(crate) fn left(&self) -> usize {
        self.total - self.looked_at + self.fresh.len() + self.suspects.len()
    }

    /// Whether a batch is being looked at.
    pub(crate) fn is_looking(&self) -> bool {
        self.is_looking
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suspects_come_last_and_alone() {
        let mut queue = Queue::new(4);
        assert_eq!(queue.next_batch(), Some(0..4));
        assert_eq!(queue.next_batch(), None);
        queue.add_suspect(0);
        queue.add(1);
        queue.add_suspect(2);
        assert_eq!(queue.next(0), Some(1));
        assert_eq!(queue.next(0), None, "still looking");
        queue.looked();
        queue.add(3);
        assert_eq!(queue.next(1), Some(3));
        assert_eq!(queue.next(1), None, "another is under way");
        assert_eq!(queue.next(0), Some(0));
        assert_eq!(queue.next(1), None);
        assert_eq!((queue.next(0), queue.left()), (Some(2), 0));
    }
}
