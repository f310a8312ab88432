//! Every kind of PNG, TIFF and PNM gives the same pixels and errors by rows as whole, from memory as from a
//! disk.

use std::io::{Cursor, Write};

use mpix::band::Rows;
use mpix::error::ImageError;
use mpix::image_file::{DecodeOptions, Format, Picture, Reader, Slicer, decode, read_header};
use tiff::encoder::colortype::{Gray8, Gray16, RGB8, RGB16, RGBA8};
use tiff::encoder::{Compression, DeflateLevel, Predictor, TiffEncoder, TiffKindStandard};
use tiff::tags::Tag;

use crate::pictures::{Noise, OPTIONS, pixels};

const WIDTH: usize = 41;
const HEIGHT: usize = 67;
/// How the picture in a file is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Whole,
    Rows,
    /// By rows, or by chunks that can be cut out.
    Chunks,
}

const DEEP: DecodeOptions = DecodeOptions { depth_8: true, ..OPTIONS };

fn whole(file: &[u8]) -> Result<Picture, ImageError> {
    decode(file, &DEEP, Vec::new())
}

/// The picture in a file, read some rows at a time.
fn by_rows(mut reader: Reader<'_>) -> Result<Picture, ImageError> {
    let (width, height, channels) = (reader.width(), reader.height(), reader.channels());
    let metadata = reader.take_metadata();
    let mut pixels = Vec::new();
    let (mut start, mut step) = (0, 1);
    while start < height {
        let end = (start + step).min(height);
        pixels.extend_from_slice(reader.rows(start..end)?.slice(start..end).bytes());
        (start, step) = (end, step % 9 + 1);
    }
    reader.end()?;
    Ok(Picture { width, height, channels, pixels, metadata })
}

fn from_memory(file: &[u8]) -> Result<Picture, ImageError> {
    by_rows(Reader::open(file, &DEEP, Vec::new())?)
}

fn from_disk(file: &[u8]) -> Result<Picture, ImageError> {
    let mut on_disk = tempfile::tempfile().unwrap();
    on_disk.write_all(file).unwrap();
    by_rows(Reader::open_file(on_disk, &DEEP, Vec::new())?)
}

/// What cuts rows out of a file, if they can be.
fn opened_slicer(file: &[u8]) -> Result<Option<Slicer>, ImageError> {
    let mut on_disk = tempfile::tempfile().unwrap();
    on_disk.write_all(file).unwrap();
    Slicer::open(on_disk, &DEEP)
}

/// The pixels of a file, from slices of some rows.
fn from_slices(slicer: &mut Slicer) -> Result<Vec<u8>, ImageError> {
    let (width, height, channels) = slicer.shape();
    let mut pixels = Vec::new();
    for start in (0..height).step_by(20) {
        let rows = start..(start + 20).min(height);
        let slice = slicer.slice(&rows)?;
        let own = whole(&slice.file)?;
        let first = (start - slice.first_row) * width * channels;
        pixels.extend_from_slice(&own.pixels[first..first + rows.len() * width * channels]);
    }
    Ok(pixels)
}

/// Holds rows that are cut out of a file against those of its picture.
pub(crate) fn check_slices(slicer: &mut Slicer, whole: &Picture, name: &str) {
    let (width, height, channels) = slicer.shape();
    assert_eq!((width, height, channels), (whole.width, whole.height, whole.channels), "{name}");
    assert!(slicer.take_metadata() == whole.metadata, "{name}");
    let stride = width * channels;
    for start in (0..height).step_by(3) {
        for end in [start + 1, (start + 11).min(height), height] {
            let slice = slicer.slice(&(start..end)).unwrap();
            let own = decode(&slice.file, &DEEP, Vec::new()).unwrap();
            let first = (start - slice.first_row) * stride;
            let rows = &own.pixels[first..first + (end - start) * stride];
            assert!(rows == &whole.pixels[start * stride..end * stride], "{name} {start}..{end}");
            assert!(own.height < end - start + 2 * slicer.unit_rows() + 2, "{name}");
        }
    }
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap()
}

