//! The memory of a whole run, as the system counts it: strips of images, not images.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![expect(clippy::print_stdout, reason = "the figures")]

#[path = "image_files/pictures.rs"]
#[expect(dead_code, reason = "a part of it is used")]
mod pictures;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use mpix::image_file::{EncodeOptions, Format, Metadata, encode};

const WIDTH: usize = 4000;
const HEIGHT: usize = 3000;
const IMAGES: usize = 5;

/// The most memory that a process has had so far, in bytes; none when it has ended, or where the
/// system does not tell.
fn peak_of(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(peak.trim().trim_end_matches(" kB").parse::<u64>().ok()? << 10)
}

/// Filters all of `input` on two threads; the most memory that takes, in megabytes.
fn peak_of_run(input: &Path, op: &str, format: &str) -> Option<u64> {
    let output = tempfile::tempdir().unwrap();
    let mut run = Command::new(env!("CARGO_BIN_EXE_mpix"));
    run.args(["run", "-q", "--threads", "2", "--op", op, "--format", format, "-o"]);
    let mut run = run.arg(output.path()).arg(input).stderr(Stdio::inherit()).spawn().unwrap();
    let mut peak = None;
    while run.try_wait().unwrap().is_none() {
        peak = peak_of(run.id()).or(peak);
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(run.wait().unwrap().success());
    peak.map(|bytes| bytes >> 20)
}

/// Writes a picture of `width` x `height` pixels row by row.
fn write_ppm(path: &Path, width: usize, height: usize) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    write!(file, "P6\n{width} {height}\n255\n").unwrap();
    let row = pictures::pixels(width, 1, 3);
    for first in 0..height {
        let (end, start) = row.split_at(first * 3 % row.len());
        file.write_all(start).and_then(|()| file.write_all(end)).unwrap();
    }
    file.flush().unwrap();
}

#[test]
fn an_image_in_bands_is_never_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let (width, height) = (9000, 9000);
    write_ppm(&folder.path().join("large.ppm"), width, height);
    println!("{} MB of pixels", width * height * 3 / 1_000_000);
    // The same picture compressed, and in strips.
    let (png, tiff) = (made(folder.path(), "png"), made(folder.path(), "tiff"));
    for op in ["invert", "blur:ksize=31"] {
        for format in ["tiff", "pnm", "png"] {
            check(folder.path(), op, format, 100);
        }
        check(png.path(), op, "png", 100);
        check(tiff.path(), op, "tiff", 100);
    }
}

/// A folder of what a run makes of the files of `input` in `format`.
fn made(input: &Path, format: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Command::new(env!("CARGO_BIN_EXE_mpix"));
    run.args(["run", "-q", "--op", "invert", "--format", format, "-o"]);
    assert!(run.arg(folder.path()).arg(input).status().unwrap().success());
    folder
}

/// A folder of some images in files of `format`.
fn images(format: Format) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let pixels = pictures::pixels(WIDTH, HEIGHT, 3);
    let options = EncodeOptions { format, quality: 75, strip: false };
    let file = encode(&pixels, WIDTH, HEIGHT, 3, &Metadata::default(), &options).unwrap();
    println!("{IMAGES} images of {} bytes, {} in a file", pixels.len(), file.len());
    for image in 0..IMAGES {
        let path = folder.path().join(format!("{image}.{}", format.extension()));
        std::io::Write::write_all(&mut std::fs::File::create(path).unwrap(), &file).unwrap();
    }
    folder
}

/// Holds what filtering takes against `most`, in megabytes.
fn check(input: &Path, op: &str, format: &str, most: u64) {
    let Some(peak) = peak_of_run(input, op, format) else {
        return println!("not tested: this system does not tell how much memory a process takes");
    };
    println!("{op} to {format}: {peak} MiB of {most}");
    assert!(peak <= most, "{op} to {format}: {peak} MiB");
}

#[test]
fn a_run_holds_strips_of_images() {
    let folder = images(Format::Jpeg);
    for (op, most) in [
        ("invert", 64),
        ("gray", 64),
        ("sharpen", 64),
        ("blur", 64),
        ("heatmap", 64),
        ("canny", 160),
    ] {
        check(folder.path(), op, "jpeg", most);
    }
}

/// At most all files and all results at a time, of 34 megabytes that hold the pixels as they are, or of
/// 25 that are compressed; decoded pictures, of two images on two threads, would be four times 34 more.
#[test]
fn a_run_holds_strips_of_what_is_not_jpeg() {
    let (png, tiff) = (images(Format::Png), images(Format::Tiff));
    check(png.path(), "invert", "jpeg", 180);
    check(png.path(), "invert", "png", 285);
    check(tiff.path(), "invert", "jpeg", 220);
    check(tiff.path(), "invert", "tiff", 375);
    check(tiff.path(), "invert", "png", 330);
}
