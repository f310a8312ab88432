//! Pings of many hosts, again and again, each on a thread of its own: one that hangs delays nobody.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::{PingError, Route};
use crate::launch::hostfile::HostEntry;

/// Time after which the way to a host that does not answer is looked up again: it may have come back
/// with another address.
const SAME_WAY: Duration = Duration::from_secs(5);
/// The shortest pace, and time to answer, where each ping is a login.
const DEAR: Duration = Duration::from_secs(10);
/// The shortest time that a ping is given.
const SHORTEST: Duration = Duration::from_millis(200);
/// Time for threads to end when nobody watches any more. One in the middle of a ping is left behind:
/// it ends by itself, and tells nobody.
const GOODBYE: Duration = Duration::from_millis(250);
/// A ping needs little stack, the resolver some.
const STACK_BYTES: usize = 512 << 10;

/// How often hosts are pinged, and when one is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// From the start of one ping to that of the next. Below one second, sshd may turn this host away
    /// (see [`super`]).
    pub interval: Duration,
    /// Time that a host has for one answer.
    pub timeout: Duration,
    /// Time without an answer until a host is down, unless what comes back is certain.
    pub down_after: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(2),
            down_after: Duration::from_secs(3),
        }
    }
}

/// What is known of a host.
#[derive(Clone, Debug)]
pub enum HostState {
    /// Its sshd greets.
    Up {
        /// The time that it took the last time; none at all for this host.
        round_trip: Duration,
    },
    /// It does not.
    Down {
        /// The last answer.
        why: PingError,
        /// When a ping was last answered: the start of that ping, or of the first of all.
        since: Instant,
    },
}

impl HostState {
    /// Whether it is up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self, Self::Up { .. })
    }
}

/// A host has come or gone.
#[derive(Clone, Debug)]
pub struct HostEvent {
    /// Its name, as the hostfile has it.
    pub host: String,
    /// What it is now.
    pub state: HostState,
}

/// Pings hosts until it is dropped.
#[derive(Debug)]
pub struct Pings {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    pace: Pace,
    table: Mutex<Table>,
    /// The list of hosts is another, or a thread has ended.
    changed: Condvar,
}

#[derive(Debug)]
struct Table {
    hosts: Vec<Watched>,
    events: Sender<HostEvent>,
    /// Threads that have not ended.
    threads: usize,
    /// Numbers given to hosts, so that one that is removed and added again is another.
    numbers: u64,
}

#[derive(Debug)]
struct Watched {
    number: u64,
    host: HostEntry,
    state: Option<HostState>,
    /// When the last ping that was answered began; before there is one, the watch.
    heard: Instant,
}

impl Pings {
    /// Starts to ping `hosts`. Each change goes to `events`, the first state of each host as well.
    #[must_use]
    pub fn start(hosts: &[HostEntry], pace: Pace, events: Sender<HostEvent>) -> Self {
        let table = Table { hosts: Vec::new(), events, threads: 0, numbers: 0 };
        let shared = Shared { pace, table: Mutex::new(table), changed: Condvar::new() };
        let pings = Self { shared: Arc::new(shared) };
        pings.set_hosts(hosts);
        pings
    }

    /// Each host and what is known of it, in the order of the list.
    #[must_use]
    pub fn states(&self) -> Vec<(HostEntry, Option<HostState>)> {
        let table = self.shared.table();
        table.hosts.iter().map(|watched| (watched.host.clone(), watched.state.clone())).collect()
    }

    /// Pings these hosts from now on. Those that were on the list before keep their state; those that
    /// are on it no more are forgotten, and there are no events of them after this call.
    pub fn set_hosts(&self, hosts: &[HostEntry]) {
        let mut table = self.shared.table();
        let mut before = std::mem::take(&mut table.hosts);
        for host in hosts {
            if table.hosts.iter().any(|known| known.host == *host) {
                continue;
            }
            if let Some(place) = before.iter().position(|known| known.host == *host) {
                table.hosts.push(before.swap_remove(place));
                continue;
            }
            table.numbers += 1;
            let number = table.numbers;
            let watched =
                Watched { number, host: host.clone(), state: None, heard: Instant::now() };
            table.hosts.push(watched);
            let (shared, name, host) = (Arc::clone(&self.shared), host.name.clone(), host.clone());
            let thread = thread::Builder::new().name("ping".to_owned()).stack_size(STACK_BYTES);
            match thread.spawn(move || shared.watch(number, &host)) {
                Ok(_) => table.threads += 1,
                Err(error) => log::warn!("`{name}` is not watched: {error}"),
            }
        }
        drop(table);
        self.shared.changed.notify_all();
    }
}

