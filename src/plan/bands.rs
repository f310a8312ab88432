//! Cutting rows.

use std::ops::Range;

use super::hands::in_hand;
use super::{Cluster, Piece, RankPlan};
use crate::ops::Round;

/// Bands that each thread gets of an image at least, so that a slow one takes fewer.
const BANDS_PER_THREAD: usize = 4;

/// Bytes of a band's rows, before and after: enough that its messages and the calls for it cost
/// little beside its pixels, few enough that many are on their way.
const BAND_BYTES: u64 = 4 << 20;

/// A band is at least this many times as high as the halo rows that come with it, unless it grows larger
/// than this: then as high as they are.
const ROWS_PER_HALO_ROW: usize = 2;
const LARGE_BAND_BYTES: u64 = 4 * BAND_BYTES;

/// Units of a file in a band where ranks decode them, and the fewest: those at its borders, and those
/// of its halo, are decoded twice.
const UNITS: usize = 8;
const FEWEST_UNITS: usize = 4;

/// Bands of an image that rank 0 holds where there is room for them: one that lends its halo to the
/// next, one that is read, one that is filtered, one that is written, one that is hashed. Where halos
/// are high, fewer will do.
const HELD_BANDS: u64 = 5;
const FEWEST_HELD_BANDS: u64 = 3;

/// Bytes of rows on their way to `ranks` ranks of `threads` threads each, as many as there are while
/// all of them are busy and nothing keeps bands small.
pub(super) fn rows_on_their_way(ranks: usize, threads: usize) -> u64 {
    (ranks * in_hand(threads) + BESIDE_RANKS) as u64 * BAND_BYTES / 2
}

/// Bands beside those at ranks: one that is read or written, one that is hashed, and one that waits for
/// each of these, so that no thread does. Fewer, where so many have more bytes than these.
const BESIDE_RANKS: usize = 4;
const BESIDE_BYTES: u64 = BESIDE_RANKS as u64 * BAND_BYTES;

/// Bytes per pixel that a global pass keeps beside the rows, until it has seen all of them.
pub(super) const GLOBAL_PASS_BYTES: u64 = 6;

/// What bands of an image must fit.
#[derive(Clone, Copy, Debug)]
pub struct Room<'c> {
    /// The ranks that filter them.
    pub cluster: &'c Cluster,
    /// Bytes that rank 0 may hold of those on their way.
    pub held: u64,
    /// A piece of the result, if bands are encoded where they are filtered.
    pub piece: Option<Piece>,
    /// Rows of a unit in which the file can be cut, if ranks may decode it.
    pub unit: Option<usize>,
    /// Rows that the user wants a band to have.
    pub wanted: Option<usize>,
}

/// How one round of the chain takes an image in bands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Rows of a band; whole pieces of the result, where it is encoded in pieces.
    pub rows: usize,
    /// Bands that may be on their way: read, at a rank, or waiting to be written.
    pub on_their_way: usize,
    /// Bytes that rank 0 holds of them at the most.
    pub held: u64,
    /// Whether ranks get the rows of the file as they are in it, and decode them.
    pub in_slices: bool,
}

impl Flow {
    /// How `round` takes an image of `shape`: columns, rows, channels.
    #[must_use]
    pub fn new(round: &Round, shape: (usize, usize, usize), room: &Room<'_>) -> Self {
        let height = shape.1;
        let row = RowBytes::new(round, shape, room.piece);
        let wanted = room.wanted.unwrap_or_else(|| row.best(height, room));
        let piece = room.piece.map_or(1, |piece| piece.rows).max(1);
        let rows = (wanted / piece).max(1).saturating_mul(piece).min(height.max(1));
        let band = row.held(rows as u64).max(1);
        let useful = room.cluster.ranks.iter().map(|rank| in_hand(rank.threads)).sum::<usize>();
        let beside = usize::try_from(BESIDE_BYTES / band).unwrap_or(usize::MAX);
        // And one that lends its halo.
        let useful = useful + beside.clamp(1, BESIDE_RANKS);
        let fitting = usize::try_from(room.held / band).unwrap_or(usize::MAX).saturating_sub(1);
        let on_their_way = useful.min(fitting).min(height.div_ceil(rows)).max(1);
        let in_slices = room.unit.is_some_and(|unit| rows >= unit.saturating_mul(FEWEST_UNITS));
        let held = band.saturating_mul(on_their_way as u64 + 1);
        Self { rows, on_their_way, held, in_slices }
    }
}

/// Bytes of a row on its way through a round.
struct RowBytes {
    halo: u64,
    input: u64,
    output: u64,
    /// What encoding it takes, the result among it.
    encoded: u64,
    kept: u64,
}

