//! Who may write an output directory: one run at a time, and a dead one not for long.
//!
//! A lease is a row of files `lease-1`, `lease-2`, …, of which the one with the highest number holds
//! ([`LeaseName`] tells of rows by other names).
//! A file is made once (`O_EXCL`, which just one of any number of contenders gets, over NFS too) and
//! never changed. Whoever takes, renews or gives up the lease makes the next number: so each of these
//! is a compare-and-swap, and an owner that slept through its time finds its next number taken.
//! Replacing one file by renaming could not do that: an owner that looks, sleeps, and then renames
//! would push another out unawares. Numbers are never given twice: the file of a lease that was given
//! up stays, and says that it is free. The last file but one is left, too, so that whoever lists the
//! directory at a bad moment misses no two at once.
//!
//! A contender trusts no clock but its own steady one: an owner whose process cannot be asked after
//! is dead when its number has stood still for its time to live under the contender's eyes.
//!
//! Of the attempts of one launch a later one takes the lease from an earlier one at once, and an
//! earlier one, which is a ghost, never from a later one. An owner that lost its lease alive may go on
//! for a moment before it notices: the lease tells its next owner of that
//! ([`Lease::ghost_may_write`]).

mod files;

use std::fmt;
use std::fs::{self, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

pub use self::files::LeaseName;
use self::files::{Claim, Newest, Place, read_claim, text_of};
use super::error::LeaseError;
use super::launch_id::LaunchId;
use super::process::Process;
use super::{directory_of, durable, frame};

/// How long a lease must stand still until a contender takes it. Its owner renews it several times
/// in that span.
pub const TIME_TO_LIVE: Duration = Duration::from_secs(15);

/// How often a contender looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Who holds a lease, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The host.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// A random number that no other run has.
    pub run_id: u64,
    /// The command line.
    pub command: String,
    /// Which attempt of which launch it is, if a launch started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch: Option<LaunchId>,
}

impl Holder {
    /// Whether this is a later attempt of the launch that `other` is of.
    fn is_later_than(&self, other: &Self) -> bool {
        let attempts = self.launch.zip(other.launch);
        attempts.is_some_and(|(own, other)| own.is_later_than(&other))
    }
}

impl Holder {
    /// This process on `host`.
    #[must_use]
    pub fn of_this_process(host: &str, command: String, launch: Option<LaunchId>) -> Self {
        let run_id = RandomState::new().build_hasher().finish();
        Self { host: host.to_owned(), pid: std::process::id(), run_id, command, launch }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "`{}` (process {} on `{}`", self.command, self.pid, self.host)?;
        match self.launch {
            Some(launch) => write!(out, ", attempt {} of its launch)", launch.attempt),
            None => write!(out, ")"),
        }
    }
}

/// The right to write an output directory, as long as it is renewed.
///
/// Dropping it does not give it up: a run that ends without [`release`](Self::release) has crashed.
#[derive(Debug)]
pub struct Lease {
    place: Place,
    number: u64,
    claim: Claim,
}

/// A lease as an onlooker sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Who holds it.
    pub holder: Holder,
    /// Since when, by the holder's clock, in nanoseconds since 1970.
    pub since_ns: i64,
    /// When it was last renewed, by the holder's clock, in nanoseconds since 1970.
    pub renewed_ns: i64,
    /// Whether the holder's process is surely gone.
    pub is_dead: bool,
}

/// How long a contender has watched a number stand still.
#[derive(Debug)]
struct Watch {
    number: u64,
    still_for: Duration,
    last_look: Instant,
}

impl Watch {
    fn new(number: u64) -> Self {
        Self { number, still_for: Duration::ZERO, last_look: Instant::now() }
    }

    /// Counts the time since the last look, but no long gap in full: what kept this process from
    /// looking, such as a paused machine or a file server that hung, may have kept the owner, too.
    fn look(&mut self) {
        let now = Instant::now();
        self.still_for += (now - self.last_look).min(3 * LOOK_EVERY);
        self.last_look = now;
    }
}

impl Lease {
    /// Takes the lease `name` of `output` for `holder`, once [`TIME_TO_LIVE`] shows its owner dead, or
    /// at once if that is certain, if nobody has it, or if its owner is an earlier attempt of the same
    /// launch.
    ///
    /// # Errors
    /// When another holds it, or the system refuses.
    pub fn take(output: &Path, name: LeaseName, holder: Holder) -> Result<Self, LeaseError> {
        Self::take_after(output, name, holder, TIME_TO_LIVE)
    }

