//! `mpix logs`: what runs have logged, and the launch that started them.

mod filter;
mod line;
mod merged;
mod tail;

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

pub use filter::{Filter, RunChoice, moment};

use crate::error::{Error, ReadError, on_one_line, printed, tell};
use crate::events::{
    Entry, LaunchEvent, RunEvent, count_of, files_of, launch_log_path, log_path, logs_of,
};
use crate::journal::{DIRECTORY, directory_of};
use crate::pulse::Pulse;
use filter::Position;
use line::line_of;
use merged::Merged;
use tail::Tail;

/// How often a log that is followed is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long a log that is followed says nothing before the run is looked at.
const SILENCE: Duration = Duration::from_secs(2);

/// How entries are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// Whether lines are printed as they are.
    pub json: bool,
    /// How many of the last entries are shown, if not all.
    pub last: Option<usize>,
    /// Whether more is waited for.
    pub follow: bool,
}

/// Prints the entries that `filter` lets pass, in order of time. `source` is an output directory, with
/// its runs and its launch, or a file of one log. Lines that are no entries are counted and told on
/// standard error.
///
/// # Errors
/// When there is no log, it cannot be read, or `out` cannot be written.
pub fn print(source: &Path, filter: Filter, form: Form, out: &mut impl Write) -> Result<(), Error> {
    let logs = Logs::find(source)?;
    let unreadable = |source| ReadError::Log { path: logs.first[0].clone(), source };
    let mut filter = filter;
    if filter.run == Some(RunChoice::Last) {
        filter.run = Some(RunChoice::From(logs.runs().map_err(unreadable)?));
    }
    let mut reader = Reader::new(filter, form);
    let mut merged = Merged::open(&logs.first).map_err(unreadable)?;
    let mut written = reader.read(&mut merged, out).map_err(unreadable)?;
    if written.is_ok() {
        written = reader.print_kept(out);
    }
    if form.follow && written.is_ok() {
        written = logs.follow(&mut merged, &mut reader, out).map_err(unreadable)?;
    }
    tell_what_is_missing(&mut merged);
    Ok(printed(written)?)
}

fn tell_what_is_missing(merged: &mut Merged) {
    let garbled = merged.garbled();
    if garbled > 0 {
        let lines = count_of(garbled, "line");
        tell(&format!("mpix: {lines} of the log are no entries, and were left out"));
    }
    for (first, number) in merged.cut() {
        let log = on_one_line(&first.display().to_string());
        tell(&format!(
            "mpix: the log begins with its file {number}: those before are not there (`{log}`)"
        ));
    }
}

/// Logs, and the runs that write them, where that is known.
#[derive(Debug)]
struct Logs {
    /// Their first files: of the runs, then of a launch that started them.
    first: Vec<PathBuf>,
    output: Option<PathBuf>,
}

impl Logs {
    fn find(source: &Path) -> Result<Self, ReadError> {
        let none = |error| ReadError::NoLog { path: source.to_path_buf(), source: error };
        if !source.is_dir() {
            if files_of(source).map_err(none)?.is_empty() {
                return Err(none(io::ErrorKind::NotFound.into()));
            }
            let own = source.parent().filter(|parent| parent.ends_with(DIRECTORY));
            let output = own.and_then(Path::parent).map(Path::to_path_buf);
            let output = output.filter(|output| output.join(DIRECTORY).is_dir());
            return Ok(Self { first: vec![source.to_path_buf()], output });
        }
        let directory = directory_of(source);
        let logs = logs_of(&directory).map_err(none)?;
        if let Some(missing) = &logs.missing {
            let missing = on_one_line(&missing.display().to_string());
            tell(&format!("mpix: the last run logged to `{missing}`, which is not there"));
        }
        // The log that the status names is the one of the last run.
        let of_runs = logs.there.into_iter().next_back();
        let of_launch = launch_log_path(&directory);
        if of_runs.is_none() && files_of(&of_launch).map_err(none)?.is_empty() {
            return Err(none(io::ErrorKind::NotFound.into()));
        }
        // One that is not there may come while it is followed.
        let first = vec![of_runs.unwrap_or_else(|| log_path(&directory)), of_launch];
        Ok(Self { first, output: Some(source.to_path_buf()) })
    }

