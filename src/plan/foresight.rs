//! What a run expects of its images, corrected by what it sees of them.

use std::time::Instant;

use super::{
    Arrived, Cluster, Experience, Forecast, ImageLoad, ImageShape, Links, Pace, PixelCost, Site,
    Way, WholeImages, even_part, in_bands,
};
use crate::hash::Checksum;
use crate::ops::chain::Chain;

/// Bands must save so much of the time that whole images take: the model is not better than that.
const WORTH_IT: f64 = 0.9;
/// With so many images for each thread, whole ones have their memory from those before, and the wait
/// for the last ones is short.
const MANY: usize = 16;
/// Images of which the mean is taken for those to come.
const MOST_SEEN: usize = 256;
/// Images to be seen before the rest is foreseen: at least so many, and so many for each thread.
const FEWEST_SEEN: usize = 8;
const SEEN_PER_THREAD: usize = 2;

/// What is expected.
#[derive(Clone, Debug)]
pub struct Foresight {
    site: Site,
    links: Links,
    experience: Experience,
    /// Whole images that were done, as they were expected.
    seen: Vec<ImageLoad>,
}

impl Foresight {
    /// Of the ranks of `cluster`, before any image was seen; of their links, what is known.
    #[must_use]
    pub fn new(cluster: &Cluster, links: Links) -> Self {
        let site = Site::of(cluster, links.rate());
        Self { site, links, experience: Experience::default(), seen: Vec::new() }
    }

    /// The same where results are hashed so.
    #[must_use]
    pub fn hashing(mut self, checksum: Checksum) -> Self {
        self.site.checksum = checksum;
        self
    }

    /// Something that a rank was sent, or has sent, has arrived at `now`.
    pub fn arrived(&mut self, link: (usize, Way), arrived: Arrived, now: Instant) {
        self.links.add(link, arrived, now);
        self.site.link = self.links.rate();
    }

    /// What is expected of an image.
    #[must_use]
    pub fn load(&self, shape: &ImageShape, chain: &Chain) -> ImageLoad {
        let expected = PixelCost::expected(shape, chain);
        ImageLoad::new(shape, chain, self.experience.correct(expected))
    }

