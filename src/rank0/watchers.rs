//! Who is told what happens in a run: the terminal, standard output, the log, the status file.
//!
//! None of them can hold a run up or end it: one that cannot be told any more is told of once, and
//! left out.

use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::lease_keeper::Hold;
use super::terminal::Terminal;
use crate::error::UsageError;
use crate::events::{Entry, LogFile, RunEnded, RunEvent, RunStarted, Status, Tally, log_path};
use crate::journal;
use crate::settings::RunSettings;

/// Time between two status files.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);

/// Who is told what happens in a run.
#[derive(Debug)]
pub(crate) struct Watchers {
    tally: Tally,
    terminal: Terminal,
    /// Whether somebody reads events on standard output.
    prints_json: bool,
    log: Option<LogFile>,
    status: StatusFile,
    started: Instant,
}

impl Watchers {
    /// Opens the log, and tells all of the start. The journal's directory must be there.
    pub(crate) fn open(
        settings: &RunSettings,
        started: RunStarted,
        hold: &Hold,
    ) -> Result<Self, UsageError> {
        let directory = journal::directory_of(&settings.output);
        let path = settings.log_file.clone().unwrap_or_else(|| log_path(&directory));
        let path = std::path::absolute(&path).unwrap_or(path);
        let log = LogFile::open(&path)
            .map_err(|source| UsageError::LogFile { path: path.clone(), source })?;
        let now = Instant::now();
        let mut own = Self {
            tally: Tally::new(&started, path, now),
            terminal: Terminal::new(started.images, settings),
            prints_json: settings.json,
            log: Some(log),
            status: StatusFile::start(&directory, hold),
            started: now,
        };
        own.tell(RunEvent::RunStarted(started));
        own.status.offer(own.tally.status(0, now));
        Ok(own)
    }

    /// Images that have failed.
    pub(crate) fn failures(&self) -> usize {
        self.tally.failures()
    }

    /// Tells all of an event.
    pub(crate) fn tell(&mut self, event: RunEvent) {
        self.tally.apply(&event);
        self.terminal.show(&event);
        let entry = Entry::now(event);
        if self.prints_json && print_line(&entry).is_err() {
            // Who read them has gone; the run goes on.
            self.prints_json = false;
        }
        if entry.is_logged()
            && let Some(log) = &mut self.log
            && let Err(error) = log.append(&entry)
        {
            self.log = None;
            self.terminal.say(&format!("mpix: the log of this run ends here: {error}"));
        }
    }

    /// A rank has filtered a band of so many pixels.
    pub(crate) fn band_done(&mut self, rank: usize, pixels: u64) {
        self.tally.band_done(rank, pixels);
    }

    /// Looks at the clock: what is due is drawn and written.
    pub(crate) fn tick(&mut self, in_hand: usize) {
        let now = Instant::now();
        self.tally.sample(now);
        if self.terminal.is_due() {
            self.terminal.draw(self.tally.status(in_hand, now));
        }
        if self.status.is_due() {
            self.status.offer(self.tally.status(in_hand, now));
        }
    }

    /// Says something to people alone.
    pub(crate) fn say(&self, line: &str) {
        self.terminal.say(line);
    }

    /// Tells all of the end, whose counts it fills in; where the output directory is another run's by
    /// now, its log is, too.
    pub(crate) fn close(mut self, mut ended: RunEnded) {
        if self.status.hold.is_lost() {
            self.log = None;
        }
        let now = Instant::now();
        let images = self.tally.status(0, now).images;
        (ended.done, ended.done_before, ended.failed) =
            (images.done, images.done_before, images.failed);
        ended.left = images.left();
        ended.seconds = (now.duration_since(self.started).as_secs_f64() * 1e3).round() / 1e3;
        self.tell(RunEvent::RunEnded(ended));
        let status = self.tally.status(0, now).clone();
        self.terminal.finish(&status);
        self.status.close(status);
    }
}

/// Prints an event as a line on standard output.
pub(super) fn print_line(entry: &Entry) -> io::Result<()> {
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&line)?;
    out.flush()
}

/// A thread that replaces the status file, so that a slow disk holds nobody up.
#[derive(Debug)]
struct StatusFile {
    hold: Hold,
    to_thread: SyncSender<Status>,
    thread: JoinHandle<()>,
    last: Instant,
}

impl StatusFile {
    fn start(directory: &Path, hold: &Hold) -> Self {
        let (to_thread, statuses) = sync_channel(1);
        let (directory, own) = (directory.to_path_buf(), hold.clone());
        let thread = std::thread::spawn(move || keep(&directory, &own, &statuses));
        Self { hold: hold.clone(), to_thread, thread, last: Instant::now() }
    }

    fn is_due(&self) -> bool {
        self.last.elapsed() >= STATUS_INTERVAL
    }

    /// Has it written, unless the one before still is.
    fn offer(&mut self, status: &Status) {
        self.last = Instant::now();
        let _ = self.to_thread.try_send(status.clone());
    }

    /// Writes the last one.
    fn close(self, status: Status) {
        let Self { to_thread, thread, .. } = self;
        let _ = to_thread.send(status);
        drop(to_thread);
        let _ = thread.join();
    }
}

/// Writes each status, as long as the directory is this run's.
fn keep(directory: &Path, hold: &Hold, statuses: &Receiver<Status>) {
    let mut was_told = false;
    for status in statuses {
        if hold.is_lost() {
            return;
        }
        if let Err(error) = status.write(directory)
            && !std::mem::replace(&mut was_told, true)
        {
            log::warn!("failed to write the status in `{}`: {error}", directory.display());
        }
    }
}
