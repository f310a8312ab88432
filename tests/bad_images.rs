//! One directory with good pictures and many hostile ones: each of these fails alone, by name and
//! with its reason, and every good one comes out as it does without them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod launch;
#[path = "image_files/pictures.rs"]
#[expect(dead_code, reason = "a part of it is used")]
mod made;
mod pictures;

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::Cursor;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use launch::{PROGRAM, Run, assert_same, command, files, finish, have, mpirun_of, mpix};
use made::{Noise, by_image, file, gif, png_of_16_bits, progressive_jpeg};
use mpix::image_file::Format;

/// Nobody: root reads what is locked, so the program must not be root.
const NOBODY: u32 = 65534;

/// Pixels that the runs allow; the good pictures have fewer.
const MAX_PIXELS: &str = "10000";

/// A place that the program reaches without being root, with a copy of it.
struct Place {
    dir: tempfile::TempDir,
    program: String,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("mpix");
        fs::copy(PROGRAM, &program).unwrap();
        fs::create_dir(dir.path().join("in")).unwrap();
        if is_root() {
            chown(dir.path(), Some(NOBODY), None).unwrap();
        }
        Self { dir, program: program.to_str().unwrap().to_owned() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn put(&self, name: impl AsRef<Path>, bytes: &[u8]) {
        pictures::files::put(&self.path("in").join(name), bytes);
    }

    /// Runs over `in` into the directory `output`, alone for 0 ranks.
    fn run(&self, ranks: usize, output: &str, flags: &[&str]) -> Run {
        let (input, output) = (self.path("in"), self.path(output));
        let paths = [OsStr::new("-o"), output.as_os_str(), input.as_os_str()];
        let arguments =
            [OsStr::new("run")].into_iter().chain(flags.iter().map(OsStr::new)).chain(paths);
        let mut command = match ranks {
            0 => command(&[&self.program], arguments),
            _ => mpirun_of(&self.program, ranks, arguments),
        };
        if is_root() {
            command
                .uid(NOBODY)
                .gid(NOBODY)
                .current_dir(self.dir.path())
                .env("HOME", self.dir.path());
        }
        finish(command)
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// How many ranks share out, and how; 0 is a run without mpirun.
fn ways() -> Vec<(usize, &'static str)> {
    let ranks: &[usize] = if have("mpirun") { &[0, 2] } else { &[0] };
    ranks.iter().flat_map(|&ranks| [(ranks, "images"), (ranks, "bands")]).collect()
}

fn put_good_ones(place: &Place) {
    for format in Format::WRITABLE {
        for channels in 1..=4 {
            let name = format!("good{channels}.{}", format.extension());
            place.put(name, &file(*format, 61, 37, channels));
        }
    }
    place.put("good.gif", &gif(61, 37, true));
    place.put("progressive.jpg", &progressive_jpeg(61, 37));
}

/// What fails, and words of the reason.
type Hostile = Vec<(String, Vec<&'static str>)>;

fn put_hostile_ones(place: &Place) -> Hostile {
    let mut hostile = Hostile::new();
    put_cut_ones(place, &mut hostile);
    put_noise(place, &mut hostile);
    let mut add = |name: &str, bytes: &[u8], words: &[&'static str]| {
        place.put(name, bytes);
        hostile.push((name.to_owned(), words.to_vec()));
    };
    let png = file(Format::Png, 61, 37, 3);
    add("png-inside.jpg", &png, &["is PNG inside but `.jpg` by name", "--format"]);
    add(
        "text.png",
        b"not a picture",
        &["is no image that mpix reads (13 bytes, starting 6e 6f 74"],
    );
    add("empty.png", b"", &["is empty"]);
    let huge = ["60000 x 60000 = 3600000000 pixels", "--max-pixels"];
    add("huge.png", &png_that_claims(60_000, 60_000), &huge);
    let large = ["101 x 100 = 10100 pixels", "limit of 10000", "--max-pixels"];
    add("large.jpg", &file(Format::Jpeg, 101, 100, 3), &large);
    let deep = png_of_16_bits(20, 10, image::ColorType::Rgb16);
    add("deep.png", &deep, &["has 16 bits per sample", "--depth 8"]);
    add("float.tif", &float_tiff(), &["has Rgb32F pixels"]);
    add("locked.png", &png, &["cannot be read: Permission denied"]);
    fs::set_permissions(place.path("in/locked.png"), Permissions::from_mode(0o000)).unwrap();
    put_other_kinds(place, &mut hostile);
    hostile
}

/// Each format, cut off at many places.
fn put_cut_ones(place: &Place, hostile: &mut Hostile) {
    let mut whole: Vec<(Format, Vec<u8>)> = Format::WRITABLE
        .iter()
        .flat_map(|&format| [1, 3, 4].map(|channels| (format, file(format, 61, 37, channels))))
        .collect();
    whole.push((Format::Jpeg, progressive_jpeg(61, 37)));
    whole.push((Format::Gif, gif(61, 37, false)));
    whole.push((Format::Qoi, by_image(61, 37, 3, image::ImageFormat::Qoi)));
    for (number, (format, bytes)) in whole.iter().enumerate() {
        let parts = (1..10).map(|tenths| bytes.len() * tenths / 10);
        for cut in [1, 2, 11, 13, 30].into_iter().chain(parts) {
            let name = format!("cut-{number}-at-{cut}.{}", format.extension());
            place.put(&name, &bytes[..cut]);
            let known = Format::of_content(&bytes[..cut.min(12)]).is_some();
            let words = if known { vec![" whole ", format.name()] } else { vec!["is no image"] };
            hostile.push((name, words));
        }
    }
}

/// Random bytes behind the right first ones.
fn put_noise(place: &Place, hostile: &mut Hostile) {
    let starts: [(&str, &[u8]); 9] = [
        ("jpg", b"\xFF\xD8\xFF"),
        ("png", b"\x89PNG\r\n\x1A\n"),
        ("tif", b"II*\0"),
        ("tiff", b"MM\0*"),
        ("webp", b"RIFF\xFF\0\0\0WEBP"),
        ("bmp", b"BM"),
        ("pgm", b"P5\n"),
        ("gif", b"GIF89a"),
        ("qoi", b"qoif"),
    ];
    let mut noise = Noise(17);
    for (extension, start) in starts {
        for round in 0..8 {
            let name = format!("noise-{extension}-{round}.{extension}");
            let length = [0, 5, 300, 4000][round % 4];
            place.put(&name, &[start, &noise.bytes(length)].concat());
            hostile.push((name, Vec::new()));
        }
    }
}

/// Things that are no files.
fn put_other_kinds(place: &Place, hostile: &mut Hostile) {
    let inputs = place.path("in");
    fs::create_dir(inputs.join("directory.jpg")).unwrap();
    let pipe = Command::new("mkfifo").arg(inputs.join("pipe.png")).status().unwrap();
    assert!(pipe.success());
    symlink("nowhere.png", inputs.join("dangling.png")).unwrap();
    symlink("circle.png", inputs.join("circle.png")).unwrap();
    for (name, words) in [
        ("directory.jpg", "is a directory, not a file"),
        ("pipe.png", "is a pipe, a socket or a device, not a file"),
        ("dangling.png", "cannot be read: No such file"),
        ("circle.png", "cannot be read: Too many levels"),
    ] {
        hostile.push((name.to_owned(), vec![words]));
    }
}

fn png_that_claims(width: u32, height: u32) -> Vec<u8> {
    let mut file = file(Format::Png, 9, 9, 3);
    file[16..20].copy_from_slice(&width.to_be_bytes());
    file[20..24].copy_from_slice(&height.to_be_bytes());
    let crc = !file[12..29].iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 }
        })
    });
    file[29..33].copy_from_slice(&crc.to_be_bytes());
    file
}

