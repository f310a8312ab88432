//! What becomes of each file, in the journal and on the terminal.
//!
//! A file counts as done or failed when the journal's record of it lasts, not before.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::earlier::modified_ns;
use super::ledger::Ledger;
use super::progress::Progress;
use crate::error::{FailureKind, ImageError, OutputError, with_causes};
use crate::journal::{
    Done, Failed, Identity, JournalError, OutputHash, Record, RunOutcome, SetAside, SettingsHash,
};
use crate::source::Entry;

/// A result that was written.
#[derive(Debug)]
pub struct Written {
    /// Pixels of the image.
    pub pixels: u64,
    /// Bytes of the result.
    pub bytes: u64,
    /// Their hash.
    pub sha256: OutputHash,
}

/// A file that was begun.
#[derive(Debug)]
struct UnderWay {
    since: Instant,
    rank: usize,
    identity: Option<Identity>,
    /// What the terminal is told once the journal's record lasts.
    ending: Option<Ending>,
}

#[derive(Debug)]
enum Ending {
    Done { pixels: u64 },
    DoneBefore,
    Failed { reason: String },
}

/// The account of a run.
#[derive(Debug)]
pub(crate) struct Account {
    entries: Arc<Vec<Entry>>,
    settings: SettingsHash,
    ledger: Ledger,
    progress: Progress,
    under_way: HashMap<usize, UnderWay>,
}

impl Account {
    pub(crate) fn new(
        entries: Arc<Vec<Entry>>,
        settings: SettingsHash,
        ledger: Ledger,
        progress: Progress,
    ) -> Self {
        Self { entries, settings, ledger, progress, under_way: HashMap::new() }
    }

    /// Files that were begun and have not ended.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Files that have failed.
    pub(crate) fn failed(&self) -> usize {
        self.progress.failures()
    }

    /// An earlier run has done this file.
    pub(crate) fn done_before(&mut self, image: usize) {
        self.progress.done_before(&self.entries[image].input);
    }

    /// This file cannot be begun.
    pub(crate) fn refuse(&mut self, image: usize, error: &ImageError) {
        self.progress.failed(&self.entries[image].input, &with_causes(error));
    }

    /// This file is about to be read.
    pub(crate) fn begin(&mut self, image: usize) -> Result<(), OutputError> {
        self.ledger.note(&Record::Given { input: self.entries[image].key(), rank: 0 })?;
        self.track(image);
        Ok(())
    }

    fn track(&mut self, image: usize) -> &mut UnderWay {
        let begun = UnderWay { since: Instant::now(), rank: 0, identity: None, ending: None };
        self.under_way.entry(image).or_insert(begun)
    }

    /// This file has been read.
    pub(crate) fn read(&mut self, image: usize, identity: Identity) {
        self.track(image).identity = Some(identity);
    }

    /// This file is at a rank from now on.
    pub(crate) fn given(&mut self, image: usize, rank: usize) {
        let file = self.track(image);
        (file.rank, file.since) = (rank, Instant::now());
    }

    /// Files that have been at a rank for longer than `limit`, and have no result.
    pub(crate) fn overdue(&self, limit: Duration) -> Vec<usize> {
        let is_late = |file: &UnderWay| file.ending.is_none() && file.since.elapsed() > limit;
        self.under_way.iter().filter(|(_, file)| is_late(file)).map(|(&image, _)| image).collect()
    }

    /// The result of this file lasts.
    pub(crate) fn done(&mut self, image: usize, written: &Written) -> Result<(), OutputError> {
        let entry = &self.entries[image];
        let Some(file) = self.under_way.get_mut(&image) else { return Ok(()) };
        let Some(input) = file.identity.clone() else { return Ok(()) };
        file.ending = Some(Ending::Done { pixels: written.pixels });
        let record = Record::Done(Done {
            input,
            output: entry.output.clone(),
            output_bytes: written.bytes,
            output_sha256: written.sha256,
            settings: self.settings,
            pixels: written.pixels,
            micros: u64::try_from(file.since.elapsed().as_micros()).unwrap_or(u64::MAX),
            rank: u32::try_from(file.rank).unwrap_or(u32::MAX),
        });
        self.ledger.settle(image, &record)
    }

    /// An earlier run has made the result of the same bytes; only the file's time is another.
    pub(crate) fn done_again(&mut self, image: usize, done: Done) -> Result<(), OutputError> {
        self.track(image).ending = Some(Ending::DoneBefore);
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
        self.track(image).ending = Some(Ending::Failed { reason: reason.to_owned() });
        self.ledger.settle(image, &record)
    }

    /// This file has been in hand at too many crashes.
    pub(crate) fn set_aside(&mut self, image: usize, crashes: u32) -> Result<(), OutputError> {
        let (bytes, modified_ns) = self.size_and_time(image);
        let input = self.entries[image].key();
        let settings = self.settings;
        let record = Record::SetAside(SetAside { input, bytes, modified_ns, settings, crashes });
        let reason = with_causes(&ImageError::Crashes { crashes });
        self.track(image).ending = Some(Ending::Failed { reason });
        self.ledger.settle(image, &record)
    }

    /// What the journal knows a failed file by.
    fn size_and_time(&self, image: usize) -> (u64, i64) {
        let read = self.under_way.get(&image).and_then(|file| file.identity.as_ref());
        let found = || std::fs::metadata(&self.entries[image].input).ok();
        read.map(|identity| (identity.bytes, identity.modified_ns))
            .or_else(|| found().map(|file| (file.len(), modified_ns(&file))))
            .unwrap_or_default()
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
            let entry = &self.entries[image];
            match self.under_way.remove(&image).and_then(|file| file.ending) {
                Some(Ending::Done { pixels }) => {
                    self.progress.done(&entry.input, &entry.output, pixels);
                }
                Some(Ending::DoneBefore) => self.progress.done_before(&entry.input),
                Some(Ending::Failed { reason }) => self.progress.failed(&entry.input, &reason),
                None => {}
            }
        }
        Ok(())
    }

    /// Looks at the clock.
    pub(crate) fn tick(&mut self) {
        self.progress.tick();
    }

    /// Says something to whoever watches.
    pub(crate) fn say(&self, line: &str) {
        self.progress.say(line);
    }

    /// Ends a run whose output directory cannot be written any more.
    pub(crate) fn abandon(self) {
        self.progress.finish();
    }

    /// Ends the run in order.
    pub(crate) fn close(self, output: &Path, outcome: RunOutcome) -> Result<(), OutputError> {
        self.progress.finish();
        self.ledger.close(output, outcome)
    }
}
