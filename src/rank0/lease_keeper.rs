//! Keeps the lease of the output directory, and asks it before anything is written.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Event;
use super::ledger::Start;
use crate::error::OutputError;
use crate::journal::{Holder, Lease, LeaseError, LeaseName};

/// Time between two renewals of the lease; a third of its time to live, and more often still.
const RENEWAL: Duration = Duration::from_secs(3);
/// The same where a launch may start a next attempt that takes the lease from a live one.
const RENEWAL_IN_LAUNCH: Duration = Duration::from_secs(1);

/// The lease, as all threads of rank 0 share it.
#[derive(Clone, Debug)]
pub(crate) struct Hold {
    kept: Arc<Mutex<Kept>>,
    interval: Duration,
}

#[derive(Debug)]
struct Kept {
    /// None once it was given up.
    lease: Option<Lease>,
    renewed: Instant,
}

impl Hold {
    /// Makes sure of the lease: renews it, unless that was done of late and nobody seems to have
    /// taken it. Cheap enough to be asked before each result.
    ///
    /// A process that was stopped and goes on, or whose host was cut off and is back, finds here that
    /// another has taken its place.
    pub(crate) fn check(&self) -> Result<(), LeaseError> {
        self.with(|kept| {
            let seems_taken = kept.lease.as_ref().is_some_and(Lease::seems_taken);
            let is_fresh = kept.renewed.elapsed() < self.interval && !seems_taken;
            if is_fresh { Ok(()) } else { kept.renew() }
        })
    }

    /// Renews the lease.
    pub(crate) fn renew(&self) -> Result<(), LeaseError> {
        self.with(Kept::renew)
    }

    /// Whether another has taken the lease, as far as can be told.
    pub(crate) fn is_lost(&self) -> bool {
        self.check().is_err_and(|error| is_loss(&error))
    }

    /// Whether an owner before may still live, and write where this run does.
    pub(crate) fn ghost_may_write(&self) -> bool {
        self.with(|kept| kept.lease.as_ref().is_some_and(Lease::ghost_may_write))
    }

    /// Nothing that a ghost writes is read any more.
    pub(crate) fn ghost_is_shut_out(&self) {
        self.with(|kept| kept.lease.as_mut().map(Lease::ghost_is_shut_out));
    }

    fn give_up(&self) {
        if let Some(lease) = self.with(|kept| kept.lease.take()) {
            // Whoever comes next finds it free, or waits until it is seen to be.
            let _ = lease.release();
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Kept) -> T) -> T {
        work(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Kept {
    fn renew(&mut self) -> Result<(), LeaseError> {
        let Some(lease) = &mut self.lease else { return Ok(()) };
        lease.renew()?;
        self.renewed = Instant::now();
        Ok(())
    }
}

/// Whether the lease is another's now; else it may yet be renewed.
pub(crate) fn is_loss(error: &LeaseError) -> bool {
    match error {
        LeaseError::Lost { .. } | LeaseError::Overtaken { .. } => true,
        LeaseError::Held { .. } | LeaseError::HeldByUnknown { .. } | LeaseError::Io { .. } => false,
    }
}

/// A thread that renews the lease until told to give it up.
#[derive(Debug)]
pub(crate) struct LeaseKeeper {
    hold: Hold,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl LeaseKeeper {
    pub(crate) fn take(start: &Start<'_>, events: &Sender<Event>) -> Result<Self, OutputError> {
        let holder = Holder::of_this_process(start.host, command_line(), start.launch);
        let lease =
            Lease::take(start.output, LeaseName::Run, holder).map_err(|error| match error {
                LeaseError::Held { .. }
                | LeaseError::HeldByUnknown { .. }
                | LeaseError::Overtaken { .. } => OutputError::Held { source: Box::new(error) },
                LeaseError::Lost { .. } => lost(error),
                LeaseError::Io { .. } => OutputError::Journal { source: Box::new(error) },
            })?;
        let kept = Kept { lease: Some(lease), renewed: Instant::now() };
        let interval = if start.launch.is_some() { RENEWAL_IN_LAUNCH } else { RENEWAL };
        let hold = Hold { kept: Arc::new(Mutex::new(kept)), interval };
        let (stop, stopped) = channel();
        let (events, kept) = (events.clone(), hold.clone());
        let thread = std::thread::spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(interval) {
                if let Err(error) = kept.renew()
                    && events.send(Event::LeaseTrouble(error)).is_err()
                {
                    break;
                }
            }
            kept.give_up();
        });
        Ok(Self { hold, stop: Some(stop), thread: Some(thread) })
    }

    /// The lease, to be asked before something is written.
    pub(crate) fn hold(&self) -> &Hold {
        &self.hold
    }

    /// Renews the lease; where that cannot be tried, it is not lost yet.
    pub(crate) fn make_sure(&self) -> Result<(), OutputError> {
        match self.hold.renew() {
            Err(error) if is_loss(&error) => Err(lost(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    pub(crate) fn release(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It has nothing left to say.
            let _ = thread.join();
        }
    }
}

impl Drop for LeaseKeeper {
    fn drop(&mut self) {
        self.release();
    }
}

fn lost(error: LeaseError) -> OutputError {
    OutputError::Lost { source: Box::new(error) }
}

fn command_line() -> String {
    let words: Vec<String> =
        std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    words.join(" ")
}
