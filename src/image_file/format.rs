//! The formats, by name and by content.

use serde::{Deserialize, Serialize};

use crate::error::ImageError;

/// libjpeg-turbo's limit for a side.
const JPEG_SIDE: u64 = 65_500;
/// A side has 14 bits in lossless WebP.
const WEBP_SIDE: u64 = 1 << 14;
/// Sides of PNG and BMP are positive in 32 bits with a sign.
const SIGNED_SIDE: u64 = i32::MAX as u64;
/// BMP counts its bytes in 32 bits; this many are left for headers.
const HEADERS: u64 = 64 << 20;

/// A format that mpix reads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Format {
    /// JPEG, lossy.
    Jpeg,
    /// PNG.
    Png,
    /// TIFF; its first image.
    Tiff,
    /// WebP; read lossy and lossless, written lossless.
    WebP,
    /// Windows bitmap.
    Bmp,
    /// PBM, PGM, PPM and PAM; written binary.
    Pnm,
    /// GIF; its first frame. Read only.
    Gif,
    /// QOI. Read only.
    Qoi,
}

impl Format {
    /// The formats that mpix writes.
    pub const WRITABLE: &'static [Self] =
        &[Self::Jpeg, Self::Png, Self::Tiff, Self::WebP, Self::Bmp, Self::Pnm];

