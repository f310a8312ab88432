//! From a file's bytes to its header and its pixels.

use std::borrow::Cow;
use std::io::{self, BufRead, Cursor, ErrorKind, Read, Seek, SeekFrom};

use serde::{Deserialize, Serialize};

use super::bounded::Bounded;
use super::guard::guarded;
use super::opened::{Opened, OpenedJpeg, checked_jpeg};
use super::{Format, Limits, Metadata, jpeg_segments};
use crate::error::ImageError;

/// Bytes in which a header must end, those sought over not counted, beside the metadata that it may
/// hold.
const MAX_HEADER: usize = 16 << 20;
/// Times that metadata is read: measured, then kept.
const METADATA_READS: usize = 2;

/// What may be decoded, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DecodeOptions {
    /// What is refused.
    pub limits: Limits,
    /// Whether samples of 16 bits are cut to their upper 8, rather than refused.
    pub depth_8: bool,
    /// Whether the colour profile is left in the file. EXIF is read either way: it may turn the
    /// picture.
    pub strip: bool,
}

impl DecodeOptions {
    /// What `mpix run` does without flags.
    pub const DEFAULT: Self = Self { limits: Limits::DEFAULT, depth_8: false, strip: false };

    /// Bytes in which a header must end.
    fn header_bytes(&self) -> usize {
        let metadata = usize::try_from(self.limits.metadata_bytes).unwrap_or(usize::MAX);
        metadata.saturating_mul(METADATA_READS).saturating_add(MAX_HEADER)
    }
}

/// What a file holds, as its first bytes tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Header {
    /// The format of the content.
    pub format: Format,
    /// Columns of the decoded, upright picture.
    pub width: usize,
    /// Rows of the decoded, upright picture.
    pub height: usize,
    /// Channels of the decoded picture: 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA. For GIF always 4;
    /// it is decoded to 3 if its first frame turns out opaque.
    pub channels: usize,
    /// Bits per sample in the file, where samples of fewer than 8 count as 8.
    pub bits: u32,
    /// Most memory that [`decode`] of this file takes, the picture among it, the file not.
    pub decode_bytes: u64,
    /// Most memory that a [`Reader`](super::Reader) of this file takes beside the rows that it is
    /// asked for, the file not, if it reads it by and by.
    pub reader_bytes: Option<u64>,
}

impl Header {
    /// Whether [`Reader::open_file`](super::Reader::open_file) reads the whole file into memory
    /// first.
    #[must_use]
    pub fn holds_file(&self) -> bool {
        self.format == Format::Jpeg
    }
}

/// A decoded, upright picture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Picture {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Bytes in a pixel: 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA.
    pub channels: usize,
    /// Rows x columns x channels, row-major without gaps.
    pub pixels: Vec<u8>,
    /// What the file says about the pixels; its orientation is 1.
    pub metadata: Metadata,
}

/// Reads the header of the image in `reader`, from its start, and no more of it than that needs.
///
/// Nothing that grows with the image is allocated, and of a file without an end to its header, no
/// more than some megabytes beside the metadata that the limits allow.
///
/// # Errors
/// When the content is no image, is broken, is over a limit, or has samples or pixels that mpix does
/// not filter.
pub fn read_header<R: BufRead + Seek>(
    reader: R,
    options: &DecodeOptions,
) -> Result<Header, ImageError> {
    let mut reader = Bounded::new(reader, options.header_bytes());
    let format = sniff(&mut reader)?;
    guarded_decoder(format, || {
        if format == Format::Jpeg {
            let head = jpeg_segments::read_head(&mut reader, options)?;
            let has_junk = !head.junk.is_empty();
            let (stored, orientation, metadata) = checked_jpeg(head, options)?;
            let mut header = stored.header(orientation, &metadata);
            if has_junk {
                // The file is copied without it.
                let copy = reader.seek(SeekFrom::End(0)).map_err(ImageError::Unreadable)?;
                header.decode_bytes += copy;
                header.reader_bytes = header.reader_bytes.map(|bytes| bytes + copy);
            }
            return Ok(header);
        }
        Ok(Opened::new(format, reader, options)?.header())
    })
}

