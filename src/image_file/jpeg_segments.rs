//! The segments of a JPEG file up to its first scan: size, EXIF and ICC.

use std::io::{self, BufRead, Seek};
use std::ops::Range;

use super::decode::from_io;
use super::metadata::EXIF_PREFIX;
use super::{DecodeOptions, Format};
use crate::error::ImageError;

const ICC_PREFIX: &[u8] = b"ICC_PROFILE\0";
/// Bytes of all APP2 segments, the longest profile's among them: 255 parts, numbered by a byte.
/// libjpeg-turbo keeps them all.
const MAX_APP2: usize = 255 * (u16::MAX as usize + APP2_COST);
/// What a segment takes beside its content, here and in libjpeg-turbo.
const APP2_COST: usize = 64;
/// Bytes of a segment behind its marker and its length.
const MAX_CONTENT: usize = u16::MAX as usize - 2;
/// Places where bytes belong to no segment, as some cameras leave one. Each is remembered.
const MAX_JUNK: usize = 8;

/// What stands before the first scan.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Bits per sample.
    pub(super) precision: u8,
    pub(super) components: u8,
    /// The EXIF block, without its prefix.
    pub(super) exif: Option<Vec<u8>>,
    /// Bytes of the coefficients of the whole picture, which libjpeg-turbo keeps if the file has
    /// several scans; otherwise 0.
    pub(super) coefficient_bytes: u64,
    /// Bytes of all APP2 segments, which libjpeg-turbo keeps.
    pub(super) app2_bytes: u64,
    /// Units of blocks between two restart markers; 0 for none.
    pub(super) restart_interval: u16,
    /// The ICC profile, joined; none if a part is missing.
    pub(super) icc: Option<Vec<u8>>,
    /// Bytes that belong to no segment. Readers skip them; libjpeg-turbo warns.
    pub(super) junk: Vec<Range<usize>>,
}

/// Reads the segments from the start of `reader` to the first scan.
pub(super) fn read_head<R: BufRead + Seek>(
    reader: R,
    options: &DecodeOptions,
) -> Result<Head, ImageError> {
    let mut walk = Walk { reader, position: 0, junk: Vec::new() };
    let (mut frame, mut scan, mut blocks) = (None, Vec::new(), Blocks::default());
    let mut restart_interval = 0;
    walk.bytes::<2>()?;
    loop {
        match walk.next_marker()? {
            0x01 | 0xD0..=0xD7 => {}
            0xD9 => break,
            0xDA => {
                scan = walk.content()?;
                break;
            }
            marker @ (0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF) => {
                let content = walk.content()?;
                frame = frame.or(Some((marker, content)));
            }
            0xDD => {
                restart_interval =
                    walk.content()?.first_chunk().map_or(0, |bytes| u16::from_be_bytes(*bytes));
            }
            0xE1 => blocks.take_app1(&walk.content()?, options)?,
            0xE2 => blocks.take_app2(&walk.content()?, options)?,
            _ => walk.skip_content()?,
        }
    }
    let Some((marker, content)) = frame else { return Err(broken("it has no frame header")) };
    let &[precision, high, low, wide, narrow, components, ref sampling @ ..] = &content[..] else {
        return Err(broken("it has no frame header"));
    };
    let (width, height) = (u16::from_be_bytes([wide, narrow]), u16::from_be_bytes([high, low]));
    let is_progressive = marker & 3 == 2;
    let has_scans = is_progressive || scan.first().is_some_and(|&count| count < components);
    let coefficient_bytes = if has_scans { coefficient_bytes(width, height, sampling) } else { 0 };
    Ok(Head {
        width: width.into(),
        height: height.into(),
        precision,
        components,
        exif: blocks.exif,
        coefficient_bytes,
        app2_bytes: blocks.app2_bytes as u64,
        restart_interval,
        icc: joined(blocks.icc_parts),
        junk: walk.junk,
    })
}

/// Metadata as far as it was read.
#[derive(Default)]
struct Blocks {
    exif: Option<Vec<u8>>,
    icc_parts: Vec<Vec<u8>>,
    icc_bytes: u64,
    app2_bytes: usize,
}

impl Blocks {
    fn take_app1(&mut self, content: &[u8], options: &DecodeOptions) -> Result<(), ImageError> {
        if let Some(block) = content.strip_prefix(EXIF_PREFIX)
            && self.exif.is_none()
        {
            self.exif = Some(block.to_vec());
            return self.check(options);
        }
        Ok(())
    }

    fn take_app2(&mut self, content: &[u8], options: &DecodeOptions) -> Result<(), ImageError> {
        self.app2_bytes += APP2_COST + content.len();
        if self.app2_bytes > MAX_APP2 {
            return Err(broken("its APP2 segments hold more than any profile"));
        }
        if let Some(part) = content.strip_prefix(ICC_PREFIX)
            && !options.strip
        {
            // Without its number, and of how many.
            self.icc_bytes += part.len().saturating_sub(2) as u64;
            self.icc_parts.push(part.to_vec());
            return self.check(options);
        }
        Ok(())
    }

