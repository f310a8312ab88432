//! Ranks that read and write whole images themselves, and ranks that cannot: the same bytes, and no
//! directory of the same name is taken for rank 0's.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod launch;
mod pictures;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use launch::{PROGRAM, Run, assert_same, command, files, finish, have, mpirun, mpix};

const IMAGES: &str = "--distribute=images";
const BANDS: &str = "--distribute=bands";

/// A directory of pictures, and what one rank makes of them.
struct Job {
    dir: tempfile::TempDir,
}

impl Job {
    fn new() -> Self {
        let job = Self { dir: tempfile::tempdir().unwrap() };
        pictures::files::write_tree(&job.path("in"));
        mpix(job.arguments("alone", &["--shared-fs=no"])).expect_code(0);
        job
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn arguments(&self, output: &str, more: &[&str]) -> Vec<String> {
        let paths = [self.path(output), self.path("in")].map(|path| path.display().to_string());
        let words = ["run", "-r", "--json", "--op", "blur", IMAGES, "--threads", "1", "-o"];
        let words = words.iter().chain(more).map(|&word| word.to_owned());
        let mut words: Vec<String> = words.collect();
        let at = words.iter().position(|word| word == "-o").unwrap() + 1;
        words.splice(at..at, paths);
        words
    }

    /// A run was as it should be, whoever read and wrote.
    #[track_caller]
    fn assert_done(&self, run: Run, output: &str) -> Run {
        let run = run.expect_code(0);
        assert_same(&files(&self.path("alone")), &self.path(output), output);
        assert!(temporaries(&self.path(output)).is_empty());
        let verified = mpix(["verify", self.path(output).to_str().unwrap()]).expect_code(0);
        assert!(verified.stdout.contains("0 missing, 0 changed, 0 extra"), "{verified:?}");
        run
    }
}

/// Files that were begun, or left for ranks to see, anywhere below `output`.
fn temporaries(output: &Path) -> Vec<PathBuf> {
    let all = walkdir::WalkDir::new(output).into_iter().flatten();
    let is_temporary = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with(".mpix-")
    };
    all.map(walkdir::DirEntry::into_path).filter(is_temporary).collect()
}

#[test]
fn the_same_bytes_whoever_reads_and_writes() {
    let job = Job::new();
    let ways = ["auto", "yes", "no"].map(|way| format!("--shared-fs={way}"));
    for (number, way) in ways.iter().enumerate() {
        let output = format!("one-{number}");
        job.assert_done(mpix(job.arguments(&output, &[way])), &output);
        for ranks in if have("mpirun") { vec![2, 3] } else { Vec::new() } {
            let output = format!("{ranks}-{number}");
            job.assert_done(mpirun(ranks, job.arguments(&output, &[way])), &output);
        }
    }
}

/// Runs rank 0 here, and rank 1 where an empty directory hides each of `hidden`. None where that cannot
/// be had.
fn run_with_hidden(job: &Job, arguments: &[String], hidden: &[PathBuf]) -> Option<Run> {
    let can = Command::new("unshare").args(["-m", "true"]).stderr(Stdio::null()).status();
    if !have("mpirun") || !can.is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CI").is_none(), "`unshare -m` fails: run as root");
        eprintln!("\n*** SKIPPED: `unshare -m` fails; run as root ***\n");
        return None;
    }
    let mounts = hidden.iter().map(|path| {
        fs::create_dir_all(path).unwrap();
        format!("mount -t tmpfs none '{}' && ", path.display())
    });
    let script = format!("{}exec \"$@\"", mounts.collect::<String>());
    let mpirun = ["mpirun", "--oversubscribe", "--bind-to", "none"].map(str::to_owned);
    let own = ["-n", "1", PROGRAM].map(str::to_owned);
    let other = [":", "-n", "1", "unshare", "-m", "sh", "-c", &script, "sh", PROGRAM];
    let other = other.map(str::to_owned);
    let words = [&mpirun[1..], &own, arguments, &other, arguments].concat();
    let mut command = command(&[&mpirun[0]], words);
    command.env("OMPI_ALLOW_RUN_AS_ROOT", "1").env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    command.current_dir(job.dir.path());
    Some(finish(command))
}

#[test]
fn a_rank_with_another_directory_of_the_same_name_gets_bytes() {
    let job = Job::new();
    let output = [job.path("hidden")];
    let Some(run) = run_with_hidden(&job, &job.arguments("hidden", &[]), &output) else { return };
    let run = job.assert_done(run, "hidden");
    assert!(run.stdout.contains("does not see"), "{}", run.stdout);
    assert!(run.stdout.contains("\"rank\":1"), "{}", run.stdout);

    let arguments = job.arguments("refused", &["--shared-fs=yes"]);
    let run = run_with_hidden(&job, &arguments, &[job.path("refused")]).unwrap().expect_code(2);
    let words = ["rank 1 on", &mpix::host::name(), "/refused`", "--shared-fs yes"];
    assert!(run.tells(&words), "{}", run.stderr);
    assert!(files(&job.path("refused")).is_empty());
    assert!(temporaries(&job.path("refused")).is_empty());
}

#[test]
fn bands_of_what_a_rank_does_not_see_come_as_bytes() {
    let job = Job::new();
    for hidden in ["in", "hidden-bands"] {
        let output = if hidden == "in" { "blind-bands" } else { hidden };
        let mut arguments = job.arguments(output, &["--band-rows=20"]);
        for word in &mut arguments {
            if word == IMAGES {
                *word = BANDS.to_owned();
            }
        }
        let Some(run) = run_with_hidden(&job, &arguments, &[job.path(hidden)]) else { return };
        let run = job.assert_done(run, output);
        assert!(run.stdout.contains("rank 1"), "{}", run.stdout);
        assert!(run.stdout.contains("does not see"), "{}", run.stdout);
    }
}

#[test]
fn a_rank_that_sees_the_output_but_no_input_gets_bytes() {
    let job = Job::new();
    let Some(run) = run_with_hidden(&job, &job.arguments("blind", &[]), &[job.path("in")]) else {
        return;
    };
    let run = job.assert_done(run, "blind");
    assert!(run.stdout.contains("rank 1 does not see"), "{}", run.stdout);
}

#[test]
fn a_file_with_another_time_is_known_by_its_bytes() {
    let job = Job::new();
    mpix(job.arguments("out", &[])).expect_code(0);
    let before = files(&job.path("out"));
    for name in files(&job.path("in")).keys() {
        let path = job.path("in").join(name);
        let later = fs::metadata(&path).unwrap().modified().unwrap() + LATER;
        fs::File::options().append(true).open(path).unwrap().set_modified(later).unwrap();
    }
    let again = mpix(job.arguments("out", &[])).expect_code(0);
    let done_before = again.stdout.matches("image-done-before").count();
    assert_eq!(done_before, before.len(), "{}", again.stdout);
}

/// How much later a file was changed.
const LATER: std::time::Duration = std::time::Duration::from_secs(60);
