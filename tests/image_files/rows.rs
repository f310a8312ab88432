//! Reading and writing row by row gives what reading and writing whole gives, and what
//! libjpeg-turbo's own calls for whole pictures give.

use std::io::Write;

use mpix::band::Rows;
use mpix::error::ImageError;
use mpix::image_file::{
    DecodeOptions, EncodeOptions, Format, Joiner, Metadata, Picture, Pieces, Reader, Writer,
    decode, decode_at_least, encode,
};
use turbojpeg::{Colorspace, Compressor, Decompressor, Image, PixelFormat, Subsamp};

use crate::pictures::{Noise, OPTIONS, file, files_of_all_formats, jpeg, options, pixels};

const SIZES: [(usize, usize); 7] =
    [(1, 1), (1, 40), (40, 1), (17, 9), (16, 16), (123, 77), (33, 250)];
const SUBSAMPS: [Subsamp; 6] = [
    Subsamp::None,
    Subsamp::Sub2x1,
    Subsamp::Sub2x2,
    Subsamp::Sub1x2,
    Subsamp::Sub4x1,
    Subsamp::Sub1x4,
];

/// The picture in a file, read `step` rows at a time, with some rows above them.
fn read_by_rows(file: &[u8], step: usize, above: usize) -> Result<Picture, ImageError> {
    rows_of(Reader::open(file, &OPTIONS, Vec::new())?, step, above)
}

/// The same of a file on a disk.
fn read_from_disk(file: &[u8], step: usize, above: usize) -> Result<Picture, ImageError> {
    let mut on_disk = tempfile::tempfile().unwrap();
    on_disk.write_all(file).unwrap();
    rows_of(Reader::open_file(on_disk, &OPTIONS, Vec::new())?, step, above)
}

fn rows_of(mut reader: Reader<'_>, step: usize, above: usize) -> Result<Picture, ImageError> {
    let (width, height, channels) = (reader.width(), reader.height(), reader.channels());
    let metadata = reader.take_metadata();
    let mut pixels = Vec::new();
    for start in (0..height).step_by(step) {
        let end = (start + step).min(height);
        let band = reader.rows(start.saturating_sub(above)..end)?;
        assert_eq!(band.height(), height);
        pixels.extend_from_slice(band.slice(start..end).bytes());
    }
    reader.end()?;
    Ok(Picture { width, height, channels, pixels, metadata })
}

/// JPEGs of every kind, with names.
fn jpegs() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for (width, height) in SIZES {
        for subsamp in SUBSAMPS {
            for progressive in [false, true] {
                let file = jpeg(width, height, |compressor| {
                    compressor.set_subsamp(subsamp)?;
                    compressor.set_progressive(progressive)
                });
                files.push((format!("{width}x{height} {subsamp:?} {progressive}"), file));
            }
            for colorspace in [Colorspace::CMYK, Colorspace::YCCK] {
                let file = jpeg_of(width, height, PixelFormat::CMYK, |compressor| {
                    compressor.set_colorspace(colorspace)?;
                    compressor.set_subsamp(subsamp)
                });
                files.push((format!("{width}x{height} {subsamp:?} {colorspace:?}"), file));
            }
        }
        let rgb = jpeg(width, height, |compressor| compressor.set_colorspace(Colorspace::RGB));
        files.push((format!("{width}x{height} RGB"), rgb));
        let gray = jpeg_of(width, height, PixelFormat::GRAY, |compressor| {
            compressor.set_subsamp(Subsamp::Gray)
        });
        files.push((format!("{width}x{height} gray"), gray));
    }
    files
}

fn jpeg_of(
    width: usize,
    height: usize,
    format: PixelFormat,
    set: impl FnOnce(&mut Compressor) -> turbojpeg::Result<()>,
) -> Vec<u8> {
    let mut compressor = Compressor::new().unwrap();
    set(&mut compressor).unwrap();
    let pixels = pixels(width, height, format.size());
    let image = Image { pixels: &pixels[..], width, pitch: width * format.size(), height, format };
    compressor.compress_to_vec(image).unwrap()
}

