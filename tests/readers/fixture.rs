//! An output directory as runs leave it, made without a run.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use mpix::error::FailureKind;
use mpix::events::{
    Distribution, Entry, ImageDone, ImageFailed, LaunchEvent, LaunchStatus, Level, LogFile,
    Outcome, RankInfo, RunEnded, RunEvent, RunStarted, Stages, Tally, launch_log_path, log_path,
};
use mpix::journal::{
    self, Checksum, ContentHash, DIRECTORY, Done, Failed, Holder, Identity, Journal, Lease,
    LeaseName, OutputHash, Record, RunOutcome, SettingsHash,
};

use crate::launch::{PROGRAM, Run, command, finish};
use crate::pictures::files::put;

pub(crate) const SETTINGS: &str = "output version 1; ops gray; format own; quality 95; strip false";

const LAUNCH: &str = "0123456789abcdef";

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// An output directory with a journal, a log and a status.
pub(crate) struct Fixture {
    dir: tempfile::TempDir,
    journal: Journal,
    pub(crate) log: LogFile,
    pub(crate) now: Timestamp,
    started: Option<RunStarted>,
    tally: Option<Tally>,
}

impl Fixture {
    /// Without a run.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("out");
        std::fs::create_dir(&output).unwrap();
        let (journal, _) = Journal::open(&output).unwrap();
        let log = LogFile::open(&log_path(&output.join(DIRECTORY))).unwrap();
        let now = "2026-01-31T12:00:00Z".parse().unwrap();
        Self { dir, journal, log, now, started: None, tally: None }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn own(&self, name: &str) -> PathBuf {
        self.path("out").join(DIRECTORY).join(name)
    }

    /// Runs `mpix` with the words of `line`, in the directory that holds `out`.
    pub(crate) fn mpix(&self, line: &str) -> Run {
        Self::mpix_in(self.dir.path(), line)
    }

    /// The same, from another thread.
    pub(crate) fn mpix_in(directory: &Path, line: &str) -> Run {
        let mut command = command(&[PROGRAM], line.split_whitespace());
        command.current_dir(directory);
        finish(command)
    }

    pub(crate) fn seconds(&mut self, seconds: f64) {
        self.now = self.now.checked_add(SignedDuration::from_secs_f64(seconds)).unwrap();
    }

    pub(crate) fn event(&mut self, level: Level, event: RunEvent) {
        if let Some(tally) = &mut self.tally {
            tally.apply(&event);
        }
        self.log.append(&Entry { time: self.now, level, event }).unwrap();
    }

    /// An event of a launch.
    pub(crate) fn launch(&mut self, event: LaunchEvent) {
        let mut log = LogFile::open(&launch_log_path(&self.path("out").join(DIRECTORY))).unwrap();
        log.append(&Entry { time: self.now, ..Entry::now(RunEvent::Launch(event)) }).unwrap();
    }

    pub(crate) fn launch_begins(&mut self, hosts: &[&str]) {
        let (launch, pid) = (LAUNCH.to_owned(), 4_000_000_001);
        self.launch(LaunchEvent::Started { launch, pid, hosts: owned(hosts) });
    }

    pub(crate) fn attempt(&mut self, attempt: u32, hosts: &[&str]) {
        self.launch(LaunchEvent::AttemptStarted { attempt, hosts: owned(hosts) });
    }

    pub(crate) fn attempt_fails(&mut self, attempt: u32, host: &str, what: &str) {
        let (host, what) = (Some(host.to_owned()), what.to_owned());
        let noticed_by = "rank 0's pings".to_owned();
        self.launch(LaunchEvent::Failed { attempt, host, what, noticed_by });
    }

    pub(crate) fn launch_ends(&mut self, exit_code: u8, attempts: u32, failures: u32) {
        let (reason, seconds) = (None, 20.0);
        self.launch(LaunchEvent::Ended { exit_code, reason, attempts, failures, seconds });
    }

    /// Writes the status of a launch.
    pub(crate) fn write_launch_status(&self, exit_code: Option<u8>) {
        let status = LaunchStatus {
            launch: LAUNCH.to_owned(),
            host: "host-0".to_owned(),
            pid: 4_000_000_001,
            started: self.now,
            updated: self.now,
            attempt: 1,
            failures: 0,
            exit_code,
            hosts: Vec::new(),
            events: Vec::new(),
        };
        status.write(&self.path("out").join(DIRECTORY)).unwrap();
    }

