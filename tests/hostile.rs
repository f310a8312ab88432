//! Files made to hurt, all in one directory with good pictures: each is refused by name, with the
//! limit that it is over and its flag, a second run tells them again, and memory stays small.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod launch;
#[path = "image_files/pictures.rs"]
#[expect(dead_code, reason = "a part of it is used")]
mod made;
mod pictures;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use launch::{PROGRAM, Run, assert_same, command, files, have, mpirun_command, mpix};
use made::{file, gif, pixels};
use mpix::error::FailureKind;
use mpix::image_file::{EncodeOptions, Format, Metadata, encode};
use mpix::journal::Record;

/// What the runs allow; the good pictures are below.
const LIMITS: &str = "--max-pixels 1000000 --max-width 2000 --max-height 2000 --max-file-size 8M \
                      --max-decoded 2M --max-metadata 1M --max-image-memory 6M";
/// Memory that a rank may take; without limits, one of these files takes gigabytes.
const MOST_MEMORY: u64 = 64 << 20;

/// A hostile file, of which the limits tell something or its content is broken.
struct Hostile {
    name: &'static str,
    /// None where the journal does not know it: it was never begun.
    kind: Option<FailureKind>,
    words: &'static [&'static str],
}

const HOSTILE: &[Hostile] = &[
    over("bomb.png", &["60000 x 60000 = 3600000000 pixels", "1000000 (`--max-pixels`)"]),
    over("bomb.pgm", &["= 3600000000 pixels", "1000000 (`--max-pixels`)"]),
    over("bomb.bmp", &["= 3600000000 pixels", "1000000 (`--max-pixels`)"]),
    over("profile.png", &["at least 1048577 bytes", "1048576 (`--max-metadata`)", "`--strip`"]),
    over("exif.webp", &["at least 3000000 bytes", "1048576 (`--max-metadata`)"]),
    over("profile.tif", &["at least 3000000 bytes", "1048576 (`--max-metadata`)", "`--strip`"]),
    over("wide.png", &["is 2001 pixels wide", "2000 (`--max-width`)"]),
    over("high.png", &["is 2001 pixels high", "2000 (`--max-height`)"]),
    over("sparse.png", &["file of 8589934592 bytes", "8388608 (`--max-file-size`)"]),
    over("decoded.png", &["900 x 900 pixels of 3 bytes = 2430000 bytes", "(`--max-decoded`)"]),
    over("memory.webp", &["bytes of memory on a rank", "6291456 (`--max-image-memory`)"]),
    broken("cut.jpg", &["is no whole JPEG image"]),
    broken("empty.png", &["is empty"]),
    broken("text.jpg", &["is no image that mpix reads"]),
    broken("lying.png", &["is JPEG inside but `.png` by name"]),
    broken("strips.tif", &["is no whole TIFF image"]),
    broken("loop.tif", &["is no whole TIFF image", "cycle"]),
    broken("frame.gif", &["is no whole GIF image", "more memory than its pixels need"]),
    broken("crc.png", &["is no whole PNG image", "CRC"]),
    broken("cut.webp", &["is no whole WebP image"]),
    other("directory.png", &["is a directory, not a file"]),
    other("dangling.png", &["cannot be read: No such file"]),
    other("pipe.jpg", &["is a pipe, a socket or a device"]),
    other("zero.png", &["is a pipe, a socket or a device"]),
];

