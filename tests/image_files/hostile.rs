//! Files that are broken, cut off or made to hurt: an error each, never a panic, never the memory.

use std::io::Cursor;
use std::time::{Duration, Instant};

use mpix::error::ImageError;
use mpix::image_file::{DecodeOptions, Format, Limits, Metadata, decode, encode, read_header};

use crate::pictures::{Noise, OPTIONS, decoded, file, files_of_all_formats, options};

fn error_of(file: &[u8]) -> ImageError {
    decode(file, &OPTIONS, Vec::new()).unwrap_err()
}

#[test]
fn a_file_cut_off_anywhere_fails_or_is_whole() {
    for (format, file) in files_of_all_formats() {
        let whole = decoded(&file);
        let tail = file.len().saturating_sub(40)..file.len();
        for cut in (0..file.len()).step_by(file.len() / 60 + 1).chain(tail) {
            match decode(&file[..cut], &OPTIONS, Vec::new()) {
                Ok(picture) => assert!(
                    picture.pixels == whole.pixels,
                    "{format:?} x{}, {cut} of {} bytes: other pixels without an error",
                    whole.channels,
                    file.len()
                ),
                Err(error) => assert!(!panicked(&error), "{format:?} at {cut}: {error}"),
            }
        }
    }
}

fn panicked(error: &ImageError) -> bool {
    error.to_string().contains("panicked")
}

#[test]
fn a_jpeg_without_its_end_fails() {
    let file = file(Format::Jpeg, 61, 37, 3);
    let error = error_of(&file[..file.len() - 2]);
    assert!(error.to_string().contains("remature end"), "{error}");
    let error = error_of(&file[..file.len() / 2]);
    assert!(error.to_string().contains("remature end"), "{error}");
}

#[test]
fn damage_never_escapes_the_decoder() {
    let mut noise = Noise(11);
    for (_, file) in files_of_all_formats() {
        for _ in 0..60 {
            let mut damaged = file.clone();
            for _ in 0..3 {
                let at = noise.below(damaged.len());
                damaged[at] = noise.byte();
            }
            // Whether it fails depends on what was hit; that it returns is the test.
            let _ = decode(&damaged, &OPTIONS, Vec::new());
            let _ = read_header(Cursor::new(&damaged), &OPTIONS);
        }
    }
}

#[test]
fn garbage_behind_the_right_first_bytes_fails() {
    let starts: [&[u8]; 12] = [
        b"\xFF\xD8\xFF",
        b"\x89PNG\r\n\x1A\n",
        b"II*\0",
        b"MM\0*",
        b"II+\0",
        b"RIFF\xFF\0\0\0WEBP",
        b"BM",
        b"P5\n",
        b"P7\n",
        b"GIF89a",
        b"GIF87a",
        b"qoif",
    ];
    let mut noise = Noise(13);
    for start in starts {
        for len in [0, 1, 10, 300, 4000] {
            let file = [start, &noise.bytes(len)].concat();
            let error = error_of(&file);
            assert!(!matches!(error, ImageError::NotAnImage { .. }), "{start:?}: {error}");
        }
    }
}

#[test]
fn what_is_no_image_is_named() {
    assert_eq!(error_of(b"").to_string(), "is empty");
    let error = error_of(b"PK\x03\x04 and more of it").to_string();
    assert!(error.contains("19 bytes, starting 50 4b 03 04"), "{error}");
    assert!(error_of(&[0; 100]).to_string().contains("100 bytes, starting 00 00"));
    assert!(read_header(Cursor::new(b"P"), &OPTIONS).is_err());
}

/// CRC-32 as PNG has it.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 }
        })
    })
}

fn png_that_claims(width: u32, height: u32) -> Vec<u8> {
    let mut file = file(Format::Png, 9, 9, 3);
    file[16..20].copy_from_slice(&width.to_be_bytes());
    file[20..24].copy_from_slice(&height.to_be_bytes());
    let crc = crc(&file[12..29]);
    file[29..33].copy_from_slice(&crc.to_be_bytes());
    file
}

