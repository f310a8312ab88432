//! Work that goes over links to other hosts, as far as that pays.

use super::site::number;
use super::{Bottleneck, Forecast, Site};

/// Nanoseconds of a core, at each end, for a byte that goes to another rank of the same host.
pub(super) const COPY_NS: f64 = 0.15;

/// Work that goes to whichever rank has room for it.
pub(super) struct Spread {
    /// For the threads of all ranks.
    pub(super) core_ns: f64,
    /// For rank 0's host, whoever does the rest.
    pub(super) rank0_ns: f64,
    /// Bytes to a rank, and back, if another does all of it.
    pub(super) bytes: (f64, f64),
    /// Whether each rank gets its part, as of bands; else who is done with it first, as of images.
    pub(super) goes_to_all: bool,
}

impl Spread {
    /// Other hosts take as much of it as they can work off and their link brings; rank 0's host does
    /// the rest. All rates here are parts of the whole in a nanosecond.
    pub(super) fn forecast(&self, site: &Site) -> Forecast {
        let sent = self.bytes.0 + self.bytes.1;
        let wire = site.wire_ns(self.bytes);
        let near = site.taking(sent * COPY_NS * 2.0 * site.near());
        let here = number(site.rank0_threads as u64);
        let elsewhere = number((site.threads - site.rank0_threads) as u64);
        let cores = number(site.rank0_cores as u64);
        let costs_more = wire > self.core_ns;
        if costs_more && self.goes_to_all {
            // To send it costs rank 0 more than to do it.
            let part = elsewhere / number(site.threads as u64);
            let ns = self.rank0_ns + near + self.core_ns * (1.0 - part) + wire * part;
            let link = self.bytes.0.max(self.bytes.1) * part / site.link;
            return Forecast { ns: (ns / cores).max(link), bottleneck: Bottleneck::Rank0 };
        }
        let by_cores = elsewhere / (self.core_ns + wire);
        let (by_link, link) = if self.bytes.0 > self.bytes.1 {
            (site.link / self.bytes.0, Bottleneck::LinkOut)
        } else {
            (site.link / self.bytes.1, Bottleneck::LinkIn)
        };
        let far = if elsewhere > 0.0 && !costs_more { by_cores.min(by_link) } else { 0.0 };
        let first = if far < by_cores { link } else { Bottleneck::Cores };
        // All cores of rank 0's host, with what it does for the others; and its threads.
        let with_rank0 =
            (self.core_ns + self.rank0_ns + near) / (cores + far * (self.core_ns - wire));
        let by_threads = self.core_ns / (here + far * self.core_ns);
        // Others cannot do more than all of it.
        let others = if far > 0.0 { 1.0 / far } else { f64::INFINITY };
        let busy = (self.rank0_ns + wire) / cores;
        let ns = with_rank0.max(by_threads);
        if ns < others {
            return Forecast { ns, bottleneck: first };
        }
        Forecast::longest([
            Forecast { ns: others, bottleneck: first },
            Forecast { ns: busy, bottleneck: Bottleneck::Rank0 },
        ])
    }
}