/// The pixels that libjpeg-turbo makes of a file in one call, or what it finds wrong.
fn by_turbojpeg(file: &[u8]) -> Result<Vec<u8>, String> {
    let text = |error: turbojpeg::Error| error.to_string();
    let mut decompressor = Decompressor::new().map_err(text)?;
    decompressor.set_scan_limit(500).map_err(text)?;
    let header = decompressor.read_header(file).map_err(text)?;
    let (width, height) = (header.width, header.height);
    let format = match header.colorspace {
        Colorspace::Gray => PixelFormat::GRAY,
        Colorspace::RGB | Colorspace::YCbCr => PixelFormat::RGB,
        Colorspace::CMYK | Colorspace::YCCK => PixelFormat::CMYK,
    };
    let mut pixels = vec![0; width * height * format.size()];
    let pitch = width * format.size();
    let image = Image { pixels: &mut pixels[..], width, pitch, height, format };
    decompressor.decompress(file, image).map_err(text)?;
    if format == PixelFormat::CMYK {
        let scaled = |ink: u8, black: u8| {
            let [_, high] = (u16::from(255 - ink) * u16::from(black)).to_le_bytes();
            high
        };
        let colour = |ink: &[u8]| [0, 1, 2].map(|i| ink[3] - scaled(ink[i], ink[3]));
        return Ok(pixels.chunks(4).flat_map(colour).collect());
    }
    Ok(pixels)
}

#[test]
fn every_kind_of_jpeg_has_the_pixels_of_one_call_of_libjpeg_turbo() {
    for (name, file) in jpegs() {
        let expected = by_turbojpeg(&file).unwrap();
        let whole = decode(&file, &OPTIONS, Vec::new()).unwrap();
        assert!(whole.pixels == expected, "{name}");
        for (step, above) in [(1, 0), (7, 0), (16, 3), (5, 31), (1000, 0)] {
            let rows = read_by_rows(&file, step, above).unwrap();
            assert!(rows == whole, "{name}: {step} rows and {above} above");
        }
    }
}

#[test]
fn rows_of_every_format_are_those_of_the_whole() {
    let mut files = files_of_all_formats();
    let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    for format in [Format::Jpeg, Format::Png] {
        let turned = Metadata { icc: None, exif: Some(exif.to_vec()) };
        let file = encode(&pixels(50, 30, 3), 50, 30, 3, &turned, &options(format)).unwrap();
        files.push((format, file));
    }
    for (format, file) in files {
        let whole = decode(&file, &OPTIONS, Vec::new()).unwrap();
        assert!(read_by_rows(&file, 4, 2).unwrap() == whole, "{format:?}");
        assert!(read_from_disk(&file, 4, 2).unwrap() == whole, "{format:?} on a disk");
    }
}

/// Whether mpix finds this wrong by itself, before libjpeg-turbo sees the file.
fn is_own(error: &ImageError) -> bool {
    let ImageError::Broken { reason, .. } = error else { return true };
    reason.starts_with("it ")
}

#[test]
fn damaged_jpegs_have_the_errors_of_one_call_of_libjpeg_turbo() {
    let mut noise = Noise(23);
    let mut same = 0;
    for (name, file) in jpegs() {
        let cuts = (0..12).map(|i| file[..file.len() * i / 12].to_vec());
        let hits = (0..25).map(|_| {
            let mut damaged = file.clone();
            for _ in 0..2 {
                let at = noise.below(damaged.len());
                damaged[at] = noise.byte();
            }
            damaged
        });
        for damaged in cuts.chain(hits) {
            let whole = decode(&damaged, &OPTIONS, Vec::new());
            let rows = read_by_rows(&damaged, 8, 2);
            match (&whole, &rows) {
                (Ok(whole), Ok(rows)) => assert!(whole == rows, "{name}"),
                (Err(whole), Err(rows)) => {
                    assert_eq!(whole.to_string(), rows.to_string(), "{name}")
                }
                _ => panic!("{name}: {:?} against {:?}", whole.is_ok(), rows.is_ok()),
            }
            match (whole, by_turbojpeg(&damaged)) {
                (Ok(whole), Ok(expected)) => assert!(whole.pixels == expected, "{name}"),
                // Bytes between segments, which mpix skips.
                (_, Err(text)) if text.contains("extraneous bytes") => {}
                (Err(error), _) if is_own(&error) => {}
                (Err(error), Err(text)) => {
                    let text = text.trim_start_matches("TurboJPEG error: ");
                    assert!(error.to_string().ends_with(text), "{name}: {error}, not {text}");
                    same += 1;
                }
                (whole, _) => panic!("{name}: {:?}", whole.err()),
            }
        }
    }
    assert!(same > 1000, "only {same} errors of libjpeg-turbo");
}