impl RowBytes {
    fn new(
        round: &Round,
        (width, height, channels): (usize, usize, usize),
        piece: Option<Piece>,
    ) -> Self {
        let middle = height / 2;
        let halo = round.input_rows(middle..middle + 1, height).len() - 1;
        let of_row = |bytes: u64| (width as u64).saturating_mul(bytes).max(1);
        let kept = if round.is_global() { GLOBAL_PASS_BYTES } else { 0 };
        let output = round.output_channels(channels) as u64;
        let (input, output) = (of_row(channels as u64), of_row(output));
        let encoded = piece.map_or(0, |piece| piece.bytes.div_ceil(piece.rows.max(1) as u64));
        Self { halo: halo as u64, input, output, encoded, kept: width as u64 * kept }
    }

    /// What rank 0 holds of a band of `rows`: its input, or its result.
    fn held(&self, rows: u64) -> u64 {
        let input = (rows.saturating_add(self.halo)).saturating_mul(self.input);
        input.max(rows.saturating_mul(self.output.max(self.encoded)))
    }

    /// The rows that suit an image of `height` rows where nobody asks for others.
    fn best(&self, height: usize, room: &Room<'_>) -> usize {
        let cluster = room.cluster;
        let good = BAND_BYTES / (self.input + self.output);
        let even = height.div_ceil(cluster.threads().saturating_mul(BANDS_PER_THREAD).max(1));
        let units = room.unit.map_or(0, |unit| unit.saturating_mul(UNITS)) as u64;
        let per_halo_row = if room.unit.is_some() { UNITS / 2 } else { ROWS_PER_HALO_ROW };
        let moderate =
            LARGE_BAND_BYTES.saturating_sub(self.halo * self.input) / (self.input + self.output);
        let halos = (self.halo * per_halo_row as u64).min(moderate.max(self.halo));
        let rows = good.max(units).min(even as u64).max(halos).min(self.fitting(room));
        usize::try_from(rows).unwrap_or(usize::MAX).max(1)
    }

    /// The most rows with which the bands in hand fit every rank's memory, and enough of them what
    /// rank 0 may hold.
    fn fitting(&self, room: &Room<'_>) -> u64 {
        let cluster = room.cluster;
        // Beside those that threads work on, one that waits.
        let of_band = |(rank, memory): (&RankPlan, u64)| memory / (rank.threads as u64 + 1);
        let filtered = cluster.ranks.iter().zip(cluster.filter_memories()).map(of_band).min();
        let filtered = filtered.unwrap_or(0).saturating_sub(self.halo * self.input)
            / (self.input + self.output + self.encoded + self.kept);
        let in_held = |bands: u64| self.fitting_in(room.held / bands);
        in_held(HELD_BANDS).max(in_held(FEWEST_HELD_BANDS).min(self.halo)).min(filtered)
    }

    /// The most rows of a band of which rank 0 holds `bytes` bytes.
    fn fitting_in(&self, bytes: u64) -> u64 {
        let read = bytes.saturating_sub(self.halo * self.input) / self.input;
        read.min(bytes / self.output.max(self.encoded))
    }
}

/// Bytes that a rank needs for a band: `input` rows come, `output` rows go, and a global pass keeps
/// what it must meanwhile.
#[must_use]
pub fn band_bytes(
    round: &Round,
    (width, channels): (usize, usize),
    input: usize,
    output: usize,
) -> u64 {
    let of_row = |bytes: u64, rows: usize| (width as u64).saturating_mul(bytes * rows as u64);
    of_row(channels as u64, input)
        .saturating_add(of_row(round.output_channels(channels) as u64, output))
        .saturating_add(kept_bytes(round, (width, channels), output))
}

/// Bytes that a rank keeps of a band of `rows` between the two halves of a global pass.
#[must_use]
pub fn kept_bytes(round: &Round, (width, channels): (usize, usize), rows: usize) -> u64 {
    if !round.is_global() {
        return 0;
    }
    // Alpha waits for its colours.
    let alpha = u64::from(matches!(channels, 2 | 4));
    (width as u64 * rows as u64).saturating_mul(GLOBAL_PASS_BYTES + alpha)
}