#[test]
fn a_huge_picture_is_refused_by_its_header() {
    let claims = png_that_claims(60_000, 60_000);
    let start = Instant::now();
    let error = error_of(&claims);
    assert!(
        matches!(error, ImageError::TooManyPixels { pixels: 3_600_000_000, limit, .. }
            if limit == OPTIONS.limits.pixels),
        "{error}"
    );
    assert!(read_header(Cursor::new(&claims), &OPTIONS).is_err());
    assert!(decode(&png_that_claims(i32::MAX as u32, 1), &OPTIONS, Vec::new()).is_err());
    assert!(start.elapsed() < Duration::from_millis(500), "it took {:?}", start.elapsed());
}

#[test]
fn the_limit_counts_pixels_of_every_format() {
    let of_pixels = |pixels| {
        let limits = Limits { pixels, ..Limits::DEFAULT };
        DecodeOptions { limits, ..OPTIONS }
    };
    let (exact, below) = (of_pixels(61 * 37), of_pixels(61 * 37 - 1));
    for (format, file) in files_of_all_formats() {
        assert!(decode(&file, &exact, Vec::new()).is_ok(), "{format:?}");
        let error = decode(&file, &below, Vec::new()).unwrap_err();
        assert!(matches!(error, ImageError::TooManyPixels { .. }), "{format:?}: {error}");
    }
}

#[test]
fn pictures_without_pixels_are_broken() {
    for file in [png_that_claims(0, 5), b"P5\n0 5\n255\n".to_vec()] {
        assert!(matches!(error_of(&file), ImageError::Broken { .. }));
    }
    let mut jpeg = file(Format::Jpeg, 9, 9, 1);
    let frame = jpeg.windows(2).position(|marker| marker == [0xFF, 0xC0]).unwrap();
    jpeg[frame + 5..frame + 7].copy_from_slice(&[0, 0]);
    let error = error_of(&jpeg);
    assert!(error.to_string().contains("it has 9 x 0 pixels"), "{error}");
}

#[test]
fn too_many_scans_of_a_progressive_file_fail() {
    let file = crate::pictures::progressive_jpeg(16, 16);
    let scan = file.windows(2).rposition(|marker| marker == [0xFF, 0xDA]).unwrap();
    let (before, last) = file[..file.len() - 2].split_at(scan);
    let repeated = [before, &last.repeat(600), &[0xFF, 0xD9]].concat();
    let error = error_of(&repeated).to_string();
    assert!(error.contains("more than 500 scans"), "{error}");
}

#[test]
fn a_header_without_an_end_is_not_read_to_the_file_s() {
    let long = vec![b'a'; 90 << 20];
    let error_of = |start: &[u8]| {
        let file = [start, &long].concat();
        read_header(Cursor::new(&file), &OPTIONS).unwrap_err().to_string()
    };
    let error = error_of(b"\xFF\xD8\xFF\xE9\0\x02");
    assert!(error.contains("header does not end within 83886080 bytes"), "{error}");
    // A comment.
    let error = error_of(b"P5\n#");
    assert!(error.contains("ends early"), "{error}");
}

/// A colour profile of so many bytes, which a PNG file compresses well.
fn profile(bytes: usize) -> Vec<u8> {
    let mut profile = vec![0; bytes];
    profile[16..20].copy_from_slice(b"RGB ");
    profile
}

fn file_with(format: Format, icc: Option<Vec<u8>>, exif: Option<Vec<u8>>) -> Vec<u8> {
    encode(&[0; 12], 2, 2, 3, &Metadata { icc, exif }, &options(format)).unwrap()
}

fn with_metadata_limit(metadata_bytes: u64, strip: bool) -> DecodeOptions {
    let limits = Limits { metadata_bytes, ..OPTIONS.limits };
    DecodeOptions { limits, strip, ..OPTIONS }
}

/// What a header's limits say to a file, and that decoding says the same.
fn told(file: &[u8], options: &DecodeOptions) -> Result<(), String> {
    let header = read_header(Cursor::new(file), options).map(drop).map_err(|e| e.to_string());
    let decoded = decode(file, options, Vec::new()).map(drop).map_err(|e| e.to_string());
    assert_eq!(header, decoded);
    header
}

