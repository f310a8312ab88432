//! What becomes of each file: in the journal, and told to who watches.
//!
//! A file counts as done or failed when the journal's record of it lasts, not before.

mod under_way;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use self::under_way::{Ending, UnderWay};
use super::lease_keeper::Hold;
use super::ledger::Ledger;
use super::watchers::Watchers;
use crate::error::{Error, FailureKind, ImageError, OutputError, with_causes};
use crate::events::{
    Distribution, Foreseen, ImageDone, ImageFailed, Level, Outcome, RankPulse, RunEnded, RunEvent,
    milliseconds,
};
use crate::hash::{ContentHash, OutputHash};
use crate::journal::{
    Done, Failed, Identity, JournalError, Record, RunOutcome, SetAside, SettingsHash,
};
use crate::plan::Forecast;
use crate::source::Entry;
use crate::transport::message::{FileSeen, Filtered, RankTimes};

/// Time between two signs of life while the run is closed.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// A result that was written.
#[derive(Debug)]
pub struct Written {
    /// Pixels of the image.
    pub pixels: u64,
    /// Bytes of the result.
    pub bytes: u64,
    /// Their hash.
    pub hash: OutputHash,
    /// How long rank 0 encoded it.
    pub encode: Duration,
    /// How long rank 0 hashed it, wrote it, and made it to last.
    pub write: Duration,
}

/// What all events of a run say the same.
#[derive(Debug)]
pub(crate) struct About {
    /// The chain of ops.
    pub(crate) op: String,
    /// The host of each rank.
    pub(crate) hosts: Vec<String>,
}

/// How a run ends.
#[derive(Debug)]
pub(crate) struct RunEnding {
    pub(crate) outcome: RunOutcome,
    pub(crate) reason: Option<String>,
    pub(crate) exit_code: u8,
    /// Whether a rank may have written what nobody wanted any more.
    pub(crate) may_litter: bool,
}

/// The account of a run.
#[derive(Debug)]
pub(crate) struct Account {
    entries: Arc<Vec<Entry>>,
    settings: SettingsHash,
    about: About,
    ledger: Ledger,
    watchers: Watchers,
    under_way: HashMap<usize, UnderWay>,
    began: Instant,
}

impl Account {
    pub(crate) fn new(
        entries: Arc<Vec<Entry>>,
        settings: SettingsHash,
        about: About,
        (ledger, watchers): (Ledger, Watchers),
    ) -> Self {
        Self {
            entries,
            settings,
            about,
            ledger,
            watchers,
            under_way: HashMap::new(),
            began: Instant::now(),
        }
    }

    /// The lease, to be asked before something is written.
    pub(crate) fn hold(&self) -> &Hold {
        self.ledger.hold()
    }

    /// Files that were begun and have not ended.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Files that have failed.
    pub(crate) fn failed(&self) -> usize {
        self.watchers.failures()
    }

    fn name_of(&self, image: usize) -> String {
        self.entries[image].input.display().to_string()
    }

    fn host_of(&self, rank: usize) -> String {
        self.about.hosts.get(rank).cloned().unwrap_or_default()
    }

    /// An earlier run has done this file.
    pub(crate) fn done_before(&mut self, image: usize) {
        let image = self.name_of(image);
        self.watchers.tell(RunEvent::ImageDoneBefore { image });
    }

    /// This file cannot be begun.
    pub(crate) fn refuse(&mut self, image: usize, error: &ImageError) {
        let failed = self.failure(image, (error.kind(), with_causes(error)), None);
        self.watchers.tell(failed);
    }

    fn failure(
        &self,
        image: usize,
        (kind, reason): (FailureKind, String),
        file: Option<&UnderWay>,
    ) -> RunEvent {
        let rank = file.map_or(0, |file| file.rank);
        RunEvent::ImageFailed(ImageFailed {
            image: self.name_of(image),
            rank,
            host: self.host_of(rank),
            op: self.about.op.clone(),
            kind,
            reason,
            ms: file.map(|file| milliseconds(file.begun.elapsed())),
        })
    }

    /// This file is about to be read.
    pub(crate) fn begin(&mut self, image: usize) -> Result<(), OutputError> {
        self.ledger.note(&Record::Given { input: self.entries[image].key(), rank: 0 })?;
        self.track(image);
        Ok(())
    }

    fn track(&mut self, image: usize) -> &mut UnderWay {
        self.under_way.entry(image).or_insert_with(UnderWay::new)
    }

    /// A thread of a rank has this file, or a band of it, from now on.
    pub(crate) fn worked_on(&mut self, image: usize) {
        if let Some(file) = self.under_way.get_mut(&image) {
            file.taken_up();
        }
    }

    /// A thread has answered for this file, or for a band of it. While no thread has any of it, as
    /// where its bands wait behind those of another, its time stands still.
    pub(crate) fn answered(&mut self, image: usize) {
        if let Some(file) = self.under_way.get_mut(&image) {
            file.answered();
        }
    }

    /// A reader has it again, and works on it from now on: it has waited for memory.
    pub(crate) fn work_goes_on(&mut self, image: usize) {
        if let Some(file) = self.under_way.get_mut(&image) {
            file.goes_on();
        }
    }