    /// A supervisor as onlookers see it.
    pub(crate) fn supervisor(&self) -> Lease {
        let holder = Holder::of_this_process("elsewhere", "mpix launch".to_owned(), None);
        Lease::take(&self.path("out"), LeaseName::Launch, holder).unwrap()
    }

    /// A launch of three attempts: one that fails, one that is stopped for a host that comes back, and
    /// the last. 12 images are done.
    pub(crate) fn of_launch() -> Self {
        let mut fixture = Self::new();
        let host = || "host-1".to_owned();
        fixture.launch_begins(&["host-0", "host-1", "host-2"]);
        fixture.attempt(1, &["host-0", "host-1"]);
        fixture.seconds(1.0);
        fixture.start(1, 12, 2);
        fixture.some_done('a');
        fixture.seconds(2.0);
        fixture.attempt_fails(1, "host-1", "rank 1 has said nothing for 2 s");
        fixture.launch(LaunchEvent::Down { host: host(), why: "no answer".to_owned() });
        fixture.seconds(3.5);
        fixture.attempt(2, &["host-0", "host-2"]);
        fixture.seconds(1.0);
        fixture.start(2, 12, 2);
        fixture.some_done('b');
        fixture.launch(LaunchEvent::Up { host: host() });
        fixture.launch(LaunchEvent::Joins { host: host() });
        fixture.end(Outcome::Stopped, 130, 2.0);
        fixture.seconds(1.25);
        let why = "its mpix is 0.0.9".to_owned();
        fixture.launch(LaunchEvent::Excluded { host: "host-2".to_owned(), why });
        fixture.attempt(3, &["host-0", "host-1"]);
        fixture.seconds(1.0);
        fixture.start(3, 12, 2);
        fixture.some_done('c');
        fixture.end(Outcome::AllDone, 0, 2.0);
        let now = fixture.now;
        fixture.write_status(now);
        fixture.seconds(0.5);
        fixture.launch_ends(0, 3, 1);
        fixture.write_launch_status(Some(0));
        fixture
    }

    fn some_done(&mut self, name: char) {
        for number in 0..4 {
            self.seconds(0.5);
            self.done(&format!("{name}{number}.png"), number % 2, 100.0);
        }
    }

    pub(crate) fn record(&mut self, record: &Record) {
        self.journal.append(record).unwrap();
        self.journal.sync().unwrap();
    }

    /// A run of `ranks` ranks on two hosts begins.
    pub(crate) fn start(&mut self, run: u64, images: usize, ranks: usize) {
        let rank = |number: usize| RankInfo {
            host: format!("host-{}", number % 2),
            threads: 4,
            memory_bytes: 1 << 30,
        };
        let started = RunStarted {
            run,
            mpix: "0.1.0".to_owned(),
            host: "host-0".to_owned(),
            pid: 4_000_000_000,
            output: "out".to_owned(),
            op: "gray".to_owned(),
            images,
            ranks: (0..ranks).map(rank).collect(),
        };
        self.record(&Record::RunStarted(journal::RunStarted {
            run,
            settings: SettingsHash::of(SETTINGS),
            settings_text: SETTINGS.to_owned(),
            program_version: "0.1.0".to_owned(),
            host: started.host.clone(),
            pid: started.pid,
            at_ns: i64::try_from(self.now.as_nanosecond()).unwrap(),
        }));
        let log = log_path(&self.path("out").join(DIRECTORY));
        self.tally = Some(Tally::new(&started, log, Instant::now()));
        self.event(Level::Info, RunEvent::RunStarted(started.clone()));
        self.started = Some(started);
    }

    /// An image is done, of which neither file is there.
    pub(crate) fn done(&mut self, image: &str, rank: usize, ms: f64) {
        self.done_at(Path::new(image), rank, ms);
    }

    pub(crate) fn done_at(&mut self, image: &Path, rank: usize, ms: f64) {
        let input = self.path("in").join(image);
        let bytes = std::fs::metadata(&input).map_or(1000, |file| file.len());
        let result = self.path("out").join(image);
        let output_bytes = std::fs::metadata(&result).map_or(500, |file| file.len());
        let pixels = 2_000_000;
        self.record(&Record::Done(Done {
            input: Identity { path: input, bytes, modified_ns: 0, content: ContentHash::of(b"") },
            output: image.to_path_buf(),
            output_bytes,
            output_hash: OutputHash::of(Checksum::Sha256, b""),
            settings: SettingsHash::of(SETTINGS),
            pixels,
            micros: Duration::from_secs_f64(ms / 1e3).as_micros().try_into().unwrap(),
            rank: u32::try_from(rank).unwrap(),
        }));
        let stages =
            Stages { decode: ms * 0.2, filter: ms * 0.5, send: ms * 0.1, ..Stages::default() };
        self.event(
            Level::Info,
            RunEvent::ImageDone(ImageDone {
                image: format!("in/{}", image.display()),
                output: image.display().to_string(),
                rank,
                host: format!("host-{}", rank % 2),
                distribution: Distribution::Image,
                op: "gray".to_owned(),
                pixels,
                input_bytes: bytes,
                output_bytes,
                ms,
                stages_ms: Stages { wait: ms * 0.2, ..stages },
            }),
        );
    }

