//! Which ranks live: pings and what comes back, and how long each has said nothing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::error::{Error, HostError};
use crate::events::{RankLoad, RankPulse, milliseconds};
use crate::transport::message::{Load, Message, ToRank};
use crate::transport::{Hub, Silence};
use crate::worker_rank;

/// Time between two pings at most: a rank that hears nothing for long ends by itself.
const PING_INTERVAL: Duration = Duration::from_secs(1);
/// Pings within the time that a rank may be silent.
const PINGS_PER_STALL: u32 = 5;
/// Time between two accounts of the ranks.
const TELL_INTERVAL: Duration = Duration::from_secs(1);
/// Pings whose round trip can still be told.
const REMEMBERED: usize = 64;

/// Listens to all ranks.
#[derive(Debug)]
pub(crate) struct Vigil {
    ranks: Vec<Heard>,
    interval: Duration,
    stall_timeout: Option<Duration>,
    /// When the last pings were sent, the newest last.
    sent: VecDeque<Instant>,
    /// The number of the next ping.
    next: u64,
    told: Instant,
}

/// What is known of a rank.
#[derive(Debug)]
struct Heard {
    host: String,
    silence: Silence,
    silent_for: Duration,
    round_trip: Option<Duration>,
    load: Option<Load>,
}

impl Vigil {
    /// Begins to listen to ranks on these hosts, which were all heard just now.
    pub(crate) fn new(hosts: &[String], stall_timeout: Option<u64>, now: Instant) -> Self {
        let stall_timeout = stall_timeout.map(Duration::from_secs);
        let heard = |host: &String| Heard {
            host: host.clone(),
            silence: Silence::since(now),
            silent_for: Duration::ZERO,
            round_trip: None,
            load: None,
        };
        let often = stall_timeout.map(|timeout| timeout / PINGS_PER_STALL);
        Self {
            ranks: hosts.iter().map(heard).collect(),
            interval: often.unwrap_or(PING_INTERVAL).min(PING_INTERVAL),
            stall_timeout,
            sent: VecDeque::new(),
            next: 0,
            told: now,
        }
    }

    /// Looks at the clock, and pings all ranks when it is time. Returns an account of them, when it is
    /// time for one.
    ///
    /// # Errors
    /// When a rank has been silent for longer than it may.
    pub(crate) fn keep(
        &mut self,
        hub: &mut Hub<worker_rank::Event>,
    ) -> Result<Option<Vec<RankPulse>>, Error> {
        let now = Instant::now();
        self.look(now)?;
        if let Some(sequence) = self.due_ping(now) {
            for rank in 0..hub.ranks() {
                hub.send(rank, Message::bare(ToRank::Ping { sequence }))?;
            }
        }
        Ok(self.due_account(now))
    }

