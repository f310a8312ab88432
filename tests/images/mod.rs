//! Made images, and the plainest way to filter them: whole, in one thread.

use mpix::band::{Band, BandMut};
use mpix::ops::{Chain, OpSpec, Simd};

/// A whole image, rows x columns x channels, R G B.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Image {
    pub(crate) bytes: Vec<u8>,
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) channels: usize,
}

/// What an image shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Content {
    /// Every value is as likely as any other, whatever stands next to it.
    Noise,
    /// Only 0 and 255: the greatest sums and differences.
    Extreme,
    /// Shades, discs and bars, as in a photograph.
    Scene,
}

/// All contents.
pub(crate) const CONTENTS: [Content; 3] = [Content::Noise, Content::Extreme, Content::Scene];

impl Image {
    /// An image whose values are `value(row, column, channel)`.
    pub(crate) fn of(
        (width, height, channels): (usize, usize, usize),
        mut value: impl FnMut(usize, usize, usize) -> u8,
    ) -> Self {
        let mut bytes = Vec::with_capacity(width * height * channels);
        for row in 0..height {
            for column in 0..width {
                bytes.extend((0..channels).map(|channel| value(row, column, channel)));
            }
        }
        Self { bytes, width, height, channels }
    }

    /// A made image; `seed` tells those of one content apart.
    pub(crate) fn made(content: Content, size: (usize, usize, usize), seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        match content {
            Content::Noise => Self::of(size, |_, _, _| random.byte()),
            Content::Extreme => Self::of(size, |_, _, _| if random.byte() < 128 { 0 } else { 255 }),
            Content::Scene => Self::of(size, |row, column, channel| {
                scene(row, column, channel, random.byte() % 8)
            }),
        }
    }

    /// All of it.
    pub(crate) fn band(&self) -> Band<'_> {
        Band::new(&self.bytes, self.width, self.channels, 0, self.height)
    }

    /// What `chain` makes of it.
    pub(crate) fn filtered(&self, chain: &Chain) -> Self {
        chain.rounds().iter().fold(self.clone(), |image, round| {
            let channels = round.output_channels(image.channels);
            let mut bytes = vec![77; image.width * image.height * channels];
            let mut out = BandMut::new(&mut bytes, image.width, channels, 0, image.height);
            if round.is_global() {
                let (partial, local) = round.summarize(image.band(), 0..image.height);
                let shares = round.combine(&[partial]).unwrap();
                round.finish(local, &shares[0], &mut out).unwrap();
            } else {
                round.filter(image.band(), &mut out);
            }
            Self { bytes, channels, ..image }
        })
    }
}

/// The chain of some ops, as on the command line.
pub(crate) fn chain(texts: &[impl AsRef<str>], simd: Simd) -> Chain {
    let specs: Vec<OpSpec> = texts.iter().map(|text| text.as_ref().parse().unwrap()).collect();
    Chain::build(&specs, simd).unwrap()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
fn scene(row: usize, column: usize, channel: usize, grain: u8) -> u8 {
    let (x, y) = (column as f64, row as f64);
    let shade =
        110.0 + 50.0 * (x / 37.0 + channel as f64).sin() + 40.0 * (y / 23.0 - x / 91.0).cos();
    let disc = (x % 83.0 - 40.0).hypot(y % 71.0 - 30.0) < 19.0 + 4.0 * channel as f64;
    let bar = (x + 2.0 * y) % 97.0 < 6.0;
    let value = shade + if disc { 60.0 } else { 0.0 } - if bar { 90.0 } else { 0.0 };
    (value + f64::from(grain)).clamp(0.0, 255.0) as u8
}

/// A small generator (xorshift64*), so that images are the same everywhere.
struct Random(u64);

impl Random {
    fn byte(&mut self) -> u8 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d).to_be_bytes()[0]
    }
}
