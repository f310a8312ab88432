//! Every op against the real OpenCV, byte for byte.
//!
//! It needs a Python with OpenCV: `python3 -m venv .venv && .venv/bin/pip install -r
//! scripts/requirements.txt`, or one named by `MPIX_TEST_PYTHON`.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod images;

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use images::{CONTENTS, Content, Image, chain};
use mpix::ops::{OPS, OpSpec, Simd};
use serde_json::json;

/// An op on the image of that index.
struct Case {
    image: usize,
    spec: OpSpec,
}

#[test]
fn every_op_gives_the_bytes_of_opencv() {
    let Some(python) = python() else { return };
    let images = made_images();
    let mut cases = Vec::new();
    let (samples, more) = (samples(), more_parameters());
    for (image, made) in images.iter().enumerate() {
        let big = made.width * made.height > 100_000;
        let specs = samples.iter().chain(if big { &[][..] } else { &more });
        cases.extend(specs.map(|spec| Case { image, spec: spec.clone() }));
    }
    let compared = compare(&python, &images, &cases);
    println!("{compared} results of {} ops are those of OpenCV", OPS.len());
    assert!(compared > 5000, "only {compared}");
}

#[test]
fn every_colour_gives_the_bytes_of_opencv() {
    let Some(python) = python() else { return };
    let all = Image::of((4096, 4096, 3), |row, column, channel| {
        ((row << 12 | column) >> (8 * channel)).to_le_bytes()[0]
    });
    let cases = ["gray", "hsv", "heatmap"].map(|op| Case { image: 0, spec: op.parse().unwrap() });
    let compared = compare(&python, &[all], &cases);
    println!("{compared} results for all 2^24 colours are those of OpenCV");
    assert_eq!(compared, cases.len());
}

/// The Python to ask, or `None` with a word about it when there is none; in CI there must be one.
fn python() -> Option<PathBuf> {
    let python = std::env::var_os("MPIX_TEST_PYTHON").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python"),
        PathBuf::from,
    );
    let found = Command::new(&python).args(["-c", "import cv2, numpy"]).output();
    if found.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    let missing = format!("no OpenCV in `{}`; see tests/opencv.rs", python.display());
    assert!(std::env::var_os("CI").is_none(), "{missing}");
    eprintln!("SKIPPED, nothing was compared: {missing}");
    None
}

fn made_images() -> Vec<Image> {
    let sizes = [
        (1, 1),
        (1, 2),
        (2, 1),
        (1, 37),
        (37, 1),
        (2, 2),
        (3, 2),
        (2, 3),
        (5, 5),
        (16, 9),
        (31, 29),
        (64, 65),
        (97, 101),
        (211, 13),
    ];
    let mut images = Vec::new();
    for (seed, (width, height)) in sizes.into_iter().enumerate() {
        for content in CONTENTS {
            for channels in [1, 3] {
                images.push(Image::made(content, (width, height, channels), seed as u64));
            }
        }
    }
    for (content, channels) in
        [(Content::Scene, 3), (Content::Scene, 1), (Content::Noise, 3), (Content::Extreme, 1)]
    {
        images.push(Image::made(content, (1023, 769, channels), 99));
    }
    images
}

fn samples() -> Vec<OpSpec> {
    let texts = OPS.iter().flat_map(|op| op.samples.iter().map(|sample| op.text_of(sample)));
    texts.map(|text| text.parse().unwrap()).collect()
}