    fn check(&self, options: &DecodeOptions) -> Result<(), ImageError> {
        let exif_bytes = self.exif.as_ref().map_or(0, |block| block.len() as u64);
        options.limits.check_metadata(exif_bytes, self.icc_bytes, options.strip)
    }
}

/// Bytes of the coefficients of all components: blocks of 64, two bytes each, enough of them for
/// whole units of all components. `sampling` are the frame's components, three bytes each.
fn coefficient_bytes(width: u16, height: u16, sampling: &[u8]) -> u64 {
    let (components, _) = sampling.as_chunks::<3>();
    let factors =
        components.iter().map(|[_, both, _]| (u64::from(both >> 4), u64::from(both & 15)));
    let most = factors.clone().fold((1, 1), |(h, v), factor| (h.max(factor.0), v.max(factor.1)));
    let blocks: u64 = factors.map(|(h, v)| h * v).sum();
    u64::from(width).div_ceil(8 * most.0) * u64::from(height).div_ceil(8 * most.1) * blocks * 128
}

/// Segments that hold these blocks. Those too large for JPEG are left out.
pub(super) fn of_blocks(icc: Option<&[u8]>, exif: Option<&[u8]>) -> Vec<u8> {
    let mut segments = Vec::new();
    if let Some(exif) = exif.filter(|exif| exif.len() + EXIF_PREFIX.len() <= MAX_CONTENT) {
        push_segment(&mut segments, 0xE1, &[EXIF_PREFIX, exif]);
    }
    let parts: Vec<&[u8]> =
        icc.unwrap_or_default().chunks(MAX_CONTENT - ICC_PREFIX.len() - 2).collect();
    if let Ok(count) = u8::try_from(parts.len()) {
        for (number, part) in (1..=count).zip(parts) {
            push_segment(&mut segments, 0xE2, &[ICC_PREFIX, &[number, count], part]);
        }
    }
    segments
}

fn push_segment(segments: &mut Vec<u8>, marker: u8, content: &[&[u8]]) {
    let length = 2 + content.iter().map(|piece| piece.len()).sum::<usize>();
    let [.., high, low] = length.to_be_bytes();
    segments.extend([0xFF, marker, high, low]);
    for piece in content {
        segments.extend_from_slice(piece);
    }
}

/// The profile of parts that each begin with their number, from 1, and the number of parts.
fn joined(mut parts: Vec<Vec<u8>>) -> Option<Vec<u8>> {
    parts.sort_by_key(|part| part.first().copied());
    let count = parts.len();
    let in_order = parts.iter().zip(1..).all(|(part, number)| {
        matches!(part[..], [own, of, ..] if usize::from(own) == number && usize::from(of) == count)
    });
    (count > 0 && in_order).then(|| parts.iter().flat_map(|part| &part[2..]).copied().collect())
}

struct Walk<R> {
    reader: R,
    position: usize,
    junk: Vec<Range<usize>>,
}

impl<R: BufRead + Seek> Walk<R> {
    /// The next marker's second byte; what stands before the marker is noted as junk.
    fn next_marker(&mut self) -> Result<u8, ImageError> {
        let start = self.position;
        let mut end = start;
        let mut after_ff = false;
        loop {
            let [byte] = self.bytes()?;
            match (after_ff, byte) {
                (_, 0xFF) => after_ff = true,
                (true, marker @ 1..) => {
                    if end > start {
                        if self.junk.len() == MAX_JUNK {
                            return Err(broken("it has bytes between its segments at many places"));
                        }
                        self.junk.push(start..end);
                    }
                    return Ok(marker);
                }
                (_, _) => {
                    after_ff = false;
                    end = self.position;
                }
            }
        }
    }

    fn content(&mut self) -> Result<Vec<u8>, ImageError> {
        let mut content = vec![0; self.length()?];
        self.reader.read_exact(&mut content).map_err(unread)?;
        self.position += content.len();
        Ok(content)
    }

    fn skip_content(&mut self) -> Result<(), ImageError> {
        let length = self.length()?;
        self.reader.seek_relative(length.cast_signed() as i64).map_err(unread)?;
        self.position += length;
        Ok(())
    }

    fn length(&mut self) -> Result<usize, ImageError> {
        let length = u16::from_be_bytes(self.bytes()?);
        length.checked_sub(2).map(usize::from).ok_or_else(|| broken("a segment has no length"))
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], ImageError> {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes).map_err(unread)?;
        self.position += N;
        Ok(bytes)
    }
}

fn unread(error: io::Error) -> ImageError {
    from_io(Format::Jpeg, error)
}

