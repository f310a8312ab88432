//! JPEG by libjpeg-turbo, with the settings of OpenCV: accurate DCT, smooth upsampling, 4:2:0.

use std::borrow::Cow;
use std::ops::Range;

use turbojpeg::{Colorspace, Compressor, Decompressor, Image, PixelFormat, Subsamp};

use super::Format;
use super::decode::recycle;
use crate::error::ImageError;

/// Scans of a progressive file; a hostile one makes each pixel again and again.
const MAX_SCANS: u32 = 500;
/// Bytes between the last scan and the end marker that are taken for padding.
const MAX_PADDING: usize = 16;

/// The pixels of `file`, gray or RGB, which has `size` columns and rows, and bytes that belong to
/// no segment at `junk`.
///
/// Strict: whatever libjpeg-turbo merely warns of (a file that ends early, bad codes) is an error,
/// but for some bytes of padding before a marker, which change no pixel.
pub(super) fn decode(
    file: &[u8],
    size: (usize, usize),
    junk: &[Range<usize>],
    recycled: Vec<u8>,
) -> Result<Vec<u8>, ImageError> {
    let file = without_junk(file, junk);
    let mut decompressor = Decompressor::new().map_err(broken)?;
    decompressor.set_scan_limit(MAX_SCANS).map_err(broken)?;
    let header = decompressor.read_header(&file).map_err(broken)?;
    if (header.width, header.height) != size {
        let reason = format!("its size is {size:?} or {:?}", (header.width, header.height));
        return Err(ImageError::Broken { format: Format::Jpeg.name(), reason });
    }
    let format = match header.colorspace {
        Colorspace::Gray => PixelFormat::GRAY,
        Colorspace::RGB | Colorspace::YCbCr => PixelFormat::RGB,
        Colorspace::CMYK | Colorspace::YCCK => PixelFormat::CMYK,
    };
    let (width, height) = size;
    let pitch = width * format.size();
    let mut pixels = recycle(recycled, pitch * height);
    let image = Image { pixels: pixels.as_mut_slice(), width, pitch, height, format };
    match decompressor.decompress(&file, image) {
        Err(error) if !only_padding(&error) => return Err(broken(error)),
        _ => {}
    }
    if format == PixelFormat::CMYK {
        cmyk_to_rgb(&mut pixels);
    }
    Ok(pixels)
}

/// The file without the bytes between its segments, of which libjpeg-turbo would warn.
fn without_junk<'f>(file: &'f [u8], junk: &[Range<usize>]) -> Cow<'f, [u8]> {
    if junk.is_empty() {
        return Cow::Borrowed(file);
    }
    let mut kept = Vec::with_capacity(file.len());
    let mut from = 0;
    for junk in junk {
        kept.extend_from_slice(&file[from..junk.start]);
        from = junk.end;
    }
    kept.extend_from_slice(&file[from..]);
    Cow::Owned(kept)
}

/// Whether all that libjpeg-turbo found are a few bytes before the end marker.
///
/// It keeps the text of the first warning only. As nothing but the end comes after this one, no
/// other can hide behind it; a file cut off there would have warned of that.
fn only_padding(error: &turbojpeg::Error) -> bool {
    reason(error)
        .strip_prefix("Corrupt JPEG data: ")
        .and_then(|rest| rest.strip_suffix(" extraneous bytes before marker 0xd9"))
        .and_then(|count| count.parse().ok())
        .is_some_and(|count: usize| count <= MAX_PADDING)
}

/// Turns four bytes a pixel into three, in place, as OpenCV does: the samples are taken for
/// inverted, as Adobe's programs write them, and no profile is looked at.
fn cmyk_to_rgb(pixels: &mut Vec<u8>) {
    let count = pixels.len() / 4;
    for pixel in 0..count {
        let ink: [u8; 4] = std::array::from_fn(|i| pixels[4 * pixel + i]);
        for (channel, value) in ink[..3].iter().enumerate() {
            pixels[3 * pixel + channel] = ink[3] - scaled(255 - value, ink[3]);
        }
    }
    pixels.truncate(3 * count);
    pixels.shrink_to_fit();
}

/// `value · by / 256`, rounded down; at most `by`.
fn scaled(value: u8, by: u8) -> u8 {
    let [_, high] = (u16::from(value) * u16::from(by)).to_le_bytes();
    high
}

/// A JPEG file of gray (1), RGB (3) or RGBA (4) pixels, with `segments` in it; alpha is left out.
pub(super) fn encode(
    pixels: &[u8],
    (width, height): (usize, usize),
    channels: usize,
    quality: u8,
    segments: &[u8],
) -> Result<Vec<u8>, ImageError> {
    let (format, subsamp) = match channels {
        1 => (PixelFormat::GRAY, Subsamp::Gray),
        3 => (PixelFormat::RGB, Subsamp::Sub2x2),
        _ => (PixelFormat::RGBX, Subsamp::Sub2x2),
    };
    let compress = || {
        let mut compressor = Compressor::new()?;
        compressor.set_quality(quality.clamp(1, 100).into())?;
        compressor.set_subsamp(subsamp)?;
        let image = Image { pixels, width, pitch: width * channels, height, format };
        // As long as the file can be at most: libjpeg-turbo would make it longer by copying. What is
        // not written to takes no memory.
        let most = turbojpeg::compressed_buf_len(width, height, subsamp)?;
        let mut file = vec![0; most + segments.len()];
        let length = compressor.compress_to_slice(image, &mut file)?;
        file.truncate(length);
        Ok(file)
    };
    let mut file = compress().map_err(|error| Format::Jpeg.unfit(reason(&error)))?;
    let at = behind_jfif(&file);
    file.splice(at..at, segments.iter().copied());
    file.shrink_to_fit();
    Ok(file)
}

/// Where the first segment ends, if it is JFIF's, which must be the first.
fn behind_jfif(file: &[u8]) -> usize {
    match file {
        [0xFF, 0xD8, 0xFF, 0xE0, high, low, ..] => {
            4 + usize::from(u16::from_be_bytes([*high, *low]))
        }
        _ => 2,
    }
}

fn reason(error: &turbojpeg::Error) -> String {
    if let turbojpeg::Error::TurboJpegError(text) = error {
        text.clone()
    } else {
        error.to_string()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn broken(error: turbojpeg::Error) -> ImageError {
    ImageError::Broken { format: Format::Jpeg.name(), reason: reason(&error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warning(text: &str) -> turbojpeg::Error {
        turbojpeg::Error::TurboJpegError(text.to_owned())
    }

    #[test]
    fn only_a_little_padding_before_the_end_is_harmless() {
        let extraneous = |count, marker| {
            warning(&format!(
                "Corrupt JPEG data: {count} extraneous bytes before marker 0x{marker}"
            ))
        };
        assert!(only_padding(&extraneous(1, "d9")));
        assert!(only_padding(&extraneous(MAX_PADDING, "d9")));
        assert!(!only_padding(&extraneous(MAX_PADDING + 1, "d9")));
        assert!(!only_padding(&extraneous(1, "c4")));
        assert!(!only_padding(&warning("Premature end of JPEG file")));
    }

    #[test]
    fn inks_become_colours_as_in_opencv() {
        let mut pixels = vec![255, 255, 255, 255, 0, 128, 255, 200, 10, 20, 30, 0];
        cmyk_to_rgb(&mut pixels);
        assert_eq!(pixels, [255, 255, 255, 1, 101, 200, 0, 0, 0]);
    }
}
