//! Whole images or bands: chosen for each image by its size and cost.

use super::bands::{Flow, Room, kept_bytes};
use super::{Cluster, Foresight, ImageShape};
use crate::error::ImageError;
use crate::ops::chain::{Chain, Round};
use crate::settings::Distribution;

/// Nanoseconds for a colour pixel on one core above which a chain is worth more threads than one.
/// Decoding and encoding, which stay on one thread, take 7 for a JPEG; the first touch of memory for
/// the whole picture, before and after, takes 2.
const SPREAD_COST: f32 = 4.0;

/// What joining encoded pieces takes beside them.
const JOINER_BYTES: u64 = 1 << 20;

/// An image that takes a lone rank more bytes streams through it in bands: no network is in the way,
/// and nobody holds its file or its result.
const LARGE_BYTES: u64 = 256 << 20;

/// Whether a rank cuts a whole image among its free threads. Otherwise one thread takes it from its
/// file to the result's, by rows where the formats allow it.
#[must_use]
pub fn is_spread(chain: &Chain) -> bool {
    chain.cost(3) > SPREAD_COST
}

/// How one image is shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// The file goes to one rank, which decodes, filters and encodes it.
    Image,
    /// Rank 0 decodes it row by row, all ranks filter bands of it and encode them where the format
    /// lets pieces be encoded alone, rank 0 joins what comes back.
    Bands,
}

/// Memory that one image takes at the most, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// On the rank that filters it whole.
    pub on_rank: u64,
    /// On rank 0 meanwhile: the file, then the encoded result; nothing if ranks read and write
    /// them.
    pub held_whole: u64,
    /// On rank 0 when it is filtered in bands.
    pub held_in_bands: u64,
    /// The same when no more than one band, as small as it may be, is on its way.
    pub least_in_bands: u64,
    /// On all ranks together, while a global pass waits for the last band.
    pub passes_in_bands: u64,
}

impl Footprint {
    /// What an image of `shape` takes when `chain` filters it on the ranks of `cluster`, in bands of
    /// `band_rows` rows if the user wants so many.
    #[must_use]
    pub fn new(
        shape: &ImageShape,
        chain: &Chain,
        cluster: &Cluster,
        band_rows: Option<usize>,
    ) -> Self {
        let filtering = Filtering::new(shape, chain);
        let of_all = |bytes: usize| shape.pixels().saturating_mul(bytes as u64);
        let channels = filtering.output_channels;
        // Gray and alpha may be spread to RGBA on their way into the file.
        let written = of_all(if channels == 2 { 4 } else { channels });
        let encoding = of_all(channels).saturating_add(shape.encode_bytes);
        let decoding = shape.file_bytes.saturating_add(shape.decode_bytes);
        let spread = decoding.max(shape.file_bytes.saturating_add(filtering.whole.max(encoding)));
        let by_rows = shape.file_bytes.saturating_add(by_rows(shape, &filtering));
        let [least_in_bands, held_in_bands] = [0, cluster.rank0_hold()].map(|hold| {
            let flows = flows(shape, chain, (cluster, hold), band_rows);
            let beside = beside_bands(shape, chain);
            let held =
                flows.iter().zip(beside).map(|(flow, beside)| flow.held.saturating_add(beside));
            held.max().unwrap_or(0)
        });
        Self {
            on_rank: if is_spread(chain) { by_rows.max(spread) } else { by_rows },
            held_whole: shape.file_bytes.max(written),
            held_in_bands,
            least_in_bands,
            passes_in_bands: filtering.passes,
        }
    }

    /// The most that it takes on one rank, shared out so.
    #[must_use]
    pub fn on_one_rank(&self, share: Share) -> u64 {
        match share {
            Share::Image => self.on_rank.max(self.held_whole),
            Share::Bands => self.held_in_bands,
        }
    }
}

/// How each round of `chain` takes an image in bands, where rank 0 may hold `hold` bytes of it.
#[must_use]
pub fn flows(
    shape: &ImageShape,
    chain: &Chain,
    (cluster, hold): (&Cluster, u64),
    band_rows: Option<usize>,
) -> Vec<Flow> {
    let mut channels = shape.channels;
    let last = chain.rounds().len() - 1;
    let rounds = chain.rounds().iter().zip(beside_bands(shape, chain)).enumerate();
    let flow = |(number, (round, beside)): (usize, (&Round, u64))| {
        let piece = shape.piece.filter(|_| number == last);
        let held = hold.saturating_sub(beside);
        let unit = shape.unit_rows.filter(|_| number == 0);
        let room = Room { cluster, held, piece, unit, wanted: band_rows };
        let flow = Flow::new(round, (shape.width, shape.height, channels), &room);
        channels = round.output_channels(channels);
        flow
    };
    rounds.map(flow).collect()
}

