//! Command lines that cannot be carried out.

use std::fs;
use std::time::{Duration, Instant};

use crate::launch::{PROGRAM, files, have};
use crate::place::Place;

/// Command lines, and words that the message must hold.
const WRONG: &[(&str, &[&str])] = &[
    ("run -o out --op blurr in", &["`blurr`", "--op blurr", "mpix ops", "canny"]),
    ("run -o out --op blur:size=3 in", &["`blur`", "no parameter `size`", "ksize"]),
    ("run -o out --op blur:ksize=4 in", &["`blur`", "ksize=4", "odd integer 1..=255"]),
    ("run -o out --op gamma in", &["`gamma` needs `value`", "--op gamma:value="]),
    ("run -o out --op blur:ksize=3,ksize=5 in", &["`blur`", "`ksize` twice"]),
    ("run -o out", &["no input", "--files-from"]),
    ("run -o out missing", &["failed to find the input `missing`", "No such file"]),
    ("run -o out in/a.png/", &["failed to find the input `in/a.png/`", "Not a directory"]),
    ("run -o out none", &["found no image files", "-r"]),
    ("run -o out --memory 12Q in", &["--memory 12Q", "no size"]),
    ("run -o out --max-width 0 in", &["--max-width", "1.."]),
    ("run -o out --max-height 1K in", &["--max-height"]),
    ("run -o out --max-file-size 1X in", &["--max-file-size 1X", "no size"]),
    ("run -o out --max-decoded 0 in", &["--max-decoded 0", "no size"]),
    ("run -o out --max-metadata many in", &["--max-metadata many", "no size"]),
    ("run -o out --max-image-memory 1.5G in", &["--max-image-memory 1.5G", "no size"]),
    ("run -o out --quality 0 in", &["--quality", "1..=100"]),
    ("run -o out --quality 101 in", &["--quality", "1..=100"]),
    ("run -o out --threads 0 in", &["--threads", "1..=4096"]),
    ("run -o out --band-rows 0 in", &["--band-rows"]),
    ("run -o out --depth 16 in", &["--depth"]),
    ("run -o out --format gif in", &["--format", "jpeg, png, tiff, webp, bmp, pnm"]),
    ("run -o out -q -v in", &["--quiet", "--verbose"]),
    ("run -o out -0 in", &["--files-from"]),
    ("run -o out --files-from list.txt", &["--files-from list.txt", "No such file"]),
    ("run -o in/a.png in", &["output directory `in/a.png` (`-o`)", "File exists"]),
    ("run in", &["--output"]),
    ("run -o out --frobnicate in", &["--frobnicate"]),
    ("filter", &["filter"]),
    ("completions tcsh", &["tcsh", "fish"]),
];

#[test]
fn usage_errors_name_what_is_wrong_and_write_nothing() {
    let place = Place::with(&["in/a.png"]);
    fs::create_dir(place.path("none")).unwrap();
    for (line, words) in WRONG {
        let run = place.mpix(line).expect_code(2);
        assert!(words.iter().all(|word| run.stderr.contains(word)), "{line}: {}", run.stderr);
        assert_eq!(run.stdout, "", "{line}");
        assert_eq!(place.names("."), ["in/a.png"], "{line}");
        assert!(!place.path("out").exists(), "{line}");
    }
}

#[test]
fn under_mpirun_a_mistake_is_told_once_and_soon() {
    if !have("mpirun") {
        return;
    }
    let place = Place::with(&["in/a.png"]);
    for (line, words) in [
        ("run -o out --op blurr in", "unknown op `blurr`"),
        ("run -o out --frobnicate in", "unexpected argument '--frobnicate'"),
        ("run -o out missing", "failed to find the input `missing`"),
        ("run -o in in", "would replace the input"),
    ] {
        let start = Instant::now();
        let run = place.mpirun(3, line).expect_code(2);
        assert_eq!(run.stderr.matches(words).count(), 1, "{line}: {}", run.stderr);
        assert!(start.elapsed() < Duration::from_secs(20), "{line}: {:?}", start.elapsed());
    }
    let version = place.mpirun(3, "--version").expect_code(0);
    assert_eq!(version.stdout.lines().count(), 1, "{}", version.stdout);
    let ops = place.mpirun(2, "ops").expect_code(0);
    assert_eq!(ops.stdout, place.mpix("ops").stdout);
}