fn float_tiff() -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let (color, format) = (image::ColorType::Rgb32F, image::ImageFormat::Tiff);
    image::write_buffer_with_format(&mut file, &[0; 2 * 2 * 12], 2, 2, color, format).unwrap();
    file.into_inner()
}

/// Each hostile file is told once with its reason, and nothing panicked.
#[track_caller]
fn assert_told(run: &Run, hostile: &Hostile, what: &str) {
    assert!(!run.stderr.contains("panicked"), "{what}: {}", run.stderr);
    let told: Vec<&str> =
        run.stderr.lines().filter(|line| line.starts_with("mpix: failed: ")).collect();
    for (name, words) in hostile {
        let own: Vec<&&str> =
            told.iter().filter(|line| line.contains(&format!("/{name}` "))).collect();
        assert_eq!(own.len(), 1, "{what}: {name}: {own:?}\n{}", run.stderr);
        assert!(words.iter().all(|word| own[0].contains(word)), "{what}: {words:?}: {}", own[0]);
    }
    assert_eq!(told.len(), hostile.len(), "{what}: {}", run.stderr);
}

#[test]
fn hostile_files_fail_alone_and_by_name() {
    let place = Place::new();
    put_good_ones(&place);
    place.run(0, "expected", &["-q", "--op", "blur", "--op", "canny"]).expect_code(0);
    let expected = files(&place.path("expected"));
    let hostile = put_hostile_ones(&place);
    println!("{} good files, {} hostile ones", expected.len(), hostile.len());
    for (ranks, distribute) in ways() {
        let what = format!("{ranks} ranks, {distribute}");
        let flags = [
            "--op",
            "blur",
            "--op",
            "canny",
            "--max-pixels",
            MAX_PIXELS,
            "--distribute",
            distribute,
        ];
        let run = place.run(ranks, &what, &flags).expect_code(1);
        assert_told(&run, &hostile, &what);
        assert_same(&expected, &place.path(&what), &what);
        let summary =
            format!("{} of {} images done", expected.len(), expected.len() + hostile.len());
        assert!(
            run.tells(&[&summary, &format!("{} failed", hostile.len())]),
            "{what}: {}",
            run.stderr
        );
    }
}

