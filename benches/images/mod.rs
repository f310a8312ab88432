//! Images to filter in benches, and one thread that does it.
#![allow(dead_code, reason = "each user uses a part of it")]

use mpix::band::{Band, BandMut};
use mpix::ops::Chain;

/// R G B pixels.
pub(crate) struct Image {
    pub(crate) bytes: Vec<u8>,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

impl Image {
    /// Shades with some grain and bars: about as many edges as a photograph.
    pub(crate) fn photograph((width, height): (usize, usize)) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let pixel = |index: usize| {
            let (x, y) = ((index % width) as f64, (index / width) as f64);
            let grain = (index.wrapping_mul(2_654_435_761) >> 13) % 6;
            let bar = if (x + 2.0 * y) % 211.0 < 40.0 { 70.0 } else { 0.0 };
            let shade = 90.0 + 40.0 * (x / 97.0).sin() + 40.0 * (y / 61.0).cos() + bar;
            [0.0, 10.0, 20.0].map(|tint| (shade - tint + grain as f64).clamp(0.0, 255.0) as u8)
        };
        Self { bytes: (0..width * height).flat_map(pixel).collect(), width, height }
    }

    /// Filters all of it into `out` by a chain of one round.
    pub(crate) fn filter(&self, chain: &Chain, out: &mut [u8]) {
        let [round] = chain.rounds() else { unreachable!("each op is one round") };
        let input = Band::new(&self.bytes, self.width, 3, 0, self.height);
        let mut band = BandMut::new(out, self.width, round.output_channels(3), 0, self.height);
        if !round.is_global() {
            return round.filter(input, &mut band);
        }
        let (partial, local) = round.summarize(input, 0..self.height);
        let finished =
            round.combine(&[partial]).and_then(|shares| round.finish(local, &shares[0], &mut band));
        assert!(finished.is_ok(), "{finished:?}");
    }

    pub(crate) fn size(&self) -> String {
        format!("{}x{}", self.width, self.height)
    }
}
