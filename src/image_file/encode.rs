//! From pixels to a file's bytes.

use std::borrow::Cow;
use std::io::Cursor;

use image::codecs::{bmp::BmpEncoder, webp::WebPEncoder};
use image::{ExtendedColorType, ImageEncoder};
use serde::{Deserialize, Serialize};

use super::guard::guarded;
use super::{Format, Metadata, Writer};
use crate::error::ImageError;

/// Bytes of a file of uncompressed pixels for its headers.
const HEADERS: usize = 1 << 16;

/// How pixels become a file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EncodeOptions {
    /// One of [`Format::WRITABLE`].
    pub format: Format,
    /// JPEG quality, 1 to 100; the other formats are lossless.
    pub quality: u8,
    /// Whether metadata is left out.
    pub strip: bool,
}

/// A file of `width` x `height` pixels of `channels` bytes, row-major without gaps.
///
/// Gray and alpha are written as RGBA where the format holds them only so, and alpha is dropped
/// where it holds none ([`Format::held_channels`]); so is metadata that it does not hold, and a
/// colour profile that is not one for these channels. The same pixels and options give the same
/// bytes. A JPEG is encoded as OpenCV's `imwrite` does it, 4:2:0.
///
/// # Errors
/// When the format is not writable or its limits are exceeded ([`Format::check_fits`]). An encoder's
/// panic is an error like any other.
///
/// # Panics
/// When `pixels` has another length, or `channels` is not 1 to 4.
pub fn encode(
    pixels: &[u8],
    width: usize,
    height: usize,
    channels: usize,
    metadata: &Metadata,
    options: &EncodeOptions,
) -> Result<Vec<u8>, ImageError> {
    assert!((1..=4).contains(&channels), "{channels} channels");
    assert!(pixels.len() == width * height * channels, "{width} x {height} x {channels} pixels");
    let shape = (width, height, channels);
    if matches!(options.format, Format::WebP | Format::Bmp) {
        options.format.check_fits(width, height, channels)?;
        return encode_whole(pixels, shape, metadata, options);
    }
    let mut writer = Writer::new(shape, metadata, options, Vec::new())?;
    writer.write(pixels)?;
    writer.end().map(|(file, _)| file)
}

/// A file of a format that takes all pixels at once, and that they fit.
pub(super) fn encode_whole(
    pixels: &[u8],
    (width, height, channels): (usize, usize, usize),
    metadata: &Metadata,
    options: &EncodeOptions,
) -> Result<Vec<u8>, ImageError> {
    let format = options.format;
    guarded_encoder(format, || {
        let held = format.held_channels(channels);
        let (icc, exif) = fitting(metadata, channels, options);
        let pixels = with_channels(pixels, channels, held);
        Raster { pixels: &pixels, width, height, channels: held, icc, exif }.encode(format)
    })
}

/// Runs the encoder of a format: its panic is an error like any other.
pub(super) fn guarded_encoder<T>(
    format: Format,
    work: impl FnOnce() -> Result<T, ImageError>,
) -> Result<T, ImageError> {
    guarded(work, |text| format.unfit(format!("its encoder panicked: {text}")))
}

/// The colour profile and the EXIF block that are written beside pixels of `channels`.
pub(super) fn fitting<'m>(
    metadata: &'m Metadata,
    channels: usize,
    options: &EncodeOptions,
) -> (Option<&'m [u8]>, Option<&'m [u8]>) {
    let held = options.format.held_channels(channels);
    let icc = metadata.fitting_icc(options.format, held).filter(|_| !options.strip);
    let exif = metadata.exif.as_deref().filter(|_| !options.strip);
    (icc, exif)
}

/// The first `held` of each pixel's `channels` bytes, or RGBA for gray and alpha.
pub(super) fn with_channels(pixels: &[u8], channels: usize, held: usize) -> Cow<'_, [u8]> {
    if held == channels {
        return Cow::Borrowed(pixels);
    }
    if (channels, held) == (2, 4) {
        let (pairs, _) = pixels.as_chunks::<2>();
        return Cow::Owned(
            pairs.iter().flat_map(|&[gray, alpha]| [gray, gray, gray, alpha]).collect(),
        );
    }
    let mut kept = Vec::with_capacity(pixels.len() / channels * held);
    for pixel in pixels.chunks_exact(channels) {
        kept.extend_from_slice(&pixel[..held]);
    }
    Cow::Owned(kept)
}