/// Cuts `rows` into pieces of `piece` rows; the last may be shorter.
///
/// # Panics
/// When `piece` is 0.
#[must_use]
pub fn cut_rows(rows: Range<usize>, piece: usize) -> Vec<Range<usize>> {
    rows.clone().step_by(piece).map(|start| start..(start + piece).min(rows.end)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Chain, Simd};
    use crate::plan::cluster::test_cluster;

    #[test]
    fn pieces_cover_the_rows_once() {
        for height in 1..40 {
            for piece in 1..45 {
                let pieces = cut_rows(3..3 + height, piece);
                let joined: Vec<usize> = pieces.into_iter().flatten().collect();
                assert_eq!(joined, (3..3 + height).collect::<Vec<_>>());
            }
        }
    }

    fn flow(op: &str, shape: (usize, usize, usize), room: &Room<'_>) -> Flow {
        let chain = Chain::build(&[op.parse().unwrap()], Simd::scalar()).unwrap();
        Flow::new(&chain.rounds()[0], shape, room)
    }

    fn room(cluster: &Cluster) -> Room<'_> {
        Room { cluster, held: cluster.rank0_hold(), piece: None, unit: None, wanted: None }
    }

    #[test]
    fn a_band_is_never_empty_nor_too_large() {
        let rows = |op: &str, shape, ranks, memory| {
            let cluster = test_cluster(ranks, memory);
            flow(op, shape, &room(&cluster)).rows
        };
        let plenty = 1 << 40;
        assert_eq!(rows("blur", (10, 1, 3), 64, plenty), 1);
        assert_eq!(rows("blur", (10, 20, 3), 2, plenty), 20);
        assert_eq!(rows("invert", (400, 400, 3), 2, plenty), 50);
        assert_eq!(rows("invert", (60_000, 60_000, 3), 1, plenty), 11);
        assert_eq!(rows("blur", (20_000, 20_000, 3), 1, plenty), 56);
        assert_eq!(rows("blur", (60_000, 60_000, 3), 1, plenty), 32);
        assert_eq!(rows("blur:ksize=255", (60_000, 60_000, 3), 1, plenty), 218);
        assert_eq!(rows("blur", (4000, 4000, 3), 2, 1 << 22), 18);
        assert_eq!(rows("blur", (4000, 4000, 3), 2, 1), 1);
    }

    #[test]
    fn rows_asked_for_are_whole_pieces() {
        let cluster = test_cluster(2, 1 << 40);
        let rows = |piece, wanted| {
            let wanted = Some(wanted);
            let piece = Some(Piece { rows: piece, bytes: 0 });
            let room = Room { piece, wanted, ..room(&cluster) };
            flow("blur", (400, 1000, 3), &room).rows
        };
        assert_eq!([rows(1, 7), rows(64, 7), rows(64, 200), rows(64, 9000)], [7, 64, 192, 1000]);
    }

    #[test]
    fn ranks_decode_where_bands_are_many_units() {
        let cluster = test_cluster(4, 1 << 40);
        let flow = |unit, height, wanted| {
            let room = Room { unit: Some(unit), wanted, ..room(&cluster) };
            let flow = flow("invert", (20_000, height, 3), &room);
            (flow.rows, flow.in_slices)
        };
        assert_eq!(flow(16, 20_000, None), (128, true));
        assert_eq!(flow(1, 20_000, None), (34, true));
        assert_eq!(flow(256, 20_000, None), (1250, true));
        assert_eq!(flow(256, 12_000, None), (750, false));
        assert_eq!(flow(16, 20_000, Some(63)), (63, false));
        assert_eq!(flow(16, 20_000, Some(64)), (64, true));
    }

    #[test]
    fn fewer_bands_are_on_their_way_where_they_are_large() {
        let cluster = test_cluster(1, 1 << 40);
        let on_their_way = |op, width| flow(op, (width, width, 3), &room(&cluster)).on_their_way;
        let [small, large] = [20_000, 60_000].map(|width| on_their_way("invert", width));
        assert_eq!([small, large], [2 + BESIDE_RANKS; 2]);
        let sizes = [4000, 20_000, 60_000].map(|width| on_their_way("blur:ksize=31", width));
        assert_eq!(sizes, [2 + BESIDE_RANKS, 2 + 3, 2 + 1]);
    }

    #[test]
    fn what_is_on_its_way_fits() {
        for memory in [20 << 20, 60 << 20, 1 << 30] {
            for (ranks, width) in [(1, 20_000), (2, 60_000), (64, 60_000)] {
                let cluster = test_cluster(ranks, memory);
                for op in ["invert", "blur:ksize=31", "canny"] {
                    let flow = flow(op, (width, width, 3), &room(&cluster));
                    assert!(flow.held <= cluster.rank0_hold() || flow.on_their_way == 1);
                    assert!(flow.on_their_way <= 2 * ranks + BESIDE_RANKS);
                }
            }
        }
    }
}
