//! An image, as far as speed goes.

use super::bands::rows_on_their_way;
use super::filing::{self, BandFiling, ByRanks};
use super::site::number;
use super::{ImageShape, PixelCost, Site, is_spread};
use crate::image_file::Format;
use crate::ops::chain::{Chain, Round};

/// Nanoseconds of a rank's core for each image beside its pixels: opening, tables, a message.
const IMAGE_NS: f64 = 100_000.0;

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
    pub(super) fn memory(&self, site: &Site) -> (f64, f64) {
        let is_cut = self.is_spread && site.threads_per_rank() > 1;
        let held = |at_once: f64, channels: f64| {
            if is_cut { self.pixels * channels } else { at_once }
        };
        let (read, made) =
            (held(self.at_once.0, self.channels.0), held(self.at_once.1, self.channels.1));
        (self.bytes.0 + read, self.bytes.1 + made)
    }

    /// Nanoseconds of cores for all of it, on whichever rank, which has the memory.
    pub(super) fn core_ns(&self, site: &Site) -> f64 {
        let beside = site.taking(IMAGE_NS + filing::whole(self.bytes, site.checksum));
        (self.pixels * self.cost.sum() + beside) * site.slowed()
    }

    /// Bytes of its rows that are on their way at a time, when it goes in bands.
    fn rows_on_their_way(&self, site: &Site) -> f64 {
        let room = rows_on_their_way(site.ranks, site.threads_per_rank());
        number(room).min(self.pixels * self.channels.0) + self.at_once.0
    }

    /// Whether ranks read their rows of it themselves, when it goes in bands, and write them.
    pub(super) fn by_ranks(&self, site: &Site) -> (bool, bool) {
        let (reads, writes) = self.has_places;
        (reads && site.shares_files, writes && site.shares_files)
    }

    /// What its files take when it goes in bands.
    pub(super) fn band_filing(&self, site: &Site) -> BandFiling {
        let pixels = (self.rows_on_their_way(site), self.at_once.1);
        let (reads, writes) = self.by_ranks(site);
        let hashes = self.has_places.1 && !site.checksum.is_serial();
        let by_ranks = ByRanks { reads, writes, hashes };
        BandFiling::new(self.bytes, pixels, (site.checksum, by_ranks))
    }

    /// What is seen of it in bands, if it costs what is expected: its source reads while it decodes.
    pub(super) fn seen_in_bands(&self, site: &Site) -> PixelCost {
        let reading = self.band_filing(site).reading;
        PixelCost { decode: self.cost.decode + reading / self.pixels, ..self.cost }
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
