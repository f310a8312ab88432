//! What a run says of itself to programs: events on standard output, the log, the status.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod launch;
mod pictures;

use std::path::{Path, PathBuf};

use launch::{Run, have, mpirun, mpix};
use mpix::events::{
    Distribution, Entry, ImageDone, Level, LogReader, Outcome, RunEvent, RunState, Status,
};
use tempfile::TempDir;

/// A directory with pictures, and one file that is none.
struct Job {
    root: TempDir,
    images: usize,
}

impl Job {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        pictures::files::write_tree(&root.path().join("in"));
        let images = launch::files(&root.path().join("in")).len();
        std::fs::copy("Cargo.toml", root.path().join("in/text.png")).unwrap();
        Self { root, images }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let (input, output) = (self.path("in"), self.path("out"));
        let paths = ["-o", output.to_str().unwrap(), input.to_str().unwrap()];
        let own = ["run", "-r", "--op", "blur"].iter().chain(&paths).chain(more);
        own.map(|&text| text.to_owned()).collect()
    }

    fn log(&self) -> Vec<Entry> {
        read(&self.path("out/.mpix/log.jsonl"))
    }

    fn status(&self) -> Status {
        Status::read(&self.path("out/.mpix")).unwrap()
    }
}

fn read(log: &Path) -> Vec<Entry> {
    LogReader::open(log).unwrap().map(Result::unwrap).collect()
}

fn printed(run: &Run) -> Vec<Entry> {
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn done(entries: &[Entry]) -> Vec<&ImageDone> {
    entries.iter().filter_map(image_done).collect()
}

fn image_done(entry: &Entry) -> Option<&ImageDone> {
    let RunEvent::ImageDone(done) = &entry.event else { return None };
    Some(done)
}

fn outcome(entries: &[Entry]) -> (Outcome, u8) {
    let last = &entries.last().unwrap().event;
    let RunEvent::RunEnded(ended) = last else { panic!("{last:?}") };
    (ended.outcome, ended.exit_code)
}

#[test]
fn a_run_tells_each_event_on_standard_output_and_in_the_log() {
    let job = Job::new();
    let run = mpix(job.arguments(&["--json"])).expect_code(1);
    let told = printed(&run);
    assert!(matches!(told[0].event, RunEvent::RunStarted(_)));
    assert_eq!(outcome(&told), (Outcome::SomeFailed, 1));
    let images = done(&told);
    assert_eq!(images.len(), job.images);
    for image in &images {
        let stages: f64 = image.stages_ms.named().iter().map(|(_, time)| time).sum();
        assert!((stages - image.ms).abs() < 0.01 && image.ms > 0.0, "{image:?}");
        assert!(image.stages_ms.send >= 0.0 && image.stages_ms.write > 0.0, "{image:?}");
        assert_eq!(image.op, "blur:ksize=31,sigma=0");
        let size = std::fs::metadata(job.path("out").join(&image.output)).unwrap().len();
        assert_eq!(image.output_bytes, size);
    }
    let beach = images.iter().find(|image| image.output == "beach.jpg").unwrap().stages_ms;
    assert!(beach.decode > 0.0 && beach.filter > 0.0 && beach.encode > 0.0, "{beach:?}");
    let failed: Vec<_> =
        told.iter().filter(|entry| matches!(entry.event, RunEvent::ImageFailed(_))).collect();
    assert!(failed.len() == 1 && failed[0].level == Level::Error, "{failed:?}");
    let kept: Vec<_> = told.into_iter().filter(Entry::is_logged).collect();
    assert_eq!(job.log(), kept);

    // The next run adds to the log, and tells what was there.
    let told = printed(&mpix(job.arguments(&["--json"])).expect_code(1));
    let before =
        told.iter().filter(|entry| matches!(entry.event, RunEvent::ImageDoneBefore { .. }));
    assert_eq!(before.count(), job.images);
    assert_eq!(job.log().len(), kept.len() + 3);
    let status = job.status();
    assert_eq!((status.run, status.state), (2, RunState::Ended));
    assert_eq!((status.outcome, status.exit_code), (Some(Outcome::SomeFailed), Some(1)));
    assert_eq!((status.images.done, status.images.done_before), (job.images, job.images));
    assert_eq!((status.images.failed, status.images.left(), status.images.in_hand), (1, 0, 0));
}

#[test]
fn every_rank_is_told_of() {
    if !have("mpirun") {
        return;
    }
    for distribute in ["images", "bands"] {
        let job = Job::new();
        let mut command = launch::mpirun_command(2, job.arguments(&["--distribute", distribute]));
        command.env("MPIX_SIMD", "abacus");
        launch::finish(command).expect_code(1);
        let log = job.log();
        let warned = |rank| {
            let is_warning = |entry: &&Entry| {
                let RunEvent::Message { rank: from, text, .. } = &entry.event else { return false };
                *from == rank && text.contains("abacus") && entry.level == Level::Warn
            };
            log.iter().filter(is_warning).count()
        };
        assert!(warned(0) >= 1 && warned(1) >= 1, "{log:?}");
        let expected =
            if distribute == "images" { Distribution::Image } else { Distribution::Bands };
        assert!(done(&log).iter().all(|image| image.distribution == expected));
        let status = job.status();
        assert_eq!(status.ranks.len(), 2);
        let pixels: u64 = status.ranks.iter().map(|rank| rank.pixels).sum();
        assert_eq!((pixels, status.pixels > 0), (status.pixels, true), "{status:?}");
    }
}

#[test]
fn the_log_goes_where_the_user_wants_it() {
    let job = Job::new();
    let elsewhere = job.path("run.jsonl");
    mpix(job.arguments(&["--log-file", elsewhere.to_str().unwrap()])).expect_code(1);
    assert_eq!(done(&read(&elsewhere)).len(), job.images);
    assert_eq!(job.status().log, elsewhere);
    assert!(!job.path("out/.mpix/log.jsonl").exists());
    let run = mpix(job.arguments(&["--log-file", "/nowhere/run.jsonl"])).expect_code(2);
    assert!(run.tells(&["/nowhere/run.jsonl", "--log-file"]), "{}", run.stderr);
}

#[test]
fn a_run_that_is_broken_off_says_so() {
    let job = Job::new();
    mpix(job.arguments(&[])).expect_code(1);
    let run = mpirun(2, job.arguments(&["--max-failures", "0", "--fresh"])).expect_code(1);
    assert!(run.tells(&["--max-failures"]));
    assert_eq!(outcome(&job.log()), (Outcome::GaveUp, 1));
    let status = job.status();
    assert!(status.reason.unwrap().contains("--max-failures"));
}
