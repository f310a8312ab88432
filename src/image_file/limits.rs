//! What one image may be and need at the most; each refusal names the flag that allows more.

use serde::{Deserialize, Serialize};

use crate::error::ImageError;

/// Limits of one image, held against what its header tells before its pixels have any memory.
/// `u64::MAX` is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// Columns times rows.
    pub pixels: u64,
    /// Columns of the upright picture.
    pub width: u64,
    /// Rows of the upright picture.
    pub height: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Bytes of the decoded picture: columns x rows x channels x bytes per sample of the file.
    pub decoded_bytes: u64,
    /// Bytes of metadata that must be read: EXIF, ICC, and the texts of a PNG file.
    pub metadata_bytes: u64,
    /// Bytes that one rank takes for the image: file, decoded, filtered and encoded.
    pub memory_bytes: u64,
}

impl Limits {
    /// No honest picture is over them: 2^30 pixels, 32 MiB of metadata.
    pub const DEFAULT: Self = Self { pixels: 1 << 30, metadata_bytes: 32 << 20, ..Self::NONE };

    const NONE: Self = Self {
        pixels: u64::MAX,
        width: u64::MAX,
        height: u64::MAX,
        file_bytes: u64::MAX,
        decoded_bytes: u64::MAX,
        metadata_bytes: u64::MAX,
        memory_bytes: u64::MAX,
    };

    /// Holds the size of a file against its limit.
    ///
    /// # Errors
    /// When it is over it.
    pub fn check_file(&self, bytes: u64) -> Result<(), ImageError> {
        let limit = self.file_bytes;
        if bytes > limit { Err(ImageError::FileTooLarge { bytes, limit }) } else { Ok(()) }
    }

    /// Holds a picture of `width x height` pixels of `pixel_bytes` against the limits of all its
    /// pixels.
    pub(super) fn check_pixels(
        &self,
        (width, height): (u64, u64),
        pixel_bytes: u64,
    ) -> Result<(), ImageError> {
        let pixels = width.saturating_mul(height);
        if pixels > self.pixels {
            let limit = self.pixels;
            return Err(ImageError::TooManyPixels { width, height, pixels, limit });
        }
        let bytes = pixels.saturating_mul(pixel_bytes);
        if bytes > self.decoded_bytes {
            let limit = self.decoded_bytes;
            return Err(ImageError::TooManyBytes { width, height, pixel_bytes, bytes, limit });
        }
        Ok(())
    }

    /// Holds the sides of an upright picture against their limits.
    pub(super) fn check_sides(&self, (width, height): (usize, usize)) -> Result<(), ImageError> {
        let (width, height) = (width as u64, height as u64);
        if width > self.width {
            return Err(ImageError::TooWide { width, limit: self.width });
        }
        if height > self.height {
            return Err(ImageError::TooHigh { height, limit: self.height });
        }
        Ok(())
    }

    /// Holds metadata against its limit: `needed` bytes in any case, `dropped` more that `--strip`
    /// does without.
    pub(super) fn check_metadata(
        &self,
        needed: u64,
        dropped: u64,
        strip: bool,
    ) -> Result<(), ImageError> {
        let limit = self.metadata_bytes;
        let bytes = if strip { needed } else { needed.saturating_add(dropped) };
        if bytes <= limit {
            return Ok(());
        }
        let without = if !strip && needed <= limit { Some(needed) } else { None };
        Err(ImageError::TooMuchMetadata { bytes, limit, without })
    }

    /// Holds the memory that one rank takes for an image against its limit.
    ///
    /// # Errors
    /// When it is over it.
    pub fn check_memory(&self, need: u64) -> Result<(), ImageError> {
        let limit = self.memory_bytes;
        if need > limit { Err(ImageError::TooMuchImageMemory { need, limit }) } else { Ok(()) }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::FailureKind;

    /// What a refusal says, after a look at its kind.
    fn refusal(outcome: Result<(), ImageError>) -> String {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), FailureKind::OverLimit);
        error.to_string()
    }

    #[test]
    fn each_refusal_names_the_need_the_limit_and_the_flag() {
        let limits = Limits {
            pixels: 100,
            width: 20,
            height: 10,
            file_bytes: 50,
            decoded_bytes: 250,
            metadata_bytes: 7,
            memory_bytes: 1000,
        };
        let all = [
            (limits.check_pixels((10, 11), 1), "has 10 x 11 = 110 pixels", "100 (`--max-pixels`)"),
            (
                limits.check_pixels((10, 10), 3),
                "decodes to 10 x 10 pixels of 3 bytes = 300 bytes",
                "250 (`--max-decoded`)",
            ),
            (limits.check_sides((21, 1)), "is 21 pixels wide", "20 (`--max-width`)"),
            (limits.check_sides((1, 11)), "is 11 pixels high", "10 (`--max-height`)"),
            (limits.check_file(51), "is a file of 51 bytes", "50 (`--max-file-size`)"),
            (
                limits.check_metadata(3, 5, false),
                "has at least 8 bytes of metadata",
                "7 (`--max-metadata`); with `--strip` it has 3",
            ),
            (
                limits.check_metadata(8, 5, false),
                "has at least 13 bytes of metadata",
                "7 (`--max-metadata`)",
            ),
            (
                limits.check_memory(1001),
                "needs 1001 bytes of memory on a rank",
                "1000 (`--max-image-memory`)",
            ),
        ];
        for (outcome, need, limit) in all {
            assert_eq!(refusal(outcome), format!("{need}, over the limit of {limit}"));
        }
    }

    #[test]
    fn what_is_at_a_limit_passes() {
        let limits = Limits { pixels: 100, decoded_bytes: 100, metadata_bytes: 7, ..Limits::NONE };
        assert!(limits.check_pixels((10, 10), 1).is_ok());
        assert!(limits.check_metadata(7, 5, true).is_ok());
        assert!(limits.check_metadata(2, 5, false).is_ok());
        assert!(Limits::NONE.check_pixels((u64::MAX, 2), 8).is_ok());
    }
}
