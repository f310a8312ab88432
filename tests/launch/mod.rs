//! Starts the program as users do, alone or under mpirun, and looks at what it left.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![expect(clippy::expect_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// No run of a test takes longer: one that does hangs.
const LIMIT_SECONDS: &str = "240";

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_mpix");

/// What a run said and left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    fn new(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The run, if it ended with that exit code.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Whether a line of standard error holds all these words.
    pub(crate) fn tells(&self, words: &[&str]) -> bool {
        self.stderr.lines().any(|line| words.iter().all(|word| line.contains(word)))
    }
}

/// `mpix ARGUMENTS`, alone.
pub(crate) fn mpix<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Run {
    finish(command(&[PROGRAM], arguments))
}

/// `mpirun -n RANKS mpix ARGUMENTS`.
pub(crate) fn mpirun<S: AsRef<OsStr>>(ranks: usize, arguments: impl IntoIterator<Item = S>) -> Run {
    finish(mpirun_command(ranks, arguments))
}

pub(crate) fn mpirun_command<S: AsRef<OsStr>>(
    ranks: usize,
    arguments: impl IntoIterator<Item = S>,
) -> Command {
    mpirun_of(PROGRAM, ranks, arguments)
}

/// `mpirun -n RANKS PROGRAM ARGUMENTS`.
pub(crate) fn mpirun_of<S: AsRef<OsStr>>(
    program: &str,
    ranks: usize,
    arguments: impl IntoIterator<Item = S>,
) -> Command {
    let ranks = ranks.to_string();
    let mut command = command(
        &["mpirun", "-n", &ranks, "--oversubscribe", "--bind-to", "none", program],
        arguments,
    );
    command.env("OMPI_ALLOW_RUN_AS_ROOT", "1").env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    command
}

pub(crate) fn command<S: AsRef<OsStr>>(
    program: &[&str],
    arguments: impl IntoIterator<Item = S>,
) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after", "5", LIMIT_SECONDS]).args(program).args(arguments);
    command
}

pub(crate) fn finish(mut command: Command) -> Run {
    Run::new(command.output().expect("`timeout` of coreutils runs"))
}

/// Whether a program is there; a test that needs it fails in CI when it is not, and says so elsewhere.
pub(crate) fn have(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        assert!(std::env::var_os("CI").is_none(), "`{program}` is missing: run scripts/setup.sh");
        eprintln!(
            "\n*** SKIPPED: `{program}` is missing; scripts/setup.sh --tests installs it ***\n"
        );
    }
    found
}

/// All files below a directory, with their bytes.
pub(crate) fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    // What mpix keeps beside the results differs from run to run.
    let own = |entry: &walkdir::DirEntry| entry.file_name() == mpix::journal::DIRECTORY;
    for entry in walkdir::WalkDir::new(directory).into_iter().filter_entry(|e| !own(e)) {
        let entry = entry.expect("a readable directory");
        if entry.file_type().is_file() {
            let name = entry.path().strip_prefix(directory).expect("below it").to_path_buf();
            found.insert(name, std::fs::read(entry.path()).expect("a readable file"));
        }
    }
    found
}

/// Fails by name where two directories differ. Returns how many files were compared.
#[track_caller]
pub(crate) fn assert_same(
    expected: &BTreeMap<PathBuf, Vec<u8>>,
    directory: &Path,
    what: &str,
) -> usize {
    let found = files(directory);
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(expected), "{what}");
    for (name, bytes) in &found {
        assert!(bytes == &expected[name], "{what}: {} differs", name.display());
    }
    found.len()
}
