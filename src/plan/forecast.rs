//! How long a job takes, and what holds it up: a model of a run.
//!
//! Each thing that a run needs is busy for some time: the cores, rank 0's own threads, its link to
//! the network, a storage that all share. As they work at the same time, the run takes as long as
//! the one that is busy longest.

use std::fmt::{self, Display, Formatter};

use super::filing;
use super::rehearsal::{Stage, rehearse};
use super::site::number;
use super::spread::{COPY_NS, Spread};
use super::{Crossing, ImageLoad, Pace, Site, files_ahead};

/// Nanoseconds of rank 0's cores for each image: its header, messages, the journal; a file made, synced
/// and renamed.
const RANK0_IMAGE_NS: f64 = 500_000.0;
/// Nanoseconds of rank 0's cores for each image in bands, beside that: threads that read, write and hash
/// it, and what they say.
const BANDS_IMAGE_NS: f64 = 600_000.0;
/// Of an image's, those of the one thread that talks to all ranks and keeps the account.
const DESK_IMAGE_NS: f64 = 30_000.0;
/// A job of fewer images for each thread is rehearsed one by one, if that takes no more steps.
const FEW: usize = 16;
const MOST_STEPS: usize = 1 << 16;
/// A job that takes so many times as long as many images would waits for its last ones.
const MANY: f64 = 1.25;

/// What a run waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bottleneck {
    /// The cores that decode, filter and encode.
    Cores,
    /// There are too few images for all threads.
    Images,
    /// Rank 0's cores, with what it does for each image and byte.
    Rank0,
    /// The link that files and rows leave rank 0's host by.
    LinkOut,
    /// The link that results come in by.
    LinkIn,
    /// The storage that all ranks share.
    Storage,
    /// Rank 0 decodes an image in bands alone.
    Decoding,
    /// Rank 0 encodes an image in bands alone.
    Encoding,
    /// Rank 0 hashes and writes an image in bands alone.
    Writing,
}

impl Display for Bottleneck {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Cores => "cores",
            Self::Images => "too few images",
            Self::Rank0 => "rank 0",
            Self::LinkOut => "network out of rank 0",
            Self::LinkIn => "network into rank 0",
            Self::Storage => "storage",
            Self::Decoding => "decoding on rank 0",
            Self::Encoding => "encoding on rank 0",
            Self::Writing => "writing on rank 0",
        })
    }
}

/// What is foreseen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// Nanoseconds from the first image to the last.
    pub ns: f64,
    /// What they are spent with.
    pub bottleneck: Bottleneck,
}

impl Forecast {
    /// The one that is waited for longest.
    pub(super) fn longest(parts: impl IntoIterator<Item = Self>) -> Self {
        let none = Self { ns: 0.0, bottleneck: Bottleneck::Cores };
        parts
            .into_iter()
            .fold(none, |longest, part| if part.ns > longest.ns { part } else { longest })
    }
}

/// How many of `count` things go to part `index` of `parts` that differ by one at most.
#[must_use]
pub fn even_part(count: u64, index: usize, parts: usize) -> u64 {
    let (index, parts) = (index as u64, parts as u64);
    count / parts + u64::from(index < count % parts)
}

/// Images that ranks take whole.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WholeImages {
    count: u64,
    core_ns: f64,
    longest_ns: f64,
    bytes: (f64, f64),
    memory: (f64, f64),
}

impl WholeImages {
    /// `count` times the same.
    #[must_use]
    pub fn same(load: &ImageLoad, count: u64, site: &Site) -> Self {
        let mut images = Self::default();
        images.add(load, count, site);
        images
    }

    /// `count` images more.
    pub fn add(&mut self, load: &ImageLoad, count: u64, site: &Site) {
        let images = number(count);
        self.count += count;
        self.core_ns += load.core_ns(site) * images;
        let memory = load.memory(site);
        let first_ns = load.alone_ns(site) + site.taking(filing::fresh(memory, 1.0, 1.0));
        self.longest_ns = self.longest_ns.max(first_ns);
        for (sum, own) in [(&mut self.bytes, load.bytes), (&mut self.memory, memory)] {
            sum.0 += own.0 * images;
            sum.1 += own.1 * images;
        }
    }