#[test]
fn a_huge_picture_that_max_pixels_allows_takes_no_memory() {
    let place = Place::new();
    place.put("good.png", &file(Format::Png, 61, 37, 3));
    place.put("huge.png", &png_that_claims(60_000, 60_000));
    for (ranks, distribute) in ways() {
        let flags = ["--max-pixels", "4000000000", "--memory", "1G", "--distribute", distribute];
        let run = place.run(ranks, &format!("{ranks}{distribute}"), &flags).expect_code(1);
        // In bands it streams, until the pixels that it claims turn out not to be there.
        let words = match distribute {
            "images" => vec!["bytes of memory, over the limit", "--memory"],
            _ => vec!["is no whole PNG image"],
        };
        let hostile = vec![("huge.png".to_owned(), words)];
        assert_told(&run, &hostile, distribute);
    }
}

#[test]
fn what_cannot_be_written_fails_alone() {
    let place = Place::new();
    place.put("good.png", &file(Format::Png, 61, 37, 3));
    place.put("taken.png", &file(Format::Png, 61, 37, 3));
    place.put("wide.png", &file(Format::Png, 65_501, 1, 1));
    for (ranks, distribute) in ways() {
        let output = format!("{ranks}{distribute}");
        fs::create_dir_all(place.path(&output).join("taken.jpg/below")).unwrap();
        if is_root() {
            chown(place.path(&output), Some(NOBODY), None).unwrap();
        }
        let run = place.run(ranks, &output, &["--format", "jpeg", "--distribute", distribute]);
        let hostile = vec![
            ("taken.png".to_owned(), vec!["cannot be written to", "/taken.jpg`: Is a directory"]),
            ("wide.png".to_owned(), vec!["does not fit a JPEG file: 65501 x 1", "at most 65500"]),
        ];
        assert_told(&run.expect_code(1), &hostile, &output);
        let written: Vec<PathBuf> = files(&place.path(&output)).into_keys().collect();
        assert_eq!(written, [Path::new("good.jpg")]);
    }
}

#[test]
fn a_directory_that_takes_no_files_is_named() {
    let place = Place::new();
    place.put("good.png", &file(Format::Png, 61, 37, 3));
    fs::create_dir(place.path("out")).unwrap();
    fs::set_permissions(place.path("out"), Permissions::from_mode(0o555)).unwrap();
    let run = place.run(0, "out", &[]).expect_code(4);
    assert!(run.tells(&["failed to make `", "out/.mpix`: Permission denied"]), "{}", run.stderr);
    assert!(!run.stderr.contains(".mpix-"), "{}", run.stderr);
    let run = place.run(0, "out/below", &[]).expect_code(2);
    assert!(run.tells(&["failed to make the output directory", "denied"]), "{}", run.stderr);
}

#[test]
fn directories_that_cannot_be_read_fail_by_name_and_claim_no_result() {
    let place = Place::new();
    place.put("good.png", &file(Format::Png, 61, 37, 3));
    for half in ["left", "right"] {
        let locked = place.path("in").join(half).join("locked");
        fs::create_dir_all(&locked).unwrap();
        fs::set_permissions(&locked, Permissions::from_mode(0o000)).unwrap();
    }
    let (left, right) = (place.path("in/left"), place.path("in/right"));
    let flags = ["-r", left.to_str().unwrap(), right.to_str().unwrap()];
    let run = place.run(0, "out", &flags).expect_code(1);
    for half in ["left", "right"] {
        let line = format!("{half}/locked` cannot be read: Permission denied");
        assert!(run.tells(&[&line]), "{}", run.stderr);
    }
    assert_eq!(files(&place.path("out")).len(), 1);
    for half in [left, right] {
        fs::set_permissions(half.join("locked"), Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn a_run_that_is_interrupted_leaves_whole_results_only() {
    let place = Place::new();
    let png = file(Format::Png, 1200, 900, 3);
    for number in 0..60 {
        place.put(format!("{number}.png"), &png);
    }
    let (input, output) = (place.path("in"), place.path("out"));
    let mut child = Command::new(PROGRAM)
        .args(["run", "-q", "--threads", "1", "--op", "canny", "-o"])
        .args([&output, &input])
        .spawn()
        .unwrap();
    while fs::read_dir(&output).map_or(0, Iterator::count) < 5 {
        assert!(child.try_wait().unwrap().is_none(), "it ended early");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let interrupt =
        Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().unwrap();
    assert!(interrupt.success());
    assert!(!child.wait().unwrap().success());
    let left = files(&output);
    let whole = left.keys().filter(|name| !name.to_str().unwrap().starts_with(".mpix-")).count();
    println!("{whole} results when it was interrupted, {} other files", left.len() - whole);
    let again = place.path("again");
    mpix(["run", "-q", "--op", "canny", "-o", again.to_str().unwrap(), input.to_str().unwrap()])
        .expect_code(0);
    let expected = files(&again);
    for (name, bytes) in left {
        let temporary = name.to_str().unwrap().starts_with(".mpix-");
        assert!(temporary || expected[&name] == bytes, "{} is not whole", name.display());
    }
}
