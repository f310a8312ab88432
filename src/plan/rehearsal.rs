//! Few images, one by one: who gets which, and when each is done, by the rule that a run follows.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::hands::{Hands, Pace};

/// Ranks, and an image like all others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stage {
    /// Ranks on rank 0's host, and all of them.
    pub(super) near: usize,
    pub(super) ranks: usize,
    /// Threads of each.
    pub(super) threads: usize,
    /// What an image takes on a rank of rank 0's host, and on another.
    pub(super) paces: [Pace; 2],
    /// Nanoseconds that an image takes a thread of rank 0's host, when a rank there has it, and when
    /// another.
    pub(super) beside: [f64; 2],
}

/// What happens to an image, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Back,
    Filtered,
}

/// What takes one after the other: a link one way, a thread.
#[derive(Clone, Copy, Debug, Default)]
struct Busy(u64);

impl Busy {
    /// Takes `ns` nanoseconds, if any, from `now` on at the earliest. Returns when it is done.
    fn take(&mut self, now: u64, ns: f64) -> u64 {
        if ns <= 0.0 {
            return now;
        }
        self.0 = self.0.max(now) + whole(ns);
        self.0
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate")]
fn whole(ns: f64) -> u64 {
    ns as u64
}

/// Nanoseconds until `images` images are done.
pub(super) fn rehearse(stage: &Stage, images: usize) -> f64 {
    let mut hands = Hands::of((0..stage.ranks).map(|_| (stage.threads, u64::MAX)));
    let mut threads = vec![vec![Busy::default(); stage.threads]; stage.ranks];
    let (mut out, mut back) = (Busy::default(), Busy::default());
    let mut steps = BinaryHeap::new();
    let (mut left, mut now) = (images, 0);
    loop {
        let pace = |rank: usize| stage.paces[usize::from(rank >= stage.near)];
        while left > 0
            && let Some(rank) = hands.for_image((0, left), None, pace)
        {
            hands.give_image(rank, 0);
            left -= 1;
            first(&mut threads[0]).take(now, stage.beside[usize::from(rank >= stage.near)]);
            let there = out.take(now, pace(rank).link.out);
            let done = first(&mut threads[rank]).take(there, pace(rank).work);
            steps.push(Reverse((done, Step::Filtered, rank)));
        }
        let Some(Reverse((time, step, rank))) = steps.pop() else { return as_ns(now) };
        now = time;
        match step {
            Step::Filtered => {
                let done = back.take(now, pace(rank).link.back);
                steps.push(Reverse((done, Step::Back, rank)));
            }
            Step::Back => hands.take_image(rank, 0, false),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn as_ns(time: u64) -> f64 {
    time as f64
}

/// The thread that is free first.
fn first(threads: &mut [Busy]) -> &mut Busy {
    let index = (0..threads.len()).min_by_key(|&thread| threads[thread].0).unwrap_or(0);
    &mut threads[index]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Crossing;

    const MS: f64 = 1e6;

    /// Milliseconds for so many images of 50 ms on hosts of one thread, whose links take `way` for an
    /// image each way.
    fn ms(hosts: usize, images: usize, way: f64) -> f64 {
        let link = |way| Crossing { out: way, back: way, at_rank0: way };
        let pace = |way| Pace { work: 50.0 * MS, link: link(way * MS) };
        let stage = Stage {
            near: 1,
            ranks: hosts,
            threads: 1,
            paces: [pace(0.0), pace(way)],
            beside: [0.0; 2],
        };
        rehearse(&stage, images) / MS
    }

    #[test]
    fn cores_share_images() {
        for (hosts, images, right) in [(1, 1, 50.0), (1, 24, 1200.0), (3, 24, 400.0), (3, 4, 100.0)]
        {
            assert!((ms(hosts, images, 0.0) - right).abs() < 1.0);
        }
        assert!((ms(3, 24, 0.5) - 401.0).abs() < 2.0);
    }

    #[test]
    fn slow_links_never_make_it_slower_and_are_used_where_they_help() {
        let alone = ms(1, 24, 0.0);
        for hosts in [2, 3, 8] {
            for way in [1.0, 10.0, 40.0, 80.0, 100.0, 320.0, 1000.0, 10_000.0] {
                let together = ms(hosts, 24, way);
                // Rank 0's host does 20 in a second, its link brings others.
                let best = 24.0 / (0.02 + (hosts as f64 - 1.0).min(50.0 / way) * 0.02);
                assert!(together <= alone * 1.01, "{hosts} hosts, {way} ms: {together}");
                // Two pipelines begin empty and end so.
                assert!(together <= best + 2.0 * (2.0 * way + 50.0), "{way}: {together}");
            }
        }
        assert!(ms(3, 24, 10_000.0) > alone * 0.99, "nothing goes that way");
        assert!(ms(3, 24, 80.0) < alone * 0.75);
    }
}
