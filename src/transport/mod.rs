//! How ranks talk: typed messages over MPI between processes, over channels inside one.

mod launcher;
mod local;
pub mod message;
#[cfg(feature = "mpi")]
pub mod mpi;
mod silence;

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

pub use launcher::Launch;
pub use local::{Hub, Mailbox, RankLink};
pub use message::{Message, ToRank, ToRank0};
pub use silence::Silence;

use crate::error::BugError;

/// The MPI library that this program is linked to, in its own words; none without the feature `mpi`.
/// MPI need not have been started.
#[must_use]
pub fn mpi_library() -> Option<String> {
    #[cfg(feature = "mpi")]
    return mpi::library();
    #[cfg(not(feature = "mpi"))]
    None
}

/// Sleeps between two looks for messages of other processes. A blocking receive would eat a core; and each
/// look takes some microseconds from a thread that filters.
const SHORTEST_SLEEP: Duration = Duration::from_micros(20);
const LONG_SLEEP: Duration = Duration::from_micros(500);
/// The longest, when nothing has come for long.
const LONGEST_SLEEP: Duration = Duration::from_millis(2);
/// Looks in the time that something has been waited for: it is held up by a small part of that.
const LOOKS: u32 = 16;
/// Looks before the first sleep: an answer that is on its way comes within some microseconds.
const LOOKS_BEFORE_SLEEP: u32 = 20;

/// Something that may hold messages of other processes; they must be asked for.
pub trait Poll<E> {
    /// The next event, if one has arrived.
    ///
    /// # Errors
    /// When a message cannot be read.
    fn poll(&mut self) -> Result<Option<E>, BugError>;

    /// Whether it must be asked at all.
    fn needs_polling(&self) -> bool;

    /// Whether data is on its way, which only moves while it is asked.
    fn is_busy(&self) -> bool;
}

/// The next event from this process (`own`) or from others, or none at `deadline`.
///
/// # Errors
/// When a message cannot be read.
pub fn next_event<E>(
    own: &Receiver<E>,
    others: &mut impl Poll<E>,
    deadline: Instant,
) -> Result<Option<E>, BugError> {
    let began = Instant::now();
    let mut sleep = SHORTEST_SLEEP;
    let mut looks = 0;
    loop {
        if let Some(event) = others.poll()? {
            return Ok(Some(event));
        }
        let now = Instant::now();
        let left = deadline.saturating_duration_since(now);
        let part_of_wait = now.duration_since(began) / LOOKS;
        let wait = if !others.needs_polling() {
            left
        } else if others.is_busy() {
            // What has been on its way for long comes over a slow link.
            part_of_wait.clamp(SHORTEST_SLEEP, LONG_SLEEP).min(left)
        } else if looks < LOOKS_BEFORE_SLEEP {
            Duration::ZERO
        } else {
            sleep = (sleep * 2).min(part_of_wait.clamp(LONG_SLEEP, LONGEST_SLEEP));
            sleep.min(left)
        };
        looks += 1;
        match own.recv_timeout(wait) {
            Ok(event) => return Ok(Some(event)),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) if left.is_zero() => {
                return Ok(None);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(wait),
        }
    }
}