#[test]
fn jpegs_are_written_as_by_one_call_of_libjpeg_turbo() {
    for (width, height) in SIZES {
        for channels in 1..=4 {
            for quality in [1, 60, 95, 100] {
                let pixels = pixels(width, height, channels);
                let options = EncodeOptions { format: Format::Jpeg, quality, strip: false };
                let shape = (width, height, channels);
                let own = encode(&pixels, width, height, channels, &Metadata::default(), &options)
                    .unwrap();
                for step in [1, 3, 16, 50] {
                    assert!(written(&pixels, shape, step, &options) == own, "{shape:?} {step}");
                }
                // Without alpha, as the file has none.
                let held = if channels < 3 { 1 } else { 3 };
                let plain: Vec<u8> =
                    pixels.chunks(channels).flat_map(|pixel| &pixel[..held]).copied().collect();
                let mut compressor = Compressor::new().unwrap();
                compressor.set_quality(quality.into()).unwrap();
                let gray = held == 1;
                compressor.set_subsamp(if gray { Subsamp::Gray } else { Subsamp::Sub2x2 }).unwrap();
                let format = if gray { PixelFormat::GRAY } else { PixelFormat::RGB };
                let (pixels, pitch) = (&plain[..], width * held);
                let image = Image { pixels, width, pitch, height, format };
                assert!(own == compressor.compress_to_vec(image).unwrap(), "{shape:?} q{quality}");
            }
        }
    }
}

/// The file of some pixels, written `step` rows at a time.
fn written(
    pixels: &[u8],
    shape: (usize, usize, usize),
    step: usize,
    options: &EncodeOptions,
) -> Vec<u8> {
    let metadata = Metadata { icc: None, exif: None };
    let mut writer = Writer::new(shape, &metadata, options, vec![7; 50]).unwrap();
    for rows in pixels.chunks(shape.0 * shape.2 * step) {
        writer.write(rows).unwrap();
    }
    writer.end().unwrap().0
}

#[test]
fn every_format_is_written_as_whole() {
    for &format in Format::WRITABLE {
        for channels in 1..=4 {
            let (shape, pixels) = ((61, 37, channels), pixels(61, 37, channels));
            let whole =
                encode(&pixels, 61, 37, channels, &Metadata::default(), &options(format)).unwrap();
            assert!(written(&pixels, shape, 5, &options(format)) == whole, "{format:?} {channels}");
        }
    }
}

#[test]
fn a_reader_that_is_left_early_still_finds_damage() {
    let file = jpeg(123, 77, |_| Ok(()));
    let cut = &file[..file.len() - 200];
    for options in [OPTIONS, DecodeOptions::DEFAULT] {
        let mut reader = Reader::open(cut, &options, Vec::new()).unwrap();
        reader.rows(0..3).unwrap();
        assert!(reader.end().unwrap_err().to_string().contains("remature end"));
    }
    let mut reader = Reader::open(&file, &OPTIONS, Vec::new()).unwrap();
    reader.rows(0..3).unwrap();
    reader.end().unwrap();
}

#[test]
fn pieces_joined_make_the_file_of_a_writer() {
    for &format in Format::WRITABLE {
        // The last one has several pieces in any format.
        for (width, height) in SIZES.into_iter().chain([(700, 1700)]) {
            for channels in 1..=4 {
                let (shape, options) = ((width, height, channels), options(format));
                let Some(pieces) = Pieces::new(shape, &options) else { continue };
                let pixels = pixels(width, height, channels);
                let metadata = Metadata::default();
                let row = width * channels;
                let (mut joiner, mut file) = Joiner::new(&pieces, &metadata).unwrap();
                for (band, rows) in pixels.chunks(2 * pieces.rows() * row).enumerate() {
                    let encoded = pieces.encode(band * 2 * pieces.rows(), rows.to_vec()).unwrap();
                    let told = pieces.encode_bytes(rows.len() / row);
                    assert!(encoded.len() as u64 <= told + rows.len() as u64);
                    file.extend(joiner.add(encoded.into()).unwrap());
                }
                file.extend(joiner.end().unwrap());
                let whole = encode(&pixels, width, height, channels, &metadata, &options).unwrap();
                assert!(file == whole, "{format:?} {shape:?}");
                if format.held_channels(channels) == channels {
                    let read = decode(&file, &OPTIONS, Vec::new()).unwrap();
                    assert!(read.pixels == pixels, "{format:?} {shape:?}");
                }
            }
        }
    }
}

#[test]
fn a_smaller_jpeg_is_as_large_as_asked_for_and_looks_alike() {
    let (width, height) = (801, 603);
    let bytes = file(Format::Jpeg, width, height, 3);
    let whole = decode(&bytes, &OPTIONS, Vec::new()).unwrap();
    for (side, expected) in
        [(802, (801, 603)), (401, (801, 603)), (400, (401, 302)), (1, (101, 76))]
    {
        let small = decode_at_least(&bytes, &OPTIONS, side).unwrap();
        assert_eq!((small.width, small.height), expected, "{side}");
        let mean = |picture: &Picture| {
            let sum: u64 = picture.pixels.iter().map(|&value| u64::from(value)).sum();
            sum / picture.pixels.len() as u64
        };
        assert!(mean(&small).abs_diff(mean(&whole)) <= 2, "{side}");
    }
    assert!(decode_at_least(&bytes[..bytes.len() / 2], &OPTIONS, 100).is_err());
}
