//! A job that takes a moment, so that something can happen in its midst, and what becomes of it.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use mpix::journal::{Record, State};

use crate::launch::{PROGRAM, Run, assert_same, command, files, finish, mpix};

/// A directory of pictures, and what a run that nobody disturbs makes of it.
pub(crate) struct Job {
    dir: tempfile::TempDir,
    pub(crate) images: usize,
}

impl Job {
    pub(crate) fn new(copies: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let images = (0..copies)
            .map(|copy| crate::pictures::files::write_tree(&dir.path().join(format!("in/{copy}"))))
            .sum();
        let job = Self { dir, images };
        mpix(job.arguments(&job.path("undisturbed"))).expect_code(0);
        job
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The arguments of a run in one thread.
    pub(crate) fn arguments(&self, output: &Path) -> Vec<String> {
        let input = self.path("in");
        let ops = ["--op", "blur:ksize=9", "--op", "canny:low=20,high=60", "--threads", "1"];
        let paths = ["-o", output.to_str().unwrap(), input.to_str().unwrap()];
        let words = ["run", "-q", "-r"].into_iter().chain(ops).chain(paths);
        words.map(str::to_owned).collect()
    }

    /// The same command again, to the end.
    pub(crate) fn again(&self, output: &Path) -> Run {
        finish(command(&[PROGRAM], self.arguments(output)))
    }

    /// Everything that a finished output directory must be.
    #[track_caller]
    pub(crate) fn assert_finished(&self, output: &Path) {
        let mut found = files(output);
        found.retain(|name, _| !name.starts_with("lost+found"));
        assert_eq!(found.len(), self.images);
        assert_same(&files(&self.path("undisturbed")), output, "finished");
        let state = mpix::journal::read(output).unwrap();
        assert_eq!((state.counts().done, state.damage().len()), (self.images, 0));
    }
}

/// Starts a run whose words are kept for later.
pub(crate) fn start(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What a run that was started has said, at its end.
pub(crate) fn ended(child: Child) -> Run {
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Run { code: output.status.code(), stdout: String::new(), stderr }
}

/// Waits until `count` results are there; the run must not be over by then.
#[track_caller]
pub(crate) fn wait_for_results(output: &Path, count: usize, run: &mut Child) {
    let limit = Instant::now() + Duration::from_secs(60);
    let results = || {
        let walk = walkdir::WalkDir::new(output).into_iter().flatten();
        let found = walk.filter(|entry| entry.file_type().is_file());
        found.filter(|entry| !entry.path().to_str().unwrap().contains("/.mpix")).count()
    };
    while results() < count {
        assert!(run.try_wait().unwrap().is_none(), "it ended early");
        assert!(Instant::now() < limit, "no result within a minute");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Processes of `mpix` that write to `output`.
pub(crate) fn processes(output: &Path) -> Vec<u32> {
    let wanted = output.to_str().unwrap();
    let is_own = |line: &[u8]| {
        let words: Vec<_> = line.split(|&byte| byte == 0).collect();
        words.first() == Some(&PROGRAM.as_bytes()) && words.contains(&wanted.as_bytes())
    };
    let all = fs::read_dir("/proc").unwrap().flatten();
    let numbered = all.filter_map(|entry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        entry.file_name().to_str()?.parse().ok().filter(|_| is_own(&line))
    });
    numbered.collect()
}

/// Kills all of its processes at once, and waits until they are gone.
pub(crate) fn kill(output: &Path, run: Child) {
    for process in processes(output) {
        let _ = Command::new("kill").args(["-KILL", &process.to_string()]).status();
    }
    ended(run);
    let limit = Instant::now() + Duration::from_secs(60);
    while !processes(output).is_empty() {
        assert!(Instant::now() < limit, "{:?} outlive their run", processes(output));
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The results that the journal knows as done, and when they were written.
pub(crate) fn done(output: &Path) -> BTreeMap<PathBuf, SystemTime> {
    let state: State = mpix::journal::read(output).unwrap();
    let mut found = BTreeMap::new();
    for record in state.live_records() {
        if let Record::Done(done) = record {
            let written = fs::metadata(output.join(&done.output)).unwrap().modified().unwrap();
            assert_eq!(found.insert(done.output.clone(), written), None, "done twice");
        }
    }
    found
}

/// What was done before a run must not have been done again by it.
#[track_caller]
pub(crate) fn assert_untouched(before: &BTreeMap<PathBuf, SystemTime>, output: &Path) {
    let now = done(output);
    for (name, written) in before {
        assert_eq!(now.get(name), Some(written), "{} was written again", name.display());
    }
}