    /// Nanoseconds of cores, those for memory among them.
    fn core_ns(&self, site: &Site) -> f64 {
        let (images, threads) = (number(self.count), number(site.threads as u64));
        self.core_ns + site.taking(filing::fresh(self.memory, images.max(1.0), threads))
    }

    /// How long they take.
    #[must_use]
    pub fn forecast(&self, site: &Site) -> Forecast {
        let images = number(self.count);
        let sent = if site.shares_files { (0.0, 0.0) } else { self.bytes };
        let all = Spread {
            core_ns: self.core_ns(site),
            rank0_ns: site.taking(images * RANK0_IMAGE_NS),
            bytes: sent,
            goes_to_all: false,
        };
        let all = all.forecast(site);
        let ns = self.few_ns(sent, site);
        // What is held up by something else as well is told as such.
        let bottleneck = if ns > all.ns * MANY { Bottleneck::Images } else { all.bottleneck };
        let few = Forecast { ns, bottleneck };
        // Each host reads and writes its part.
        let hosts = if site.shares_files { number(site.hosts as u64) } else { f64::INFINITY };
        Forecast::longest([
            all,
            few,
            Forecast { ns: site.taking(images * DESK_IMAGE_NS), bottleneck: Bottleneck::Rank0 },
            Forecast { ns: self.bytes.0 / hosts / site.link, bottleneck: Bottleneck::LinkIn },
            Forecast { ns: self.bytes.1 / hosts / site.link, bottleneck: Bottleneck::LinkOut },
            of_storage(self.bytes, site),
        ])
    }

    /// Nanoseconds that images take if they are few: the last ones leave threads idle, and wait for
    /// links.
    fn few_ns(&self, sent: (f64, f64), site: &Site) -> f64 {
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        let are_few = count / FEW < site.threads && count.saturating_mul(site.ranks) < MOST_STEPS;
        if count > 0 && are_few {
            rehearse(&self.stage(sent, site), count)
        } else {
            self.longest_ns
        }
    }

    /// Ranks that take images like the mean of these, of which `sent` bytes go over links.
    fn stage(&self, sent: (f64, f64), site: &Site) -> Stage {
        let images = number(self.count);
        let threads = site.threads_per_rank();
        let (out, back) = (sent.0 / images / site.link, sent.1 / images / site.link);
        let link = Crossing { out, back, at_rank0: out.max(back) };
        let wire = site.wire_ns(sent) / images;
        let work = if images < number(site.threads as u64) {
            self.longest_ns
        } else {
            self.core_ns(site) / images
        };
        let is_full = site.rank0_cores <= site.rank0_threads;
        let beside = |ns: f64| if is_full { ns } else { 0.0 };
        Stage {
            near: (site.rank0_threads / threads).clamp(1, site.ranks),
            ranks: site.ranks,
            threads,
            paces: [Pace { work, link: Crossing::default() }, Pace { work: work + wire, link }],
            beside: [0.0, wire].map(|wire| beside(site.taking(RANK0_IMAGE_NS) + wire)),
        }
    }
}