/// A TIFF of strips of `strip_rows`.
fn strips(compression: Compression, predictor: Predictor, kind: usize, strip_rows: u32) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file)
        .unwrap()
        .with_compression(compression)
        .with_predictor(predictor);
    let (wide, high) = (number(WIDTH), number(HEIGHT));
    let samples = |count| pixels(WIDTH, HEIGHT, count);
    let deep = |count| -> Vec<u16> {
        samples(count).iter().map(|&sample| u16::from(sample) * 250 + 77).collect()
    };
    macro_rules! write {
        ($color:ty, $samples:expr) => {{
            let mut image = encoder.new_image::<$color>(wide, high).unwrap();
            image.rows_per_strip(strip_rows).unwrap();
            image.write_data(&$samples).unwrap();
        }};
    }
    match kind {
        0 => write!(Gray8, samples(1)),
        1 => write!(RGB8, samples(3)),
        2 => write!(RGBA8, samples(4)),
        3 => write!(Gray16, deep(1)),
        _ => write!(RGB16, deep(3)),
    }
    file.into_inner()
}

/// A TIFF of tiles of 16 x 32, or of strips that stand in the file in any order, as `tiff` does not
/// write them.
fn odd(is_tiles: bool, photometric: u16, extra: usize) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::<_, TiffKindStandard>::new(&mut file).unwrap();
    let mut directory = encoder.image_directory().unwrap();
    let channels = if photometric < 2 { 1 } else { 3 } + extra;
    let pixels = pixels(WIDTH, HEIGHT, channels);
    let (wide, high) = if is_tiles { (16, 32) } else { (WIDTH, 10) };
    let mut chunks = Vec::new();
    for y in (0..HEIGHT).step_by(high) {
        for x in (0..WIDTH).step_by(wide) {
            let mut chunk = Vec::new();
            for row in y..y + high {
                for column in x..x + wide {
                    let at = (row.min(HEIGHT - 1) * WIDTH + column.min(WIDTH - 1)) * channels;
                    chunk.extend_from_slice(&pixels[at..at + channels]);
                }
            }
            chunks.push(chunk);
        }
    }
    let mut places = vec![0; chunks.len()];
    for index in (0..chunks.len()).rev() {
        places[index] = u32::try_from(directory.write_data(&chunks[index][..]).unwrap()).unwrap();
    }
    let lengths: Vec<u32> = chunks.iter().map(|chunk| number(chunk.len())).collect();
    let mut tag = |tag: Tag, values: &[u32]| {
        directory.write_tag(tag, values).unwrap();
    };
    tag(Tag::ImageWidth, &[number(WIDTH)]);
    tag(Tag::ImageLength, &[number(HEIGHT)]);
    tag(Tag::SamplesPerPixel, &[number(channels)]);
    tag(Tag::BitsPerSample, &vec![8; channels]);
    tag(Tag::PhotometricInterpretation, &[photometric.into()]);
    if is_tiles {
        tag(Tag::TileWidth, &[number(wide)]);
        tag(Tag::TileLength, &[number(high)]);
        tag(Tag::TileOffsets, &places);
        tag(Tag::TileByteCounts, &lengths);
    } else {
        tag(Tag::RowsPerStrip, &[number(high)]);
        tag(Tag::StripOffsets, &places);
        tag(Tag::StripByteCounts, &lengths);
    }
    if extra > 0 {
        directory.write_tag(Tag::ExtraSamples, &vec![0_u16; extra][..]).unwrap();
    }
    directory.finish().unwrap();
    file.into_inner()
}

/// A PNG of samples of so many bits.
fn png_of(color: png::ColorType, depth: png::BitDepth, animated: bool) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, number(WIDTH), number(HEIGHT));
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == png::ColorType::Indexed {
        encoder.set_palette(Noise(2).bytes(3 * 256));
        encoder.set_trns(Noise(3).bytes(100));
    }
    if animated {
        encoder.set_animated(1, 0).unwrap();
    }
    let row = (WIDTH * color.samples() * depth as usize).div_ceil(8);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&pixels(row, HEIGHT, 1)).unwrap();
    writer.finish().unwrap();
    file
}