    /// As [`take`](Self::take), with another time to live.
    ///
    /// # Errors
    /// When another holds it, or the system refuses.
    pub fn take_after(
        output: &Path,
        name: LeaseName,
        holder: Holder,
        time_to_live: Duration,
    ) -> Result<Self, LeaseError> {
        let directory = directory_of(output);
        durable::make_directory(&directory, output).map_err(LeaseError::io("make", &directory))?;
        let token = u64::from_le_bytes(
            frame::random_salt().map_err(LeaseError::io("draw a number for", &directory))?,
        );
        let process = Process::new(&holder.host, holder.pid);
        let (since_ns, ghost) = (now_ns(), false);
        let claim = Claim::Held { token, holder, process, since_ns, renewed_ns: since_ns, ghost };
        Self { place: Place::new(output, name), number: 0, claim }.contend(time_to_live)
    }

    fn contend(mut self, time_to_live: Duration) -> Result<Self, LeaseError> {
        let mut watched: Option<Watch> = None;
        loop {
            let newest = self.place.newest()?;
            let number = newest.as_ref().map_or(0, |newest| newest.number);
            let watch = watched.get_or_insert_with(|| Watch::new(number));
            watch.look();
            self.give_way_to_a_later_attempt(newest.as_ref())?;
            let is_over = newest.as_ref().is_none_or(|newest| self.is_over(newest));
            if is_over || (watch.number == number && watch.still_for >= time_to_live) {
                self.heed_ghosts(newest.as_ref());
                if self.make(number + 1)? {
                    return Ok(self);
                }
                watch.number = number; // another was faster, so the next look finds it alive
            } else if watch.number != number {
                return Err(self.held_by(newest));
            } else {
                thread::sleep(LOOK_EVERY.min(time_to_live / 4));
            }
        }
    }

    /// Says that the holder lives. To be called several times within the time to live, and before
    /// anything that must not happen twice.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] or [`LeaseError::Overtaken`] when another has taken it: then nothing more
    /// may be written. When the system refuses, the lease is not lost yet; it is to be renewed again
    /// soon.
    pub fn renew(&mut self) -> Result<(), LeaseError> {
        if let Claim::Held { renewed_ns, .. } = &mut self.claim {
            *renewed_ns = now_ns();
        }
        self.make_or_lose()
    }

    /// Whether it seems that another has taken it; only [`renew`](Self::renew) knows. Two looks at the
    /// directory, and over NFS it may be late.
    #[must_use]
    pub fn seems_taken(&self) -> bool {
        // Who takes it makes the next number, and removes this one with the number after that.
        let is_there = |number| self.place.file(number).try_exists().unwrap_or(true);
        is_there(self.number + 1) || !is_there(self.number)
    }

    /// Gives the lease up: the next one has it at once. Where a ghost has not been shut out, the next
    /// one must know of it: then the lease is left to be taken from a dead owner.
    ///
    /// # Errors
    /// When another has taken it, or the system refuses.
    pub fn release(mut self) -> Result<(), LeaseError> {
        if self.ghost_may_write() {
            return Ok(());
        }
        if let Claim::Held { holder, .. } = self.claim {
            self.claim = Claim::GivenUp { holder };
        }
        let is_ours = !self.seems_taken();
        match self.make_or_lose() {
            // The next one has seen that it is given up, and taken it, before this one looked again.
            Err(LeaseError::Lost { .. }) if is_ours => Ok(()),
            outcome => outcome,
        }
    }

    /// Whether an owner before this one may still live, and write for a moment where this one does:
    /// it was pushed out, or its process cannot be asked after. An owner before it that was not shut
    /// out counts, too.
    #[must_use]
    pub fn ghost_may_write(&self) -> bool {
        matches!(self.claim, Claim::Held { ghost: true, .. })
    }

    /// Nothing that an owner before writes from now on is where this one writes. The next renewal
    /// says so to those who come after.
    pub fn ghost_is_shut_out(&mut self) {
        if let Claim::Held { ghost, .. } = &mut self.claim {
            *ghost = false;
        }
    }

