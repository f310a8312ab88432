//! What rank 0 does beside filtering: read, hand out, gather, write.
//!
//! One thread owns all state and reacts to events; it never waits for a disk and never computes.

mod account;
mod bands;
mod budget;
mod dry_run;
mod earlier;
mod lease_keeper;
mod ledger;
mod queue;
mod reading;
mod run;
mod signals;
mod terminal;
mod threads;
mod vigil;
mod watchers;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

pub use self::account::Written;
use self::budget::Budget;
use self::earlier::{Earlier, Verdict};
use self::ledger::{Ledger, Start};
use self::reading::{Loaded, Reading};
use self::run::{Run, WriteFailure};
use self::watchers::Watchers;
use crate::error::{BugError, Error, HostError, ImageError, UsageError, exit, printed};
use crate::events::{RankInfo, RunStarted, logger};
use crate::journal::{JournalError, LeaseError, SettingsHash, State};
use crate::plan::{Cluster, HostFacts, Job, RankPlan};
use crate::source::{Entry, list, remove_temporaries};
use crate::transport::message::{Message, ToRank, ToRank0};
use crate::transport::{Hub, Silence, next_event};
use crate::worker_rank;

/// Time between two looks at the clock while nothing happens.
const TICK: Duration = Duration::from_millis(200);

/// What happens to rank 0.
#[derive(Debug)]
pub enum Event {
    /// A rank says something.
    Message(usize, Message<ToRank0>),
    /// Files from this one on were looked at.
    Looked(usize, Vec<Verdict>),
    /// A reader works on a file from now on.
    Reading(usize),
    /// A file was read, or could not be.
    Read(usize, Result<Loaded, ImageError>),
    /// A result was written, or could not be.
    Written(usize, Result<Written, WriteFailure>),
    /// The records of these files last, or cannot be made to.
    Recorded(Result<Vec<usize>, JournalError>),
    /// This process has a message for the log of the run.
    Log(log::Level, String),
    /// A signal asks to stop.
    Signal(&'static str),
    /// The lease was not renewed.
    LeaseTrouble(LeaseError),
    /// A thread of rank 0's own process came to grief.
    Broken(Error),
}

impl From<(usize, Message<ToRank0>)> for Event {
    fn from((from, message): (usize, Message<ToRank0>)) -> Self {
        Self::Message(from, message)
    }
}

/// Rank 0's links and queues.
#[derive(Debug)]
pub struct Desk {
    hub: Hub<worker_rank::Event>,
    events: Receiver<Event>,
    to_events: Sender<Event>,
    are_stopped: bool,
}

impl Desk {
    /// Links to all ranks, and the queue of this process's own events with its other end.
    #[must_use]
    pub fn new(
        hub: Hub<worker_rank::Event>,
        (to_events, events): (Sender<Event>, Receiver<Event>),
    ) -> Self {
        Self { hub, events, to_events, are_stopped: false }
    }