/// What rank 0 holds in each round beside the bands on their way: what reads the file in the first,
/// what makes the result in the last, and all rows between two rounds.
fn beside_bands(shape: &ImageShape, chain: &Chain) -> Vec<u64> {
    let reading = shape.source_bytes;
    let writing = match shape.piece {
        Some(_) => JOINER_BYTES,
        None => shape.writer_bytes.saturating_add(shape.encode_bytes),
    };
    let of_all = |channels: usize| shape.pixels().saturating_mul(channels as u64);
    let mut channels = shape.channels;
    let mut before = reading;
    let last = chain.rounds().len() - 1;
    let rounds = chain.rounds().iter().enumerate();
    let beside = |(number, round): (usize, &Round)| {
        channels = round.output_channels(channels);
        let after = if number == last { writing } else { of_all(channels) };
        std::mem::replace(&mut before, after).saturating_add(after)
    };
    rounds.map(beside).collect()
}

/// What filtering takes, by the rounds of a chain.
struct Filtering {
    output_channels: usize,
    /// The greatest round over all pixels: its input, its output, and what its global pass keeps.
    whole: u64,
    /// What the greatest global pass keeps, and the rows that it makes.
    passes: u64,
    /// What all rounds together hold when they go by rows: a window over their input, and the rest.
    rows: (u64, u64),
}

impl Filtering {
    fn new(shape: &ImageShape, chain: &Chain) -> Self {
        let of_all = |bytes: u64| shape.pixels().saturating_mul(bytes);
        let mut channels = shape.channels;
        let (mut whole, mut passes) = (0, 0);
        let mut rows = chain.window_bytes((shape.width, shape.height, shape.channels));
        for round in chain.rounds() {
            let output = round.output_channels(channels);
            let both = of_all((channels + output) as u64);
            let kept = kept_bytes(round, (shape.width, channels), shape.height);
            whole = both.saturating_add(kept).max(whole);
            if round.is_global() {
                passes = of_all(output as u64).saturating_add(kept).max(passes);
                rows.1 = rows.1.saturating_add(kept);
            }
            channels = output;
        }
        Self { output_channels: channels, whole, passes, rows }
    }
}

/// What one thread takes beside the file when rows go from reader to writer: while it decodes whole
/// what cannot be read by rows, then while rows go by, then while it encodes whole what cannot be
/// written by rows.
fn by_rows(shape: &ImageShape, filtering: &Filtering) -> u64 {
    let pixels = shape.pixels().saturating_mul(shape.channels as u64);
    let (window, made) = filtering.rows;
    let opening = shape.reader_bytes.unwrap_or(shape.decode_bytes);
    let reading = shape.reader_bytes.map_or(pixels, |bytes| bytes.saturating_add(window));
    let passing = reading.saturating_add(made).saturating_add(shape.writer_bytes);
    // What is written by rows is encoded as it comes.
    let is_encoded = shape.writer_bytes == shape.encode_bytes;
    let encoding = if is_encoded { 0 } else { shape.encode_bytes };
    let ending = shape.writer_bytes.saturating_add(encoding);
    opening.max(passing).max(ending)
}

/// How to share out an image of `shape`, one of `images`, in bands of `band_rows` rows if the user
/// wants so many.
///
/// Whole files win wherever they fit and there are enough of them: no pixel crosses the network, and
/// decoding is shared, too. Bands are for an image too big for one rank, for fewer images than
/// threads when that is foreseen to take less time, and for large images on a lone rank.
///
/// # Errors
/// When the ranks have not the memory for it, either way or the way that is wanted.
pub fn choose(
    shape: &ImageShape,
    chain: &Chain,
    (cluster, foresight): (&Cluster, &Foresight),
    images: usize,
    (wanted, band_rows): (Distribution, Option<usize>),
) -> Result<(Share, Footprint), ImageError> {
    let mut need = Footprint::new(shape, chain, cluster, band_rows);
    if cluster.all_see_files() {
        need.held_whole = 0;
    }
    let whole = fits_whole(&need, cluster);
    let bands = fits_in_bands(&need, cluster);
    let share = match wanted {
        Distribution::Images => whole.map(|()| Share::Image),
        Distribution::Bands => bands.map(|()| Share::Bands),
        Distribution::Auto => match (whole, bands) {
            (Ok(()), Ok(())) if prefers_bands((shape, &need), chain, foresight, images) => {
                Ok(Share::Bands)
            }
            (Ok(()), _) => Ok(Share::Image),
            (Err(_), Ok(())) => Ok(Share::Bands),
            (Err(whole), Err(bands)) => {
                Err(if whole.enough < bands.enough { whole } else { bands })
            }
        },
    };
    match share {
        Ok(share) => Ok((share, need)),
        Err(TooMuch { need, limit, enough }) => {
            Err(ImageError::TooMuchMemory { need, limit, enough })
        }
    }
}

