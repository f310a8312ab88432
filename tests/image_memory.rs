//! The memory that decoding and encoding take, as the system counts it, against what is told before.
//!
//! One test, for the whole process is measured; in a process of its own, whose allocator takes each
//! picture's memory from the system and gives it back.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![expect(clippy::print_stdout, reason = "the figures")]

#[path = "image_files/pictures.rs"]
#[expect(dead_code, reason = "a part of it is used")]
mod pictures;

use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use image::ColorType;
use mpix::band::Rows;
use mpix::image_file::{
    DecodeOptions, Format, Metadata, Picture, Pieces, Reader, Writer, decode, encode, encode_bytes,
    read_header, writer_bytes,
};

use pictures::{gif, jpeg, options, pixels, png_of_16_bits};

const OPTIONS: DecodeOptions = DecodeOptions { depth_8: true, ..DecodeOptions::DEFAULT };
/// Set, it keeps the allocator from learning to keep memory.
const THRESHOLD: &str = "MALLOC_MMAP_THRESHOLD_";
const WIDTH: usize = 3000;
const HEIGHT: usize = 2000;
const SLACK: u64 = 1 << 20;

/// Bytes that `/proc/self/status` tells.
fn status(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// The most memory that `work` takes, or none where the system does not tell.
fn peak<T>(work: impl FnOnce() -> T) -> Option<(u64, T)> {
    let mut peaks = std::fs::OpenOptions::new().write(true).open("/proc/self/clear_refs").ok()?;
    peaks.write_all(b"5").ok()?;
    let before = status("VmRSS:");
    let result = work();
    Some((status("VmHWM:").saturating_sub(before), result))
}

fn rotated() -> Metadata {
    let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    Metadata { icc: None, exif: Some(exif.to_vec()) }
}

fn written(format: Format, channels: usize, metadata: &Metadata) -> Vec<u8> {
    let pixels = pixels(WIDTH, HEIGHT, channels);
    encode(&pixels, WIDTH, HEIGHT, channels, metadata, &options(format)).unwrap()
}

fn tiff_of_16_bits() -> Vec<u8> {
    let (wide, high) = (u32::try_from(WIDTH).unwrap(), u32::try_from(HEIGHT).unwrap());
    let pixels = pixels(2 * WIDTH, HEIGHT, 3);
    let (mut file, format) = (Cursor::new(Vec::new()), image::ImageFormat::Tiff);
    image::write_buffer_with_format(&mut file, &pixels, wide, high, ColorType::Rgb16, format)
        .unwrap();
    file.into_inner()
}

fn files() -> Vec<(&'static str, Vec<u8>)> {
    let (wide, high) = (u32::try_from(WIDTH).unwrap(), u32::try_from(HEIGHT).unwrap());
    let plain = Metadata::default();
    let progressive = |subsamp| {
        jpeg(WIDTH, HEIGHT, move |compressor| {
            compressor.set_subsamp(subsamp)?;
            compressor.set_progressive(true)
        })
    };
    vec![
        ("JPEG", written(Format::Jpeg, 3, &plain)),
        ("gray JPEG", written(Format::Jpeg, 1, &plain)),
        ("turned JPEG", written(Format::Jpeg, 3, &rotated())),
        ("progressive JPEG, 4:4:4", progressive(turbojpeg::Subsamp::None)),
        ("progressive JPEG, 4:2:0", progressive(turbojpeg::Subsamp::Sub2x2)),
        ("PNG", written(Format::Png, 3, &plain)),
        ("turned PNG", written(Format::Png, 3, &rotated())),
        ("PNG of 16 bits", png_of_16_bits(wide, high, ColorType::Rgb16)),
        ("TIFF", written(Format::Tiff, 3, &plain)),
        ("TIFF of 16 bits", tiff_of_16_bits()),
        ("WebP", written(Format::WebP, 3, &plain)),
        ("turned WebP", written(Format::WebP, 4, &rotated())),
        ("BMP", written(Format::Bmp, 3, &plain)),
        ("gray BMP", written(Format::Bmp, 1, &plain)),
        ("PNM", written(Format::Pnm, 3, &plain)),
        ("GIF", gif(WIDTH, HEIGHT, false)),
    ]
}

#[test]
fn no_codec_takes_more_memory_than_told() {
    if std::env::var_os(THRESHOLD).is_some() {
        return measure();
    }
    let mut own = std::process::Command::new(std::env::current_exe().unwrap());
    own.args(["--exact", "no_codec_takes_more_memory_than_told", "--nocapture"]);
    assert!(own.env(THRESHOLD, "131072").status().unwrap().success());
}

/// A small PNG with a colour profile of so many zeros, compressed.
fn profile_bomb(megabytes: usize) -> Vec<u8> {
    let mut zlib = ZlibEncoder::new(b"bomb\0\0".to_vec(), Compression::best());
    for _ in 0..megabytes {
        zlib.write_all(&[0; 1 << 20]).unwrap();
    }
    let content = zlib.finish().unwrap();
    let mut chunk = b"iCCP".to_vec();
    chunk.extend(content);
    let mut crc = flate2::Crc::new();
    crc.update(&chunk);
    let length = u32::try_from(chunk.len() - 4).unwrap();
    let whole = [&length.to_be_bytes(), &chunk[..], &crc.sum().to_be_bytes()].concat();
    let mut file = pictures::file(Format::Png, 9, 9, 3);
    let behind_header = 8 + 25;
    file.splice(behind_header..behind_header, whole);
    file
}

/// Metadata that is refused takes hardly any memory, whatever it would take.
fn measure_metadata() {
    let stripped = DecodeOptions { strip: true, ..OPTIONS };
    let mut profile = vec![7; 100 << 20];
    profile[16..20].copy_from_slice(b"RGB ");
    let long = Metadata { icc: Some(profile), exif: None };
    let with_profile = |format| encode(&[0; 12], 2, 2, 3, &long, &options(format)).unwrap();
    let bomb = profile_bomb(500);
    println!("a PNG of {} bytes with a profile of {} bytes", bomb.len(), 500 << 20);
    for (name, file, options, refused, most) in [
        ("PNG bomb", &bomb, OPTIONS, true, 1 << 20),
        ("stripped PNG bomb", &bomb, stripped, false, 36 << 20),
        ("PNG", &with_profile(Format::Png), OPTIONS, true, 1 << 20),
        ("TIFF", &with_profile(Format::Tiff), OPTIONS, true, 1 << 20),
        ("stripped TIFF", &with_profile(Format::Tiff), stripped, false, 1 << 20),
        ("WebP", &with_profile(Format::WebP), OPTIONS, true, 1 << 20),
        ("stripped WebP", &with_profile(Format::WebP), stripped, false, 1 << 20),
    ] {
        let Some((taken, outcome)) = peak(|| read_header(Cursor::new(file), &options)) else {
            return;
        };
        println!("header of {name} with much metadata: {} KiB", taken >> 10);
        assert_eq!(outcome.is_err(), refused, "{name}");
        assert!(taken <= most, "{name}: {taken} bytes");
    }
}

/// Rows read and dropped, or written as they come, take as little as is told.
fn measure_rows() {
    let mut by_rows = 0;
    for (name, file) in files() {
        let Some(told) = read_header(Cursor::new(&file), &OPTIONS).unwrap().reader_bytes else {
            continue;
        };
        let all_rows = |mut reader: Reader<'_>| {
            for start in (0..HEIGHT).step_by(10) {
                reader.rows(start..start + 10).unwrap();
            }
            reader.end().unwrap()
        };
        let read = || all_rows(Reader::open(&file, &OPTIONS, Vec::new()).unwrap());
        let Some((taken, _)) = peak(read) else { return };
        println!("read {name} by rows: {:.1} MiB of {:.1} told", mib(taken), mib(told));
        assert!(taken <= told + SLACK, "{name}: {:.1} of {:.1}", mib(taken), mib(told));
        let mut on_disk = tempfile::tempfile().unwrap();
        on_disk.write_all(&file).unwrap();
        let read = || all_rows(Reader::open_file(on_disk, &OPTIONS, Vec::new()).unwrap());
        let (taken, _) = peak(read).unwrap();
        let is_held = read_header(Cursor::new(&file), &OPTIONS).unwrap().holds_file();
        let told = told + if is_held { file.len() as u64 } else { 0 };
        println!("read {name} from a disk: {:.1} MiB of {:.1} told", mib(taken), mib(told));
        assert!(taken <= told + SLACK, "{name}: {:.1} of {:.1}", mib(taken), mib(told));
        by_rows += 1;
    }
    assert!(by_rows > 6, "hardly any file is read by rows");
    for &format in Format::WRITABLE {
        for channels in 1..=4 {
            let line = pictures::Noise(1).bytes(WIDTH * channels);
            let told = writer_bytes(WIDTH, HEIGHT, channels, format);
            let metadata = rotated();
            let write = || {
                let shape = (WIDTH, HEIGHT, channels);
                let mut writer =
                    Writer::new(shape, &metadata, &options(format), Vec::new()).unwrap();
                for _ in 0..HEIGHT {
                    writer.write(&line).unwrap();
                }
                let is_kept = matches!(format, Format::WebP | Format::Bmp);
                if is_kept { Vec::new() } else { writer.end().unwrap().0 }
            };
            let (taken, file) = peak(write).unwrap();
            println!(
                "write {format:?} x{channels} by rows: {:.1} MiB of {:.1} told, a file of {:.1}",
                mib(taken),
                mib(told),
                mib(file.len() as u64)
            );
            assert!(taken <= told + SLACK, "{format:?} x{channels}: {:.1}", mib(taken));
        }
    }
    measure_pieces();
}

