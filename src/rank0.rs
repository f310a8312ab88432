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
mod preparation;
mod queue;
mod reading;
mod run;
mod signals;
mod terminal;
mod threads;
mod vigil;
mod watchers;

use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

pub use self::account::Written;
use self::account::broken;
pub use self::bands::FromSource;
use self::earlier::Verdict;
use self::preparation::prepare;
use self::reading::Loaded;
use self::run::{Run, WriteFailure};
use self::watchers::print_line;
use crate::error::{BugError, Error, ImageError, exit};
use crate::events::{Entry, RunEvent};
use crate::hash::ContentHash;
use crate::journal::{JournalError, LeaseError};
use crate::plan::Job;
use crate::transport::message::{Message, OutputPlace, ToRank, ToRank0};
use crate::transport::{Hub, next_event};
use crate::worker_rank;

/// Time between two looks at the clock while nothing happens.
const TICK: Duration = Duration::from_millis(200);

/// What happens to rank 0.
#[derive(Debug)]
pub enum Event {
    /// A rank says something.
    Message(usize, Message<ToRank0>),
    /// What comes before the first image is done.
    Prepared,
    /// Files from this one on were looked at.
    Looked(usize, Vec<Verdict>),
    /// A reader works on a file from now on.
    Reading(usize),
    /// A file was read, or could not be.
    Read(usize, Result<Loaded, ImageError>),
    /// The bytes of a file for a rank that does not see it; none, when it has changed.
    Fetched(usize, Result<Option<Vec<u8>>, ImageError>),
    /// The thread that reads an image in bands says something.
    Source(usize, FromSource),
    /// A file in bands is hashed, or cannot be.
    Identified(usize, Result<ContentHash, ImageError>),
    /// The file of a result in bands is begun, and its rows have places in it.
    Begun(usize, OutputPlace),
    /// A band of an image was written.
    Sunk(usize),
    /// A result was written, or could not be.
    Written(usize, Result<Written, WriteFailure>),
    /// A result that nobody wants any more is removed.
    Dropped,
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
        self.next_within(TICK)
    }

    fn next_within(&mut self, limit: Duration) -> Result<Option<Event>, Error> {
        match next_event(&self.events, &mut self.hub, Instant::now() + limit)? {
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
    let tells = job.settings.json;
    let prepared = prepare(job, &mut desk).inspect_err(|error| {
        if tells {
            // Who reads events learns how it ended, as of a run that has begun.
            let _ = print_line(&Entry::now(RunEvent::RunEnded(broken(0, error))));
        }
    });
    let outcome = prepared.and_then(|run| run.map_or(Ok(exit::DONE), Run::carry_out));
    if !outcome.as_ref().is_err_and(Error::leaves_ranks_waiting) {
        desk.stop_ranks()?;
        desk.hub.part();
    }
    outcome
}
