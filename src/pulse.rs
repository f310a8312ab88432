//! Whether a run still goes on, as an onlooker sees it, perhaps from another host.
//!
//! No two clocks are compared where that would decide: a status is alive that is renewed under the
//! onlooker's eyes, and surely dead where the lease's owner is a process of this host that has gone.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::events::{LaunchStatus, RunState, Status, StatusError};
use crate::host;
use crate::journal::{Lease, LeaseName, directory_of};

/// A status that was written so lately, by this host's clock, is believed at first sight.
const FRESH: SignedDuration = SignedDuration::from_secs(3);
/// How long another is watched: a run renews its status each second.
const WATCHED: Duration = Duration::from_millis(2500);
/// How long one may stand still that was seen alive: a disk may be slow for a while.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Looks at the status of an output directory again and again.
#[derive(Debug)]
pub struct Pulse {
    output: PathBuf,
    directory: PathBuf,
    host: String,
    /// The last status that was alive, and when it was first seen.
    alive: Option<(Timestamp, Instant)>,
    /// The last renewal of a supervisor's lease that was new, and when it was first seen.
    supervised: Option<(i64, Instant)>,
}

/// A status, and whether its run goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The status.
    pub status: Status,
    /// Whether somebody renews it.
    pub alive: bool,
}

impl Seen {
    /// Whether the run has ended without saying so: it was killed, or its host is gone.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        !self.alive && self.status.state != RunState::Ended
    }
}

impl Pulse {
    /// Of the run that writes to `output`.
    #[must_use]
    pub fn of(output: &Path) -> Self {
        let directory = directory_of(output);
        let (alive, supervised) = (None, None);
        Self { output: output.to_path_buf(), directory, host: host::name(), alive, supervised }
    }

    /// Whether a supervisor goes on, which may start another run. Where one has its place, watches at
    /// first whether it renews that.
    pub fn is_supervised(&mut self) -> bool {
        let launch = LaunchStatus::read(&self.directory);
        if launch.is_none_or(|launch| launch.exit_code.is_some()) {
            return false;
        }
        let (began, mut first) = (Instant::now(), None);
        while let Some(renewed) = self.supervisor_renewed() {
            let before =
                *first.get_or_insert(self.supervised.map_or(renewed, |(before, _)| before));
            if renewed != before {
                self.supervised = Some((renewed, Instant::now()));
            }
            match self.supervised {
                Some((_, since)) => return since.elapsed() < PATIENCE,
                None if began.elapsed() >= WATCHED => return false,
                None => thread::sleep(LOOK_EVERY),
            }
        }
        false
    }

    /// When a supervisor that may be alive has last renewed its place, by its own clock.
    fn supervisor_renewed(&self) -> Option<i64> {
        let seen = Lease::look(&self.output, LeaseName::Launch, &self.host).ok().flatten()?;
        (!seen.is_dead).then_some(seen.renewed_ns)
    }

    /// Reads the status. Where nothing tells at once whether the run goes on, watches it for some
    /// seconds.
    ///
    /// # Errors
    /// When there is no status to read.
    pub fn look(&mut self) -> Result<Seen, StatusError> {
        let mut status = Status::read(&self.directory)?;
        let first = status.updated;
        let began = Instant::now();
        loop {
            if status.state == RunState::Ended || self.is_surely_dead(&status) {
                return Ok(Seen { status, alive: false });
            }
            let renewed = status.updated != first;
            if renewed || self.is_believed(&status) {
                if self.alive.is_none_or(|(updated, _)| updated != status.updated) {
                    self.alive = Some((status.updated, Instant::now()));
                }
                return Ok(Seen { status, alive: true });
            }
            if self.alive.is_some() || began.elapsed() >= WATCHED {
                return Ok(Seen { status, alive: false });
            }
            thread::sleep(LOOK_EVERY);
            status = Status::read(&self.directory)?;
        }
    }

    fn is_believed(&self, status: &Status) -> bool {
        match self.alive {
            Some((updated, since)) => updated != status.updated || since.elapsed() < PATIENCE,
            None => Timestamp::now().duration_since(status.updated).abs() < FRESH,
        }
    }

    /// Whether the status is one of a process of this host that has gone. The lease knows it better
    /// than by its number, which another process may have by now.
    fn is_surely_dead(&self, status: &Status) -> bool {
        let seen = Lease::look(&self.output, LeaseName::Run, &self.host).ok().flatten();
        seen.is_some_and(|seen| {
            seen.is_dead && seen.holder.pid == status.pid && seen.holder.host == status.host
        })
    }
}