#[test]
fn metadata_is_held_against_its_limit() {
    for (format, exif) in
        [(Format::Png, 900), (Format::WebP, 900), (Format::Jpeg, 900), (Format::Tiff, 0)]
    {
        let file = file_with(format, Some(profile(5000)), Some(vec![7; exif]));
        let at_least = u64::try_from(5000 + exif).unwrap();
        let error = told(&file, &with_metadata_limit(4000, false)).unwrap_err();
        let words = ["bytes of metadata, over the limit of 4000 (`--max-metadata`)", "`--strip`"];
        assert!(words.iter().all(|word| error.contains(word)), "{format:?}: {error}");
        assert!(told(&file, &with_metadata_limit(at_least - 1, false)).is_err(), "{format:?}");
        told(&file, &with_metadata_limit(at_least, false)).unwrap();
        let stripped = 1100;
        told(&file, &with_metadata_limit(stripped, true)).unwrap();
        let kept = decode(&file, &with_metadata_limit(stripped, true), Vec::new()).unwrap();
        assert_eq!(kept.metadata.icc, None, "{format:?}: not wanted");
        assert_eq!(decoded(&file).metadata.icc.map(|icc| icc.len()), Some(5000), "{format:?}");
    }
}

#[test]
fn exif_may_turn_the_picture_and_counts_though_it_is_stripped() {
    for format in [Format::Png, Format::WebP, Format::Jpeg] {
        let file = file_with(format, None, Some(vec![7; 900]));
        for strip in [false, true] {
            let error = told(&file, &with_metadata_limit(899, strip)).unwrap_err();
            assert!(error.ends_with("over the limit of 899 (`--max-metadata`)"), "{error}");
            told(&file, &with_metadata_limit(900, strip)).unwrap();
        }
    }
}

#[test]
fn much_metadata_that_the_limit_allows_is_kept() {
    let megabytes = 20 << 20;
    for format in [Format::Png, Format::WebP, Format::Tiff, Format::Jpeg] {
        let most = if format == Format::Jpeg { 16_000_000 } else { megabytes };
        let file = file_with(format, Some(profile(most)), None);
        let header = read_header(Cursor::new(&file), &OPTIONS).unwrap();
        assert!(header.decode_bytes < 128 << 20, "{format:?}: {}", header.decode_bytes);
        assert_eq!(decoded(&file).metadata.icc.map(|icc| icc.len()), Some(most), "{format:?}");
    }
    let exif = Some(vec![7; 33 << 20]);
    for format in [Format::Png, Format::WebP] {
        let file = file_with(format, None, exif.clone());
        assert!(told(&file, &OPTIONS).unwrap_err().contains("--max-metadata"), "{format:?}");
        told(&file, &with_metadata_limit(33 << 20, false)).unwrap();
    }
}

#[test]
fn sides_and_bytes_are_those_of_the_upright_picture() {
    let turned = crate::metadata::exif(6);
    for format in [Format::Jpeg, Format::Png, Format::WebP] {
        let metadata = Metadata { icc: None, exif: Some(turned.clone()) };
        let file = encode(&[0; 600], 20, 10, 3, &metadata, &options(format)).unwrap();
        let limited = |limits| DecodeOptions { limits, ..OPTIONS };
        let fits = Limits { width: 10, height: 20, decoded_bytes: 600, ..Limits::DEFAULT };
        told(&file, &limited(fits)).unwrap();
        for (limits, words) in [
            (Limits { width: 9, ..fits }, "is 10 pixels wide, over the limit of 9"),
            (Limits { height: 19, ..fits }, "is 20 pixels high, over the limit of 19"),
            (Limits { decoded_bytes: 599, ..fits }, "20 x 10 pixels of 3 bytes = 600 bytes"),
        ] {
            let error = told(&file, &limited(limits)).unwrap_err();
            assert!(error.contains(words), "{format:?}: {error}");
        }
    }
    let deep = crate::pictures::png_of_16_bits(20, 10, image::ColorType::Rgb16);
    let limits = Limits { decoded_bytes: 1199, ..Limits::DEFAULT };
    let error = told(&deep, &DecodeOptions { limits, depth_8: true, strip: false }).unwrap_err();
    assert!(error.contains("pixels of 6 bytes = 1200 bytes"), "{error}");
}

#[test]
fn a_jpeg_of_profile_parts_and_nothing_else_is_refused_by_its_header() {
    let part = [b"\xFF\xE2\xFF\xFFICC_PROFILE\0\x01\x01".as_slice(), &[0; 65_519]].concat();
    let plain = file(Format::Jpeg, 9, 9, 3);
    let hostile = [&plain[..2], &part.repeat(600), &plain[2..]].concat();
    let error = read_header(Cursor::new(&hostile), &OPTIONS).unwrap_err().to_string();
    assert!(error.contains("more than any profile"), "{error}");
}
