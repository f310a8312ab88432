//! OpenCV's own pixels and bytes, by `cv2` in Python. No tolerance.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mpix::image_file::{DecodeOptions, EncodeOptions, Format, Metadata, Slicer, decode, encode};
use tempfile::TempDir;
use turbojpeg::{Colorspace, Image, PixelFormat, Subsamp};

use crate::by_rows::check_slices;
use crate::metadata::exif;
use crate::pictures::{Noise, OPTIONS, decoded, file, jpeg, pixels, png_of_16_bits};

/// A Python that has `cv2`, and a folder to talk through.
struct Reference {
    python: PathBuf,
    folder: TempDir,
}

/// What OpenCV read: rows, columns, channels, and the upper 8 bits of the samples, as RGB(A).
#[derive(PartialEq, Eq)]
struct Read {
    shape: (usize, usize, usize),
    pixels: Vec<u8>,
}

impl Reference {
    /// None, loudly, where there is no such Python; in CI that is a failure.
    fn find() -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = std::env::var_os("MPIX_TEST_PYTHON")
            .map_or_else(|| root.join(".venv/bin/python"), PathBuf::from);
        let found = Command::new(&python).args(["-c", "import cv2"]).output();
        if found.is_ok_and(|output| output.status.success()) {
            return Some(Self { python, folder: tempfile::tempdir().unwrap() });
        }
        let missing = format!("no Python with cv2 at `{}` (MPIX_TEST_PYTHON)", python.display());
        assert!(std::env::var_os("CI").is_none(), "{missing}");
        // Past the test harness, which swallows what a passing test prints.
        let notice = format!("SKIPPED, NOT TESTED AGAINST OPENCV: {missing}\n");
        std::io::stderr().write_all(notice.as_bytes()).unwrap();
        None
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        std::fs::File::create(self.path(name)).unwrap().write_all(bytes).unwrap();
    }

    /// Runs the script on `lines`, in the folder; its output, line by line.
    fn run(&self, lines: &[String]) -> Vec<String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/imread_reference.py");
        let mut child = Command::new(&self.python)
            .arg(script)
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(lines.join("\n").as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "the script failed");
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    /// What `imread` makes of these files with the flag `flag`.
    fn imread(&self, flag: &str, files: &[Vec<u8>]) -> Vec<Read> {
        let mut lines = Vec::new();
        for (i, file) in files.iter().enumerate() {
            self.put(&format!("{i}.in"), file);
            lines.push(format!("read {flag} {i}.in {i}.raw"));
        }
        let shapes = self.run(&lines);
        let read = |(i, shape): (usize, &String)| {
            let sides: Vec<usize> = shape.split(' ').map(|side| side.parse().unwrap()).collect();
            let pixels = std::fs::read(self.path(&format!("{i}.raw"))).unwrap();
            Read { shape: (sides[0], sides[1], sides[2]), pixels }
        };
        shapes.iter().enumerate().map(read).collect()
    }

    /// Asserts that mpix decodes these files to what `imread` gives.
    fn check(&self, flag: &str, files: Vec<(String, Vec<u8>)>, options: &DecodeOptions) {
        let (names, files): (Vec<_>, Vec<_>) = files.into_iter().unzip();
        let references = self.imread(flag, &files);
        assert_eq!(references.len(), files.len());
        for ((name, file), reference) in names.iter().zip(&files).zip(references) {
            let picture =
                decode(file, options, Vec::new()).unwrap_or_else(|error| panic!("{name}: {error}"));
            let shape = (picture.height, picture.width, picture.channels);
            assert_eq!(shape, reference.shape, "{name}");
            let differing =
                picture.pixels.iter().zip(&reference.pixels).filter(|(own, its)| own != its);
            assert_eq!(differing.count(), 0, "{name}: differing samples");
            assert_eq!(picture.pixels.len(), reference.pixels.len(), "{name}");
        }
    }
}

const SIZES: [(usize, usize); 4] = [(1, 1), (17, 9), (123, 77), (640, 427)];

