//! What is taken as input, and where its result goes.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;

use crate::launch::{PROGRAM, command, files, have, mpirun_command};
use crate::made::file;
use crate::place::Place;
use mpix::image_file::Format;

const TREE: &[&str] = &[
    "in/a.png",
    "in/b.jpg",
    "in/below/a.png",
    "in/below/deep/c.tif",
    "in/.hidden.png",
    "in/.cache/d.png",
];

#[test]
fn only_direct_files_without_r_and_the_whole_tree_with_it() {
    let place = Place::with(TREE);
    place.put("in/notes.txt", b"text");
    place.mpix("run -q -o flat in").expect_code(0);
    assert_eq!(place.names("flat"), ["a.png", "b.jpg"]);
    place.mpix("run -q -r -o tree in/").expect_code(0);
    assert_eq!(place.names("tree"), ["a.png", "b.jpg", "below/a.png", "below/deep/c.tif"]);
}

#[test]
fn an_output_below_the_input_is_not_taken_for_input() {
    let place = Place::with(TREE);
    std::os::unix::fs::symlink("in/results", place.path("link")).unwrap();
    for output in ["in/results", "in/results/", "in/below/../results", "link"] {
        place.mpix(&format!("run -q -r -o {output} in")).expect_code(0);
        let results = place.names("in/results");
        assert_eq!(results, ["a.png", "b.jpg", "below/a.png", "below/deep/c.tif"], "{output}");
        if output == "in/below/../results" {
            fs::remove_dir_all(place.path("in/results")).unwrap();
            fs::create_dir(place.path("in/results")).unwrap();
        }
    }
}

#[test]
fn links_to_directories_are_followed_where_named_and_not_below() {
    let place = Place::with(&["in/a.png", "other/b.png"]);
    std::os::unix::fs::symlink("in", place.path("link")).unwrap();
    std::os::unix::fs::symlink("../other", place.path("in/linked")).unwrap();
    std::os::unix::fs::symlink("../in", place.path("other/loop.png")).unwrap();
    std::os::unix::fs::symlink("../other/b.png", place.path("in/b.png")).unwrap();
    place.mpix("run -q -r -o out link").expect_code(0);
    assert_eq!(place.names("out"), ["a.png", "b.png"]);
    place.mpix("run -q -r -o others other").expect_code(0);
    assert_eq!(place.names("others"), ["b.png"]);
}

#[test]
fn a_file_named_twice_counts_once() {
    let place = Place::with(&["in/a.png"]);
    let run = place.mpix("run -o out in/a.png in ./in//a.png in/").expect_code(0);
    assert!(run.tells(&["1 of 1 images done"]), "{}", run.stderr);
}

#[test]
fn names_may_hold_anything() {
    let place = Place::new();
    let names: [&[u8]; 5] =
        [b"two words.png", b"two\nlines.png", b"-o.png", b"no\xFFutf8.png", b"\x1B[31m.png"];
    let picture = file(Format::Png, 31, 20, 3);
    for name in names {
        let path = place.path("in").join(OsStr::from_bytes(name));
        crate::pictures::files::put(&path, &picture);
    }
    place.put("in/bad\nname.png", b"text");
    let run = place.mpix("run -v -o out in").expect_code(1);
    assert!(run.tells(&["failed: `in/bad\\nname.png` is no image"]), "{}", run.stderr);
    assert!(!run.stderr.contains('\x1B') && run.stderr.lines().count() == 7, "{}", run.stderr);
    for name in names {
        assert!(place.path("out").join(OsStr::from_bytes(name)).exists(), "{name:?}");
    }
    let dry = place.mpix("run -n -o out in").expect_code(0);
    assert!(dry.stdout.contains("two\\nlines.png -> out/two\\nlines.png"), "{}", dry.stdout);
    let mut dash = command(&[PROGRAM], ["run", "-q", "-o", "../dash", "--", "-o.png"]);
    dash.current_dir(place.path("in"));
    assert!(dash.status().unwrap().success() && place.path("dash/-o.png").exists());
}

#[test]
fn listed_names_keep_their_directories() {
    let place = Place::with(&["in/a.png", "in/below/b.png"]);
    let listed = ["dot/c.png", "in/a.png", "in/below/b.png"];
    place.put("dot/c.png", &place.bytes("in/a.png"));
    place.put("lines", b"in/a.png\n./in/below/b.png\n\nin/../dot/c.png\nin/a.png\n");
    place.put("zeros", b"in/a.png\0in/below/b.png\0dot/c.png");
    place.mpix("run -q -o lines.out --files-from lines").expect_code(0);
    assert_eq!(place.names("lines.out"), ["in/a.png", "in/below/b.png", "in/dot/c.png"]);
    place.mpix("run -q -o zeros.out --files-from zeros -0").expect_code(0);
    assert_eq!(place.names("zeros.out"), listed);
    let absolute = place.path("in/a.png");
    place.put("absolute", absolute.as_os_str().as_bytes());
    place.mpix("run -q -o absolute.out --files-from absolute").expect_code(0);
    let kept = absolute.to_str().unwrap().trim_start_matches('/').to_owned();
    assert_eq!(place.names("absolute.out"), [kept]);
}

#[test]
fn listed_names_come_from_standard_input_too() {
    let place = Place::with(&["in/a.png", "in/below/b.png"]);
    place.put("zeros", b"in/a.png\0in/below/b.png\0");
    let arguments = ["run", "-q", "-o", "out", "--files-from", "-", "-0"];
    let mut commands = vec![command(&[PROGRAM], arguments)];
    if have("mpirun") {
        commands.push(mpirun_command(2, arguments));
    }
    for mut command in commands {
        command.stdin(File::open(place.path("zeros")).unwrap());
        place.finish(command).expect_code(0);
        assert_eq!(place.names("out"), ["in/a.png", "in/below/b.png"]);
        fs::remove_dir_all(place.path("out")).unwrap();
    }
}

#[test]
fn listed_names_that_are_no_files_fail_alone() {
    let place = Place::with(&["in/a.png"]);
    place.put("list", b"in/a.png\nin/gone.png\nin\n..\n/\n..\n");
    let run = place.mpix("run -o out --files-from list").expect_code(1);
    assert!(run.tells(&["`in/gone.png` cannot be read: No such file"]), "{}", run.stderr);
    for directory in ["in", "..", "/"] {
        assert!(run.tells(&[&format!("`{directory}` is a directory")]), "{}", run.stderr);
    }
    assert!(run.tells(&["1 of 5 images done, 4 failed"]), "{}", run.stderr);
}

#[test]
fn inputs_are_never_written() {
    let place = Place::with(TREE);
    let before = files(&place.path("in"));
    for _ in 0..2 {
        place.mpix("run -q -r --op invert -o out in").expect_code(0);
    }
    assert_eq!(files(&place.path("in")), before);
}

#[test]
fn what_a_killed_run_left_is_no_input() {
    let place = Place::with(&["in/a.png"]);
    place.put("in/.mpix-Ab3dE6", &place.bytes("in/a.png"));
    place.put("in/below/.mpix-Ab3dE6.png", &place.bytes("in/a.png"));
    place.mpix("run -q -r -o out in").expect_code(0);
    assert_eq!(place.names("out"), ["a.png"]);
}
