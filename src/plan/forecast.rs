//! How long a job takes, and what holds it up: a model of a run.
//!
//! Each thing that a run needs is busy for some time: the cores, rank 0's own threads, its link to
//! the network, a storage that all share. As they work at the same time, the run takes as long as
//! the one that is busy longest.

use std::fmt::{self, Display, Formatter};

use super::bands::rows_on_their_way;
use super::filing::{self, BandFiling};
use super::rehearsal::{Stage, rehearse};
use super::{Cluster, Crossing, ImageShape, Pace, PixelCost, files_ahead, is_spread};
use crate::image_file::Format;
use crate::ops::chain::{Chain, Round};

/// Nanoseconds of a rank's core for each image beside its pixels: opening, tables, a message.
const IMAGE_NS: f64 = 100_000.0;
/// Nanoseconds of rank 0's cores for each image: its header, messages, the journal; a file made, synced
/// and renamed.
const RANK0_IMAGE_NS: f64 = 500_000.0;
/// Nanoseconds of rank 0's cores for each image in bands, beside that: threads that read, write and hash
/// it, and what they say.
const BANDS_IMAGE_NS: f64 = 600_000.0;
/// Of an image's, those of the one thread that talks to all ranks and keeps the account.
const DESK_IMAGE_NS: f64 = 30_000.0;
/// Nanoseconds of a core, at each end, for a byte that goes over the network.
const WIRE_NS: f64 = 0.4;
/// The part of a core that a rank looks for messages with, if there are others, and as much again
/// while a link is busy.
const LOOKING: f64 = 0.02;
/// Nanoseconds of a core, at each end, for a byte that goes to another rank of the same host.
const COPY_NS: f64 = 0.15;
/// A job of fewer images for each thread is rehearsed one by one, if that takes no more steps.
const FEW: usize = 16;
const MOST_STEPS: usize = 1 << 16;
/// A job that takes so many times as long as many images would waits for its last ones.
const MANY: f64 = 1.25;
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
        }
    }

    /// Nanoseconds here for what takes a whole core `ns`.
    fn taking(&self, ns: f64) -> f64 {
        ns / self.core
    }

    /// How much longer work takes than where nobody looks for messages.
    fn slowed(&self) -> f64 {
        let looking = self.taking(LOOKING) / number(self.threads_per_rank() as u64);
        if self.ranks > 1 { 1.0 / (1.0 - looking) } else { 1.0 }
    }

    fn threads_per_rank(&self) -> usize {
        (self.threads / self.ranks).max(1)
    }

    /// The part of the work of rank 0's host that other ranks there do.
    fn near(&self) -> f64 {
        let of_rank0 = number(self.threads as u64) / number(self.ranks as u64);
        (1.0 - of_rank0 / number(self.rank0_threads as u64)).max(0.0)
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn number(count: u64) -> f64 {
    count as f64
}

/// An image, as far as speed goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ImageLoad {
    /// Columns times rows.
    pub pixels: f64,
    /// What it costs.
    pub cost: PixelCost,
    /// Bytes in a pixel, before and after.
    pub channels: (f64, f64),
    /// Bytes of the file, and of its result.
    pub bytes: (f64, f64),
    /// Bytes of pixels that are held where they are decoded or encoded at once, however it goes.
    pub at_once: (f64, f64),
    /// Whether its rows have places in the file that its ranks know, and in its result.
    pub has_places: (bool, bool),
    /// Whether ranks encode the rows that they have filtered.
    pub in_pieces: bool,
    /// Whether one rank filters it with all of its threads.
    pub is_spread: bool,
    /// Whether none of it can be encoded before all of it is decoded.
    pub is_global: bool,
}

impl ImageLoad {
    /// An image of `shape` that costs `cost`, if `chain` filters it.
    #[must_use]
    pub fn new(shape: &ImageShape, chain: &Chain, cost: PixelCost) -> Self {
        let made = chain.output_channels(shape.channels);
        let (pixels, channels) =
            (number(shape.pixels()), (number(shape.channels as u64), number(made as u64)));
        let own = number(shape.file_bytes);
        let result = if shape.input == shape.output {
            own * channels.1 / channels.0
        } else {
            pixels * channels.1 * bytes_per_sample(shape.output)
        };
        let all_pixels =
            |is_held: bool, channels: f64| if is_held { pixels * channels } else { 0.0 };
        let decoded = all_pixels(shape.reader_bytes.is_none(), channels.0);
        // What is written by rows is encoded as it comes.
        let made = all_pixels(shape.writer_bytes != shape.encode_bytes, channels.1);
        // A file that is as long as its pixels holds them as they are.
        let is_plain = matches!(shape.input, Format::Tiff | Format::Pnm)
            && shape.reader_bytes.is_some()
            && own >= pixels * channels.0;
        Self {
            pixels,
            cost,
            channels,
            bytes: (own, result),
            at_once: (decoded, made),
            has_places: (is_plain, shape.piece.is_some_and(|piece| piece.bytes == 0)),
            in_pieces: shape.piece.is_some(),
            is_spread: is_spread(chain),
            is_global: chain.rounds().iter().any(Round::is_global),
        }
    }