const fn over(name: &'static str, words: &'static [&'static str]) -> Hostile {
    Hostile { name, kind: Some(FailureKind::OverLimit), words }
}

const fn broken(name: &'static str, words: &'static [&'static str]) -> Hostile {
    Hostile { name, kind: Some(FailureKind::NotAnImage), words }
}

const fn other(name: &'static str, words: &'static [&'static str]) -> Hostile {
    Hostile { name, kind: None, words }
}

/// A picture with metadata of so many bytes.
fn with_metadata(format: Format, icc_bytes: usize, exif_bytes: usize) -> Vec<u8> {
    let mut icc = vec![0; icc_bytes];
    if let Some(space) = icc.get_mut(16..20) {
        space.copy_from_slice(b"RGB ");
    }
    let metadata = Metadata {
        icc: (icc_bytes > 0).then_some(icc),
        exif: (exif_bytes > 0).then(|| vec![7; exif_bytes]),
    };
    let options = EncodeOptions { format, quality: 95, strip: false };
    encode(&pixels(20, 10, 3), 20, 10, 3, &metadata, &options).unwrap()
}

/// The chunk with its length and its checksum.
fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(name);
    crc.update(content);
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [length.as_slice(), name, content, &crc.sum().to_be_bytes()].concat()
}

fn png_that_claims(side: u32) -> Vec<u8> {
    let mut file = file(Format::Png, 9, 9, 3);
    let sides = [side.to_be_bytes(), side.to_be_bytes()].concat();
    let header = [&sides[..], &file[24..29]].concat();
    file.splice(8..33, chunk(b"IHDR", &header));
    file
}

/// A PNG of some kilobytes with a profile of 300 MB.
fn profile_bomb() -> Vec<u8> {
    let mut zlib = ZlibEncoder::new(b"bomb\0\0".to_vec(), Compression::best());
    for _ in 0..300 {
        zlib.write_all(&[0; 1_000_000]).unwrap();
    }
    let mut file = file(Format::Png, 9, 9, 3);
    file.splice(33..33, chunk(b"iCCP", &zlib.finish().unwrap()));
    file
}

/// A gray TIFF of 8 x 8 pixels. `strips` is how many strips it says it has, `next` where it says that
/// its next directory stands.
fn tiff(strips: u32, next: u32) -> Vec<u8> {
    let mut file = b"II*\0\x08\0\0\0\x08\0".to_vec();
    let pixels_at = 10 + 8 * 12 + 4;
    for (tag, kind, count, value) in [
        (256_u16, 4_u16, 1, 8_u32),
        (257, 4, 1, 8),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, strips, pixels_at),
        (278, 4, 1, 8),
        (279, 4, strips, 64),
    ] {
        file.extend(tag.to_le_bytes());
        file.extend(kind.to_le_bytes());
        file.extend(u32::to_le_bytes(count));
        file.extend(value.to_le_bytes());
    }
    file.extend(next.to_le_bytes());
    file.extend(pixels(8, 8, 1));
    file
}

/// A GIF whose first frame is far larger than the picture.
fn gif_with_a_huge_frame() -> Vec<u8> {
    let mut file = gif(20, 10, true);
    let frame = (0..file.len()).find(|&at| file[at..].starts_with(b"\x2C\0\0\0\0\x14\0")).unwrap();
    file[frame + 5..frame + 9].fill(0xFF);
    file
}

fn put_hostile_ones(inputs: &Path) {
    let put = |name: &str, bytes: &[u8]| pictures::files::put(&inputs.join(name), bytes);
    put("bomb.png", &png_that_claims(60_000));
    put("bomb.pgm", b"P5\n60000 60000\n255\nabc");
    let mut bitmap = file(Format::Bmp, 9, 9, 3);
    bitmap[18..22].copy_from_slice(&60_000_u32.to_le_bytes());
    bitmap[22..26].copy_from_slice(&60_000_u32.to_le_bytes());
    put("bomb.bmp", &bitmap);
    put("profile.png", &profile_bomb());
    put("exif.webp", &with_metadata(Format::WebP, 0, 3_000_000));
    put("profile.tif", &with_metadata(Format::Tiff, 3_000_000, 0));
    put("wide.png", &file(Format::Png, 2001, 3, 1));
    put("high.png", &file(Format::Png, 3, 2001, 1));
    put("sparse.png", &file(Format::Png, 9, 9, 3));
    File::options().append(true).open(inputs.join("sparse.png")).unwrap().set_len(1 << 33).unwrap();
    put("decoded.png", &file(Format::Png, 900, 900, 3));
    put("memory.webp", &file(Format::WebP, 800, 800, 3));
    let jpeg = file(Format::Jpeg, 60, 40, 3);
    put("cut.jpg", &jpeg[..jpeg.len() / 2]);
    put("empty.png", b"");
    put("text.jpg", b"Dear reader, this is not a picture at all.\n");
    put("lying.png", &jpeg);
    put("strips.tif", &tiff(u32::MAX, 0));
    put("loop.tif", &tiff(1, 8));
    put("frame.gif", &gif_with_a_huge_frame());
    let mut png = file(Format::Png, 9, 9, 3);
    let checksum = png.len() - 12 - 1;
    png[checksum] ^= 1;
    put("crc.png", &png);
    let webp = file(Format::WebP, 60, 40, 3);
    put("cut.webp", &webp[..40]);
    fs::create_dir(inputs.join("directory.png")).unwrap();
    symlink("nowhere", inputs.join("dangling.png")).unwrap();
    symlink("/dev/zero", inputs.join("zero.png")).unwrap();
    let pipe = Command::new("mkfifo").arg(inputs.join("pipe.jpg")).status().unwrap();
    assert!(pipe.success());
}

fn put_good_ones(inputs: &Path) {
    for format in Format::WRITABLE {
        let name = format!("good.{}", format.extension());
        pictures::files::put(&inputs.join(name), &file(*format, 61, 37, 3));
    }
    pictures::files::put(&inputs.join("still.gif"), &gif(61, 37, true));
    pictures::files::put(&inputs.join("sound.tif"), &tiff(1, 0));
}

/// The most memory that any process of mpix with `output` among its words has taken until now.
fn most_memory(output: &str) -> u64 {
    let peak = |process: &Path| -> Option<u64> {
        let line = fs::read(process.join("cmdline")).ok()?;
        let mut words = line.split(|&byte| byte == 0);
        let is_own =
            words.next()? == PROGRAM.as_bytes() && words.any(|word| word == output.as_bytes());
        let status = is_own.then(|| fs::read_to_string(process.join("status")))?.ok()?;
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        kilobytes.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
    };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.filter_map(|process| peak(&process.path())).max().unwrap_or(0)
}

/// Runs with these limits over `inputs`, and watches its memory.
fn run(ranks: usize, inputs: &Path, output: &Path, limits: &str) -> (Run, u64) {
    let (inputs, output) = (inputs.to_str().unwrap(), output.to_str().unwrap());
    let words = ["run", "--op", "blur", "--memory", "4G", "-o", output, inputs];
    let arguments: Vec<&str> = words.into_iter().chain(limits.split_whitespace()).collect();
    let mut command = match ranks {
        0 => command(&[PROGRAM], arguments),
        _ => mpirun_command(ranks, arguments),
    };
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        most = most.max(most_memory(output));
        std::thread::sleep(Duration::from_millis(3));
    }
    let ended = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&ended.stderr).into_owned();
    (Run { code: ended.status.code(), stdout: String::new(), stderr }, most)
}

