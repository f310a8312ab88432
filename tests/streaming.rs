//! Images in bands stream through: the same bytes as whole ones, in little memory, and nothing is left
//! of one that fails on its way.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod launch;
mod pictures;

use std::fs::{self, File};
use std::io::Cursor;
use std::path::Path;

use launch::{assert_same, files, have, mpirun, mpix};
use pictures::files::{put, write};
use tiff::encoder::colortype::RGB8;
use tiff::encoder::{Compression, DeflateLevel, TiffEncoder};

const WIDTH: usize = 700;
const HEIGHT: usize = 900;
/// Room for nothing of these pictures.
const MEMORY: &str = "100k";

fn ranks() -> Vec<usize> {
    if have("mpirun") { vec![0, 2, 3] } else { vec![0] }
}

fn run(ranks: usize, arguments: &[&str], output: &Path, input: &Path) -> launch::Run {
    let places = ["-q", "-r", "-o", output.to_str().unwrap(), input.to_str().unwrap()];
    let arguments = ["run"].iter().chain(arguments).chain(&places);
    if ranks == 0 { mpix(arguments) } else { mpirun(ranks, arguments) }
}

/// Writes RGB pixels as a TIFF of compressed strips of so many rows.
fn write_strips(path: &Path, pixels: &[u8], compression: Compression, strip_rows: u32) {
    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).unwrap().with_compression(compression);
    let side = |side| u32::try_from(side).unwrap();
    let mut image = encoder.new_image::<RGB8>(side(WIDTH), side(HEIGHT)).unwrap();
    image.rows_per_strip(strip_rows).unwrap();
    image.write_data(pixels).unwrap();
    put(path, file.get_ref());
}

#[test]
fn a_stream_of_bands_gives_the_bytes_of_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    let pixels = pictures::landscape(WIDTH, HEIGHT, 3);
    for name in ["a.tif", "b.ppm", "c.png", "d.jpg"] {
        write(&input.join(name), &pixels, WIDTH, HEIGHT, 3);
    }
    // Strips that ranks decode: more than one to a band of 37 rows, and to one of 400.
    let deflate = Compression::Deflate(DeflateLevel::Fast);
    write_strips(&input.join("e.tif"), &pixels, deflate, 7);
    write_strips(&input.join("f.tif"), &pixels, Compression::Lzw, 64);
    for ops in [
        &["--op", "invert"][..],
        &["--op", "blur:ksize=31"],
        &["--op", "canny:low=20,high=60", "--op", "invert"],
        &["--op", "canny:low=20,high=60", "--op", "blur:ksize=9"],
    ] {
        for format in [None, Some("tiff"), Some("png"), Some("webp")] {
            let format: Vec<&str> = format.iter().flat_map(|&name| ["--format", name]).collect();
            let whole = dir.path().join("whole");
            let flags = [ops, &format, &["--distribute", "images", "--threads", "1"]].concat();
            run(0, &flags, &whole, &input).expect_code(0);
            let expected = files(&whole);
            for ranks in ranks() {
                for height in ["1", "37", "400"] {
                    let bands = dir.path().join("bands");
                    let way = ["--distribute", "bands", "--band-rows", height, "--threads", "2"];
                    run(ranks, &[ops, &format, &way].concat(), &bands, &input).expect_code(0);
                    assert_same(&expected, &bands, &format!("{ops:?} {format:?} {ranks} {height}"));
                    fs::remove_dir_all(bands).unwrap();
                }
            }
            fs::remove_dir_all(whole).unwrap();
        }
    }
}

#[test]
fn ranks_decode_the_strips_of_their_bands() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    let pixels = pictures::landscape(WIDTH, HEIGHT, 7);
    write_strips(&input.join("a.tif"), &pixels, Compression::Lzw, 16);
    write(&input.join("b.tif"), &pixels, WIDTH, HEIGHT, 3);
    for (height, slices) in [("64", HEIGHT.div_ceil(64)), ("63", 0)] {
        let flags = ["run", "-vv", "--fresh", "--distribute", "bands", "--band-rows", height];
        let flags = [&flags[..], &["--op", "blur", "--threads", "2", "-o"]].concat();
        let places = [output.to_str().unwrap(), input.to_str().unwrap()];
        let run = mpix(flags.iter().chain(&places)).expect_code(0);
        assert_eq!(run.stderr.matches("input: Slice").count(), slices, "{}", run.stderr);
    }
}

#[test]
fn what_does_not_fit_whole_streams() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    let (width, height) = (WIDTH, 2 * HEIGHT);
    let pixels = pictures::landscape(width, height, 4);
    write(&input.join("a.tif"), &pixels, width, height, 3);
    let whole = dir.path().join("whole");
    run(0, &["--op", "blur"], &whole, &input).expect_code(0);
    let streamed = dir.path().join("streamed");
    let flags = ["--op", "blur", "--threads", "2"];
    let dry = [&flags[..], &["--memory", "8M", "--dry-run"]].concat();
    let plan = run(0, &dry, &streamed, &input).expect_code(0);
    assert!(plan.stdout.contains("1 in bands"), "{}", plan.stdout);
    for ranks in ranks() {
        let memory = format!("{}M", 8 * ranks.max(1));
        let limits = ["--fresh", "--memory", &memory];
        run(ranks, &[&flags[..], &limits].concat(), &streamed, &input).expect_code(0);
        assert_same(&files(&whole), &streamed, &format!("{ranks} ranks"));
    }
    let refused = run(0, &["--op", "blur", "--memory", MEMORY], &dir.path().join("no"), &input);
    assert!(refused.expect_code(1).tells(&["a.tif", "--memory"]));
}