    /// Tells all ranks that there is nothing more to do, once.
    fn stop_ranks(&mut self) -> Result<(), BugError> {
        if std::mem::replace(&mut self.are_stopped, true) {
            return Ok(());
        }
        for rank in 0..self.hub.ranks() {
            self.hub.send(rank, Message::bare(ToRank::Stop))?;
        }
        self.hub.flush();
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Event>, Error> {
        match next_event(&self.events, &mut self.hub, Instant::now() + TICK)? {
            Some(Event::Broken(error)) => Err(error),
            Some(Event::Message(from, message)) => {
                let (header, bytes) = (&message.header, message.payload.len());
                log::debug!("from rank {from}: {header:?}, {bytes} bytes");
                Ok(Some(Event::Message(from, message)))
            }
            event => Ok(event),
        }
    }
}

/// Carries out `job` with all ranks. Returns the exit code.
///
/// # Errors
/// When the job cannot be carried out, or not to its end. Unless
/// [`leaves_ranks_waiting`](Error::leaves_ranks_waiting), all ranks are told to stop; else the caller
/// must end them.
pub fn run(job: Job, mut desk: Desk) -> Result<u8, Error> {
    let outcome = conduct(job, &mut desk);
    if !outcome.as_ref().is_err_and(Error::leaves_ranks_waiting) {
        desk.stop_ranks()?;
    }
    outcome
}

fn conduct(job: Job, desk: &mut Desk) -> Result<u8, Error> {
    let facts = greet(desk, job.settings.stall_timeout)?;
    let to_log = desk.to_events.clone();
    logger::pass_on(move |level, text| _ = to_log.send(Event::Log(level, text)));
    let cluster = Cluster::new(&facts, job.settings.threads, job.settings.memory);
    for warning in &cluster.warnings {
        log::warn!("{warning}");
    }
    let entries = Arc::new(list(&job.settings)?);
    let chain = job.work.chain()?;
    let budget = Budget::new(cluster.rank0_hold());
    let text = job.output_text();
    let (state, settings) = (State::default(), SettingsHash::of(&text));
    let earlier = Earlier { state, settings };
    let mut reading = Reading { job, chain, cluster, budget, entries: entries.len(), earlier };
    if reading.job.settings.dry_run {
        return print_plan(&reading, &entries);
    }
    let ledger = open_ledger(&mut reading, &facts[0].host, &text, desk)?;
    let started = start_of(&reading, &ledger);
    let watchers = Watchers::open(&reading.job.settings, started, ledger.hold())?;
    signals::watch(&desk.to_events);
    Run::new(Arc::new(reading), entries, (ledger, watchers), desk)?.carry_out()
}

/// What is told of the start of a run.
fn start_of(reading: &Reading, ledger: &Ledger) -> RunStarted {
    let rank = |plan: &RankPlan| RankInfo {
        host: plan.host.clone(),
        threads: plan.threads,
        memory_bytes: plan.memory,
    };
    let ranks: Vec<RankInfo> = reading.cluster.ranks.iter().map(rank).collect();
    RunStarted {
        run: ledger.run(),
        mpix: env!("CARGO_PKG_VERSION").to_owned(),
        host: ranks.first().map(|rank| rank.host.clone()).unwrap_or_default(),
        pid: std::process::id(),
        output: reading.job.settings.output.display().to_string(),
        op: reading.job.work.chain_text(),
        images: reading.entries,
        ranks,
    }
}

/// Opens the journal of the output directory, and cleans up after a run that was killed.
fn open_ledger(
    reading: &mut Reading,
    host: &str,
    settings_text: &str,
    desk: &Desk,
) -> Result<Ledger, Error> {
    let settings = &reading.job.settings;
    make_output_directory(&settings.output)?;
    let (output, fresh, launch) = (&settings.output, settings.fresh, settings.launch);
    let start = Start { output, host, settings_text, fresh, launch };
    let (ledger, state) = Ledger::open(&start, &desk.to_events)?;
    for damage in state.damage() {
        log::warn!("the journal is damaged: {damage}; what it said there is done again");
    }
    if state.last_run().is_some_and(|last| last.ended.is_none()) {
        let removed = remove_temporaries(&settings.output);
        log::info!("removed {removed} files that the last run had begun to write");
    }
    reading.earlier.state = state;
    Ok(ledger)
}

/// Waits until every rank has said what its host offers, for `stall_timeout` seconds at most.
fn greet(desk: &mut Desk, stall_timeout: Option<u64>) -> Result<Vec<HostFacts>, Error> {
    let mut facts: Vec<Option<HostFacts>> = vec![None; desk.hub.ranks()];
    let mut silence = Silence::since(Instant::now());
    while let Some(rank) = facts.iter().position(Option::is_none) {
        let waited = silence.look(Instant::now());
        if let Some(seconds) = stall_timeout.filter(|&limit| waited.as_secs() >= limit) {
            return Err(HostError::NeverBegan { rank, seconds }.into());
        }
        let Some(event) = desk.next()? else { continue };
        match event {
            Event::Message(from, Message { header: ToRank0::Hello(host), .. }) => {
                let own = env!("CARGO_PKG_VERSION");
                if host.version != own {
                    let (host, version) = (host.host, host.version);
                    return Err(UsageError::OtherVersion { host, version, own }.into());
                }
                if !host.is_possible() {
                    let what = "it counts cores that no host has";
                    return Err(BugError::Message { from, what }.into());
                }
                facts[from] = Some(host);
            }
            Event::Message(from, _) => {
                return Err(BugError::Message { from, what: "it comes before a greeting" }.into());
            }
            Event::Looked(..)
            | Event::Reading(_)
            | Event::Read(..)
            | Event::Log(..)
            | Event::Written(..)
            | Event::Recorded(_)
            | Event::Signal(_)
            | Event::LeaseTrouble(_)
            | Event::Broken(_) => {}
        }
    }
    Ok(facts.into_iter().flatten().collect())
}

fn print_plan(reading: &Reading, entries: &[Entry]) -> Result<u8, Error> {
    printed(dry_run::print(reading, entries, &mut io::stdout().lock()))?;
    Ok(exit::DONE)
}

fn make_output_directory(path: &Path) -> Result<(), UsageError> {
    std::fs::create_dir_all(path)
        .map_err(|source| UsageError::Output { path: path.to_path_buf(), source })
}