/// More memory than there is: what is needed, what there is, and the `--memory` that would do.
struct TooMuch {
    need: u64,
    limit: u64,
    enough: u64,
}

fn fits_whole(need: &Footprint, cluster: &Cluster) -> Result<(), TooMuch> {
    let enough = cluster.enough_memory(need.held_whole, need.on_rank);
    if need.on_rank > cluster.largest_unit() {
        return Err(TooMuch { need: need.on_rank, limit: cluster.largest_unit(), enough });
    }
    if need.held_whole > cluster.rank0_hold() {
        return Err(TooMuch { need: need.held_whole, limit: cluster.rank0_hold(), enough });
    }
    Ok(())
}

fn fits_in_bands(need: &Footprint, cluster: &Cluster) -> Result<(), TooMuch> {
    // What a rank cannot use because no whole band fits any more stays below an eighth of it.
    let all: u64 = cluster.filter_memories().map(|memory| memory - memory / 8).sum();
    let share = need.passes_in_bands.div_ceil(cluster.ranks.len().max(1) as u64);
    let enough = cluster.enough_memory(need.least_in_bands, share.saturating_mul(2));
    if need.least_in_bands > cluster.rank0_hold() {
        return Err(TooMuch { need: need.least_in_bands, limit: cluster.rank0_hold(), enough });
    }
    if need.passes_in_bands > all {
        return Err(TooMuch { need: need.passes_in_bands, limit: all, enough });
    }
    Ok(())
}