#[test]
fn jpegs_have_the_pixels_of_imread() {
    let Some(reference) = Reference::find() else { return };
    let mut files = Vec::new();
    for (width, height) in SIZES {
        for subsamp in
            [Subsamp::None, Subsamp::Sub2x1, Subsamp::Sub2x2, Subsamp::Sub1x2, Subsamp::Sub4x1]
        {
            for progressive in [false, true] {
                let file = jpeg(width, height, |compressor| {
                    compressor.set_subsamp(subsamp)?;
                    compressor.set_quality(if progressive { 60 } else { 92 })?;
                    compressor.set_progressive(progressive)
                });
                let name = format!("{width}x{height} {subsamp:?}, progressive {progressive}");
                files.push((name, file));
            }
        }
        let rgb = jpeg(width, height, |compressor| compressor.set_colorspace(Colorspace::RGB));
        files.push((format!("{width}x{height} RGB inside"), rgb));
    }
    reference.check("COLOR", files, &OPTIONS);
    let gray = SIZES.map(|(width, height)| {
        (format!("{width}x{height} gray"), file(Format::Jpeg, width, height, 1))
    });
    reference.check("UNCHANGED", gray.into(), &OPTIONS);
}

#[test]
fn orientation_is_that_of_imread() {
    let Some(reference) = Reference::find() else { return };
    let files = (1..=8).map(|orientation| {
        let metadata = Metadata { icc: None, exif: Some(exif(orientation)) };
        let options = EncodeOptions { format: Format::Jpeg, quality: 90, strip: false };
        let file = encode(&pixels(50, 30, 3), 50, 30, 3, &metadata, &options).unwrap();
        (format!("orientation {orientation}"), file)
    });
    reference.check("COLOR", files.collect(), &OPTIONS);
}

/// A JPEG of four channels.
fn jpeg_of_inks(width: usize, height: usize, colorspace: Colorspace, subsamp: Subsamp) -> Vec<u8> {
    let mut compressor = turbojpeg::Compressor::new().unwrap();
    compressor.set_colorspace(colorspace).unwrap();
    compressor.set_subsamp(subsamp).unwrap();
    let pixels = pixels(width, height, 4);
    let format = PixelFormat::CMYK;
    let image = Image { pixels: &pixels[..], width, pitch: 4 * width, height, format };
    compressor.compress_to_vec(image).unwrap()
}

/// The file without its Adobe segment.
fn without_adobe(file: &[u8]) -> Vec<u8> {
    let at = file.windows(9).position(|bytes| bytes == b"\xFF\xEE\x00\x0EAdobe").unwrap();
    [&file[..at], &file[at + 16..]].concat()
}

#[test]
fn cmyk_and_ycck_become_the_colours_of_imread() {
    let Some(reference) = Reference::find() else { return };
    let mut files = Vec::new();
    for (width, height) in SIZES {
        for subsamp in [Subsamp::None, Subsamp::Sub2x2] {
            for space in [Colorspace::CMYK, Colorspace::YCCK] {
                let file = jpeg_of_inks(width, height, space, subsamp);
                files.push((format!("{width}x{height} {space:?} {subsamp:?}"), file));
            }
        }
        let file = jpeg_of_inks(width, height, Colorspace::CMYK, Subsamp::None);
        files.push((format!("{width}x{height} CMYK without Adobe"), without_adobe(&file)));
    }
    reference.check("COLOR", files, &OPTIONS);
}

#[test]
fn harmless_oddities_are_read_as_imread_reads_them() {
    let Some(reference) = Reference::find() else { return };
    let file = file(Format::Jpeg, 123, 77, 3);
    let plain = decoded(&file);
    let (start, end) = (2, file.len() - 2);
    let with = |at: usize, bytes: &[u8]| [&file[..at], bytes, &file[at..]].concat();
    let odd = vec![
        ("padding before the end".to_owned(), with(end, &[0x55])),
        ("more of it".to_owned(), with(end, &[0; 16])),
        ("fill bytes".to_owned(), with(end, &[0xFF; 3])),
        ("a tail".to_owned(), with(file.len(), b"and more")),
        ("junk between segments".to_owned(), with(start + 18, b"junk")),
    ];
    for (name, file) in &odd {
        assert!(decoded(file).pixels == plain.pixels, "{name}");
    }
    reference.check("COLOR", odd, &OPTIONS);
    let damaged = with(end, &Noise(1).bytes(300));
    assert!(decode(&damaged, &OPTIONS, Vec::new()).is_err(), "300 bytes are no padding");
}