/// The file with the bytes from `at` on replaced, in a chunk whose content is so long.
fn patched(mut file: Vec<u8>, chunk: usize, length: usize, at: usize, bytes: &[u8]) -> Vec<u8> {
    file[at..at + bytes.len()].copy_from_slice(bytes);
    let mut crc = flate2::Crc::new();
    crc.update(&file[chunk + 4..chunk + 8 + length]);
    file[chunk + 8 + length..][..4].copy_from_slice(&crc.sum().to_be_bytes());
    file
}

fn pngs() -> Vec<(String, Vec<u8>, Way)> {
    use png::{BitDepth, ColorType};
    let mut files = Vec::new();
    for color in [ColorType::Grayscale, ColorType::Indexed] {
        for depth in [BitDepth::One, BitDepth::Two, BitDepth::Four, BitDepth::Eight] {
            files.push((
                format!("PNG {color:?} {depth:?}"),
                png_of(color, depth, false),
                Way::Rows,
            ));
        }
    }
    for color in [ColorType::Grayscale, ColorType::GrayscaleAlpha, ColorType::Rgb, ColorType::Rgba]
    {
        let file = png_of(color, BitDepth::Sixteen, false);
        files.push((format!("PNG {color:?} 16"), file, Way::Rows));
    }
    for channels in 1..=4 {
        let file = crate::pictures::file(Format::Png, WIDTH, HEIGHT, channels);
        files.push((format!("PNG x{channels}"), file, Way::Rows));
        let long = crate::pictures::file(Format::Png, 500, 1500, channels);
        files.push((format!("long PNG x{channels}"), long, Way::Rows));
    }
    let animated = png_of(ColorType::Rgb, BitDepth::Eight, true);
    files.push(("APNG".to_owned(), animated, Way::Whole));
    // One pixel is the same in any order.
    let one = crate::pictures::file(Format::Png, 1, 1, 3);
    files.push(("interlaced PNG".to_owned(), patched(one, 8, 13, 28, &[1]), Way::Whole));
    files
}

fn tiffs() -> Vec<(String, Vec<u8>, Way)> {
    let mut files = Vec::new();
    let deflate = Compression::Deflate(DeflateLevel::Fast);
    for (name, compression) in [
        ("plain", Compression::Uncompressed),
        ("LZW", Compression::Lzw),
        ("deflate", deflate),
        ("pack bits", Compression::Packbits),
    ] {
        for predictor in [Predictor::None, Predictor::Horizontal] {
            for kind in 0..5 {
                for strip_rows in [1, 16, 67] {
                    let file = strips(compression, predictor, kind, strip_rows);
                    let is_raw = name == "plain" && predictor == Predictor::None && kind < 3;
                    let text = format!("TIFF {name} {predictor:?} {kind} {strip_rows}");
                    let chunked = if strip_rows < 67 { Way::Chunks } else { Way::Whole };
                    files.push((text, file, if is_raw { Way::Rows } else { chunked }));
                }
            }
        }
    }
    for is_tiles in [false, true] {
        for (photometric, extra) in [(0, 0), (1, 0), (2, 0), (2, 1)] {
            let text = format!("TIFF tiles {is_tiles} {photometric} {extra}");
            let way = match (is_tiles, photometric, extra) {
                (false, 1.., 0) => Way::Rows,
                // `tiff` decodes it whole alone.
                (true, _, 1) => Way::Whole,
                _ => Way::Chunks,
            };
            files.push((text, odd(is_tiles, photometric, extra), way));
        }
    }
    files
}