/// Whether an image that could go either way goes in bands.
fn prefers_bands(
    (shape, need): (&ImageShape, &Footprint),
    chain: &Chain,
    foresight: &Foresight,
    images: usize,
) -> bool {
    let is_lone = foresight.site().ranks == 1;
    if is_lone && shape.piece.is_some() && need.on_rank > LARGE_BYTES {
        return true;
    }
    foresight.bands_pay(&foresight.load(shape, chain), images)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image_file::Format;
    use crate::ops::Simd;
    use crate::plan::cluster::test_cluster;
    use crate::plan::{Links, Piece};

    fn shape(width: usize, height: usize) -> ImageShape {
        let pixel_bytes = width as u64 * height as u64 * 3;
        let (file_bytes, decode_bytes, encode_bytes) = (pixel_bytes, 2 * pixel_bytes, pixel_bytes);
        ImageShape {
            width,
            height,
            channels: 3,
            file_bytes,
            input: Format::Bmp,
            output: Format::Bmp,
            decode_bytes,
            encode_bytes,
            reader_bytes: None,
            writer_bytes: pixel_bytes,
            source_bytes: 3 * pixel_bytes,
            piece: None,
            unit_rows: None,
        }
    }

    fn chosen(op: &str, images: usize, ranks: usize, memory: u64) -> Result<Share, ImageError> {
        let chain = Chain::build(&[op.parse().unwrap()], Simd::scalar()).unwrap();
        let cluster = test_cluster(ranks, memory);
        let ranks = (&cluster, &Foresight::new(&cluster, Links::new(&cluster)));
        let choice = choose(&shape(2000, 1500), &chain, ranks, images, (Distribution::Auto, None));
        choice.map(|(share, _)| share)
    }

    #[test]
    fn whole_files_wherever_they_fit() {
        let plenty = 1 << 30;
        assert_eq!(chosen("invert", 1, 4, plenty).unwrap(), Share::Image);
        assert_eq!(chosen("blur:ksize=255", 100, 4, plenty).unwrap(), Share::Image);
        assert_eq!(chosen("blur:ksize=255", 1, 4, plenty).unwrap(), Share::Bands);
    }

    #[test]
    fn bands_are_never_chosen_where_only_the_whole_fits() {
        // 9 MB to hold whole, 27 MB to hold in bands, 27 MB to filter whole.
        assert_eq!(chosen("blur:ksize=255", 1, 2, 44 << 20).unwrap(), Share::Image);
    }

    #[test]
    fn rows_of_a_jpeg_take_less_than_its_pixels_unless_they_are_spread() {
        let pixels = shape(2000, 1500);
        let rows = ImageShape { reader_bytes: Some(1 << 20), ..pixels };
        let need = |shape: &ImageShape, op: &str| {
            let chain = Chain::build(&[op.parse().unwrap()], Simd::scalar()).unwrap();
            Footprint::new(shape, &chain, &test_cluster(1, 1 << 30), None).on_rank
        };
        // The file, 1 MiB, some rows, the result; and 6 bytes a pixel for a global pass.
        assert!(need(&rows, "invert") < (9 + 9 + 9) << 20);
        assert!(need(&rows, "blur:ksize=31") < (9 + 9 + 9 + 2) << 20);
        assert!((18 << 20..45 << 20).contains(&need(&rows, "canny")));
        assert!(need(&pixels, "invert") < 28 << 20);
        // Spread, with the file: the pixels, twice.
        assert!(need(&rows, "blur:ksize=255") >= 27_000_000);
    }

    #[test]
    fn a_huge_image_goes_in_bands_where_threads_would_be_idle() {
        let huge = |shape: ImageShape| ImageShape {
            width: 20_000,
            height: 20_000,
            reader_bytes: Some(1 << 20),
            source_bytes: 1 << 20,
            piece: Some(Piece { rows: 1, bytes: 0 }),
            ..shape
        };
        let chain = Chain::build(&["invert".parse().unwrap()], Simd::scalar()).unwrap();
        let share = |threads, images| {
            let mut cluster = test_cluster(1, 1 << 36);
            cluster.ranks[0].threads = threads;
            cluster.ranks[0].host_cores = threads;
            let shape = huge(shape(2000, 1500));
            let ranks = (&cluster, &Foresight::new(&cluster, Links::new(&cluster)));
            choose(&shape, &chain, ranks, images, (Distribution::Auto, None)).unwrap().0
        };
        assert_eq!(
            [share(1, 1), share(2, 1), share(2, 2)],
            [Share::Image, Share::Bands, Share::Image]
        );
    }

    #[test]
    fn an_image_that_streams_takes_little_memory() {
        let pixels = 60_000_u64 * 60_000;
        let shape = ImageShape {
            width: 60_000,
            height: 60_000,
            channels: 3,
            file_bytes: 3 * pixels,
            input: Format::Tiff,
            output: Format::Tiff,
            decode_bytes: 6 * pixels,
            encode_bytes: 3 * pixels,
            reader_bytes: Some(1 << 20),
            writer_bytes: 3 * pixels,
            source_bytes: 1 << 20,
            piece: Some(Piece { rows: 1, bytes: 0 }),
            unit_rows: None,
        };
        for op in ["invert", "blur:ksize=31"] {
            let chain = Chain::build(&[op.parse().unwrap()], Simd::scalar()).unwrap();
            for ranks in [1, 2] {
                let mut cluster = test_cluster(ranks, (120 << 20) / ranks as u64);
                cluster.ranks[0].threads = 2 / ranks;
                let auto = (Distribution::Auto, None);
                let ranks = (&cluster, &Foresight::new(&cluster, Links::new(&cluster)));
                let (share, need) = choose(&shape, &chain, ranks, 1, auto).unwrap();
                assert_eq!(share, Share::Bands);
                assert!(need.held_in_bands <= cluster.rank0_hold());
            }
        }
    }

    #[test]
    fn the_memory_that_an_error_names_would_do() {
        for op in ["invert", "blur:ksize=255", "canny", "heatmap"] {
            for ranks in 1..4 {
                let mut refused = 0;
                for memory in [1, 1 << 20, 1 << 24, 1 << 25, 1 << 26] {
                    let Err(error) = chosen(op, 1, ranks, memory) else { continue };
                    let ImageError::TooMuchMemory { need, limit, enough } = error else {
                        panic!("{error}");
                    };
                    assert!(need > limit && enough > memory);
                    chosen(op, 1, ranks, enough).unwrap();
                    refused += 1;
                }
                assert!(refused > 0);
            }
        }
    }
}
