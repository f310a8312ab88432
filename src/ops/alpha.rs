//! Alpha is taken off before the first op and put back, untouched, behind the last.

use std::ops::Range;

use super::Op;
use crate::band::{Band, BandMut};

/// Whether pixels of that many channels end in alpha.
pub(super) fn has_alpha(channels: usize) -> bool {
    matches!(channels, 2 | 4)
}

/// Channels without alpha.
pub(super) fn colour_channels(channels: usize) -> usize {
    channels - usize::from(has_alpha(channels))
}

/// The last channel of each pixel.
pub(super) fn alpha_rows<'a>(band: Band<'a>) -> impl Iterator<Item = u8> + 'a {
    let channels = band.channels();
    band.bytes().iter().skip(channels - 1).step_by(channels).copied()
}

/// Keeps all channels but the last.
#[derive(Debug)]
pub(super) struct DropAlpha;

impl Op for DropAlpha {
    fn channels(&self, input: usize) -> usize {
        input - 1
    }

    fn cost(&self) -> f32 {
        0.3
    }

    fn write_rows(&self, input: Band<'_>, rows: Range<usize>, out: &mut BandMut<'_>) {
        let bytes = input.slice(rows).bytes();
        if out.channels() == 1 {
            for (colour, pixel) in out.bytes_mut().iter_mut().zip(bytes.as_chunks::<2>().0) {
                *colour = pixel[0];
            }
        } else {
            let colours = out.bytes_mut().as_chunks_mut::<3>().0;
            for (colour, pixel) in colours.iter_mut().zip(bytes.as_chunks::<4>().0) {
                colour.copy_from_slice(&pixel[..3]);
            }
        }
    }
}

/// Writes `colour` and the last channel of `alpha`, both of the same rows, to `out`.
pub(super) fn join(colour: &[u8], alpha: Band<'_>, out: &mut [u8], out_channels: usize) {
    let colours = colour.chunks_exact(out_channels - 1);
    let pixels = out.chunks_exact_mut(out_channels);
    for ((pixel, colour), alpha) in pixels.zip(colours).zip(alpha_rows(alpha)) {
        pixel[..out_channels - 1].copy_from_slice(colour);
        pixel[out_channels - 1] = alpha;
    }
}
