//! Hosts and ranks, as far as speed goes.

use super::Cluster;
use crate::hash::Checksum;

/// The part of a core that a rank looks for messages with, if there are others, and as much again
/// while a link is busy.
const LOOKING: f64 = 0.02;
/// Nanoseconds of a core, at each end, for a byte that goes over the network.
const WIRE_NS: f64 = 0.4;
/// Threads that rank 0 has beside those that filter, and that may be busy at a time.
const RANK0_THREADS: usize = 2;

/// Hosts and ranks, as far as speed goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Site {
    /// Ranks.
    pub ranks: usize,
    /// Hosts that they are on.
    pub hosts: usize,
    /// Threads of all ranks that filter.
    pub threads: usize,
    /// Threads on rank 0's host that filter.
    pub rank0_threads: usize,
    /// Cores of rank 0's host.
    pub rank0_cores: usize,
    /// Bytes that the link of a host carries in a nanosecond, each way.
    pub link: f64,
    /// Bytes that the storage gives and takes in a nanosecond; `None`: more than all can use.
    pub storage: Option<f64>,
    /// Whether ranks read and write the files themselves.
    pub shares_files: bool,
    /// The part of a core that a thread gets.
    pub core: f64,
    /// What results are hashed with.
    pub checksum: Checksum,
}

impl Site {
    /// `ranks` ranks of `threads` threads each, `per_host` on a host, each thread on a core of its
    /// own.
    #[must_use]
    pub fn planned(ranks: usize, per_host: usize, threads: usize) -> Self {
        let on_host = ranks.min(per_host);
        Self {
            ranks,
            hosts: ranks.div_ceil(per_host),
            threads: ranks * threads,
            rank0_threads: on_host * threads,
            rank0_cores: on_host * threads,
            link: f64::INFINITY,
            storage: None,
            shares_files: false,
            core: 1.0,
            checksum: Checksum::default(),
        }
    }

    /// The ranks of a run, over links that carry `link` bytes in a nanosecond.
    #[must_use]
    pub fn of(cluster: &Cluster, link: f64) -> Self {
        let mut hosts = cluster.hosts();
        hosts.sort_unstable();
        hosts.dedup();
        let rank0_host = &cluster.ranks[0].host;
        let own = || cluster.ranks.iter().filter(|rank| rank.host == *rank0_host);
        let threads: usize = own().map(|rank| rank.threads).sum();
        let cores = cluster.ranks[0].host_cores.min(threads + RANK0_THREADS);
        Self {
            ranks: cluster.ranks.len(),
            hosts: hosts.len(),
            threads: cluster.threads(),
            rank0_threads: threads,
            rank0_cores: cores,
            link,
            storage: None,
            shares_files: cluster.all_see_files(),
            core: 1.0,
            checksum: Checksum::default(),
        }
    }

    /// Nanoseconds here for what takes a whole core `ns`.
    pub(super) fn taking(&self, ns: f64) -> f64 {
        ns / self.core
    }

    /// How much longer work takes than where nobody looks for messages.
    pub(super) fn slowed(&self) -> f64 {
        let looking = self.taking(LOOKING) / number(self.threads_per_rank() as u64);
        if self.ranks > 1 { 1.0 / (1.0 - looking) } else { 1.0 }
    }

    /// Threads of a rank, where all have as many.
    pub(super) fn threads_per_rank(&self) -> usize {
        (self.threads / self.ranks).max(1)
    }

    /// Nanoseconds of a core, at each end, for bytes that go over a link both ways.
    pub(super) fn wire_ns(&self, (out, back): (f64, f64)) -> f64 {
        self.taking((out + back) * WIRE_NS + out.max(back) / self.link * LOOKING)
    }

    /// The part of the work of rank 0's host that other ranks there do.
    pub(super) fn near(&self) -> f64 {
        let of_rank0 = number(self.threads as u64) / number(self.ranks as u64);
        (1.0 - of_rank0 / number(self.rank0_threads as u64)).max(0.0)
    }
}

/// A count, to be reckoned with.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
pub(super) fn number(count: u64) -> f64 {
    count as f64
}