/// Decodes the image that `file` holds, into the memory of `recycled` if that is large enough; the
/// content of `recycled` does not matter.
///
/// # Errors
/// Those of [`read_header`], and when the file is cut off or damaged. A decoder's panic is an error
/// like any other.
pub fn decode(
    file: &[u8],
    options: &DecodeOptions,
    recycled: Vec<u8>,
) -> Result<Picture, ImageError> {
    let mut reader = Cursor::new(file);
    let format = sniff(&mut reader)?;
    guarded_decoder(format, || {
        if format == Format::Jpeg {
            OpenedJpeg::new(Cow::Borrowed(file), options)?.decode(recycled)
        } else {
            Opened::new(format, reader, options)?.decode(recycled)
        }
    })
}

/// Decodes the image that `file` holds, or where that takes less time, a smaller one whose longer side
/// has `side` pixels or more: for a small copy of it.
///
/// # Errors
/// Those of [`decode`].
pub fn decode_at_least(
    file: &[u8],
    options: &DecodeOptions,
    side: usize,
) -> Result<Picture, ImageError> {
    if sniff(&mut Cursor::new(file))? != Format::Jpeg {
        return decode(file, options, Vec::new());
    }
    guarded_decoder(Format::Jpeg, || {
        OpenedJpeg::at_least(Cow::Borrowed(file), options, side)?.decode(Vec::new())
    })
}

/// `len` bytes in the memory of `recycled` if that is large enough; their content is arbitrary.
pub(super) fn recycle(mut recycled: Vec<u8>, len: usize) -> Vec<u8> {
    if recycled.capacity() < len {
        // First, so that the two are never there at a time.
        drop(recycled);
        return vec![0; len];
    }
    recycled.resize(len, 0);
    recycled
}

/// The format of the content; leaves `reader` at its start.
pub(super) fn sniff<R: BufRead + Seek>(reader: &mut R) -> Result<Format, ImageError> {
    const START: u64 = 12;
    let mut start = Vec::new();
    reader.by_ref().take(START).read_to_end(&mut start).map_err(ImageError::Unreadable)?;
    if let Some(format) = Format::of_content(&start) {
        reader.rewind().map_err(ImageError::Unreadable)?;
        return Ok(format);
    }
    if start.is_empty() {
        return Err(ImageError::Empty);
    }
    let size = reader.seek(SeekFrom::End(0)).map_err(ImageError::Unreadable)?;
    let start = start.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    Err(ImageError::NotAnImage { size, start })
}

/// Runs the decoder of a format: its panic is an error like any other.
pub(super) fn guarded_decoder<T>(
    format: Format,
    work: impl FnOnce() -> Result<T, ImageError>,
) -> Result<T, ImageError> {
    guarded(work, |text| broken(format, format!("its decoder panicked: {text}")))
}

pub(super) fn from_image(format: Format, error: image::ImageError) -> ImageError {
    use image::error::{ImageError as Fault, UnsupportedErrorKind};
    match error {
        Fault::IoError(error) => from_io(format, error),
        Fault::Unsupported(error) => {
            if let UnsupportedErrorKind::Color(color) = error.kind() {
                return ImageError::Pixels { pixels: format!("{color:?}") };
            }
            ImageError::Feature { format: format.name(), feature: error.to_string() }
        }
        Fault::Limits(_) => {
            broken(format, "it asks for far more memory than its pixels need".to_owned())
        }
        Fault::Decoding(_) | Fault::Encoding(_) | Fault::Parameter(_) => {
            broken(format, error.to_string())
        }
    }
}

/// A fault of the reader, if the system named it; otherwise one of the content.
pub(super) fn from_io(format: Format, error: io::Error) -> ImageError {
    if error.raw_os_error().is_some() {
        return ImageError::Unreadable(error);
    }
    if error.kind() == ErrorKind::UnexpectedEof {
        return broken(format, "it ends early".to_owned());
    }
    broken(format, error.to_string())
}

pub(super) fn broken(format: Format, reason: String) -> ImageError {
    ImageError::Broken { format: format.name(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_text() {
        let error =
            guarded_decoder::<()>(Format::Png, || panic!("row {} is missing", 7)).unwrap_err();
        assert!(error.to_string().ends_with("its decoder panicked: row 7 is missing"), "{error}");
    }

    #[test]
    fn recycled_memory_is_used_again_when_it_is_large_enough() {
        let old = vec![7; 100];
        let at = old.as_ptr();
        let reused = recycle(old, 60);
        assert_eq!((reused.as_ptr(), reused.len()), (at, 60));
        assert_eq!(recycle(reused, 101).len(), 101);
    }
}