#[test]
fn deep_pngs_have_the_upper_bytes_of_imread() {
    let Some(reference) = Reference::find() else { return };
    let cut = DecodeOptions { depth_8: true, ..OPTIONS };
    let of = |color| (format!("{color:?}"), png_of_16_bits(123, 77, color));
    let rgb = of(image::ColorType::Rgb16);
    reference.check("COLOR", vec![rgb.clone()], &cut);
    let all = vec![rgb, of(image::ColorType::L16), of(image::ColorType::Rgba16)];
    reference.check("UNCHANGED", all, &cut);
}

#[test]
fn lossless_files_have_the_pixels_of_imread() {
    let Some(reference) = Reference::find() else { return };
    let mut files = Vec::new();
    for format in [Format::Png, Format::Tiff, Format::Bmp, Format::WebP, Format::Pnm] {
        for channels in [1, 3, 4] {
            // Gray WebP becomes RGB; OpenCV reads no alpha from PAM.
            let skipped = [(Format::WebP, 1), (Format::Pnm, 4)].contains(&(format, channels));
            if !skipped {
                files.push((format!("{format:?} x{channels}"), file(format, 123, 77, channels)));
            }
        }
    }
    reference.check("UNCHANGED", files, &OPTIONS);
}

#[test]
fn jpegs_are_written_byte_for_byte_as_imwrite_does() {
    let Some(reference) = Reference::find() else { return };
    let (mut lines, mut own) = (Vec::new(), Vec::new());
    for (width, height) in SIZES {
        for channels in [1, 3] {
            for quality in [1, 50, 95, 100] {
                let pixels = pixels(width, height, channels);
                let name = format!("{width}x{height}x{channels}q{quality}");
                reference.put(&format!("{name}.raw"), &pixels);
                lines.push(format!(
                    "write {quality} {width} {height} {channels} {name}.raw {name}.jpg"
                ));
                let options = EncodeOptions { format: Format::Jpeg, quality, strip: false };
                let metadata = Metadata::default();
                let file = encode(&pixels, width, height, channels, &metadata, &options).unwrap();
                own.push((name, file));
            }
        }
    }
    reference.run(&lines);
    for (name, file) in own {
        let reference = std::fs::read(reference.path(&format!("{name}.jpg"))).unwrap();
        assert!(file == reference, "{name}: {} and {} bytes", file.len(), reference.len());
    }
}

#[test]
fn rows_between_restart_markers_are_those_of_the_whole() {
    let Some(reference) = Reference::find() else { return };
    let (width, height) = (161, 203);
    let mut lines = Vec::new();
    let mut names = Vec::new();
    for channels in [1, 3] {
        let source = format!("{channels}.png");
        reference.put(&source, &file(Format::Png, width, height, channels));
        for sampling in ["411", "420", "422", "440", "444"] {
            // Units of blocks in a row: 6 to 21. Some intervals are whole rows, or parts of them.
            for interval in [1, 3, 5, 6, 7, 11, 21, 22, 33, 42] {
                let name = format!("{channels}-{sampling}-{interval}.jpg");
                lines.push(format!("mark {interval} {sampling} {source} {name}"));
                names.push(name);
            }
        }
    }
    reference.run(&lines);
    let mut cut = 0;
    for name in names {
        let path = reference.path(&name);
        let whole = decode(&std::fs::read(&path).unwrap(), &OPTIONS, Vec::new()).unwrap();
        let file = std::fs::File::open(&path).unwrap();
        if let Some(mut slicer) = Slicer::open(file, &OPTIONS).unwrap() {
            check_slices(&mut slicer, &whole, &name);
            cut += 1;
        }
    }
    // Where an interval is whole rows of blocks, or rows are whole intervals.
    assert_eq!(cut, 5 * 5 + 4 + 4 + 4 + 5 + 5);
}
