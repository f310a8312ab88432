//! Orientation, EXIF and ICC.

use std::io::Cursor;

use mpix::image_file::{EncodeOptions, Format, Metadata, encode, read_header};

use crate::pictures::{Noise, OPTIONS, decoded, options, pixels};

const WIDTH: usize = 21;
const HEIGHT: usize = 13;
const HOLD_EXIF: [Format; 3] = [Format::Jpeg, Format::Png, Format::WebP];
const HOLD_ICC: [Format; 4] = [Format::Jpeg, Format::Png, Format::WebP, Format::Tiff];

/// An EXIF block with an orientation and a maker.
pub(crate) fn exif(orientation: u8) -> Vec<u8> {
    let entry = |tag: u16, kind: u8, count: u8, value: [u8; 4]| {
        let [low, high] = tag.to_le_bytes();
        [&[low, high, kind, 0, count, 0, 0, 0], value.as_slice()].concat()
    };
    let header = b"II*\0\x08\0\0\0\x02\0";
    let maker = entry(0x010F, 2, 4, *b"me!\0");
    let turned = entry(0x0112, 3, 1, [orientation, 0, 0, 0]);
    [header.as_slice(), &maker, &turned, &[0; 4]].concat()
}

fn profile(space: &[u8; 4], len: usize) -> Vec<u8> {
    let mut profile = Noise(5).bytes(len);
    profile[16..20].copy_from_slice(space);
    profile
}

fn file_with(metadata: &Metadata, channels: usize, options: &EncodeOptions) -> Vec<u8> {
    let pixels = pixels(WIDTH, HEIGHT, channels);
    encode(&pixels, WIDTH, HEIGHT, channels, metadata, options).unwrap()
}

/// The input position of the upright picture's pixel (x, y), by the words of the EXIF standard.
fn source(orientation: u8, x: usize, y: usize) -> (usize, usize) {
    let (right, bottom) = (WIDTH - 1, HEIGHT - 1);
    match orientation {
        1 => (x, y),
        2 => (right - x, y),
        3 => (right - x, bottom - y),
        4 => (x, bottom - y),
        5 => (y, x),
        6 => (y, bottom - x),
        7 => (right - y, bottom - x),
        _ => (right - y, x),
    }
}

fn turned_by_hand(pixels: &[u8], channels: usize, orientation: u8) -> (usize, usize, Vec<u8>) {
    let (width, height) = if orientation > 4 { (HEIGHT, WIDTH) } else { (WIDTH, HEIGHT) };
    let mut turned = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let (from_x, from_y) = source(orientation, x, y);
            let at = (from_y * WIDTH + from_x) * channels;
            turned.extend_from_slice(&pixels[at..at + channels]);
        }
    }
    (width, height, turned)
}

#[test]
fn orientation_is_applied_and_reset() {
    for format in HOLD_EXIF {
        for channels in [1, 3] {
            let plain = decoded(&file_with(&Metadata::default(), channels, &options(format)));
            for orientation in 1..=8 {
                let metadata = Metadata { icc: None, exif: Some(exif(orientation)) };
                let file = file_with(&metadata, channels, &options(format));
                let picture = decoded(&file);
                let case = format!("{format:?} x{channels}, orientation {orientation}");
                let expected = turned_by_hand(&plain.pixels, plain.channels, orientation);
                assert!(
                    (picture.width, picture.height, picture.pixels) == expected,
                    "{case}: other pixels"
                );
                assert_eq!(picture.metadata.exif, Some(exif(1)), "{case}");
                let header = read_header(Cursor::new(&file), &OPTIONS).unwrap();
                assert_eq!((header.width, header.height), (expected.0, expected.1), "{case}");
            }
        }
    }
}