    /// Who holds the lease `name` of `output`, without taking it.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn look(output: &Path, name: LeaseName, host: &str) -> Result<Option<Seen>, LeaseError> {
        let process = Process::new(host, std::process::id());
        Ok(match Place::new(output, name).newest()?.and_then(|newest| newest.claim) {
            Some(Claim::Held { holder, process: owner, since_ns, renewed_ns, .. }) => {
                Some(Seen { holder, since_ns, renewed_ns, is_dead: owner.is_gone(&process) })
            }
            Some(Claim::Free | Claim::GivenUp { .. }) | None => None,
        })
    }

    fn make_or_lose(&mut self) -> Result<(), LeaseError> {
        if self.make(self.number + 1)? {
            return Ok(());
        }
        let newest = self.place.newest()?;
        self.give_way_to_a_later_attempt(newest.as_ref())?;
        let by = match newest.and_then(|newest| newest.claim) {
            Some(Claim::Held { holder, .. }) => Some(Box::new(holder)),
            Some(Claim::Free | Claim::GivenUp { .. }) | None => None,
        };
        Err(LeaseError::Lost { output: self.place.output.clone(), by })
    }

    /// Makes file `number`, unless there is one, or a later one. Returns whether it did.
    fn make(&mut self, number: u64) -> Result<bool, LeaseError> {
        let path = self.place.file(number);
        let failed = || LeaseError::io("write the lease", &path);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            // The number is what counts. Where the disk is too full for the words, it holds without.
            Ok(mut file) => drop(file.write_all(&text_of(&self.claim).map_err(failed())?)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if !self.has_made(&path) {
                    return Ok(false);
                }
            }
            Err(error) => return Err(failed()(error)),
        }
        let numbers = self.place.numbers()?;
        if numbers.iter().any(|&other| other > number) {
            let _ = fs::remove_file(&path); // a number of the past; nobody heeds it
            return Ok(false);
        }
        for old in numbers.into_iter().filter(|&old| old + 1 < number) {
            let _ = fs::remove_file(self.place.file(old)); // nobody heeds it either
        }
        self.number = number;
        Ok(true)
    }

    /// Whether a file that is there already is our own: made by an attempt that ended in an error, or
    /// whose answer was lost between this host and a file server.
    fn has_made(&self, path: &Path) -> bool {
        match (read_claim(path), &self.claim) {
            (Some(Claim::Held { token, .. }), Claim::Held { token: own, .. }) => token == *own,
            (Some(_) | None, _) => false,
        }
    }

    /// An attempt that is not the last of its launch has no business here, whether the later one
    /// lives, has ended or is dead: then another follows it.
    fn give_way_to_a_later_attempt(&self, newest: Option<&Newest>) -> Result<(), LeaseError> {
        let by = newest.and_then(|newest| newest.claim.as_ref()?.holder());
        match by.zip(self.claim.holder()) {
            Some((by, own)) if by.is_later_than(own) => {
                let output = self.place.output.clone();
                Err(LeaseError::Overtaken { output, by: Box::new(by.clone()) })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether nobody holds `newest` any more, which is certain, or only an earlier attempt does.
    fn is_over(&self, newest: &Newest) -> bool {
        match (&newest.claim, &self.claim) {
            (Some(Claim::Free | Claim::GivenUp { .. }), _) => true,
            (
                Some(Claim::Held { process, holder, .. }),
                Claim::Held { process: own, holder: own_holder, .. },
            ) => process.is_gone(own) || own_holder.is_later_than(holder),
            (Some(Claim::Held { .. }), Claim::Free | Claim::GivenUp { .. }) | (None, _) => false,
        }
    }

    /// Remembers whether who holds `newest`, or somebody before it, may still write.
    fn heed_ghosts(&mut self, newest: Option<&Newest>) {
        let Claim::Held { process: own, ghost, .. } = &mut self.claim else { return };
        *ghost = newest.is_some_and(|newest| match &newest.claim {
            Some(Claim::Free | Claim::GivenUp { .. }) => false,
            Some(Claim::Held { process, ghost, .. }) => *ghost || !process.is_gone(own),
            None => true,
        });
    }

    fn held_by(self, newest: Option<Newest>) -> LeaseError {
        let output = self.place.output;
        match newest.and_then(|newest| newest.claim) {
            Some(Claim::Held { holder, since_ns, renewed_ns, .. }) => {
                LeaseError::Held { output, by: Box::new(holder), since_ns, renewed_ns }
            }
            Some(Claim::Free | Claim::GivenUp { .. }) | None => {
                LeaseError::HeldByUnknown { output }
            }
        }
    }
}

fn now_ns() -> i64 {
    let since_1970 = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => i128::try_from(after.as_nanos()).unwrap_or(i128::MAX),
        Err(before) => i128::try_from(before.duration().as_nanos()).map_or(i128::MIN, |ns| -ns),
    };
    i64::try_from(since_1970).unwrap_or(if since_1970 < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests;