fn broken(reason: &str) -> ImageError {
    ImageError::Broken { format: Format::Jpeg.name(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const FRAME: &[u8] = b"\xFF\xC0\x00\x0B\x08\x00\x02\x00\x03\x01\x01\x11\x00";
    const SCAN: &[u8] = b"\xFF\xDA\x00\x08\x01\x01\x00\x00\x3F\x00";

    fn head_of(segments: &[&[u8]]) -> Result<Head, ImageError> {
        let file = [&[b"\xFF\xD8".as_slice()], segments, &[SCAN]].concat().concat();
        read_head(Cursor::new(file), &DecodeOptions::DEFAULT)
    }

    #[test]
    fn the_frame_gives_the_size() {
        let head = head_of(&[FRAME]).unwrap();
        assert_eq!((head.width, head.height), (3, 2));
        assert_eq!((head.precision, head.components), (8, 1));
        assert!(head.junk.is_empty() && head.exif.is_none() && head.icc.is_none());
        assert!(head_of(&[]).is_err());
    }

    #[test]
    fn junk_between_segments_is_found_but_fill_bytes_are_none() {
        let head = head_of(&[b"\xFF\xFF", b"\xFF\xE9\0\x03x", b"ab\xFF\0c", FRAME]).unwrap();
        assert_eq!(head.junk, vec![9..14; 1]);
    }

    #[test]
    fn junk_in_many_places_is_no_camera_s() {
        let few = b"ab\xFF\x01".repeat(MAX_JUNK);
        assert_eq!(head_of(&[&few, FRAME]).unwrap().junk.len(), MAX_JUNK);
        let many = b"ab\xFF\x01".repeat(MAX_JUNK + 1);
        let error = head_of(&[&many, FRAME]).unwrap_err().to_string();
        assert!(error.contains("at many places"), "{error}");
    }

    #[test]
    fn segments_that_hold_more_than_any_profile_are_refused() {
        let part = [b"\xFF\xE2\xFF\xFFICC_PROFILE\0\x01\x01".as_slice(), &[0; 65_519]].concat();
        let many = |part: &[u8], count: usize| head_of(&[&part.repeat(count), FRAME]);
        assert_eq!(many(&part, 1).unwrap().icc, Some(vec![0; 65_519]));
        assert_eq!(many(&part, 255).unwrap().icc, None);
        assert!(many(&part, 256).is_err());
        assert!(many(b"\xFF\xE2\0\x02", 300_000).is_err());
    }

    #[test]
    fn coefficients_are_kept_for_several_scans() {
        // 17 x 9 pixels at 4:2:0: two units of 16 x 16, six blocks each.
        let frame = |marker: u8| {
            let sampling = b"\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01";
            [&[0xFF, marker, 0, 17, 8, 0, 9, 0, 17], sampling.as_slice()].concat()
        };
        let coefficients = |marker, scan: &[u8]| {
            let file = [b"\xFF\xD8".as_slice(), &frame(marker), scan].concat();
            read_head(Cursor::new(file), &DecodeOptions::DEFAULT).unwrap().coefficient_bytes
        };
        let interleaved = b"\xFF\xDA\x00\x0C\x03\x01\x00\x02\x11\x03\x11\x00\x3F\x00";
        assert_eq!(coefficients(0xC0, interleaved), 0);
        assert_eq!(coefficients(0xC0, SCAN), 2 * 6 * 128);
        assert_eq!(coefficients(0xC2, interleaved), 2 * 6 * 128);
    }

    #[test]
    fn blocks_come_back_from_their_segments() {
        let icc: Vec<u8> = (0..=250).cycle().take(3 * MAX_CONTENT).collect();
        let exif = vec![7; MAX_CONTENT - EXIF_PREFIX.len()];
        let head = head_of(&[&of_blocks(Some(&icc), Some(&exif)), FRAME]).unwrap();
        assert_eq!((head.icc, head.exif), (Some(icc), Some(exif.clone())));
        assert!(of_blocks(Some(&[]), None).is_empty());
        let too_long = [exif, vec![7]].concat();
        assert!(of_blocks(Some(&vec![0; 256 * MAX_CONTENT]), Some(&too_long)).is_empty());
    }

    #[test]
    fn profile_parts_are_joined_in_order_or_not_at_all() {
        let part = |number: u8, of: u8, text: &[u8]| {
            let length = u8::try_from(2 + ICC_PREFIX.len() + 2 + text.len()).unwrap();
            [&[0xFF, 0xE2, 0, length], ICC_PREFIX, &[number, of], text].concat()
        };
        let icc = |parts: &[&[u8]]| head_of(&[&parts.concat(), FRAME]).unwrap().icc;
        let (first, second) = (part(1, 2, b"ab"), part(2, 2, b"cd"));
        assert_eq!(icc(&[&second, &first]), Some(b"abcd".to_vec()));
        assert_eq!(icc(&[&first]), None);
        assert_eq!(icc(&[&first, &first]), None);
    }
}