/// A gray TIFF with an orientation, by hand.
fn tiff(pixels: &[u8], orientation: u8) -> Vec<u8> {
    let (width, height) = (u32::try_from(WIDTH).unwrap(), u32::try_from(HEIGHT).unwrap());
    let tags: [(u16, u32); 9] = [
        (256, width),
        (257, height),
        (258, 8),
        (259, 1),
        (262, 1),
        (273, 8 + 2 + 9 * 12 + 4),
        (274, orientation.into()),
        (278, height),
        (279, width * height),
    ];
    let mut file = b"II*\0\x08\0\0\0\x09\0".to_vec();
    for (tag, value) in tags {
        let short = matches!(tag, 258 | 259 | 262 | 274);
        file.extend_from_slice(&tag.to_le_bytes());
        file.extend_from_slice(&[if short { 3 } else { 4 }, 0, 1, 0, 0, 0]);
        file.extend_from_slice(&value.to_le_bytes());
    }
    file.extend_from_slice(&[0; 4]);
    file.extend_from_slice(pixels);
    file
}

#[test]
fn tiff_orientation_is_applied() {
    let gray = pixels(WIDTH, HEIGHT, 1);
    for orientation in 1..=8 {
        let picture = decoded(&tiff(&gray, orientation));
        assert!(
            (picture.width, picture.height, picture.pixels)
                == turned_by_hand(&gray, 1, orientation),
            "orientation {orientation}"
        );
    }
}

#[test]
fn a_fitting_profile_is_kept_and_any_other_dropped() {
    for format in HOLD_ICC {
        for (channels, space) in [(1, b"GRAY"), (2, b"GRAY"), (3, b"RGB "), (4, b"RGB ")] {
            let as_colours = format == Format::WebP || (format, channels) == (Format::Tiff, 2);
            let space = if as_colours { b"RGB " } else { space };
            let other = if space == b"GRAY" { b"RGB " } else { b"GRAY" };
            for (given, kept) in [(space, true), (other, false), (b"CMYK", false)] {
                // More than the 64 KiB of one JPEG segment.
                let icc = Some(profile(given, 150_000));
                let metadata = Metadata { icc: icc.clone(), exif: None };
                let picture = decoded(&file_with(&metadata, channels, &options(format)));
                let expected = if kept { icc } else { None };
                assert!(picture.metadata.icc == expected, "{format:?} x{channels}: {given:?}");
            }
        }
    }
}

#[test]
fn formats_without_metadata_are_written_all_the_same() {
    let metadata = Metadata { icc: Some(profile(b"RGB ", 300)), exif: Some(exif(1)) };
    for format in [Format::Bmp, Format::Pnm] {
        let picture = decoded(&file_with(&metadata, 3, &options(format)));
        assert_eq!(picture.metadata, Metadata::default());
    }
    assert_eq!(decoded(&file_with(&metadata, 3, &options(Format::Tiff))).metadata.exif, None);
}

#[test]
fn stripping_drops_all_metadata() {
    let metadata = Metadata { icc: Some(profile(b"RGB ", 300)), exif: Some(exif(1)) };
    for &format in Format::WRITABLE {
        let stripped = EncodeOptions { strip: true, ..options(format) };
        let file = file_with(&metadata, 3, &stripped);
        assert!(file == file_with(&Metadata::default(), 3, &options(format)), "{format:?}");
        assert_eq!(decoded(&file).metadata, Metadata::default());
    }
}

#[test]
fn exif_too_large_for_jpeg_is_left_out() {
    let mut block = exif(1);
    block.resize(70_000, 0);
    let metadata = Metadata { icc: None, exif: Some(block.clone()) };
    assert_eq!(decoded(&file_with(&metadata, 3, &options(Format::Jpeg))).metadata.exif, None);
    let png = decoded(&file_with(&metadata, 3, &options(Format::Png)));
    assert!(png.metadata.exif == Some(block));
}

#[test]
fn webp_exif_with_the_prefix_of_jpeg_is_understood() {
    let block = [b"Exif\0\0".as_slice(), &exif(6)].concat();
    let metadata = Metadata { icc: None, exif: Some(block) };
    let picture = decoded(&file_with(&metadata, 3, &options(Format::WebP)));
    assert_eq!((picture.width, picture.height), (HEIGHT, WIDTH));
    assert_eq!(picture.metadata.exif, Some(exif(1)));
}
