//! The place of the supervisor: one at a time for an output directory.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::error::{Error, OutputError};
use crate::host;
use crate::journal::{Holder, Lease, LeaseError, LeaseName};

/// A supervisor that has not renewed its place for so long is dead.
const TIME_TO_LIVE: Duration = Duration::from_secs(5);
const RENEWAL: Duration = Duration::from_secs(1);
/// How often a standby asks for the place.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// The place of the supervisor, kept until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Place {
    /// Takes the place for the launch of `output`. A standby waits for it, unless `stopped`: then there
    /// is none.
    pub(super) fn take(
        output: &Path,
        command: &str,
        (is_standby, stopped): (bool, &AtomicBool),
        lost: impl Fn(String) + Send + 'static,
    ) -> Result<Option<Self>, Error> {
        let holder = Holder::of_this_process(&host::name(), command.to_owned(), None);
        while !stopped.load(Ordering::Relaxed) {
            match Lease::take_after(output, LeaseName::Launch, holder.clone(), TIME_TO_LIVE) {
                Ok(mut lease) => {
                    // A supervisor writes nothing that its attempts do not fence.
                    lease.ghost_is_shut_out();
                    return Ok(Some(Self::keep(lease, lost)));
                }
                Err(error) if is_standby && is_held(&error) => {
                    thread::sleep(ASK_EVERY);
                }
                Err(error) if is_held(&error) => {
                    return Err(OutputError::Held { source: Box::new(error) }.into());
                }
                Err(error) => return Err(OutputError::Journal { source: Box::new(error) }.into()),
            }
        }
        Ok(None)
    }

    fn keep(mut lease: Lease, lost: impl Fn(String) + Send + 'static) -> Self {
        let (stop, stopped) = channel();
        let thread = thread::spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(RENEWAL) {
                match lease.renew() {
                    Err(error) if matches!(error, LeaseError::Lost { .. }) => {
                        return lost(error.to_string());
                    }
                    // A disk that is full or away for a while; the place is not lost yet.
                    Ok(()) | Err(_) => {}
                }
            }
            // Whoever comes next finds it free, or waits until it is seen to be.
            let _ = lease.release();
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

fn is_held(error: &LeaseError) -> bool {
    matches!(error, LeaseError::Held { .. } | LeaseError::HeldByUnknown { .. })
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