/// How long `images` images like one take in bands, which all ranks work on.
#[must_use]
pub fn in_bands(load: &ImageLoad, images: u64, site: &Site) -> Forecast {
    let cost = &load.cost;
    let (decode, filter, encode) =
        (load.pixels * cost.decode, load.pixels * cost.filter, load.pixels * cost.encode);
    let (on_ranks, on_rank0, back) = if load.in_pieces {
        (filter + encode, decode, load.bytes.1)
    } else {
        (filter, decode + encode, load.pixels * load.channels.1)
    };
    let filing = load.band_filing(site);
    let (reads, writes) = load.by_ranks(site);
    let sent = |bytes: f64, by_rank: bool| if by_rank { 0.0 } else { bytes };
    let bytes = (sent(load.pixels * load.channels.0, reads), sent(back, writes));
    // Rows that stay in the process are copied, too.
    let copying = (bytes.0 + bytes.1) * COPY_NS;
    let beside = RANK0_IMAGE_NS + BANDS_IMAGE_NS + filing.of_rank0() + copying;
    let rank0_ns = on_rank0 + site.taking(beside);
    let on_ranks = on_ranks + site.taking(filing.ranks);
    let alone = if load.in_pieces { 0.0 } else { encode };
    // Rows are encoded while others are decoded, but behind a global pass.
    let (decoding, encoding) = if load.is_global {
        let at_end = if load.in_pieces { encode / number(site.threads as u64) } else { encode };
        // No row comes back before the last was decoded.
        (decode + site.taking(bytes.1 * COPY_NS) + at_end, 0.0)
    } else {
        (decode, alone)
    };
    // Threads of one image do not wait for those of another that is under way.
    let turns = number(images.div_ceil(files_ahead(site.ranks, site.threads) as u64));
    let thread = |ns: f64, bottleneck| Forecast { ns: ns * turns, bottleneck };
    let core_ns = on_ranks * site.slowed();
    let all = Spread { core_ns, rank0_ns, bytes, goes_to_all: true }.forecast(site);
    Forecast::longest([
        Forecast { ns: all.ns * number(images), ..all },
        thread(site.taking(filing.source()) + decoding, Bottleneck::Decoding),
        thread(site.taking(filing.sink) + encoding, Bottleneck::Encoding),
        thread(site.taking(filing.hasher), Bottleneck::Writing),
        of_storage((load.bytes.0 * number(images), load.bytes.1 * number(images)), site),
    ])
}