    /// The same with a result of `bytes` bytes.
    #[must_use]
    pub fn with_result(mut self, bytes: f64) -> Self {
        self.bytes.1 = bytes;
        self
    }

    /// Bytes of memory that a rank needs for it whole: for what it reads, and for what it makes.
    fn memory(&self, site: &Site) -> (f64, f64) {
        let is_cut = self.is_spread && site.threads_per_rank() > 1;
        let held = |at_once: f64, channels: f64| {
            if is_cut { self.pixels * channels } else { at_once }
        };
        let (read, made) =
            (held(self.at_once.0, self.channels.0), held(self.at_once.1, self.channels.1));
        (self.bytes.0 + read, self.bytes.1 + made)
    }

    /// Nanoseconds of cores for all of it, on whichever rank, which has the memory.
    fn core_ns(&self, site: &Site) -> f64 {
        let beside = site.taking(IMAGE_NS + filing::whole(self.bytes));
        (self.pixels * self.cost.sum() + beside) * site.slowed()
    }

    /// Bytes of its rows that are on their way at a time, when it goes in bands.
    fn rows_on_their_way(&self, site: &Site) -> f64 {
        let room = rows_on_their_way(site.ranks, site.threads_per_rank());
        number(room).min(self.pixels * self.channels.0) + self.at_once.0
    }

    /// Whether ranks read their rows of it themselves, when it goes in bands, and write them.
    fn by_ranks(&self, site: &Site) -> (bool, bool) {
        let (reads, writes) = self.has_places;
        (reads && site.shares_files, writes && site.shares_files)
    }

    fn band_filing(&self, site: &Site) -> BandFiling {
        let pixels = (self.rows_on_their_way(site), self.at_once.1);
        BandFiling::new(self.bytes, pixels, self.by_ranks(site))
    }

    /// Nanoseconds until a rank that has nothing else to do has filtered it.
    pub(super) fn alone_ns(&self, site: &Site) -> f64 {
        let filter = self.pixels * self.cost.filter;
        let threads = if self.is_spread { site.threads_per_rank() } else { 1 };
        self.core_ns(site) - filter + filter / number(threads as u64)
    }
}

/// Bytes that a photograph takes in a file, for each byte of its pixels.
fn bytes_per_sample(format: Format) -> f64 {
    match format {
        Format::Jpeg => 0.15,
        Format::Png | Format::WebP => 0.5,
        Format::Tiff | Format::Bmp | Format::Pnm | Format::Gif | Format::Qoi => 1.0,
    }
}

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
    fn longest(parts: impl IntoIterator<Item = Self>) -> Self {
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
        // Where images are few, the last ones leave threads idle, and wait for links.
        let few = match self.few() {
            Some(count) if count / FEW < site.threads && count * site.ranks < MOST_STEPS => {
                rehearse(&self.stage(sent, site), count)
            }
            Some(_) | None => self.longest_ns,
        };
        // What is held up by something else as well is told as such.
        let few = Forecast {
            ns: few,
            bottleneck: if few > all.ns * MANY { Bottleneck::Images } else { all.bottleneck },
        };
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
}

impl WholeImages {
    fn few(&self) -> Option<usize> {
        usize::try_from(self.count).ok().filter(|&count| count > 0)
    }

    /// Ranks that take images like the mean of these, of which `sent` bytes go over links.
    fn stage(&self, sent: (f64, f64), site: &Site) -> Stage {
        let images = number(self.count);
        let threads = site.threads_per_rank();
        let (out, back) = (sent.0 / images / site.link, sent.1 / images / site.link);
        let link = Crossing { out, back, at_rank0: out.max(back) };
        let wire = wire_ns(sent, site) / images;
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

/// What is seen of an image in bands that costs what is expected: its source reads while it decodes.
pub(super) fn seen_in_bands(load: &ImageLoad, site: &Site) -> PixelCost {
    let reading = load.band_filing(site).reading;
    PixelCost { decode: load.cost.decode + reading / load.pixels, ..load.cost }
}

/// Nanoseconds of a core at each end for bytes that go over a link both ways.
fn wire_ns((out, back): (f64, f64), site: &Site) -> f64 {
    site.taking((out + back) * WIRE_NS + out.max(back) / site.link * LOOKING)
}

fn of_storage(bytes: (f64, f64), site: &Site) -> Forecast {
    let ns = site.storage.map_or(0.0, |storage| (bytes.0 + bytes.1) / storage);
    Forecast { ns, bottleneck: Bottleneck::Storage }
}

/// Work that goes to whichever rank has room for it.
struct Spread {
    /// For the threads of all ranks.
    core_ns: f64,
    /// For rank 0's host, whoever does the rest.
    rank0_ns: f64,
    /// Bytes to a rank, and back, if another does all of it.
    bytes: (f64, f64),
    /// Whether each rank gets its part, as of bands; else who is done with it first, as of images.
    goes_to_all: bool,
}

impl Spread {
    /// Other hosts take as much of it as they can work off and their link brings; rank 0's host does
    /// the rest. All rates here are parts of the whole in a nanosecond.
    fn forecast(&self, site: &Site) -> Forecast {
        let sent = self.bytes.0 + self.bytes.1;
        let wire = wire_ns(self.bytes, site);
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

#[cfg(test)]
mod tests {
    use super::*;

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