    /// How many runs have begun in them.
    fn runs(&self) -> io::Result<usize> {
        let mut tail = Tail::open(&self.first[0])?;
        let mut runs = 0;
        while let Some(line) = tail.next()? {
            // Most lines are of images, and need not be understood.
            let may_be = line.windows(11).any(|word| word == b"run-started");
            let entry = || serde_json::from_slice(line);
            if may_be && let Ok(Entry { event: RunEvent::RunStarted(_), .. }) = entry() {
                runs += 1;
            }
        }
        Ok(runs)
    }

    /// Goes on with what is appended, until the run has ended, and its launch.
    fn follow(
        &self,
        merged: &mut Merged,
        reader: &mut Reader,
        out: &mut impl Write,
    ) -> io::Result<io::Result<()>> {
        let mut pulse = self.output.as_deref().map(Pulse::of);
        let mut looked = Instant::now().checked_sub(SILENCE);
        loop {
            let is_due = reader.ended || looked.is_none_or(|at| at.elapsed() >= SILENCE);
            let over = is_due && is_over(pulse.as_mut(), reader.ended);
            if is_due {
                looked = Some(Instant::now());
            }
            // Once more after the look: what was written before the end is read.
            let written = reader.read(merged, out)?;
            if over || written.is_err() {
                return Ok(written);
            }
            thread::sleep(LOOK_EVERY);
        }
    }
}

/// Whether nothing more is to come: from a run that can be asked after, or that has said so, and that
/// no supervisor will start again.
fn is_over(pulse: Option<&mut Pulse>, has_said_so: bool) -> bool {
    let Some(pulse) = pulse else { return has_said_so };
    if pulse.is_supervised() {
        return false;
    }
    match pulse.look() {
        Ok(seen) => {
            if seen.is_lost() {
                tell("mpix: the run has ended without a word, killed perhaps");
            }
            !seen.alive
        }
        Err(_) => has_said_so,
    }
}

/// Takes entries, and prints those that pass.
#[derive(Debug)]
struct Reader {
    filter: Filter,
    at: Position,
    form: Form,
    /// The last ones, where no more are wanted.
    kept: VecDeque<String>,
    /// Whether the last run or launch has ended, as far as the logs were read.
    ended: bool,
}

impl Reader {
    fn new(filter: Filter, form: Form) -> Self {
        let (at, kept) = (Position::default(), VecDeque::new());
        Self { filter, at, form, kept, ended: false }
    }

    /// Takes all entries that there are. The outer error is one of a log, the inner one of `out`.
    fn read(&mut self, merged: &mut Merged, out: &mut impl Write) -> io::Result<io::Result<()>> {
        while let Some((entry, line)) = merged.next()? {
            if let Some(text) = self.take(&entry, line)
                && let Err(error) = self.show(text, out)
            {
                return Ok(Err(error));
            }
        }
        Ok(if self.form.follow { out.flush() } else { Ok(()) })
    }

    fn take(&mut self, entry: &Entry, line: &[u8]) -> Option<String> {
        self.ended = match &entry.event {
            RunEvent::RunStarted(_) | RunEvent::Launch(LaunchEvent::Started { .. }) => false,
            RunEvent::RunEnded(_) | RunEvent::Launch(LaunchEvent::Ended { .. }) => true,
            RunEvent::ImageGiven { .. }
            | RunEvent::Foreseen(_)
            | RunEvent::ImageDone(_)
            | RunEvent::ImageDoneBefore { .. }
            | RunEvent::ImageFailed(_)
            | RunEvent::Stopping { .. }
            | RunEvent::Heartbeat { .. }
            | RunEvent::Launch(_)
            | RunEvent::Message { .. } => self.ended,
        };
        if !self.filter.lets_pass(entry, &mut self.at) {
            return None;
        }
        Some(if self.form.json {
            String::from_utf8_lossy(line).trim_end().to_owned()
        } else {
            line_of(entry)
        })
    }

    fn show(&mut self, text: String, out: &mut impl Write) -> io::Result<()> {
        let Some(last) = self.form.last else { return writeln!(out, "{text}") };
        self.kept.push_back(text);
        if self.kept.len() > last {
            self.kept.pop_front();
        }
        Ok(())
    }

    /// Prints the last ones; what comes from now on is printed at once.
    fn print_kept(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.form.last = None;
        for text in self.kept.drain(..) {
            writeln!(out, "{text}")?;
        }
        out.flush()
    }
}
