//! What is done, kept in the journal of the output directory under its lease.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Event;
use super::lease_keeper::{Hold, LeaseKeeper};
use super::threads::Threads;
use crate::error::{Error, OutputError};
use crate::journal::{
    Journal, JournalError, LaunchId, Record, RunEnded, RunOutcome, RunStarted, SettingsHash, State,
    Syncer, manifest,
};
use crate::source::remove_temporaries;

/// The journal of a run, and the threads that make it last and keep the lease.
#[derive(Debug)]
pub(crate) struct Ledger {
    journal: Journal,
    syncer: Arc<Syncer>,
    thread: Threads,
    run: u64,
    /// Images of which the last record is not known to last.
    unsynced: Vec<usize>,
    is_syncing: bool,
    lease: LeaseKeeper,
    /// Whether ranks of a run before may have gone on for a moment, and left temporary files.
    had_ghosts: bool,
}

/// Who starts a run, and how it makes its outputs.
pub(crate) struct Start<'a> {
    pub(crate) output: &'a Path,
    pub(crate) host: &'a str,
    pub(crate) settings_text: &'a str,
    pub(crate) fresh: bool,
    pub(crate) launch: Option<LaunchId>,
}

impl Ledger {
    /// Takes the lease of the output directory and opens its journal, or begins one. Also returns
    /// what it says.
    pub(crate) fn open(start: &Start<'_>, events: &Sender<Event>) -> Result<(Self, State), Error> {
        let lease = LeaseKeeper::take(start, events)?;
        let had_ghost = lease.hold().ghost_may_write();
        let opened = if start.fresh {
            Journal::begin_anew(start.output).map(|journal| (journal, State::default()))
        } else if had_ghost {
            Journal::open_in_new_file(start.output)
        } else {
            Journal::open(start.output)
        };
        let (mut journal, state) = opened.map_err(unkept)?;
        lease.hold().ghost_is_shut_out();
        // Also, opening may have taken long: this run may be the ghost of another by now.
        lease.make_sure()?;
        let run = state.last_run().map_or(1, |last| last.started.run.saturating_add(1));
        let record = Record::RunStarted(RunStarted {
            run,
            settings: SettingsHash::of(start.settings_text),
            settings_text: start.settings_text.to_owned(),
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            host: start.host.to_owned(),
            pid: std::process::id(),
            at_ns: now_ns(),
        });
        journal.append(&record).and_then(|()| journal.sync()).map_err(unkept)?;
        let syncer = Arc::new(journal.syncer().map_err(unkept)?);
        let thread = Threads::start(1, events);
        let (unsynced, is_syncing) = (Vec::new(), false);
        let had_ghosts = had_ghost || state.last_run().is_some_and(|last| last.ended.is_none());
        let own = Self { journal, syncer, thread, run, unsynced, is_syncing, lease, had_ghosts };
        Ok((own, state))
    }

    /// Number of the attempt.
    pub(crate) fn run(&self) -> u64 {
        self.run
    }

    /// The lease, to be asked before something is written.
    pub(crate) fn hold(&self) -> &Hold {
        self.lease.hold()
    }

    /// Notes something that need not survive a loss of power, only a crash.
    pub(crate) fn note(&mut self, record: &Record) -> Result<(), OutputError> {
        self.journal.append(record).and_then(|()| self.journal.flush()).map_err(unkept)
    }

    /// Notes what became of `image`, and has it made to last: an [`Event::Recorded`] tells.
    pub(crate) fn settle(&mut self, image: usize, record: &Record) -> Result<(), OutputError> {
        self.note(record)?;
        self.unsynced.push(image);
        self.sync();
        Ok(())
    }

    /// Records are synced many at a time: while one sync runs, the next ones gather.
    fn sync(&mut self) {
        if self.is_syncing || self.unsynced.is_empty() {
            return;
        }
        self.is_syncing = true;
        let (images, syncer) = (std::mem::take(&mut self.unsynced), Arc::clone(&self.syncer));
        self.thread
            .add("the journal".to_owned(), move || Event::Recorded(syncer.sync().map(|()| images)));
    }

    /// A sync has ended.
    pub(crate) fn synced(
        &mut self,
        images: Result<Vec<usize>, JournalError>,
    ) -> Result<Vec<usize>, OutputError> {
        self.is_syncing = false;
        let images = images.map_err(unkept)?;
        self.sync();
        Ok(images)
    }

    /// Ends the run in order: its outcome, the manifest, the lease.
    pub(crate) fn close(
        mut self,
        output: &Path,
        outcome: RunOutcome,
        may_litter: bool,
    ) -> Result<(), OutputError> {
        self.lease.make_sure()?;
        if self.had_ghosts || may_litter {
            remove_temporaries(output);
        }
        let ended = Record::RunEnded(RunEnded { run: self.run, outcome, at_ns: now_ns() });
        self.journal.append(&ended).and_then(|()| self.journal.sync()).map_err(unkept)?;
        let state = crate::journal::read(output).map_err(unkept)?;
        manifest::write(output, &state).map_err(unkept)?;
        self.lease.release();
        Ok(())
    }
}

fn unkept(error: JournalError) -> OutputError {
    OutputError::Journal { source: Box::new(error) }
}

/// Nanoseconds since 1970.
fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