impl Drop for Pings {
    fn drop(&mut self) {
        let mut table = self.shared.table();
        table.hosts.clear();
        self.shared.changed.notify_all();
        let running = |table: &mut Table| table.threads > 0;
        drop(self.shared.changed.wait_timeout_while(table, GOODBYE, running));
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pings the host of that number until it is not on the list any more.
    fn watch(&self, number: u64, host: &HostEntry) {
        let mut route = None;
        let mut looked_up = Instant::now();
        loop {
            let start = Instant::now();
            let Some(limit) = self.limit(number, start) else { break };
            if route.is_none() {
                looked_up = start;
            }
            let outcome = asked(&mut route, host, limit);
            let failed = outcome.is_err();
            if !self.note(number, start, outcome) {
                break;
            }
            let dear = route.as_ref().is_some_and(Route::is_dear);
            if failed && looked_up.elapsed() >= SAME_WAY {
                route = None;
            }
            let interval = if dear { self.pace.interval.max(DEAR) } else { self.pace.interval };
            if !self.sleep(number, start + interval) {
                break;
            }
        }
        self.table().threads -= 1;
        self.changed.notify_all();
    }

    /// The time that the next ping has: no longer than until the host counts as down.
    fn limit(&self, number: u64, now: Instant) -> Option<Duration> {
        let table = self.table();
        let watched = table.hosts.iter().find(|watched| watched.number == number)?;
        let left = (watched.heard + self.pace.down_after).saturating_duration_since(now);
        let timeout = self.pace.timeout;
        Some(if left.is_zero() { timeout } else { timeout.min(left.max(SHORTEST)) })
    }

    /// Notes how a ping ended that began then. Whether the host is still on the list.
    fn note(&self, number: u64, start: Instant, outcome: Result<Duration, PingError>) -> bool {
        let mut table = self.table();
        let Table { hosts, events, .. } = &mut *table;
        let Some(watched) = hosts.iter_mut().find(|watched| watched.number == number) else {
            return false;
        };
        let was_up = watched.state.as_ref().map(HostState::is_up);
        if outcome.is_ok() {
            watched.heard = start;
        }
        let since = watched.heard;
        let state = match outcome {
            Ok(round_trip) => HostState::Up { round_trip },
            Err(why) => {
                let late = since.elapsed() >= self.pace.down_after;
                if was_up != Some(false) && !late && !why.is_certain() {
                    return true;
                }
                HostState::Down { why, since }
            }
        };
        if was_up != Some(state.is_up()) {
            // Whoever does not listen may ask for the states.
            let _ =
                events.send(HostEvent { host: watched.host.name.clone(), state: state.clone() });
        }
        watched.state = Some(state);
        true
    }

    /// Sleeps until then, or until the host is not on the list any more. Whether it is.
    fn sleep(&self, number: u64, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        let listed = |table: &mut Table| table.hosts.iter().any(|known| known.number == number);
        let (mut table, _) = self
            .changed
            .wait_timeout_while(self.table(), left, listed)
            .unwrap_or_else(PoisonError::into_inner);
        listed(&mut table)
    }
}

/// A ping by the way that is known, or else looked up and kept.
fn asked(
    route: &mut Option<Route>,
    host: &HostEntry,
    limit: Duration,
) -> Result<Duration, PingError> {
    let start = Instant::now();
    let known = match route.take() {
        Some(known) => known,
        None => Route::of(host, limit)?,
    };
    let limit = if known.is_dear() { limit.max(DEAR) } else { limit };
    let outcome = known.ping(limit.saturating_sub(start.elapsed()).max(Duration::from_millis(1)));
    *route = Some(known);
    outcome
}