#[test]
fn a_file_that_breaks_off_fails_alone_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    let pixels = pictures::landscape(WIDTH, HEIGHT, 5);
    let broken = ["a.tif", "b.ppm", "c.png", "d.jpg", "f.tif"];
    for name in ["a.tif", "b.ppm", "c.png", "d.jpg", "e.tif"] {
        write(&input.join(name), &pixels, WIDTH, HEIGHT, 3);
    }
    write_strips(&input.join("f.tif"), &pixels, Compression::Lzw, 4);
    // Its directory is at its end: it is a strip in the middle that is none.
    let mut strips = fs::read(input.join("f.tif")).unwrap();
    let middle = strips.len() / 2;
    strips[middle..middle + 200].fill(0xFF);
    put(&input.join("f.tif"), &strips);
    for name in &broken[..4] {
        let file = File::options().write(true).open(input.join(name)).unwrap();
        file.set_len(file.metadata().unwrap().len() * 2 / 3).unwrap();
    }
    for ranks in ranks() {
        for op in ["blur", "canny"] {
            let output = dir.path().join("out");
            let flags =
                ["--distribute", "bands", "--band-rows", "16", "--op", op, "--format", "tiff"];
            let run = run(ranks, &flags, &output, &input).expect_code(1);
            for name in broken {
                assert!(run.tells(&["failed: ", name]), "{}", run.stderr);
            }
            assert_eq!(files(&output).into_keys().collect::<Vec<_>>(), [Path::new("e.tif")]);
            fs::remove_dir_all(output).unwrap();
        }
    }
}

/// A TIFF file of gray 2x4 pixels, its directory behind them, whose strips of one row begin at `strips`.
fn tiff_with_strips(strips: [u32; 4]) -> Vec<u8> {
    let long = |tag: u16, count: u32, value: u32| {
        [&tag.to_le_bytes()[..], &[4, 0], &count.to_le_bytes(), &value.to_le_bytes()].concat()
    };
    let mut file = b"II\x2A\0\x38\0\0\0".to_vec();
    file.extend(strips.iter().flat_map(|strip| strip.to_le_bytes()));
    file.extend([2_u32; 4].iter().flat_map(|count| count.to_le_bytes()));
    file.extend(40..56);
    let fields = [(256, 1, 2), (257, 1, 4), (258, 1, 8), (259, 1, 1), (262, 1, 1), (273, 4, 8)];
    let more = [(277, 1, 1), (278, 1, 1), (279, 4, 24)];
    file.extend([9, 0]);
    file.extend(
        fields.iter().chain(&more).flat_map(|&(tag, count, value)| long(tag, count, value)),
    );
    file.extend([0; 4]);
    file
}

#[test]
fn the_journal_knows_a_file_in_bands_by_all_of_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    let pixels = pictures::landscape(60, 90, 6);
    for name in ["a.tif", "b.ppm", "c.png", "d.jpg", "e.webp"] {
        write(&input.join(name), &pixels, 60, 90, 3);
    }
    // Bytes behind the picture; rows that follow each other, and rows that do not.
    put(&input.join("f.pgm"), b"P5 2 3 255\n123456 and more");
    put(&input.join("g.tif"), &tiff_with_strips([40, 42, 44, 46]));
    put(&input.join("h.tif"), &tiff_with_strips([40, 52, 44, 48]));
    let flags = ["--distribute", "bands", "--band-rows", "2", "--op", "blur:ksize=3"];
    run(0, &flags, &output, &input).expect_code(0);
    let found = mpix::journal::read(&output).unwrap();
    let inputs = files(&input);
    assert_eq!(inputs.len(), 8);
    for (name, bytes) in inputs {
        let done = found.done(&input.join(&name)).unwrap();
        assert_eq!(done.input.content, mpix::journal::ContentHash::of(&bytes), "{name:?}");
    }
}

#[test]
fn what_was_done_in_bands_is_not_done_again() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    let pixels = pictures::landscape(60, 90, 6);
    write(&input.join("a.tif"), &pixels, 60, 90, 3);
    let flags = ["--distribute", "bands", "--op", "invert", "--json"];
    run(0, &flags, &output, &input).expect_code(0);
    let bytes = fs::read(input.join("a.tif")).unwrap();
    let again = |bytes: &[u8]| {
        // The same bytes or others, at another time.
        std::thread::sleep(std::time::Duration::from_millis(20));
        put(&input.join("a.tif"), bytes);
        run(0, &flags, &output, &input).expect_code(0).stdout
    };
    assert!(again(&bytes).contains("image-done-before"));
    let mut other = bytes.clone();
    *other.last_mut().unwrap() ^= 1;
    assert!(again(&other).contains("\"image-done\""));
    let found = mpix::journal::read(&output).unwrap();
    let done = found.done(Path::new(&input.join("a.tif"))).unwrap();
    assert_eq!(done.input.content, mpix::journal::ContentHash::of(&other));
    let result = fs::read(output.join("a.tif")).unwrap();
    let checksum = done.output_hash.checksum();
    assert_eq!(done.output_hash, mpix::journal::OutputHash::of(checksum, &result));
}