/// Every hostile file is told once, with its words.
#[track_caller]
fn assert_told(run: &Run, names: &[&str]) {
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    for hostile in HOSTILE.iter().filter(|hostile| names.contains(&hostile.name)) {
        let own = format!("/{}` ", hostile.name);
        let told: Vec<&str> = run.stderr.lines().filter(|line| line.contains(&own)).collect();
        let [line] = told[..] else { panic!("{}: {told:?}\n{}", hostile.name, run.stderr) };
        let words = ["mpix: failed: "].iter().chain(hostile.words);
        assert!(words.into_iter().all(|word| line.contains(word)), "{}: {line}", hostile.name);
    }
    let told = run.stderr.lines().filter(|line| line.starts_with("mpix: failed: ")).count();
    assert_eq!(told, names.len(), "{}", run.stderr);
}

fn kinds(output: &Path) -> HashMap<String, FailureKind> {
    let state = mpix::journal::read(output).unwrap();
    let failed = state.live_records().filter_map(|record| {
        let Record::Failed(failed) = record else { return None };
        let name = failed.input.file_name().unwrap().to_str().unwrap().to_owned();
        Some((name, failed.kind))
    });
    failed.collect()
}

fn written(output: &Path) -> HashMap<PathBuf, SystemTime> {
    let time = |name: &PathBuf| fs::metadata(output.join(name)).unwrap().modified().unwrap();
    files(output).into_keys().map(|name| (name.clone(), time(&name))).collect()
}

#[test]
fn hostile_files_of_all_kinds_are_refused_by_name_in_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let inputs = dir.path().join("in");
    put_good_ones(&inputs);
    let expected = dir.path().join("expected");
    let words = ["run", "-q", "--op", "blur", "-o"];
    mpix(words.map(Into::into).into_iter().chain([expected.clone(), inputs.clone()]))
        .expect_code(0);
    let expected = files(&expected);
    put_hostile_ones(&inputs);
    let names: Vec<&str> = HOSTILE.iter().map(|hostile| hostile.name).collect();
    for ranks in if have("mpirun") { vec![0, 2] } else { vec![0] } {
        let output = dir.path().join(format!("out-{ranks}"));
        let (first, most) = run(ranks, &inputs, &output, LIMITS);
        println!("{ranks} ranks: {} hostile files, peak {} MiB a rank", names.len(), most >> 20);
        assert_told(&first.expect_code(1), &names);
        assert!(0 < most && most < MOST_MEMORY, "{} MiB", most >> 20);
        assert_same(&expected, &output, "first");
        let wanted = HOSTILE.iter().filter_map(|one| Some((one.name.to_owned(), one.kind?)));
        assert_eq!(kinds(&output), wanted.collect());

        let before = written(&output);
        let (second, _) = run(ranks, &inputs, &output, LIMITS);
        assert_told(&second.expect_code(1), &names);
        assert_eq!(written(&output), before, "nothing is done anew");

        let laxer = "--max-pixels 1000000 --max-decoded 2M --max-metadata 1M --max-file-size 1T";
        let (third, _) = run(ranks, &inputs, &output, laxer);
        // What stands behind the end of a picture is hashed, and held by nobody.
        let done = ["wide.png", "high.png", "memory.webp", "sparse.png"];
        let left: Vec<&str> = names.iter().copied().filter(|name| !done.contains(name)).collect();
        assert_told(&third.expect_code(1), &left);
        let after = written(&output);
        assert_eq!(after.len(), expected.len() + done.len());
        assert!(before.iter().all(|(name, time)| after[name] == *time), "done under any limits");
    }
}