    /// A rank took an image whole: microseconds to decode, filter and encode it, and the bytes of
    /// the result.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub fn saw(&mut self, shape: &ImageShape, chain: &Chain, times_us: [u64; 3], result: u64) {
        let expected = PixelCost::expected(shape, chain);
        self.experience.add(&expected, shape.pixels(), times_us);
        if self.seen.len() < MOST_SEEN {
            self.seen.push(ImageLoad::new(shape, chain, expected).with_result(result as f64));
        }
    }

    /// An image was decoded, filtered and encoded in bands: microseconds of all who worked on it.
    pub fn saw_in_bands(&mut self, shape: &ImageShape, chain: &Chain, times_us: [u64; 3]) {
        let load = ImageLoad::new(shape, chain, PixelCost::expected(shape, chain));
        self.experience.add(&load.seen_in_bands(&self.site), shape.pixels(), times_us);
    }

    /// What an image takes on rank `rank`, whose file and result go over a link, unless it `sees_files`.
    #[must_use]
    pub fn pace(&self, load: &ImageLoad, rank: usize, sees_files: bool) -> Pace {
        let bytes = if sees_files { (0.0, 0.0) } else { load.bytes };
        Pace { work: load.alone_ns(&self.site), link: self.links.crossing(rank, bytes) }
    }

    /// The ranks, as far as speed goes.
    #[must_use]
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// Whether an image, one of `images` like it, is done sooner in bands.
    #[must_use]
    pub fn bands_pay(&self, load: &ImageLoad, images: usize) -> bool {
        if images >= self.site.threads * MANY {
            return false;
        }
        let whole = WholeImages::same(load, images as u64, &self.site).forecast(&self.site);
        let bands = in_bands(load, images as u64, &self.site).ns;
        bands < whole.ns * WORTH_IT
    }

    /// Images of which it learned.
    #[must_use]
    pub fn seen(&self) -> usize {
        self.seen.len()
    }

    /// How long `left` images more take, once enough have been seen.
    #[must_use]
    pub fn rest(&self, left: usize) -> Option<Forecast> {
        if self.seen.len() < FEWEST_SEEN.max(SEEN_PER_THREAD * self.site.threads).min(MOST_SEEN) {
            return None;
        }
        let mut rest = WholeImages::default();
        for (index, load) in self.seen.iter().enumerate() {
            let count = even_part(left as u64, index, self.seen.len());
            let cost = self.experience.correct(load.cost);
            rest.add(&ImageLoad { cost, ..*load }, count, &self.site);
        }
        Some(rest.forecast(&self.site))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image_file::Format;
    use crate::ops::Simd;
    use crate::plan::Piece;
    use crate::plan::cluster::test_cluster;
    use crate::plan::links::LINK;

    fn shape(width: usize, height: usize, in_pieces: bool) -> ImageShape {
        let pixel_bytes = width as u64 * height as u64 * 3;
        ImageShape {
            width,
            height,
            channels: 3,
            file_bytes: pixel_bytes / 2,
            input: Format::Png,
            output: Format::Png,
            decode_bytes: 2 * pixel_bytes,
            encode_bytes: pixel_bytes,
            reader_bytes: Some(1 << 20),
            writer_bytes: pixel_bytes,
            source_bytes: 1 << 20,
            piece: in_pieces.then_some(Piece { rows: 1, bytes: 1 << 20 }),
            unit_rows: None,
        }
    }

    fn chain(op: &str) -> Chain {
        Chain::build(&[op.parse().unwrap()], Simd::scalar()).unwrap()
    }

    fn pays(op: &str, ranks: usize, images: usize, in_pieces: bool, link: f64) -> bool {
        let cluster = test_cluster(ranks, 1 << 40);
        let foresight = Foresight::new(&cluster, Links::new(&cluster).assuming(link));
        let load = foresight.load(&shape(20_000, 10_000, in_pieces), &chain(op));
        foresight.bands_pay(&load, images)
    }

    #[test]
    fn bands_pay_where_threads_would_be_idle_and_the_network_is_fast() {
        assert!(pays("blur:ksize=255", 4, 1, true, LINK));
        assert!(pays("blur:ksize=255", 4, 1, false, LINK), "rank 0 encodes meanwhile");
        assert!(!pays("blur:ksize=255", 4, 4, true, LINK), "an image for each, and nothing saved");
        assert!(pays("blur:ksize=255", 4, 5, true, LINK), "three threads would wait for the last");
        assert!(!pays("blur:ksize=255", 4, 16, true, LINK), "they would not wait for long");
        assert!(!pays("blur:ksize=255", 1, 1, true, LINK), "one thread");
        assert!(!pays("invert", 4, 3, false, LINK / 100.0), "a slow network");
    }

    #[test]
    fn a_tiny_image_is_not_worth_three_threads() {
        let cluster = test_cluster(2, 1 << 40);
        let foresight = Foresight::new(&cluster, Links::new(&cluster));
        for op in ["invert", "blur", "canny"] {
            let load = foresight.load(&shape(30, 20, true), &chain(op));
            assert!((1..9).all(|images| !foresight.bands_pay(&load, images)), "{op}");
        }
    }

    #[test]
    fn what_is_foreseen_follows_what_was_seen() {
        let cluster = test_cluster(2, 1 << 40);
        let (mut foresight, chain) =
            (Foresight::new(&cluster, Links::new(&cluster)), chain("invert"));
        let shape = shape(1000, 1000, false);
        for _ in 0..FEWEST_SEEN {
            assert_eq!(foresight.rest(100), None);
            foresight.saw(&shape, &chain, [10_000, 2_000, 30_000], 1_000_000);
        }
        let seconds = foresight.rest(100).unwrap().ns / 1e9;
        // 42 ms each and their files, two at a time, and what messages cost.
        assert!((2.0..2.3).contains(&seconds), "{seconds}");
    }
}
