//! Hosts that are rid of what attempts have left on them.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use super::{Event, Supervisor, TICK};
use crate::events::LaunchEvent;
use crate::launch::check::CheckError;
use crate::launch::hostfile::HostEntry;
use crate::launch::sweep::{Sweep, Swept, sweep_all, sweep_here};

/// Time that a host has to end what an attempt left.
const SWEEP_LIMIT: Duration = Duration::from_secs(3);

/// Sweeps that are not done.
#[derive(Debug, Default)]
pub(super) struct Sweeps {
    /// Hosts that are being swept while all else goes on.
    under_way: usize,
    /// Hosts that could not be swept, and the last attempt that they may have something of.
    unswept: BTreeMap<String, u32>,
}

impl Supervisor {
    /// Ends what attempts so far have left on hosts. One that is not reached is shut out by the number
    /// of the next attempt, and swept when it is back.
    ///
    /// The host that is `lost`, and those that are down, are not waited for.
    pub(super) fn sweep(&mut self, hosts: &[HostEntry], lost: Option<&str>) {
        let attempt = self.attempt;
        let sweep = self.sweep_of(attempt);
        // `ssh` of an `mpirun` that was killed lives on here.
        let _ = sweep_here(&sweep);
        let (awaited, others): (Vec<_>, Vec<_>) = hosts
            .iter()
            .cloned()
            .partition(|host| lost != Some(host.name.as_str()) && self.roster.is_up(&host.name));
        for host in others {
            self.sweep_meanwhile(attempt, host);
        }
        let outcomes = sweep_all(&self.asker, &awaited, &sweep, SWEEP_LIMIT);
        for (host, outcome) in awaited.into_iter().zip(outcomes) {
            self.take_sweep(attempt, host.name, outcome);
        }
    }

    fn sweep_of(&self, attempt: u32) -> Sweep {
        Sweep { launch: format!("{:016x}", self.launch), below: Some(u64::from(attempt) + 1) }
    }

    fn sweep_meanwhile(&mut self, attempt: u32, host: HostEntry) {
        self.sweeps.under_way += 1;
        let (asker, sweep) = (self.asker.clone(), self.sweep_of(attempt));
        let events = self.to_events.clone();
        thread::spawn(move || {
            let outcomes = sweep_all(&asker, std::slice::from_ref(&host), &sweep, SWEEP_LIMIT);
            for outcome in outcomes {
                let host = host.name.clone();
                let _ = events.send(Event::Swept { attempt, host, outcome });
            }
        });
    }

    /// A host answers again: ends what it has, if it could not be swept before.
    pub(super) fn sweep_later(&mut self, host: &str) {
        if let Some(attempt) = self.sweeps.unswept.remove(host)
            && let Some(entry) = self.roster.hosts().into_iter().find(|entry| entry.name == host)
        {
            self.sweep_meanwhile(attempt, entry);
        }
    }

    /// Takes what a sweep that nobody waited for came to.
    pub(super) fn take_late_sweep(
        &mut self,
        attempt: u32,
        host: String,
        outcome: Result<Swept, CheckError>,
    ) {
        self.sweeps.under_way -= 1;
        self.take_sweep(attempt, host, outcome);
    }

    fn take_sweep(&mut self, attempt: u32, host: String, outcome: Result<Swept, CheckError>) {
        let (ended, left) = match outcome {
            Ok(swept) if swept.left.is_empty() => (swept.ended.len(), None),
            Ok(swept) => (swept.ended.len(), Some(format!("{} would not end", swept.left.len()))),
            Err(error) => (0, Some(error.to_string())),
        };
        if left.is_some() {
            self.sweeps.unswept.insert(host.clone(), attempt);
        }
        if ended > 0 || left.is_some() {
            self.tell(LaunchEvent::Swept { attempt, host, ended, left });
        }
    }

    /// Waits for sweeps that are under way; each has its limit.
    pub(super) fn finish_sweeps(&mut self) {
        let limit = Instant::now() + SWEEP_LIMIT + TICK;
        while self.sweeps.under_way > 0 {
            match self.events.recv_timeout(limit.saturating_duration_since(Instant::now())) {
                Ok(event) => drop(self.take_aside(event)),
                Err(_) => return,
            }
        }
    }
}