    /// This file has been looked at, and perhaps hashed.
    pub(crate) fn read(&mut self, image: usize, seen: FileSeen, read: Duration) {
        self.track(image).read(seen, read);
    }

    /// The content of this file is known.
    pub(crate) fn identified(&mut self, image: usize, content: ContentHash) {
        self.track(image).content = Some(content);
    }

    /// This file is at a rank from now on.
    pub(crate) fn given(&mut self, image: usize, rank: usize) {
        let file = self.track(image);
        (file.rank, file.given) = (rank, Instant::now());
        let image = self.name_of(image);
        self.watchers.tell(RunEvent::ImageGiven { image, rank });
    }

    /// A rank is done with this file.
    pub(crate) fn came_back(&mut self, image: usize, filtered: &Filtered) {
        if let Some(file) = self.under_way.get_mut(&image) {
            file.came_back(filtered);
        }
    }

    /// The rest, `left` images, is foreseen from `seen` of them.
    pub(crate) fn foreseen(&mut self, (seen, left): (usize, usize), rest: Forecast) {
        let seconds = rest.ns / 1e9;
        let all_seconds = self.began.elapsed().as_secs_f64() + seconds;
        let bottleneck = rest.bottleneck.to_string();
        let foreseen = Foreseen { seen, left, seconds, all_seconds, bottleneck };
        self.watchers.tell(RunEvent::Foreseen(foreseen));
    }

    /// Bands of this file go to all ranks from now on.
    pub(crate) fn in_bands(&mut self, image: usize) {
        let file = self.track(image);
        (file.distribution, file.given) = (Distribution::Bands, Instant::now());
    }

    /// A rank has filtered a band of so many pixels.
    pub(crate) fn band_done(&mut self, rank: usize, pixels: u64) {
        self.watchers.band_done(rank, pixels);
    }

    /// This file, in bands, has been read and decoded, which took so long.
    pub(crate) fn decoded(&mut self, image: usize, decode: Duration) {
        self.track(image).stages.decode = milliseconds(decode);
    }

    /// All bands of this file are done, which took the threads of ranks so long.
    pub(crate) fn bands_done(&mut self, image: usize, times: RankTimes) {
        self.track(image).bands = times;
    }

    /// The file that somebody has worked on for longest, if that is longer than `limit`, without a
    /// result.
    pub(crate) fn overdue(&self, limit: Duration) -> Option<usize> {
        let worked_on =
            self.under_way.iter().filter_map(|(&image, file)| Some((file.worked_on()?, image)));
        worked_on.min().filter(|(since, _)| since.elapsed() > limit).map(|(_, image)| image)
    }

    /// The result of this file lasts.
    pub(crate) fn done(&mut self, image: usize, written: &Written) -> Result<(), OutputError> {
        let entry = &self.entries[image];
        let Some(file) = self.under_way.get_mut(&image) else { return Ok(()) };
        let (Some(seen), Some(content)) = (file.seen, file.content) else { return Ok(()) };
        let FileSeen { bytes, modified_ns, .. } = seen;
        let input = Identity { path: entry.key(), bytes, modified_ns, content };
        file.done(written);
        let record = Record::Done(Done {
            input,
            output: entry.output.clone(),
            output_bytes: written.bytes,
            output_hash: written.hash,
            settings: self.settings,
            pixels: written.pixels,
            micros: u64::try_from(file.given.elapsed().as_micros()).unwrap_or(u64::MAX),
            rank: u32::try_from(file.rank).unwrap_or(u32::MAX),
        });
        self.ledger.settle(image, &record)
    }

    /// An earlier run has made the result of the same bytes; only the file's time is another.
    pub(crate) fn done_again(&mut self, image: usize, done: Done) -> Result<(), OutputError> {
        self.track(image).ends(Ending::DoneBefore);
        self.ledger.settle(image, &Record::Done(done))
    }

    /// This file has failed.
    pub(crate) fn fail(
        &mut self,
        image: usize,
        kind: FailureKind,
        reason: &str,
    ) -> Result<(), OutputError> {
        let (bytes, modified_ns) = self.size_and_time(image);
        let record = Record::Failed(Failed {
            input: self.entries[image].key(),
            bytes,
            modified_ns,
            settings: self.settings,
            kind,
            reason: reason.to_owned(),
        });
        let ending = Ending::Failed { kind, reason: reason.to_owned() };
        self.track(image).ends(ending);
        self.ledger.settle(image, &record)
    }

    /// This file has been in hand at too many crashes.
    pub(crate) fn set_aside(&mut self, image: usize, crashes: u32) -> Result<(), OutputError> {
        let (bytes, modified_ns) = self.size_and_time(image);
        let input = self.entries[image].key();
        let settings = self.settings;
        let record = Record::SetAside(SetAside { input, bytes, modified_ns, settings, crashes });
        let error = ImageError::Crashes { crashes };
        let ending = Ending::Failed { kind: error.kind(), reason: with_causes(&error) };
        self.track(image).ends(ending);
        self.ledger.settle(image, &record)
    }

