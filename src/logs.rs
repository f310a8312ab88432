//! `mpix logs`: what runs have logged.

mod filter;
mod line;
mod tail;

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

pub use filter::{Filter, RunChoice, moment};

use crate::error::{Error, ReadError, on_one_line, printed, tell};
use crate::events::{Entry, RunEvent, count_of, files_of, logs_of};
use crate::journal::{DIRECTORY, directory_of};
use crate::pulse::Pulse;
use filter::Position;
use line::line_of;
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

/// Prints the entries of a log that `filter` lets pass. `source` is an output directory, or a file of
/// a log. Lines that are no entries are counted and told on standard error.
///
/// # Errors
/// When there is no log, it cannot be read, or `out` cannot be written.
pub fn print(source: &Path, filter: Filter, form: Form, out: &mut impl Write) -> Result<(), Error> {
    let log = Log::find(source)?;
    let unreadable = |source| ReadError::Log { path: log.first.clone(), source };
    let mut filter = filter;
    if filter.run == Some(RunChoice::Last) {
        filter.run = Some(RunChoice::From(log.runs().map_err(unreadable)?));
    }
    let mut reader = Reader::new(filter, form);
    let mut tail = Tail::open(&log.first).map_err(unreadable)?;
    let mut written = reader.read(&mut tail, out).map_err(unreadable)?;
    if written.is_ok() {
        written = reader.print_kept(out);
    }
    if form.follow && written.is_ok() {
        written = log.follow(&mut tail, &mut reader, out).map_err(unreadable)?;
    }
    reader.finish(&tail.rest());
    if let Some(number) = tail.begins_with().filter(|&number| number > 1) {
        tell(&format!("mpix: the log begins with its file {number}: those before are not there"));
    }
    Ok(printed(written)?)
}

/// A log, and the run that writes it, where that is known.
#[derive(Debug)]
struct Log {
    first: PathBuf,
    output: Option<PathBuf>,
}

impl Log {
    fn find(source: &Path) -> Result<Self, ReadError> {
        let none = |error| ReadError::NoLog { path: source.to_path_buf(), source: error };
        if !source.is_dir() {
            if files_of(source).map_err(none)?.is_empty() {
                return Err(none(io::ErrorKind::NotFound.into()));
            }
            let own = source.parent().filter(|parent| parent.ends_with(DIRECTORY));
            let output = own.and_then(Path::parent).map(Path::to_path_buf);
            let output = output.filter(|output| output.join(DIRECTORY).is_dir());
            return Ok(Self { first: source.to_path_buf(), output });
        }
        // The log that the status names is the one of the last run.
        let logs = logs_of(&directory_of(source)).map_err(none)?;
        if let Some(missing) = &logs.missing {
            let missing = on_one_line(&missing.display().to_string());
            tell(&format!("mpix: the last run logged to `{missing}`, which is not there"));
        }
        let first = logs.there.into_iter().next_back();
        let first = first.ok_or_else(|| none(io::ErrorKind::NotFound.into()))?;
        Ok(Self { first, output: Some(source.to_path_buf()) })
    }

    /// How many runs have begun in it.
    fn runs(&self) -> io::Result<usize> {
        let mut tail = Tail::open(&self.first)?;
        let mut runs = 0;
        while let Some(line) = tail.next()? {
            // Most lines are of images, and need not be understood.
            let may_be = line.windows(11).any(|word| word == b"run-started");
            if may_be && let Ok(Entry { event: RunEvent::RunStarted(_), .. }) = parse(line) {
                runs += 1;
            }
        }
        Ok(runs)
    }

    /// Goes on with what is appended, until the run has ended.
    fn follow(
        &self,
        tail: &mut Tail,
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
            let written = reader.read(tail, out)?;
            if over || written.is_err() {
                return Ok(written);
            }
            thread::sleep(LOOK_EVERY);
        }
    }
}

/// Whether nothing more is to come: from a run that can be asked after, or that has said so.
fn is_over(pulse: Option<&mut Pulse>, has_said_so: bool) -> bool {
    match pulse.map(Pulse::look) {
        Some(Ok(seen)) => {
            if seen.is_lost() {
                tell("mpix: the run has ended without a word, killed perhaps");
            }
            !seen.alive
        }
        Some(Err(_)) | None => has_said_so,
    }
}

fn parse(line: &[u8]) -> serde_json::Result<Entry> {
    serde_json::from_slice(line)
}

/// Takes lines, and prints those of entries that pass.
#[derive(Debug)]
struct Reader {
    filter: Filter,
    at: Position,
    form: Form,
    /// The last ones, where no more are wanted.
    kept: VecDeque<String>,
    garbled: usize,
    /// Whether the last run of the log has ended, as far as it was read.
    ended: bool,
}

impl Reader {
    fn new(filter: Filter, form: Form) -> Self {
        let (at, kept) = (Position::default(), VecDeque::new());
        Self { filter, at, form, kept, garbled: 0, ended: false }
    }

    /// Takes all lines that there are. The outer error is one of the log, the inner one of `out`.
    fn read(&mut self, tail: &mut Tail, out: &mut impl Write) -> io::Result<io::Result<()>> {
        while let Some(line) = tail.next()? {
            if let Some(text) = self.take(line)
                && let Err(error) = self.show(text, out)
            {
                return Ok(Err(error));
            }
        }
        Ok(if self.form.follow { out.flush() } else { Ok(()) })
    }

    fn take(&mut self, line: &[u8]) -> Option<String> {
        let Ok(entry) = parse(line) else {
            self.garbled += 1;
            return None;
        };
        self.ended = match entry.event {
            RunEvent::RunStarted(_) => false,
            RunEvent::RunEnded(_) => true,
            RunEvent::ImageGiven { .. }
            | RunEvent::ImageDone(_)
            | RunEvent::ImageDoneBefore { .. }
            | RunEvent::ImageFailed(_)
            | RunEvent::Stopping { .. }
            | RunEvent::Heartbeat { .. }
            | RunEvent::Launch(_)
            | RunEvent::Message { .. } => self.ended,
        };
        if !self.filter.lets_pass(&entry, &mut self.at) {
            return None;
        }
        Some(if self.form.json {
            String::from_utf8_lossy(line).trim_end().to_owned()
        } else {
            line_of(&entry)
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

    fn finish(&mut self, rest: &[u8]) {
        self.garbled += usize::from(!rest.is_empty());
        if self.garbled > 0 {
            let lines = count_of(self.garbled, "line");
            tell(&format!("mpix: {lines} of the log are no entries, and were left out"));
        }
    }
}