#[test]
fn a_mistake_of_one_rank_alone_is_told_by_it() {
    if !have("mpirun") {
        return;
    }
    let place = Place::with(&["in/a.png"]);
    let mut command = crate::launch::mpirun_command(1, ["run", "-o", "out", "in"]);
    command.args([":", "-n", "1", "env", "MPIX_THREADS=many", PROGRAM, "run", "-o", "out", "in"]);
    let run = place.finish(command).expect_code(2);
    assert!(run.tells(&["many", "--threads"]), "{}", run.stderr);
}

#[test]
#[cfg(feature = "mpi")]
fn ranks_of_another_mpi_do_not_each_do_all_the_work() {
    let place = Place::with(&["in/a.png"]);
    for variables in [
        &[("OMPI_COMM_WORLD_SIZE", "2")][..],
        &[("PMI_SIZE", "2"), ("PMI_RANK", "0")],
        &[("PMI_SIZE", "2"), ("PMI_RANK", "1")],
    ] {
        let mut command = crate::launch::command(&[PROGRAM], ["run", "-o", "out", "in"]);
        command.envs(variables.iter().copied());
        let run = place.finish(command).expect_code(2);
        let told = run.tells(&["failed to join 2 ranks", "another MPI's", "MPICC"]);
        assert!(told, "{variables:?}: {}", run.stderr);
        assert!(!place.path("out").exists());
    }
}

#[test]
fn two_inputs_of_one_name_are_refused_before_anything_is_written() {
    let place = Place::with(&["left/a.png", "left/b.png", "right/a.png"]);
    let run = place.mpix("run -o out left right/").expect_code(2);
    assert!(run.tells(&["`left/a.png` and `right/a.png`", "to `a.png`"]), "{}", run.stderr);
    let place = Place::with(&["in/a.png", "in/a.jpg"]);
    let run = place.mpix("run -o out --format webp in").expect_code(2);
    assert!(run.tells(&["`in/a.jpg` and `in/a.png`", "to `a.webp`"]), "{}", run.stderr);
    assert!(!place.path("out").exists());
    place.mpix("run -q -o out in").expect_code(0);
}

#[test]
fn a_result_that_would_replace_an_input_is_refused() {
    let place = Place::with(&["in/a.png", "in/b.png"]);
    let before = files(&place.path("in"));
    std::os::unix::fs::symlink("in", place.path("link")).unwrap();
    for line in ["run -o in in", "run -o in/ in/b.png", "run -o link in", "run -o . in/a.png -r in"]
    {
        let run = place.mpix(line);
        if line.contains("-o .") {
            // Another directory: nothing is replaced.
            run.expect_code(0);
            continue;
        }
        assert!(run.expect_code(2).tells(&["would replace the input", "`-o`"]), "{line}");
    }
    fs::create_dir(place.path("out")).unwrap();
    fs::hard_link(place.path("in/b.png"), place.path("out/a.png")).unwrap();
    let run = place.mpix("run -o out in").expect_code(2);
    assert!(run.tells(&["`in/a.png` would replace the input", "`out/a.png`"]), "{}", run.stderr);
    assert_eq!(files(&place.path("in")), before);
    assert_eq!(place.names("out"), ["a.png"]);
}

#[test]
fn results_may_lie_beside_their_inputs_under_another_extension() {
    let place = Place::with(&["in/a.png", "in/b.png"]);
    let before = files(&place.path("in"));
    place.mpix("run -q --format jpeg -o in in").expect_code(0);
    assert_eq!(place.names("in"), ["a.jpg", "a.png", "b.jpg", "b.png"]);
    for (name, bytes) in before {
        assert!(place.bytes(&format!("in/{}", name.display())) == bytes, "{}", name.display());
    }
}