/// Encoding some pieces takes as little as is told.
fn measure_pieces() {
    for &format in Format::WRITABLE {
        for channels in 1..=4 {
            let shape = (WIDTH, HEIGHT, channels);
            let Some(pieces) = Pieces::new(shape, &options(format)) else { continue };
            let rows = 500_usize.next_multiple_of(pieces.rows());
            let pixels = pictures::Noise(1).bytes(WIDTH * rows * channels);
            let told = pieces.encode_bytes(rows);
            let (taken, _) = peak(|| pieces.encode(0, pixels).unwrap()).unwrap();
            println!(
                "encode pieces of {format:?} x{channels}: {:.1} MiB of {:.1} told",
                mib(taken),
                mib(told)
            );
            assert!(taken <= told + SLACK, "{format:?} x{channels}: {:.1}", mib(taken));
        }
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn measure() {
    measure_metadata();
    measure_rows();
    for (name, file) in files() {
        let told = read_header(Cursor::new(&file), &OPTIONS).unwrap().decode_bytes;
        let Some((taken, picture)) = peak(|| decode(&file, &OPTIONS, Vec::new()).unwrap()) else {
            println!("not tested: this system does not tell how much memory a process takes");
            return;
        };
        let pixels = picture.pixels.len() as u64;
        println!("decode {name}: {:.1} MiB of {:.1} told", mib(taken), mib(told));
        assert!(taken <= told + SLACK, "{name}: {:.1} of {:.1}", mib(taken), mib(told));
        assert!(told <= 2 * taken || name.contains("WebP"), "{name}: {:.1}", mib(told));
        assert!(taken >= pixels, "{name}: the measure misses the picture itself");
        assert!(picture.pixels.capacity() as u64 <= pixels + SLACK, "{name}: memory is kept");
    }
    for &format in Format::WRITABLE {
        for channels in 1..=4 {
            // Noise hardly compresses; a photograph's file is smaller.
            let noise = Picture {
                width: WIDTH,
                height: HEIGHT,
                channels,
                pixels: pictures::Noise(1).bytes(WIDTH * HEIGHT * channels),
                metadata: rotated(),
            };
            let told = encode_bytes(WIDTH, HEIGHT, channels, format);
            let encoded = || {
                let (pixels, metadata) = (&noise.pixels, &noise.metadata);
                encode(pixels, WIDTH, HEIGHT, channels, metadata, &options(format)).unwrap()
            };
            let (taken, file) = peak(encoded).unwrap();
            println!(
                "encode {format:?} x{channels}: {:.1} MiB of {:.1} told, a file of {:.1}",
                mib(taken),
                mib(told),
                mib(file.len() as u64)
            );
            assert!(taken <= told + SLACK, "{format:?} x{channels}: {:.1}", mib(taken));
        }
    }
}