    /// The number of the ping that is to be sent now, if it is time for one.
    fn due_ping(&mut self, now: Instant) -> Option<u64> {
        let last = self.sent.back();
        if last.is_some_and(|&last| now.saturating_duration_since(last) < self.interval) {
            return None;
        }
        if self.sent.len() == REMEMBERED {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
        self.next += 1;
        Some(self.next - 1)
    }

    /// A rank has said something.
    pub(crate) fn heard(&mut self, rank: usize, now: Instant) {
        if let Some(rank) = self.ranks.get_mut(rank) {
            (rank.silence, rank.silent_for) = (Silence::since(now), Duration::ZERO);
        }
    }

    /// A rank has answered a ping.
    pub(crate) fn answered(&mut self, rank: usize, (ping, load): (u64, Load), now: Instant) {
        let behind = usize::try_from(self.next.saturating_sub(ping)).unwrap_or(usize::MAX);
        let sent = self.sent.len().checked_sub(behind).and_then(|index| self.sent.get(index));
        if let Some(rank) = self.ranks.get_mut(rank) {
            rank.round_trip = sent.map(|&sent| now.saturating_duration_since(sent));
            rank.load = Some(load);
        }
    }

    fn look(&mut self, now: Instant) -> Result<(), HostError> {
        for rank in &mut self.ranks {
            rank.silent_for = rank.silence.look(now);
        }
        let Some(limit) = self.stall_timeout else { return Ok(()) };
        // Of several the one that fell silent first is named: others may have waited for it.
        let longest = self.ranks.iter().enumerate().max_by_key(|(_, rank)| rank.silent_for);
        match longest {
            Some((rank, silent)) if silent.silent_for >= limit => {
                let (host, seconds) = (silent.host.clone(), silent.silent_for.as_secs());
                Err(HostError::Silent { rank, host, seconds })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn due_account(&mut self, now: Instant) -> Option<Vec<RankPulse>> {
        if now.saturating_duration_since(self.told) < TELL_INTERVAL {
            return None;
        }
        self.told = now;
        let pulse = |(rank, heard): (usize, &Heard)| RankPulse {
            rank,
            host: heard.host.clone(),
            silent_s: seconds(heard.silent_for),
            round_trip_ms: heard.round_trip.map(milliseconds),
            load: heard.load.map(load_of),
        };
        Some(self.ranks.iter().enumerate().map(pulse).collect())
    }
}

/// To the millisecond.
fn seconds(time: Duration) -> f64 {
    milliseconds(time).round() / 1e3
}

fn load_of(load: Load) -> RankLoad {
    RankLoad {
        tasks_waiting: load.tasks_waiting,
        tasks_in_hand: load.tasks_in_hand,
        threads: load.threads,
        host_load: load.host_load,
        available_bytes: load.available_bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOAD: Load = Load {
        tasks_waiting: 3,
        tasks_in_hand: 2,
        threads: 2,
        host_load: Some(0.5),
        available_bytes: None,
    };

    fn vigil(stall_timeout: Option<u64>) -> (Vigil, Instant) {
        let now = Instant::now();
        (Vigil::new(&["a".to_owned(), "b".to_owned()], stall_timeout, now), now)
    }

    #[test]
    fn a_rank_is_silent_from_its_last_word() {
        let (mut vigil, start) = vigil(Some(2));
        let at = |ms| start + Duration::from_millis(ms);
        for ms in (0..2000).step_by(200) {
            vigil.heard(0, at(ms));
            vigil.look(at(ms)).unwrap();
        }
        let silent = vigil.look(at(2000)).unwrap_err();
        assert!(matches!(&silent, HostError::Silent { rank: 1, host, seconds: 2 } if host == "b"));
    }

    #[test]
    fn nobody_is_accused_for_the_time_in_which_rank_0_slept() {
        let (mut vigil, start) = vigil(Some(2));
        vigil.look(start + Duration::from_secs(600)).unwrap();
        vigil.heard(0, start + Duration::from_secs(600));
        vigil.heard(1, start + Duration::from_secs(600));
        vigil.look(start + Duration::from_secs(601)).unwrap();
    }

    #[test]
    fn without_a_limit_silence_is_told_only() {
        let (mut vigil, start) = vigil(None);
        for quarter in 1..=400 {
            vigil.heard(1, start + Duration::from_millis(250 * quarter));
            vigil.look(start + Duration::from_millis(250 * quarter)).unwrap();
        }
        let account = vigil.due_account(start + Duration::from_secs(100)).unwrap();
        assert_eq!((account[0].silent_s, account[1].silent_s), (100.0, 0.0));
        assert_eq!(vigil.due_account(start + Duration::from_millis(100_500)), None);
    }

    #[test]
    fn pings_go_several_times_within_the_limit_and_their_way_is_measured() {
        let (mut vigil, start) = vigil(Some(2));
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!((vigil.due_ping(at(0)), vigil.due_ping(at(399))), (Some(0), None));
        assert_eq!((vigil.due_ping(at(400)), vigil.due_ping(at(800))), (Some(1), Some(2)));
        vigil.answered(0, (0, LOAD), at(850));
        vigil.answered(1, (2, LOAD), at(850));
        let account = vigil.due_account(at(1000)).unwrap();
        let round_trips: Vec<_> = account.iter().map(|rank| rank.round_trip_ms).collect();
        assert_eq!(round_trips, [Some(850.0), Some(50.0)]);
        assert_eq!(account[1].load.unwrap().tasks_waiting, 3);
        for ping in 3..200 {
            assert_eq!(vigil.due_ping(at(400 * ping)), Some(ping));
        }
        for unknown in [0, 100, 200, u64::MAX] {
            vigil.answered(0, (unknown, LOAD), at(100_000));
            assert_eq!(vigil.ranks[0].round_trip, None, "{unknown}");
        }
        vigil.answered(0, (199, LOAD), at(80_000));
        assert!(vigil.ranks[0].round_trip.is_some());
        let (mut calm, start) = super::tests::vigil(None);
        assert!(calm.due_ping(start).is_some());
        assert!(calm.due_ping(start + Duration::from_millis(999)).is_none());
    }
}
