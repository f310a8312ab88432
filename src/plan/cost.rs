//! What an image costs, in nanoseconds of one core: expected first, then corrected by what ranks
//! report.

use super::ImageShape;
use crate::image_file::Format;
use crate::ops::chain::Chain;

/// How much what was seen before counts when an image more is seen.
const MEMORY: f64 = 0.97;

/// Nanoseconds of one core for a pixel of an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PixelCost {
    /// From the file to pixels.
    pub decode: f64,
    /// All ops.
    pub filter: f64,
    /// From pixels to the result's file.
    pub encode: f64,
}

impl PixelCost {
    /// What an image of `shape` costs that `chain` filters, as one core of a server of these years
    /// takes it.
    #[must_use]
    pub fn expected(shape: &ImageShape, chain: &Chain) -> Self {
        Self {
            decode: decode_cost(shape.input) * colours(shape.channels),
            filter: f64::from(chain.cost(shape.channels)),
            encode: encode_cost(shape.output) * colours(chain.output_channels(shape.channels)),
        }
    }

    /// All of it.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.decode + self.filter + self.encode
    }

    fn parts(&self) -> [f64; 3] {
        [self.decode, self.filter, self.encode]
    }
}

/// Bytes of a pixel against those of one in colour.
#[expect(clippy::cast_precision_loss, reason = "at most 4")]
fn colours(channels: usize) -> f64 {
    channels as f64 / 3.0
}

/// Measured on photographs of 12 megapixels in colour.
fn decode_cost(format: Format) -> f64 {
    match format {
        Format::Jpeg => 3.7,
        Format::Png => 5.5,
        Format::WebP => 12.0,
        Format::Gif | Format::Qoi => 5.0,
        Format::Tiff | Format::Bmp | Format::Pnm => 0.25,
    }
}

fn encode_cost(format: Format) -> f64 {
    match format {
        Format::Jpeg => 3.1,
        Format::Png => 4.1,
        Format::WebP => 60.0,
        Format::Tiff | Format::Bmp | Format::Pnm | Format::Gif | Format::Qoi => 0.25,
    }
}

/// Decoding strips or tiles that are compressed.
const CHUNKS: f64 = 6.0;
/// How much more is decoded where ranks decode slices, which overlap.
const OVERLAP: f64 = 1.4;

/// Whether an image whose file can be cut is done sooner if ranks, which have so many threads in all,
/// decode it, than if rank 0 does.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
pub fn slices_pay(shape: &ImageShape, cost: &PixelCost, threads: usize) -> bool {
    let decode = if shape.input == Format::Tiff { CHUNKS } else { cost.decode };
    (decode * OVERLAP + cost.filter + cost.encode) / (threads.max(1) as f64) < decode
}

/// What was seen of the images of a run, against what was expected of them.
#[derive(Clone, Debug, Default)]
pub struct Experience {
    images: u64,
    seen_ns: [f64; 3],
    expected_ns: [f64; 3],
}

impl Experience {
    /// An image of so many pixels, expected to cost `expected`, took so many microseconds to decode,
    /// filter and encode.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub fn add(&mut self, expected: &PixelCost, pixels: u64, seen_us: [u64; 3]) {
        let expected = expected.parts().map(|cost| cost * pixels as f64);
        if self.images == 0 {
            // The first image waits for memory: alone, it does not count for all.
            (self.seen_ns, self.expected_ns) = (expected, expected);
        }
        self.images += 1;
        for part in 0..3 {
            self.seen_ns[part] = self.seen_ns[part] * MEMORY + seen_us[part] as f64 * 1e3;
            self.expected_ns[part] = self.expected_ns[part] * MEMORY + expected[part];
        }
    }

    /// Images that were seen.
    #[must_use]
    pub fn images(&self) -> u64 {
        self.images
    }

    /// `expected`, as it is to be expected after all that was seen.
    #[must_use]
    pub fn correct(&self, expected: PixelCost) -> PixelCost {
        let by = |part: usize, cost: f64| {
            let (seen, expected) = (self.seen_ns[part], self.expected_ns[part]);
            // A chain without ops is expected to cost nothing, and does.
            if expected > 0.0 { cost * seen / expected } else { cost }
        };
        PixelCost {
            decode: by(0, expected.decode),
            filter: by(1, expected.filter),
            encode: by(2, expected.encode),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: PixelCost = PixelCost { decode: 4.0, filter: 0.5, encode: 3.0 };

    #[test]
    fn what_was_seen_corrects_what_is_expected() {
        let mut experience = Experience::default();
        assert_eq!(experience.correct(EXPECTED), EXPECTED);
        for _ in 0..200 {
            experience.add(&EXPECTED, 1_000_000, [8_000, 1_000, 1_500]);
        }
        let corrected = experience.correct(PixelCost { decode: 8.0, ..EXPECTED });
        for (cost, right) in corrected.parts().into_iter().zip([16.0, 1.0, 1.5]) {
            assert!((cost - right).abs() < 0.01, "{corrected:?}");
        }
    }

    #[test]
    fn the_first_image_does_not_count_for_all() {
        let mut experience = Experience::default();
        experience.add(&EXPECTED, 1_000_000, [40_000, 0, 0]);
        let decode = experience.correct(EXPECTED).decode;
        assert!((20.0..23.0).contains(&decode), "{decode}");
    }

    #[test]
    fn what_comes_later_counts_more() {
        let mut experience = Experience::default();
        for us in [4_000, 40_000] {
            for _ in 0..100 {
                experience.add(&EXPECTED, 1_000_000, [us, 0, 0]);
            }
        }
        let decode = experience.correct(EXPECTED).decode;
        assert!((36.0..40.0).contains(&decode), "{decode}");
    }
}
