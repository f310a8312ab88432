//! Cutting rows.

use std::ops::Range;

use super::Cluster;
use crate::ops::Round;

/// Bands that each rank gets of an image: enough that a slow rank takes fewer, few enough that the
/// halo rows sent twice stay cheap.
const BANDS_PER_RANK: usize = 4;

/// A band is at least this many times as high as the halo rows that come with it.
const ROWS_PER_HALO_ROW: usize = 4;

/// A band is at most this many bytes, so that one is on its way while another is filtered.
const MAX_BAND_BYTES: u64 = 64 << 20;

/// A band takes at most one part in so many of what the poorest rank filters with.
const BANDS_IN_MEMORY: u64 = 8;

/// Bytes per pixel that a global pass keeps beside the rows, until it has seen all of them.
pub(super) const GLOBAL_PASS_BYTES: u64 = 6;

/// Rows of one band when all of `cluster` filters an image of `width x height` pixels of `channels`
/// bytes by `round`; `wanted` overrules.
#[must_use]
pub fn band_rows(
    round: &Round,
    (width, height, channels): (usize, usize, usize),
    cluster: &Cluster,
    wanted: Option<usize>,
) -> usize {
    let middle = height / 2;
    let halo = round.input_rows(middle..middle + 1, height).len() - 1;
    let row = band_bytes(round, (width, channels), 1, 1).max(1);
    let memory = cluster.filter_memories().min().unwrap_or(0) / BANDS_IN_MEMORY;
    let fits = usize::try_from(memory.min(MAX_BAND_BYTES) / row).unwrap_or(usize::MAX);
    let even = height.div_ceil(cluster.ranks.len() * BANDS_PER_RANK);
    let rows = wanted.unwrap_or_else(|| even.max(halo * ROWS_PER_HALO_ROW).min(fits));
    rows.clamp(1, height.max(1))
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
    let kept = if round.is_global() { GLOBAL_PASS_BYTES } else { 0 };
    let of_row = |bytes: u64, rows: usize| (width as u64).saturating_mul(bytes * rows as u64);
    let made = round.output_channels(channels) as u64 + kept;
    of_row(channels as u64, input).saturating_add(of_row(made, output))
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

    #[test]
    fn a_band_is_never_empty_nor_too_large() {
        let chain = |op: &str| Chain::build(&[op.parse().unwrap()], Simd::scalar()).unwrap();
        let rows = |op: &str, size, ranks, memory, wanted| {
            let cluster = test_cluster(ranks, memory);
            band_rows(&chain(op).rounds()[0], size, &cluster, wanted)
        };
        let plenty = 1 << 40;
        assert_eq!(rows("blur", (10, 1, 3), 64, plenty, None), 1);
        assert_eq!(rows("blur", (10, 20, 3), 2, plenty, None), 20);
        assert_eq!(rows("invert", (4000, 4000, 3), 2, plenty, None), 500);
        assert_eq!(rows("invert", (60_000, 60_000, 3), 1, plenty, None), 186);
        assert_eq!(rows("blur", (4000, 4000, 3), 2, 1 << 20, None), 2);
        assert_eq!(rows("blur", (4000, 4000, 3), 2, 1, None), 1);
        assert_eq!(rows("blur", (4000, 4000, 3), 2, 1, Some(9000)), 4000);
    }
}
