//! An image of more than 2 GiB in memory, in bands of more than 1 GiB, on two ranks.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![expect(clippy::cast_possible_truncation, reason = "a sample is taken modulo 256")]

mod launch;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use launch::{have, mpirun, mpix};

const WIDTH: usize = 26_800;
const HEIGHT: usize = 26_800;

/// Smooth and rough parts, no two rows alike.
fn write_ppm(path: &Path) {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path).unwrap());
    write!(file, "P6\n{WIDTH} {HEIGHT}\n255\n").unwrap();
    let mut row = vec![0; WIDTH * 3];
    for y in 0..HEIGHT {
        for (x, value) in row.iter_mut().enumerate() {
            let mixed = (x ^ y).wrapping_mul(2_654_435_761) >> 24;
            *value = ((x / 61 + y / 53 + mixed % 32) % 256) as u8;
        }
        file.write_all(&row).unwrap();
    }
    file.flush().unwrap();
}

fn same_bytes(a: &Path, b: &Path) -> bool {
    std::process::Command::new("cmp").arg("-s").args([a, b]).status().unwrap().success()
}

#[test]
fn more_than_two_gib_in_bands() {
    const { assert!(WIDTH * HEIGHT * 3 > 2 << 30) };
    if !have("mpirun") {
        return;
    }
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let input = dir.path().join("large.ppm");
    write_ppm(&input);
    let run = |ranks: usize, name: &str, flags: &[&str]| {
        let output = dir.path().join(name);
        let mut arguments = vec!["run", "-q", "--memory", "26G", "--op", "canny:low=40,high=90"];
        arguments.extend(flags);
        arguments.extend(["-o", output.to_str().unwrap(), input.to_str().unwrap()]);
        let run = if ranks == 0 { mpix(&arguments) } else { mpirun(ranks, &arguments) };
        run.expect_code(0);
        output.join("large.ppm")
    };
    let whole = run(0, "whole", &["--distribute", "images"]);
    let halves = run(2, "halves", &["--distribute", "bands", "--band-rows", "13500"]);
    assert!(same_bytes(&whole, &halves), "bands of 1.09 GB");
    std::fs::remove_file(halves).unwrap();
    let bands = run(2, "bands", &["--distribute", "bands"]);
    assert!(same_bytes(&whole, &bands), "bands of the usual height");
    assert!(whole.metadata().unwrap().len() > (WIDTH * HEIGHT) as u64);
}