fn of_storage(bytes: (f64, f64), site: &Site) -> Forecast {
    let ns = site.storage.map_or(0.0, |storage| (bytes.0 + bytes.1) / storage);
    Forecast { ns, bottleneck: Bottleneck::Storage }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Checksum;
    use crate::plan::PixelCost;

    /// A photograph of 12 megapixels, JPEG to JPEG.
    fn photograph() -> ImageLoad {
        ImageLoad {
            pixels: 12e6,
            cost: PixelCost { decode: 3.7, filter: 0.3, encode: 3.1 },
            channels: (3.0, 3.0),
            bytes: (5e6, 4e6),
            at_once: (0.0, 0.0),
            has_places: (false, false),
            in_pieces: false,
            is_spread: false,
            is_global: false,
        }
    }

    /// Bytes in a nanosecond of so many Gbit/s.
    fn gbit(rate: f64) -> f64 {
        rate / 8.0
    }

    fn seconds(images: u64, site: &Site) -> f64 {
        WholeImages::same(&photograph(), images, site).forecast(site).ns / 1e9
    }

    #[test]
    fn cores_share_images_until_the_network_is_full() {
        let site = |ranks| Site { link: gbit(25.0), ..Site::planned(ranks, 1, 1) };
        let one = seconds(10_000, &site(1));
        let four = seconds(10_000, &site(4));
        assert!((3.5..4.0).contains(&(one / four)), "{}", one / four);
        let forecast =
            |ranks| WholeImages::same(&photograph(), 100_000, &site(ranks)).forecast(&site(ranks));
        assert_eq!(forecast(4).bottleneck, Bottleneck::Cores);
        // 5 MB for an image of 91 ms: 25 Gbit/s carry 625 images a second.
        assert_eq!(forecast(1024).bottleneck, Bottleneck::Rank0);
        let shared = Site { shares_files: true, ..site(256) };
        assert!(
            WholeImages::same(&photograph(), 100_000, &shared).forecast(&shared).ns
                < forecast(256).ns
        );
    }

    #[test]
    fn a_slow_network_is_named() {
        let site = Site { link: gbit(0.1), ..Site::planned(8, 1, 4) };
        let forecast = WholeImages::same(&photograph(), 1000, &site).forecast(&site);
        assert_eq!(forecast.bottleneck, Bottleneck::LinkOut);
        // Rank 0's host alone, and what comes over the network beside it.
        let images_per_ns = 4.0 / 91.2e6 + gbit(0.1) / 5e6;
        assert!((forecast.ns * images_per_ns / 1000.0 - 1.0).abs() < 0.04, "{}", forecast.ns);
    }

    #[test]
    fn few_images_leave_threads_idle() {
        let site = Site::planned(4, 1, 4);
        assert!((seconds(1, &site) / seconds(16, &site) - 1.0).abs() < 0.2);
        let forecast = WholeImages::same(&photograph(), 1, &site).forecast(&site);
        assert_eq!(forecast.bottleneck, Bottleneck::Images);
    }

    #[test]
    fn bands_pay_for_one_large_image_that_is_encoded_in_pieces() {
        let site = Site { link: gbit(25.0), ..Site::planned(4, 1, 2) };
        let large = ImageLoad {
            pixels: 400e6,
            in_pieces: true,
            cost: PixelCost { decode: 0.4, filter: 1.0, encode: 8.0 },
            ..photograph()
        };
        let whole = WholeImages::same(&large, 1, &site).forecast(&site).ns;
        assert!(in_bands(&large, 1, &site).ns < whole / 4.0);
        let alone = Site::planned(1, 1, 1);
        assert!(
            in_bands(&large, 1, &alone).ns >= WholeImages::same(&large, 1, &alone).core_ns * 0.99
        );
    }

    #[test]
    fn a_global_pass_waits_for_the_last_row_before_the_first_is_encoded() {
        let site = Site { link: gbit(100.0), ..Site::planned(64, 1, 16) };
        let forecast = in_bands(&ImageLoad { is_global: true, ..photograph() }, 1, &site);
        // .. with the file, and memory for all rows at once.
        assert!((1.0..1.4).contains(&(forecast.ns / (12e6 * (3.7 + 3.1)))), "{}", forecast.ns);
    }

    #[test]
    fn rows_that_ranks_read_and_write_cross_no_network() {
        let plain = ImageLoad {
            bytes: (36e6, 36e6),
            has_places: (true, true),
            in_pieces: true,
            ..photograph()
        };
        let site = Site { link: 25e6 / 8e9, shares_files: true, ..Site::planned(4, 1, 1) };
        let alone = in_bands(&plain, 1, &Site::planned(1, 1, 1));
        let shared = in_bands(&plain, 1, &site);
        assert!(shared.ns < alone.ns / 2.0, "{shared:?} {alone:?}");
        let sent = in_bands(&plain, 1, &Site { shares_files: false, ..site });
        assert!(sent.ns > alone.ns * 0.8, "{sent:?} {alone:?}");
    }

    #[test]
    fn many_ranks_that_hash_their_own_rows_do_not_wait_for_rank_0() {
        let bytes = 1.2e9;
        let huge = ImageLoad {
            cost: PixelCost { decode: 0.0, filter: 0.2, encode: 0.0 },
            pixels: bytes / 3.0,
            bytes: (bytes, bytes),
            has_places: (true, true),
            in_pieces: true,
            ..photograph()
        };
        let site = Site { shares_files: true, ..Site::planned(16, 1, 4) };
        let by_one = in_bands(&huge, 1, &site);
        assert_eq!(by_one.bottleneck, Bottleneck::Writing);
        // SHA-256 of all of it, and reading it back.
        assert!((0.7..1.0).contains(&(by_one.ns / bytes)), "{by_one:?}");
        let by_all = in_bands(&huge, 1, &Site { checksum: Checksum::Blake3, ..site });
        assert!(by_all.ns < by_one.ns / 2.0, "{by_all:?}");
        // The same work on one core, but for the hash.
        let alone = |checksum| in_bands(&huge, 1, &Site { checksum, ..Site::planned(1, 1, 1) }).ns;
        let saved = alone(Checksum::Sha256) - alone(Checksum::Blake3);
        assert!((0.1..0.5).contains(&(saved / bytes)), "{saved}");
    }

    #[test]
    fn rows_that_cost_less_than_their_way_hold_up_rank_0() {
        let site = Site { link: gbit(8.0), ..Site::planned(3, 1, 1) };
        let forecast = in_bands(&photograph(), 100, &site);
        assert_eq!(forecast.bottleneck, Bottleneck::Rank0);
        assert!(forecast.ns > 100.0 * 12e6 * (3.7 + 3.1));
    }

    #[test]
    fn rank_0_holds_up_what_it_decodes_alone() {
        let site = Site { link: gbit(100.0), ..Site::planned(64, 1, 16) };
        let forecast = in_bands(&photograph(), 1, &site);
        assert_eq!(forecast.bottleneck, Bottleneck::Decoding);
        // .. with the file, and memory for all rows at once.
        assert!((1.0..1.6).contains(&(forecast.ns / (12e6 * 3.7))), "{}", forecast.ns);
    }
}
