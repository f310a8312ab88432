//! Image files of strangers.

use std::io::Cursor;
use std::sync::OnceLock;

use mpix::band::Rows;
use mpix::error::ImageError;
use mpix::image_file::{
    DecodeOptions, EncodeOptions, Format, Limits, Metadata, Picture, Reader, decode, encode,
    read_header,
};

use super::memory;

const LIMITS: Limits = Limits { pixels: 1 << 16, metadata_bytes: 16 << 20, ..Limits::DEFAULT };
const OPTIONS: DecodeOptions = DecodeOptions { limits: LIMITS, depth_8: true, strip: false };
/// Memory for metadata: 16 MiB of blocks, and as much twice more while they are gathered and changed.
/// It is taken before it is known whether the file is as long.
const HEADER_MEMORY: u64 = 48 << 20;
/// The same of TIFF, whose decoder makes room for 256 MiB of values of one tag before it reads them,
/// and for them once more as numbers of 8 bytes.
const TIFF_HEADER_MEMORY: u64 = 320 << 20;
/// Memory for what does not grow with the picture.
const SLACK: u64 = 1 << 20;

/// The header is read or refused in little memory. The picture is decoded or refused in no more
/// memory than the header tells, is what it tells, depends on nothing but the file, and is the same
/// when written as PNG.
pub(super) fn any_file(format: Format, file: &[u8]) {
    if Format::of_content(file) != Some(format) {
        return;
    }
    let (taken, header) = memory::peak(|| read_header(Cursor::new(file), &OPTIONS));
    let allowed = if format == Format::Tiff { TIFF_HEADER_MEMORY } else { HEADER_MEMORY };
    assert!(taken <= allowed + SLACK, "reading the header takes {taken} bytes");
    let told = taken + header.as_ref().map_or(0, |header| header.decode_bytes);
    let (taken, decoded) = memory::peak(|| decode(file, &OPTIONS, Vec::new()));
    assert!(taken <= told + SLACK, "decoding takes {taken} bytes, {told} are told");
    match (&decoded, read_by_rows(file)) {
        (Ok(picture), Ok(rows)) => assert!(rows == *picture, "row by row it is another picture"),
        (Err(whole), Err(rows)) => assert_eq!(whole.to_string(), rows.to_string()),
        (whole, rows) => panic!("whole {:?}, by rows {:?}", whole.as_ref().err(), rows.err()),
    }
    let Ok(picture) = decoded else { return };
    let header = header.expect("what is decoded has a header");
    let opaque = header.format == Format::Gif && header.channels == 4 && picture.channels == 3;
    assert_eq!((picture.width, picture.height), (header.width, header.height));
    assert!(picture.channels == header.channels || opaque, "{} channels", picture.channels);
    assert_eq!(picture.pixels.len(), picture.width * picture.height * picture.channels);
    assert!(picture.width as u64 * picture.height as u64 <= LIMITS.pixels);
    let other_picture = vec![0xA5; 2 * picture.pixels.len()];
    let again = decode(file, &OPTIONS, other_picture).expect("what was decoded once");
    assert!(again == picture, "the picture depends on what was in its memory before");
    assert_same(&decoded_again(&picture, Format::Png), &picture);
}

fn read_by_rows(file: &[u8]) -> Result<Picture, ImageError> {
    const STEP: usize = 5;
    let mut reader = Reader::open(file, &OPTIONS, Vec::new())?;
    let (width, height, channels) = (reader.width(), reader.height(), reader.channels());
    let (metadata, mut pixels) = (reader.take_metadata(), Vec::new());
    for start in (0..height).step_by(STEP) {
        let rows = start..(start + STEP).min(height);
        pixels.extend_from_slice(reader.rows(rows.clone())?.slice(rows).bytes());
    }
    reader.end()?;
    Ok(Picture { width, height, channels, pixels, metadata })
}

/// Writes a picture, and reads it back.
fn decoded_again(picture: &Picture, format: Format) -> Picture {
    let Picture { width, height, channels, pixels, metadata } = picture;
    let options = EncodeOptions { format, quality: 95, strip: false };
    let file = encode(pixels, *width, *height, *channels, metadata, &options)
        .expect("a picture that was read can be written");
    decode(&file, &OPTIONS, Vec::new()).expect("what was written can be read")
}

fn assert_same(one: &Picture, other: &Picture) {
    let shape = |picture: &Picture| (picture.width, picture.height, picture.channels);
    assert_eq!(shape(one), shape(other));
    assert!(one.pixels == other.pixels, "other pixels");
    assert!(one.metadata.exif == other.metadata.exif, "another EXIF block");
}

/// A PNG, as it is and with right checksums in all its chunks: its decoder would look no further.
pub(super) fn any_png(file: &[u8]) {
    let mut mended = file.to_vec();
    mend_checksums(&mut mended);
    any_file(Format::Png, &mended);
    if mended != file {
        any_file(Format::Png, file);
    }
}

fn mend_checksums(file: &mut [u8]) {
    let mut at = 8;
    while let Some(length) = file.get(at..at + 4) {
        let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
        let Some(chunk) = file.get_mut(at + 4..at + 12 + length) else { return };
        let sum = crc32(&chunk[..4 + length]).to_be_bytes();
        chunk[4 + length..8 + length].copy_from_slice(&sum);
        at += 12 + length;
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 }
        })
    })
}

/// Bytes of what stands before some EXIF blocks, and is left out.
const EXIF_PREFIX: usize = b"Exif\0\0".len();
const WIDTH: usize = 5;
const HEIGHT: usize = 3;

fn small(format: Format, metadata: &Metadata) -> Vec<u8> {
    let pixels: Vec<u8> = (0..=250).step_by(5).cycle().take(WIDTH * HEIGHT * 3).collect();
    let options = EncodeOptions { format, quality: 95, strip: false };
    encode(&pixels, WIDTH, HEIGHT, 3, metadata, &options).expect("a small picture can be written")
}

/// Segments in front of those of a JPEG that is well.
pub(super) fn any_segments(segments: &[u8]) {
    static REST: OnceLock<Vec<u8>> = OnceLock::new();
    let rest = REST.get_or_init(|| small(Format::Jpeg, &Metadata::default()).split_off(2));
    any_file(Format::Jpeg, &[b"\xFF\xD8", segments, rest].concat());
}

/// An EXIF block in a picture that is well: the picture is turned one of eight ways, the same in all
/// formats, and the block stays as long as it was.
pub(super) fn any_exif(block: &[u8]) {
    const LONGEST: usize = 60_000;
    if block.is_empty() || block.len() > LONGEST {
        return;
    }
    let metadata = Metadata { icc: None, exif: Some(block.to_vec()) };
    let [jpeg, png, webp] = [Format::Jpeg, Format::Png, Format::WebP].map(|format| {
        let file = small(format, &metadata);
        any_file(format, &file);
        decode(&file, &OPTIONS, Vec::new()).expect("a picture is decoded whatever its EXIF says")
    });
    assert!((jpeg.width, jpeg.height) == (png.width, png.height), "turned in one format only");
    assert_same(&png, &webp);
    let kept = png.metadata.exif.unwrap_or_default();
    assert!((block.len() - kept.len()).is_multiple_of(EXIF_PREFIX), "{} bytes", kept.len());
}