/// Values of parameters at which OpenCV might take another way.
fn more_parameters() -> Vec<OpSpec> {
    let mut texts = Vec::new();
    for ksize in [3, 5, 7, 9, 11, 13, 21, 33, 63, 127, 255] {
        texts.push(format!("blur:ksize={ksize}"));
        for sigma in [0.01, 0.3, 0.5, 0.84, 1.0, 1.5, 2.3, 5.0, 9.7, 40.0, 1000.0] {
            texts.push(format!("blur:ksize={ksize},sigma={sigma}"));
        }
    }
    for (low, high) in [(0, 0), (1, 1), (50, 150), (99, 100), (400, 900), (2040, 2040)] {
        texts.push(format!("canny:low={low},high={high}"));
        texts.push(format!("canny:low={low}.7,high={high}.2").replace("2040.", "2039."));
    }
    for (alpha, beta) in [(1.0, 0.0), (0.5, 0.5), (2.5, -300.0), (0.1, 0.25), (-3.3, 200.1)] {
        texts.push(format!("brightness-contrast:alpha={alpha},beta={beta}"));
    }
    for value in [0.01, 0.3, 1.0, 1.8, 100.0] {
        texts.push(format!("gamma:value={value}"));
    }
    texts.extend(kernels());
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn kernels() -> Vec<String> {
    let mut texts = Vec::new();
    for (rows, columns) in
        [(1, 1), (1, 2), (2, 1), (2, 2), (3, 3), (4, 3), (5, 5), (6, 8), (7, 1), (10, 10), (11, 11)]
    {
        let kernel = |scale: f64| {
            let number = |index: usize| ((index * 7 + 3) % 11) as f64 * scale - 2.0;
            let row = |row: usize| {
                let numbers = (0..columns).map(|column| number(row * columns + column).to_string());
                numbers.collect::<Vec<_>>().join(",")
            };
            (0..rows).map(row).collect::<Vec<_>>().join("/")
        };
        texts.push(format!("convolve:kernel={}", kernel(1.0)));
        texts.push(format!("convolve:kernel={},divisor=17,offset=0.5", kernel(0.73)));
        texts.push(format!("convolve:kernel={},divisor=-91,offset=128", kernel(1.0)));
    }
    texts.push("convolve:kernel=0,offset=40.5".to_owned());
    texts.push("convolve:kernel=0.5".to_owned());
    texts
}

/// How many results were compared; panics when some differ.
fn compare(python: &Path, images: &[Image], cases: &[Case]) -> usize {
    let directory = tempfile::tempdir().unwrap();
    write_cases(directory.path(), images, cases);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/opencv_reference.py");
    let output = Command::new(python).arg(script).arg(directory.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut results =
        std::io::BufReader::new(File::open(directory.path().join("results.bin")).unwrap());
    let mut differences = Vec::new();
    for case in cases {
        let image = &images[case.image];
        let mut channels = [0];
        results.read_exact(&mut channels).unwrap();
        let channels = usize::from(channels[0]);
        let mut bytes = vec![0; image.width * image.height * channels];
        results.read_exact(&mut bytes).unwrap();
        let expected = Image { bytes, channels, ..*image };
        let got = image.filtered(&chain(&[case.spec.to_string()], Simd::detect()));
        differences.extend(difference(case, image, &got, &expected));
    }
    let shown = differences.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(differences.is_empty(), "{} results differ:\n{shown}", differences.len());
    cases.len()
}

fn write_cases(directory: &Path, images: &[Image], cases: &[Case]) {
    let mut file = BufWriter::new(File::create(directory.join("images.bin")).unwrap());
    let mut offsets = Vec::new();
    let mut offset = 0;
    for image in images {
        file.write_all(&image.bytes).unwrap();
        offsets.push(offset);
        offset += image.bytes.len();
    }
    file.flush().unwrap();
    let cases = cases.iter().map(|case| {
        let (image, entry) = (&images[case.image], case.spec.entry());
        let values = entry.parameters.iter().zip(case.spec.values());
        let values: serde_json::Map<_, _> = values
            .map(|(parameter, value)| (parameter.name.to_owned(), json!(value.to_string())))
            .collect();
        json!({
            "offset": offsets[case.image],
            "height": image.height,
            "width": image.width,
            "channels": image.channels,
            "op": entry.name,
            "values": values,
        })
    });
    let file = File::create(directory.join("cases.json")).unwrap();
    serde_json::to_writer(BufWriter::new(file), &cases.collect::<Vec<_>>()).unwrap();
}

/// What differs, in a line.
fn difference(case: &Case, image: &Image, got: &Image, expected: &Image) -> Option<String> {
    assert_eq!(got.channels, expected.channels, "channels of `{}`", case.spec);
    let pairs = || got.bytes.iter().zip(&expected.bytes);
    let at = pairs().position(|(got, expected)| got != expected)?;
    let count = pairs().filter(|(got, expected)| got != expected).count();
    let (width, height, channels) = (image.width, image.height, image.channels);
    let (got, expected) = (got.bytes[at], expected.bytes[at]);
    Some(format!(
        "`{}` on {width} x {height} x {channels}: {count} values differ, the first at {at}: \
         {got} for {expected}",
        case.spec
    ))
}
