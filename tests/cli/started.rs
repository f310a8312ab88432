//! Started by a launcher, or by what looks like one.

use crate::launch::{PROGRAM, Run, command, have, mpirun_of};
use crate::place::Place;

fn with_variables(place: &Place, variables: &[(&str, &str)], line: &str) -> Run {
    let mut started = command(&[PROGRAM], line.split(' '));
    started.envs(variables.iter().copied());
    place.finish(started)
}

#[test]
fn tasks_of_slurm_that_no_mpi_joins_are_refused() {
    let place = Place::with(&["in/a.png"]);
    let step = [
        ("SLURM_STEP_ID", "0"),
        ("SLURM_STEP_NUM_TASKS", "4"),
        ("SLURM_PROCID", "0"),
        // Slurm's own variables for Open MPI are not there, as with `--mpi=none`.
    ];
    let run = with_variables(&place, &step, "run --op gray -o out in").expect_code(2);
    assert!(run.stderr.contains('4'), "{}", run.stderr);
    assert!(!place.path("out").exists());
    let line = "run -q --op gray -o out in";
    let alone = [("SLURM_STEP_ID", "0"), ("SLURM_STEP_NUM_TASKS", "1"), ("SLURM_PROCID", "0")];
    with_variables(&place, &alone, line).expect_code(0);
    let batch = [("SLURM_JOB_ID", "7"), ("SLURM_NTASKS", "4"), ("SLURM_PROCID", "0")];
    with_variables(&place, &batch, line).expect_code(0);
}

#[test]
fn a_run_under_mpirun_ends_where_nobody_reads_what_it_tells() {
    if !have("mpirun") {
        return;
    }
    let place = Place::with(&["in/a.png", "in/b.png", "in/c.png"]);
    place.put("in/d.png", b"text");
    for deaf in ["2>/dev/full", "2>&-"] {
        for flags in ["-v", "-vv"] {
            let script = format!("exec {PROGRAM} run {flags} --op gray -o out in {deaf}");
            place.finish(mpirun_of("sh", 2, ["-c", &script])).expect_code(1);
            assert_eq!(place.names("out"), ["a.png", "b.png", "c.png"]);
            std::fs::remove_dir_all(place.path("out")).unwrap();
        }
        let script = format!("exec {PROGRAM} run --op blurr -o out in {deaf}");
        place.finish(mpirun_of("sh", 2, ["-c", &script])).expect_code(2);
    }
}

#[test]
fn an_unknown_simd_level_is_told_once() {
    let place = Place::with(&["in/a.png", "in/b.png"]);
    let line = "run -v --op gray -o out in";
    let run = with_variables(&place, &[("MPIX_SIMD", "scaler")], line).expect_code(0);
    assert_eq!(run.stderr.matches("`MPIX_SIMD=scaler`").count(), 1, "{}", run.stderr);
    for known in ["", "scalar", "avx2", "avx512"] {
        let run = with_variables(&place, &[("MPIX_SIMD", known)], line).expect_code(0);
        assert!(!run.stderr.contains("MPIX_SIMD"), "{}", run.stderr);
    }
}

#[test]
fn a_garbled_launch_is_told_by_its_variable() {
    let place = Place::with(&["in/a.png"]);
    let line = "run -q --op gray -o out in";
    for garbled in ["1", "0123456789abcdef:0", "no"] {
        let run = with_variables(&place, &[("MPIX_LAUNCH", garbled)], line).expect_code(2);
        let told = format!("`MPIX_LAUNCH={garbled}`");
        assert!(run.tells(&[&told, "expected ID:ATTEMPT"]), "{}", run.stderr);
        assert!(!place.path("out").exists());
    }
    for launch in ["", "0123456789abcdef:1"] {
        with_variables(&place, &[("MPIX_LAUNCH", launch)], line).expect_code(0);
    }
}

#[test]
fn each_limit_may_come_from_the_environment_and_a_flag_is_stronger() {
    let place = Place::with(&["in/a.png"]);
    let line = "run --op gray -o out in";
    for (variable, value, flag) in [
        ("MPIX_MAX_PIXELS", "99", "--max-pixels"),
        ("MPIX_MAX_WIDTH", "29", "--max-width"),
        ("MPIX_MAX_HEIGHT", "19", "--max-height"),
        ("MPIX_MAX_FILE_SIZE", "50", "--max-file-size"),
        ("MPIX_MAX_DECODED", "1K", "--max-decoded"),
        ("MPIX_MAX_IMAGE_MEMORY", "2K", "--max-image-memory"),
    ] {
        let limits = [(variable, value)];
        let run = with_variables(&place, &limits, line).expect_code(1);
        assert!(run.tells(&["a.png", "over the limit of", &format!("(`{flag}`)")]), "{run:?}");
        let plan = format!("run -n --op gray {flag} 100000000 -o out in");
        let run = with_variables(&place, &limits, &plan).expect_code(0);
        assert!(run.stdout.contains("0 would fail"), "{flag}: {}", run.stdout);
    }
    let run = with_variables(&place, &[("MPIX_MAX_METADATA", "much")], line).expect_code(2);
    assert!(run.tells(&["--max-metadata much", "no size"]), "{}", run.stderr);
}
