//! How fast the links between hosts are: taken for granted first, then as it is measured.
//!
//! Whoever receives knows best how fast a link is: from the moment that a message begins to arrive
//! until it is there, the link has nothing else to wait for.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Cluster;

/// Bytes that a link between two hosts is taken to carry in a nanosecond, until it is measured: 10
/// Gbit/s.
pub(super) const LINK: f64 = 1.25;
/// How much what was measured before counts when a message more has come.
const MEMORY: f64 = 0.8;

/// Bytes that came over a link, and how long it was busy with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrived {
    /// Bytes of payload.
    pub bytes: u64,
    /// Microseconds in which some of it was on its way.
    pub busy_us: u64,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From rank 0.
    Out,
    /// To rank 0.
    Back,
}

/// Bytes and nanoseconds, of which those of late count more.
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    bytes: f64,
    ns: f64,
}

impl Rate {
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn add(&mut self, bytes: u64, busy: Duration) {
        self.bytes = self.bytes * MEMORY + bytes as f64;
        self.ns = self.ns * MEMORY + busy.as_nanos() as f64;
    }

    /// Bytes in a nanosecond, if it is known.
    fn measured(&self) -> Option<f64> {
        (self.ns > 0.0).then_some(self.bytes / self.ns)
    }
}

/// What rank 0's link carries one way, whoever it is for.
#[derive(Clone, Copy, Debug, Default)]
struct Together {
    rate: Rate,
    /// The time up to which it was counted as busy.
    until: Option<Instant>,
}

impl Together {
    /// Something arrived at `now`. Time in which another was on its way as well counts once.
    fn add(&mut self, arrived: Arrived, now: Instant) {
        let busy = Duration::from_micros(arrived.busy_us);
        let uncounted = self.until.map(|until| now.saturating_duration_since(until));
        self.rate.add(arrived.bytes, uncounted.map_or(busy, |uncounted| busy.min(uncounted)));
        self.until = Some(now);
    }
}

/// Nanoseconds that an image takes on the link of a rank: its file one way, its result the other.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Crossing {
    /// To the rank.
    pub out: f64,
    /// To rank 0.
    pub back: f64,
    /// The busier way on rank 0's own link, which all others share.
    pub at_rank0: f64,
}

impl Crossing {
    /// Both ways, one after the other.
    pub(super) fn sum(&self) -> f64 {
        self.out + self.back
    }

    /// The busier way.
    pub(super) fn longest(&self) -> f64 {
        self.out.max(self.back)
    }
}

/// The links between rank 0 and the other ranks.
#[derive(Clone, Debug)]
pub struct Links {
    /// Both ways of each rank; `None` on rank 0's host, which has no link to cross.
    ranks: Vec<Option<[Rate; 2]>>,
    all: [Together; 2],
    assumed: f64,
}

impl Links {
    /// Those of the ranks of `cluster`, of which nothing is known.
    #[must_use]
    pub fn new(cluster: &Cluster) -> Self {
        let own = cluster.ranks.first().map(|rank| &rank.host);
        let link = |host| (Some(host) != own).then(Default::default);
        let ranks = cluster.ranks.iter().map(|rank| link(&rank.host)).collect();
        Self { ranks, all: Default::default(), assumed: LINK }
    }

    /// The first rank on another host than rank 0's.
    #[must_use]
    pub fn first_far(&self) -> Option<usize> {
        self.ranks.iter().position(Option::is_some)
    }

    /// Something that rank `rank` was sent, or has sent, has arrived at `now`.
    pub fn add(&mut self, (rank, way): (usize, Way), arrived: Arrived, now: Instant) {
        if let Some(Some(rates)) = self.ranks.get_mut(rank) {
            rates[way as usize].add(arrived.bytes, Duration::from_micros(arrived.busy_us));
            self.all[way as usize].add(arrived, now);
        }
    }

    /// Bytes in a nanosecond that rank 0's link carries, if it was measured: the slower way.
    #[must_use]
    pub fn measured(&self) -> Option<f64> {
        self.all.iter().filter_map(|way| way.rate.measured()).reduce(f64::min)
    }

    /// Bytes in a nanosecond that rank 0's link carries, as far as is known.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.measured().unwrap_or(self.assumed)
    }

    /// What `bytes` to rank `rank` and back take.
    #[must_use]
    pub fn crossing(&self, rank: usize, (out, back): (f64, f64)) -> Crossing {
        let Some(rates) = self.ranks.get(rank).copied().flatten() else {
            return Crossing::default();
        };
        let ns = |bytes: f64, way: Way| {
            bytes / rates[way as usize].measured().unwrap_or_else(|| self.rate())
        };
        let at_rank0 = out.max(back) / self.rate();
        Crossing { out: ns(out, Way::Out), back: ns(back, Way::Back), at_rank0 }
    }

    /// Takes links for such that carry `link` bytes in a nanosecond, until they are measured.
    #[must_use]
    pub fn assuming(self, link: f64) -> Self {
        Self { assumed: link, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::cluster::test_cluster;

    const MEGABYTE: Arrived = Arrived { bytes: 1_000_000, busy_us: 10_000 };

    fn is_about(rate: f64, right: f64) -> bool {
        (rate / right - 1.0).abs() < 0.15
    }

    #[test]
    fn what_arrives_tells_how_fast_a_link_is() {
        let (mut links, start) = (Links::new(&test_cluster(3, 1)), Instant::now());
        assert_eq!((links.first_far(), links.measured()), (Some(1), None));
        assert_eq!(links.crossing(0, (1e6, 1e6)), Crossing::default());
        assert!(is_about(links.crossing(1, (1e6, 0.0)).out, 1e6 / LINK));
        links.add((0, Way::Out), MEGABYTE, start);
        assert_eq!(links.measured(), None, "it does not leave the host");
        links.add((1, Way::Out), MEGABYTE, start);
        assert!(is_about(links.rate(), 0.1));
        assert!(is_about(links.crossing(2, (1e6, 0.0)).out, 1e7), "like the others");
    }

    #[test]
    fn links_that_are_busy_at_a_time_share_rank_0s() {
        let (mut links, start) = (Links::new(&test_cluster(3, 1)), Instant::now());
        for turn in 1..20 {
            let now = start + Duration::from_millis(10 * turn);
            links.add((1, Way::Out), MEGABYTE, now);
            links.add((2, Way::Out), MEGABYTE, now);
        }
        assert!(is_about(links.rate(), 0.2), "{}", links.rate());
        assert!(is_about(links.crossing(1, (1e6, 0.0)).out, 1e7));
    }

    #[test]
    fn the_slower_way_counts_and_so_does_what_comes_late() {
        let (mut links, now) = (Links::new(&test_cluster(2, 1)), Instant::now());
        let slow = Arrived { busy_us: 100_000, ..MEGABYTE };
        for second in 0..20 {
            let now = now + Duration::from_secs(second);
            links.add((1, Way::Out), MEGABYTE, now);
            links.add((1, Way::Back), if second < 10 { MEGABYTE } else { slow }, now);
        }
        assert!(is_about(links.rate(), 0.01), "{}", links.rate());
        assert!(is_about(links.crossing(1, (1e6, 1e6)).out, 1e7));
    }
}
