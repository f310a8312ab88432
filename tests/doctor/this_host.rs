//! The host of the test itself.

use crate::launch::{PROGRAM, command, finish, have, mpirun};
use crate::{Stage, assert_words, finding, findings, json, own_path};

const CHECKS: [&str; 15] = [
    "mpix",
    "mpi",
    "mpirun",
    "cores",
    "memory",
    "disk",
    "simd",
    "open-files",
    "address-space",
    "processes",
    "locked-memory",
    "shared-memory",
    "ssh",
    "root",
    "slurm",
];

#[test]
fn every_check_is_told_as_json_and_as_text() {
    let stage = Stage::new();
    let run = stage.run("doctor --json");
    let report = json(&run);
    for check in CHECKS {
        let finding = finding(&report, check);
        assert_eq!(finding.starts_with("ok: "), finding.ends_with(": none"), "{finding}");
    }
    let problems = run.stdout.matches(r#""level": "problem""#).count();
    assert_eq!(run.code, Some(i32::from(problems > 0)), "{}", run.stdout);
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(report["program"], own_path().to_str().unwrap());

    let text = stage.run("doctor");
    assert_eq!(text.code, run.code);
    for check in CHECKS {
        let there = text.stdout.lines().any(|line| line.split_whitespace().nth(1) == Some(check));
        assert!(there, "{check}: {}", text.stdout);
    }
    assert!(!text.stdout.contains('\u{1b}'), "colours are for terminals: {}", text.stdout);
    assert_words(text.stdout.lines().last().unwrap(), &["problem", "warning"]);
}

#[test]
fn a_process_that_is_bound_is_told_how_to_be_free() {
    if !have("taskset") || std::thread::available_parallelism().unwrap().get() < 2 {
        return;
    }
    let run = finish(command(&["taskset", "-c", "0", PROGRAM], ["doctor", "--json"]));
    let cores = finding(&json(&run), "cores");
    assert_words(&cores, &["warning: may use 1 of", "bound to 0", "taskset -pc", "--bind-to none"]);
}

#[cfg(feature = "mpi")]
#[test]
fn a_machine_without_mpirun_has_a_problem() {
    let stage = Stage::new();
    let mut mpix = command(&[PROGRAM], ["doctor", "--json"]);
    // `timeout` is all that the test itself needs.
    std::os::unix::fs::symlink("/usr/bin/timeout", stage.path("timeout")).unwrap();
    mpix.env("PATH", stage.directory.path());
    let run = finish(mpix).expect_code(1);
    assert_words(&finding(&json(&run), "mpirun"), &["problem", "no `mpirun`", "openmpi-bin"]);
    assert_words(&finding(&json(&run), "ssh"), &["warning", "openssh-client"]);
}

#[cfg(feature = "mpi")]
#[test]
fn the_mpirun_of_another_mpi_is_a_problem() {
    let stage = Stage::new();
    let hydra = "echo 'HYDRA build details:'; echo '    Version:            4.0.2'";
    stage.program("mpirun", hydra);
    let run = stage.run("doctor --json").expect_code(1);
    let (mpi, mpirun) = (finding(&json(&run), "mpi"), finding(&json(&run), "mpirun"));
    let own = mpi.trim_start_matches("ok: ").trim_end_matches(": none");
    assert_words(&mpirun, &["problem", "MPICH 4.0.2", own, "the only one", "MPICC"]);

    stage.program("mpirun", &format!("echo 'mpirun ({own}) ' | sed 's/ [0-9.]*)/) 4.0.0/'"));
    assert_words(
        &finding(&json(&stage.run("doctor --json")), "mpirun"),
        &["warning", "4.0.0", own],
    );
    stage.program("mpirun", "exit 1");
    assert_words(&finding(&json(&stage.run("doctor --json")), "mpirun"), &["warning", "not tell"]);
}

#[test]
fn the_output_directory_is_looked_at() {
    let stage = Stage::new();
    let disk = |line: &str| finding(&json(&stage.run(line)), "disk");
    let own = stage.directory.path().to_str().unwrap();
    assert_words(&disk("doctor --json -o not/yet/there"), &[own]);
    assert!(!stage.path("not").exists());
    stage.put("file", "");
    let file = disk("doctor --json -o file");
    assert_words(&file, &["problem", "file` is no directory", "-o DIR"]);
    assert_words(&disk("doctor --json -o /proc"), &["problem"]);
}

#[test]
fn mpix_simd_is_told() {
    let stage = Stage::new();
    let simd = |level: &str| {
        let mut mpix = stage.mpix("doctor --json");
        finding(
            &json(&finish(match level {
                "" => mpix,
                level => {
                    mpix.env("MPIX_SIMD", level);
                    mpix
                }
            })),
            "simd",
        )
    };
    assert_words(&simd("sse9"), &["warning", "`MPIX_SIMD=sse9` is ignored", "scalar, avx2"]);
    assert_words(&simd("scalar"), &["scalar: `MPIX_SIMD=scalar`"]);
    assert_words(&simd(""), &["ok"]);
}

#[test]
fn a_slurm_job_with_more_cores_is_told() {
    let stage = Stage::new();
    let mut mpix = stage.mpix("doctor --json");
    mpix.env("SLURM_JOB_ID", "77").env("SLURM_CPUS_ON_NODE", "4096");
    let report = json(&finish(mpix));
    assert_words(&finding(&report, "slurm"), &["warning", "job 77", "4096", "--cpu-bind=none"]);
}

#[test]
fn a_low_limit_is_told_with_its_command() {
    let script = format!("ulimit -n 256 && ulimit -v 8000000 && exec {PROGRAM} doctor --json");
    let report = json(&finish(command(&["sh", "-c"], [script])));
    assert_words(&finding(&report, "open-files"), &["warning: 256", "ulimit -n"]);
    assert_words(&finding(&report, "address-space"), &["warning", "ulimit -v unlimited"]);
}

#[test]
fn of_many_ranks_one_tells() {
    if !have("mpirun") {
        return;
    }
    let run = mpirun(3, ["doctor", "--json"]);
    let report = json(&run);
    assert_eq!(findings(&report, "mpix").len(), 1);
    assert_words(&finding(&report, "root"), &["ok"]);
    let text = mpirun(2, ["doctor"]).stdout;
    assert!(!text.contains('\u{1b}') && text.matches("mpirun  ").count() == 1, "{text}");
}

#[test]
fn colours_can_be_forced_and_forbidden() {
    let stage = Stage::new();
    let mut mpix = stage.mpix("doctor");
    assert!(
        finish({
            mpix.env("CLICOLOR_FORCE", "1");
            mpix
        })
        .stdout
        .contains("\u{1b}[32mok")
    );
    let mut mpix = stage.mpix("doctor");
    mpix.env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1");
    assert!(!finish(mpix).stdout.contains('\u{1b}'));
}