    pub(crate) fn fail(&mut self, image: &str, reason: &str) {
        let kind = FailureKind::NotAnImage;
        self.record(&Record::Failed(Failed {
            input: self.path("in").join(image),
            bytes: 1,
            modified_ns: 0,
            settings: SettingsHash::of(SETTINGS),
            kind,
            reason: reason.to_owned(),
        }));
        self.event(
            Level::Error,
            RunEvent::ImageFailed(ImageFailed {
                image: format!("in/{image}"),
                rank: 1,
                host: "host-1".to_owned(),
                op: "gray".to_owned(),
                kind,
                reason: reason.to_owned(),
                ms: Some(3.0),
            }),
        );
    }

    pub(crate) fn warn(&mut self, text: &str) {
        let (rank, host) = (1, "host-1".to_owned());
        let level = Some(Level::Warn);
        let message = RunEvent::Message { rank, host, level, text: text.to_owned() };
        self.event(Level::Warn, message);
    }

    /// The run ends, having taken `seconds`.
    pub(crate) fn end(&mut self, outcome: Outcome, exit_code: u8, seconds: f64) {
        let run = self.started.as_ref().unwrap().run;
        let at_ns = i64::try_from(self.now.as_nanosecond()).unwrap();
        let outcome_of_journal = RunOutcome::SomeFailed;
        self.record(&Record::RunEnded(journal::RunEnded {
            run,
            outcome: outcome_of_journal,
            at_ns,
        }));
        let ended = RunEnded {
            rank: None,
            run,
            outcome,
            reason: None,
            exit_code,
            done: 0,
            done_before: 0,
            failed: 0,
            left: 0,
            seconds,
        };
        self.event(Level::Warn, RunEvent::RunEnded(ended));
    }

    /// Writes the status as it is, renewed at `updated`.
    pub(crate) fn write_status(&mut self, updated: Timestamp) {
        let directory = self.path("out").join(DIRECTORY);
        let status = self.tally.as_mut().unwrap().status(1, Instant::now());
        let status = mpix::events::Status { updated, ..status.clone() };
        status.write(&directory).unwrap();
    }

    /// Two runs, the first of them killed: 20 images done, 2 failed, a warning.
    pub(crate) fn of_two_runs() -> Self {
        let mut fixture = Self::new();
        fixture.start(1, 22, 2);
        for number in 0..8 {
            fixture.seconds(0.5);
            fixture.done(&format!("a{number}.png"), number % 2, 100.0 + number as f64);
        }
        fixture.seconds(3600.0);
        fixture.start(2, 22, 2);
        fixture.warn("the disk is slow");
        fixture.warn("the disk is slow");
        for number in 0..12 {
            fixture.seconds(0.25);
            fixture.done(&format!("b{number}.png"), number % 2, 200.0 + number as f64);
        }
        fixture.fail("torn.png", "ends early");
        fixture.fail("x.png", "is no image");
        fixture.end(Outcome::SomeFailed, 1, 4.0);
        let now = fixture.now;
        fixture.write_status(now);
        fixture
    }
}

/// Appends bytes to a file.
pub(crate) fn append(path: &Path, bytes: &[u8]) {
    File::options().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

/// A name that would do harm where it is not taken for text.
pub(crate) fn hostile_name() -> PathBuf {
    let bytes = b"<script>alert(1)<_script>\"'&\n\x1b[31m\xff\xe2\x80\xae.png";
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// Writes a small picture.
pub(crate) fn picture(path: &Path, channels: usize) {
    let (width, height) = (90, 60);
    let pixels: Vec<u8> = (0..251).cycle().take(width * height * channels).collect();
    let options = mpix::image_file::EncodeOptions {
        format: mpix::image_file::Format::Png,
        quality: 90,
        strip: true,
    };
    let metadata = mpix::image_file::Metadata::default();
    put(
        path,
        &mpix::image_file::encode(&pixels, width, height, channels, &metadata, &options).unwrap(),
    );
}