    /// The name, as errors and reports show it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Tiff => "TIFF",
            Self::WebP => "WebP",
            Self::Bmp => "BMP",
            Self::Pnm => "PNM",
            Self::Gif => "GIF",
            Self::Qoi => "QOI",
        }
    }

    /// The format that a file name's extension (without the dot, in any case) promises.
    #[must_use]
    pub fn of_extension(extension: &str) -> Option<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "jpg" | "jpeg" | "jpe" | "jfif" => Some(Self::Jpeg),
            "png" => Some(Self::Png),
            "tif" | "tiff" => Some(Self::Tiff),
            "webp" => Some(Self::WebP),
            "bmp" | "dib" => Some(Self::Bmp),
            "pnm" | "pbm" | "pgm" | "ppm" | "pam" => Some(Self::Pnm),
            "gif" => Some(Self::Gif),
            "qoi" => Some(Self::Qoi),
            _ => None,
        }
    }

    /// The format of a file that begins with `start`; 12 bytes are enough.
    #[must_use]
    pub fn of_content(start: &[u8]) -> Option<Self> {
        match start {
            [0xFF, 0xD8, 0xFF, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Some(Self::Png),
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Some(Self::Tiff),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            [b'B', b'M', ..] => Some(Self::Bmp),
            [b'P', b'1'..=b'7', b' ' | b'\t' | b'\r' | b'\n' | b'#', ..] => Some(Self::Pnm),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'q', b'o', b'i', b'f', ..] => Some(Self::Qoi),
            _ => None,
        }
    }

    /// The usual extension of a new file, without the dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Tiff => "tif",
            Self::WebP => "webp",
            Self::Bmp => "bmp",
            Self::Pnm => "pnm",
            Self::Gif => "gif",
            Self::Qoi => "qoi",
        }
    }

    /// What an input of this format is written as unless the user says otherwise.
    #[must_use]
    pub fn output(self) -> Self {
        match self {
            Self::Gif | Self::Qoi => Self::Png,
            Self::Jpeg | Self::Png | Self::Tiff | Self::WebP | Self::Bmp | Self::Pnm => self,
        }
    }

    /// How many channels a file of this format holds of a picture of `channels` (1 to 4).
    ///
    /// Fewer: alpha is dropped. More: gray and alpha become RGBA of three equal colours, and nothing
    /// is lost. WebP does so with all grays by itself, which does not count here.
    #[must_use]
    pub fn held_channels(self, channels: usize) -> usize {
        match (self, channels) {
            (Self::Jpeg, 2) => 1,
            (Self::Jpeg, 4) => 3,
            (Self::Tiff | Self::Bmp, 2) => 4,
            _ => channels,
        }
    }

    /// Whether a picture of `channels` (1 to 4) can be written in this format at all.
    ///
    /// # Errors
    /// When the format is not one of [`WRITABLE`](Self::WRITABLE), or a limit of it is exceeded.
    pub fn check_fits(
        self,
        width: usize,
        height: usize,
        channels: usize,
    ) -> Result<(), ImageError> {
        let (wide, high) = (width as u64, height as u64);
        let line = wide.saturating_mul(self.held_channels(channels) as u64);
        let (most_side, line) = match self {
            Self::Jpeg => (JPEG_SIDE, 0),
            Self::WebP => (WEBP_SIDE, 0),
            Self::Png => (SIGNED_SIDE, 0),
            Self::Bmp => (SIGNED_SIDE, line.next_multiple_of(4)),
            Self::Tiff => (u32::MAX.into(), 0),
            Self::Pnm => return Ok(()),
            Self::Gif | Self::Qoi => {
                return Err(self.unfit("mpix does not write this format".to_owned()));
            }
        };
        if wide.max(high) > most_side {
            let reason = format!("{width} x {height} pixels; a side has at most {most_side}");
            return Err(self.unfit(reason));
        }
        let bytes = line.saturating_mul(high);
        if bytes > u64::from(u32::MAX) - HEADERS {
            return Err(self.unfit(format!("{bytes} bytes of pixels; it holds 4 GiB")));
        }
        Ok(())
    }

    pub(super) fn unfit(self, reason: String) -> ImageError {
        ImageError::Encode { format: self.name(), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_writable_format_is_known_by_its_extension_and_stays_itself() {
        for &format in Format::WRITABLE {
            assert_eq!(Format::of_extension(format.extension()), Some(format));
            assert_eq!(Format::of_extension(&format.name().to_uppercase()), Some(format));
            assert_eq!(format.output(), format);
        }
        assert_eq!(Format::of_extension("JPEG"), Some(Format::Jpeg));
        assert_eq!(Format::of_extension(".jpg"), None);
        assert_eq!(Format::Gif.output(), Format::Png);
    }

    #[test]
    fn limits_are_known_without_pixels() {
        let fits = |format: Format, width, height, channels| {
            format.check_fits(width, height, channels).map_err(|error| error.to_string())
        };
        assert!(fits(Format::Jpeg, 65_500, 1, 3).is_ok());
        assert!(fits(Format::Jpeg, 1, 65_501, 3).unwrap_err().contains("at most 65500"));
        assert!(fits(Format::WebP, 16_384, 1, 3).is_ok());
        assert!(fits(Format::WebP, 16_385, 1, 3).unwrap_err().contains("at most 16384"));
        // 4.3 G bytes as RGBA, half of it as gray and alpha, which BMP holds as RGBA.
        assert!(fits(Format::Bmp, 1 << 15, 1 << 15, 3).is_ok());
        let error = fits(Format::Bmp, 1 << 15, 1 << 15, 2).unwrap_err();
        assert!(error.ends_with("4294967296 bytes of pixels; it holds 4 GiB"), "{error}");
        assert!(fits(Format::Tiff, 1 << 20, 1 << 20, 4).is_ok());
        assert!(fits(Format::Bmp, 3, 1 << 30, 1).is_err(), "a line of four bytes");
        assert!(fits(Format::Bmp, 1 << 31, 1, 1).is_err());
        assert!(fits(Format::Png, 1 << 31, 1, 1).is_err());
        for &format in Format::WRITABLE {
            assert!(fits(format, 4000, 3000, 4).is_ok());
        }
        assert!(fits(Format::Pnm, usize::MAX, usize::MAX, 4).is_ok());
        assert!(fits(Format::Gif, 1, 1, 1).unwrap_err().contains("does not write"));
    }

    #[test]
    fn content_is_known_by_its_first_bytes() {
        assert_eq!(Format::of_content(b"P5\n1 1\n255\n\0"), Some(Format::Pnm));
        assert_eq!(Format::of_content(b"P5"), None);
        assert_eq!(Format::of_content(b"PK\x03\x04"), None);
        assert_eq!(Format::of_content(b"MM\0\x2B"), Some(Format::Tiff));
        assert_eq!(Format::of_content(b"RIFF\0\0\0\0WAVE"), None);
        assert_eq!(Format::of_content(b""), None);
    }
}
