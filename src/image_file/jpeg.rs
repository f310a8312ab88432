//! JPEG by libjpeg-turbo, with the settings of OpenCV: accurate DCT, smooth upsampling, 4:2:0.

use std::borrow::Cow;
use std::ops::Range;

use super::Format;
use super::libjpeg::{self, Fault, Shape};
use super::row_reader::RowReader;
use crate::error::ImageError;

/// Scans of a progressive file; a hostile one makes each pixel again and again.
const MAX_SCANS: i32 = 500;
/// Bytes between the last scan and the end marker that are taken for padding.
const MAX_PADDING: usize = 16;
/// Rows of inks that become colours at a time.
const INK_ROWS: usize = 8;

/// Gives the rows of a file, gray or RGB.
///
/// Strict: whatever libjpeg-turbo merely warns of (a file that ends early, bad codes) is an error in
/// the end, but for some bytes of padding before a marker, which change no pixel.
pub(super) struct Reader<'f> {
    codec: libjpeg::Reader<'f>,
    /// Some rows of four inks, for files that hold them.
    inks: Vec<u8>,
}

impl<'f> Reader<'f> {
    /// A reader of `file`, which has `size` columns and rows, and bytes that belong to no segment at
    /// `junk`; it gives the picture, or one that is `shrink` (2, 4 or 8) times smaller. Of a file of
    /// several scans it reads them all.
    pub(super) fn new(
        file: Cow<'f, [u8]>,
        size: (usize, usize),
        junk: &[Range<usize>],
        shrink: u8,
    ) -> Result<Self, ImageError> {
        let mut codec =
            libjpeg::Reader::new(without_junk(file, junk), MAX_SCANS).map_err(broken)?;
        let (width, height, channels) = codec.shape();
        if (width, height) != size {
            return Err(broken(format!("its size is {size:?} or {:?}", (width, height))));
        }
        codec.start(shrink).map_err(broken)?;
        let (width, ..) = codec.shape();
        let inks = if channels == 4 { vec![0; INK_ROWS * width * 4] } else { Vec::new() };
        Ok(Self { codec, inks })
    }

    /// Columns and rows of what it gives.
    pub(super) fn size(&self) -> (usize, usize) {
        let (width, height, _) = self.codec.shape();
        (width, height)
    }
}

impl RowReader for Reader<'_> {
    fn read(&mut self, rows: &mut [u8]) -> Result<(), ImageError> {
        if self.inks.is_empty() {
            return self.codec.read(rows).map_err(broken);
        }
        let (width, ..) = self.codec.shape();
        for rows in rows.chunks_mut(INK_ROWS * width * 3) {
            let inks = &mut self.inks[..rows.len() / 3 * 4];
            self.codec.read(inks).map_err(broken)?;
            to_colours(inks, rows);
        }
        Ok(())
    }

    fn end(self: Box<Self>) -> Result<(), ImageError> {
        match self.codec.end().map_err(broken)? {
            Some(warning) if !only_padding(&warning) => Err(broken(warning)),
            Some(_) | None => Ok(()),
        }
    }
}

/// The file without the bytes between its segments, of which libjpeg-turbo would warn.
fn without_junk<'f>(file: Cow<'f, [u8]>, junk: &[Range<usize>]) -> Cow<'f, [u8]> {
    if junk.is_empty() {
        return file;
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

/// Whether all that libjpeg-turbo warns of are a few bytes before the end marker.
///
/// Only the first warning is known. As nothing but the end comes after this one, no other can hide
/// behind it; a file cut off there would have warned of that.
fn only_padding(warning: &str) -> bool {
    warning
        .strip_prefix("Corrupt JPEG data: ")
        .and_then(|rest| rest.strip_suffix(" extraneous bytes before marker 0xd9"))
        .and_then(|count| count.parse().ok())
        .is_some_and(|count: usize| count <= MAX_PADDING)
}

/// Turns four bytes a pixel into three, as OpenCV does: the samples are taken for inverted, as
/// Adobe's programs write them, and no profile is looked at.
fn to_colours(inks: &[u8], colours: &mut [u8]) {
    let (colours, _) = colours.as_chunks_mut::<3>();
    let (inks, _) = inks.as_chunks::<4>();
    for (colour, [ink @ .., black]) in colours.iter_mut().zip(inks) {
        *colour = ink.map(|value| black - scaled(255 - value, *black));
    }
}

/// `value · by / 256`, rounded down; at most `by`.
fn scaled(value: u8, by: u8) -> u8 {
    let [_, high] = (u16::from(value) * u16::from(by)).to_le_bytes();
    high
}

/// Makes a file of rows of gray (1), RGB (3) or RGBA (4) pixels; alpha is left out.
pub(super) struct Writer {
    codec: libjpeg::Writer,
    segments: Vec<u8>,
}

impl Writer {
    /// A writer of a picture of `shape`, columns, rows and channels, to a file with `segments` in it,
    /// in the memory of `recycled` if that is large enough.
    pub(super) fn new(
        shape: Shape,
        quality: u8,
        segments: Vec<u8>,
        recycled: Vec<u8>,
    ) -> Result<Self, ImageError> {
        let codec = libjpeg::Writer::new(shape, quality, false, recycled).map_err(unfit)?;
        Ok(Self { codec, segments })
    }

    /// A writer to a file in which each row of blocks stands alone.
    pub(super) fn in_pieces(
        shape: Shape,
        quality: u8,
        segments: Vec<u8>,
    ) -> Result<Self, ImageError> {
        let codec = libjpeg::Writer::new(shape, quality, true, Vec::new()).map_err(unfit)?;
        Ok(Self { codec, segments })
    }

    /// Writes the next rows.
    pub(super) fn write(&mut self, rows: &[u8]) -> Result<(), ImageError> {
        self.codec.write(rows).map_err(unfit)
    }

    /// The file, once it has all rows.
    pub(super) fn end(self) -> Result<Vec<u8>, ImageError> {
        let mut file = self.codec.end().map_err(unfit)?;
        let at = behind_jfif(&file);
        file.splice(at..at, self.segments);
        Ok(file)
    }
}

/// How many of a pixel's `channels` are passed to the encoder: a fourth byte is left out by
/// libjpeg-turbo itself.
pub(super) fn passed_channels(channels: usize) -> usize {
    if channels == 4 { 4 } else { Format::Jpeg.held_channels(channels) }
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

pub(super) fn unfit(fault: Fault) -> ImageError {
    Format::Jpeg.unfit(fault)
}

fn broken(reason: Fault) -> ImageError {
    ImageError::Broken { format: Format::Jpeg.name(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_little_padding_before_the_end_is_harmless() {
        let extraneous = |count, marker| {
            format!("Corrupt JPEG data: {count} extraneous bytes before marker 0x{marker}")
        };
        assert!(only_padding(&extraneous(1, "d9")));
        assert!(only_padding(&extraneous(MAX_PADDING, "d9")));
        assert!(!only_padding(&extraneous(MAX_PADDING + 1, "d9")));
        assert!(!only_padding(&extraneous(1, "c4")));
        assert!(!only_padding("Premature end of JPEG file"));
    }

    #[test]
    fn inks_become_colours_as_in_opencv() {
        let mut colours = [0; 9];
        to_colours(&[255, 255, 255, 255, 0, 128, 255, 200, 10, 20, 30, 0], &mut colours);
        assert_eq!(colours, [255, 255, 255, 1, 101, 200, 0, 0, 0]);
    }
}