/// Pixels and blocks for one of the encoders of `image`.
struct Raster<'a> {
    pixels: &'a [u8],
    width: usize,
    height: usize,
    channels: usize,
    icc: Option<&'a [u8]>,
    exif: Option<&'a [u8]>,
}

impl Raster<'_> {
    fn encode(&self, format: Format) -> Result<Vec<u8>, ImageError> {
        let expected = if format == Format::Bmp { self.uncompressed_bytes() } else { 0 };
        let mut file = Cursor::new(Vec::with_capacity(expected));
        let written = match format {
            Format::WebP => self.write(format, WebPEncoder::new_lossless(&mut file)),
            Format::Bmp => self.write(format, BmpEncoder::new(&mut file)),
            Format::Jpeg | Format::Png | Format::Tiff | Format::Pnm | Format::Gif | Format::Qoi => {
                unreachable!("not one of `image`'s encoders, or refused by `check_fits`")
            }
        };
        written.map(|()| file.into_inner())
    }

    fn uncompressed_bytes(&self) -> usize {
        let line = (self.width * self.channels).next_multiple_of(4);
        line * self.height + HEADERS + self.icc.map_or(0, <[u8]>::len)
    }

    fn write(&self, format: Format, mut encoder: impl ImageEncoder) -> Result<(), ImageError> {
        // An encoder that refuses a block is one of a format that does not hold it.
        let _ = self.icc.map(|icc| encoder.set_icc_profile(icc.to_vec()));
        let _ = self.exif.map(|exif| encoder.set_exif_metadata(exif.to_vec()));
        let color = match self.channels {
            1 => ExtendedColorType::L8,
            2 => ExtendedColorType::La8,
            3 => ExtendedColorType::Rgb8,
            _ => ExtendedColorType::Rgba8,
        };
        let (Ok(width), Ok(height)) = (u32::try_from(self.width), u32::try_from(self.height))
        else {
            let reason = format!("{} x {} pixels", self.width, self.height);
            return Err(format.unfit(reason));
        };
        encoder
            .write_image(self.pixels, width, height, color)
            .map_err(|error| format.unfit(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpha_is_dropped_where_the_format_has_none() {
        assert_eq!(*with_channels(&[1, 9, 2, 9], 2, 1), [1, 2]);
        assert_eq!(*with_channels(&[1, 2, 3, 9], 4, 3), [1, 2, 3]);
        assert!(matches!(with_channels(&[1, 2, 3], 3, 3), Cow::Borrowed(_)));
    }

    #[test]
    fn gray_and_alpha_become_rgba_where_the_format_holds_them_only_so() {
        assert_eq!(*with_channels(&[1, 9, 2, 8], 2, 4), [1, 1, 1, 9, 2, 2, 2, 8]);
        assert_eq!((Format::Tiff.held_channels(2), Format::Bmp.held_channels(2)), (4, 4));
        assert_eq!((Format::Png.held_channels(2), Format::Jpeg.held_channels(2)), (2, 1));
    }

    #[test]
    fn a_panic_in_an_encoder_is_an_error_with_its_text() {
        // Nothing is known that makes an encoder panic, but for pixels that are not there.
        let raster =
            Raster { pixels: &[0; 5], width: 2, height: 2, channels: 3, icc: None, exif: None };
        for format in [Format::WebP, Format::Bmp] {
            let of_panic = |text| format.unfit(format!("its encoder panicked: {text}"));
            let error = guarded(|| raster.encode(format), of_panic).unwrap_err().to_string();
            let start = format!("does not fit a {} file: its encoder panicked: ", format.name());
            assert!(error.starts_with(&start) && error.len() > start.len() + 10, "{error}");
        }
    }

    #[test]
    fn limits_are_named() {
        let options = EncodeOptions { format: Format::Jpeg, quality: 95, strip: false };
        let pixels = vec![0; 65_501];
        let error = encode(&pixels, 65_501, 1, 1, &Metadata::default(), &options).unwrap_err();
        assert!(error.to_string().contains("at most 65500"), "{error}");
        let options = EncodeOptions { format: Format::WebP, ..options };
        let error = encode(&pixels, 65_501, 1, 1, &Metadata::default(), &options).unwrap_err();
        assert!(error.to_string().starts_with("does not fit a WebP file: "), "{error}");
    }
}