/// Files of many kinds, with names, and how they are read.
fn files() -> Vec<(String, Vec<u8>, Way)> {
    let mut files = [pngs(), tiffs()].concat();
    for (header, channels, way) in [
        ("P5\n41 67\n255\n", 1, Way::Rows),
        ("P6 # with a comment\n41\t67 255\n", 3, Way::Rows),
        ("P5 41 67 254 ", 1, Way::Whole),
        ("P5 41 67 65535 ", 2, Way::Whole),
        (
            "P7\nWIDTH 41\nHEIGHT 67\nDEPTH 2\nMAXVAL 255\nTUPLTYPE GRAYSCALE_ALPHA\nENDHDR\n",
            2,
            Way::Rows,
        ),
        (
            "P7\nWIDTH 41\nHEIGHT 67\nDEPTH 1\nMAXVAL 1\nTUPLTYPE BLACKANDWHITE\nENDHDR\n",
            1,
            Way::Whole,
        ),
    ] {
        let mut samples = pixels(WIDTH, HEIGHT, channels);
        if header.contains("MAXVAL 1\n") {
            samples.iter_mut().for_each(|sample| *sample &= 1);
        }
        if header.contains("254") {
            samples.iter_mut().for_each(|sample| *sample = (*sample).min(254));
        }
        files.push((format!("PNM {header}"), [header.as_bytes(), &samples].concat(), way));
    }
    let bits: Vec<u8> = Noise(5).bytes(WIDTH.div_ceil(8) * HEIGHT);
    files.push(("PBM".to_owned(), [b"P4 41 67 ", &bits[..]].concat(), Way::Whole));
    let text = pixels(WIDTH, HEIGHT, 1).iter().map(|v| format!("{v}\n")).collect::<String>();
    files.push(("PGM as text".to_owned(), format!("P2 41 67 255 {text}").into_bytes(), Way::Whole));
    files
}

#[test]
fn every_kind_has_the_same_pixels_by_rows() {
    for (name, file, way) in files() {
        let whole = whole(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(from_memory(&file).unwrap() == whole, "{name}");
        assert!(from_disk(&file).unwrap() == whole, "{name} on a disk");
        let header = read_header(Cursor::new(&file), &DEEP).unwrap();
        assert_eq!(header.reader_bytes.is_some(), way != Way::Whole, "{name}");
        assert!(!header.holds_file());
        let slicer = opened_slicer(&file).unwrap();
        assert_eq!(slicer.is_some(), way == Way::Chunks, "{name}");
        if let Some(mut slicer) = slicer {
            check_slices(&mut slicer, &whole, &name);
        }
    }
}

#[test]
fn damaged_files_have_the_same_errors_by_rows() {
    let mut noise = Noise(31);
    let (mut good, mut bad, mut sliced_bad) = (0, 0, 0);
    for (name, file, _) in files() {
        let cuts = (0..10).map(|i| file[..file.len() * i / 10].to_vec());
        let hits = (0..30).map(|_| {
            let mut damaged = file.clone();
            for _ in 0..2 {
                let at = noise.below(damaged.len());
                damaged[at] = noise.byte();
            }
            // And one where the directory is.
            let at = damaged.len() - 1 - noise.below(400.min(damaged.len()));
            damaged[at] = noise.byte();
            damaged
        });
        for damaged in cuts.chain(hits) {
            for rows in [from_memory(&damaged), from_disk(&damaged)] {
                match (whole(&damaged), rows) {
                    (Ok(whole), Ok(rows)) => {
                        assert!(whole == rows, "{name}");
                        good += 1;
                    }
                    (Err(whole), Err(rows)) => {
                        assert_eq!(whole.to_string(), rows.to_string(), "{name}");
                        bad += 1;
                    }
                    (whole, rows) => panic!("{name}: {:?} against {:?}", whole.err(), rows.err()),
                }
            }
            if let Ok(Some(mut slicer)) = opened_slicer(&damaged) {
                match (whole(&damaged), from_slices(&mut slicer)) {
                    (Ok(whole), Ok(sliced)) => assert!(whole.pixels == sliced, "{name}"),
                    (Err(_), Err(_)) => sliced_bad += 1,
                    (whole, rows) => panic!("{name}: {:?} against {:?}", whole.err(), rows.err()),
                }
            }
        }
    }
    assert!(good > 1000 && bad > 1000, "{good} good, {bad} bad");
    assert!(sliced_bad > 100, "{sliced_bad} bad in slices");
}
