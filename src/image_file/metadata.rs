//! What a file says about its pixels, carried from the input to the output.

use image::metadata::Orientation;
use serde::{Deserialize, Serialize};

use super::Format;

/// Blocks that are carried over without being understood.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Metadata {
    /// The ICC colour profile.
    pub icc: Option<Vec<u8>>,
    /// The EXIF block, starting at its TIFF header (`II*\0` or `MM\0*`).
    pub exif: Option<Vec<u8>>,
}

impl Metadata {
    /// These blocks, as a file holds them.
    pub(super) fn of_blocks(icc: Option<Vec<u8>>, exif: Option<Vec<u8>>) -> Self {
        let exif = exif.map(without_exif_prefix);
        Self { icc, exif: exif.filter(|block| !block.is_empty()) }
    }

    /// Bytes of all blocks.
    pub(super) fn bytes(&self) -> u64 {
        [&self.icc, &self.exif].into_iter().flatten().map(|block| block.len() as u64).sum()
    }

    /// The colour profile, if it is one for `channels` as a `format` file holds them.
    pub(super) fn fitting_icc(&self, format: Format, channels: usize) -> Option<&[u8]> {
        let gray = channels <= 2 && format != Format::WebP;
        let wanted: &[u8] = if gray { b"GRAY" } else { b"RGB " };
        self.icc.as_deref().filter(|icc| icc.get(16..20) == Some(wanted))
    }

    /// Takes the orientation out of the EXIF block and leaves 1 there.
    pub(super) fn take_orientation(&mut self) -> Orientation {
        self.exif
            .as_deref_mut()
            .and_then(Orientation::remove_from_exif_chunk)
            .unwrap_or(Orientation::NoTransforms)
    }
}

/// The EXIF block without the prefix that JPEG has by rule, and other files by some writers'
/// mistake. All of them: one that was left would be taken off, and the orientation behind it seen,
/// only when the result is read.
fn without_exif_prefix(mut block: Vec<u8>) -> Vec<u8> {
    let mut rest = &block[..];
    while let Some(behind) = rest.strip_prefix(EXIF_PREFIX) {
        rest = behind;
    }
    block.drain(..block.len() - rest.len());
    block
}

pub(super) const EXIF_PREFIX: &[u8] = b"Exif\0\0";