    /// What the journal knows a failed file by.
    fn size_and_time(&self, image: usize) -> (u64, i64) {
        let seen = self.under_way.get(&image).and_then(|file| file.seen);
        let found = || std::fs::metadata(&self.entries[image].input).ok();
        let seen = seen.or_else(|| found().map(|file| FileSeen::of(&file)));
        seen.map(|file| (file.bytes, file.modified_ns)).unwrap_or_default()
    }

    /// This file is not begun after all: the run stops.
    pub(crate) fn give_back(&mut self, image: usize) -> Result<(), OutputError> {
        self.under_way.remove(&image);
        self.ledger.note(&Record::Returned { input: self.entries[image].key() })
    }

    /// The records of some files last, or cannot be made to.
    pub(crate) fn recorded(
        &mut self,
        images: Result<Vec<usize>, JournalError>,
    ) -> Result<(), OutputError> {
        for image in self.ledger.synced(images)? {
            let Some(mut file) = self.under_way.remove(&image) else { continue };
            let Some(ending) = file.recorded() else { continue };
            let event = match ending {
                Ending::Done { pixels, output_bytes } => {
                    self.success(image, &file, (pixels, output_bytes))
                }
                Ending::DoneBefore => RunEvent::ImageDoneBefore { image: self.name_of(image) },
                Ending::Failed { kind, reason } => self.failure(image, (kind, reason), Some(&file)),
            };
            self.watchers.tell(event);
        }
        Ok(())
    }

    fn success(
        &self,
        image: usize,
        file: &UnderWay,
        (pixels, output_bytes): (u64, u64),
    ) -> RunEvent {
        let whole = file.begun.elapsed();
        RunEvent::ImageDone(ImageDone {
            image: self.name_of(image),
            output: self.entries[image].output.display().to_string(),
            rank: file.rank,
            host: self.host_of(file.rank),
            distribution: file.distribution,
            op: self.about.op.clone(),
            pixels,
            input_bytes: file.seen.map_or(0, |seen| seen.bytes),
            output_bytes,
            ms: milliseconds(whole),
            stages_ms: file.stages.of_whole(whole),
        })
    }

    /// A rank's message for the log.
    pub(crate) fn message(&mut self, rank: usize, level: log::Level, text: String) {
        let (host, level) = (self.host_of(rank), Some(Level::from(level)));
        self.watchers.tell(RunEvent::Message { rank, host, level, text });
    }

    /// Nothing more is begun.
    pub(crate) fn stopping(&mut self, reason: String) {
        let in_hand = self.under_way();
        self.watchers.tell(RunEvent::Stopping { reason, in_hand });
    }

    /// Where the ranks are.
    pub(crate) fn heartbeat(&mut self, ranks: Vec<RankPulse>) {
        let in_hand = self.under_way();
        self.watchers.tell(RunEvent::Heartbeat { in_hand, ranks });
    }

    /// Looks at the clock.
    pub(crate) fn tick(&mut self) {
        self.watchers.tick(self.under_way.len());
    }

    /// Says something to people.
    pub(crate) fn say(&self, line: &str) {
        self.watchers.say(line);
    }

    /// Tells of the end of a run that an error breaks off.
    pub(crate) fn broken_off(self, error: &Error) {
        self.watchers.close(broken(self.ledger.run(), error));
    }

    /// Ends the run in order.
    pub(crate) fn close(self, output: &Path, ending: RunEnding) -> Result<(), Error> {
        let outcome = match ending.outcome {
            RunOutcome::AllDone => Outcome::AllDone,
            RunOutcome::SomeFailed => Outcome::SomeFailed,
            RunOutcome::Stopped => Outcome::Stopped,
            RunOutcome::GaveUp => Outcome::GaveUp,
        };
        let Self { ledger, mut watchers, .. } = self;
        let run = ledger.run();
        let (output, (done, is_done)) = (output.to_path_buf(), channel::<()>());
        let closing = std::thread::spawn(move || {
            let _done = done;
            ledger.close(&output, ending.outcome, ending.may_litter)
        });
        // The manifest of a million images takes a while.
        while is_done.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
            watchers.tell(RunEvent::Heartbeat { in_hand: 0, ranks: Vec::new() });
            watchers.tick(0);
        }
        let closed = closing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let closed = closed.map_err(Error::from);
        watchers.close(match &closed {
            Ok(()) => ended(run, outcome, (ending.reason, ending.exit_code)),
            Err(error) => broken(run, error),
        });
        closed
    }
}

/// The end of a run that an error breaks off.
pub(super) fn broken(run: u64, error: &Error) -> RunEnded {
    let end = ended(run, Outcome::Broken, (Some(with_causes(error)), error.exit_code()));
    RunEnded { rank: error.rank(), ..end }
}

/// The end of a run; who watches counts.
fn ended(run: u64, outcome: Outcome, (reason, exit_code): (Option<String>, u8)) -> RunEnded {
    let (done, done_before, failed, left, seconds) = (0, 0, 0, 0, 0.0);
    let rank = None;
    RunEnded { run, outcome, reason, rank, exit_code, done, done_before, failed, left, seconds }
}
