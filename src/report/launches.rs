//! What `mpix launch` did, added up event by event: attempts, failures, what became of hosts.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::timeline::{Run, seconds_between};
use crate::error::exit;
use crate::events::{Entry, LaunchEvent, Level, RunEvent, count_of};

/// Events of hosts that are kept of a launch; others are counted.
const MOST_EVENTS: usize = 200;

/// A launch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Launch {
    /// None where the log begins in the middle of it.
    pub(super) launch: Option<String>,
    pub(super) started: Timestamp,
    pub(super) ended: Option<Timestamp>,
    /// How it ended, and why.
    pub(super) outcome: Option<String>,
    pub(super) exit_code: Option<u8>,
    /// Hosts that it might use at first.
    pub(super) hosts: Vec<String>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) failures: Vec<Failed>,
    /// What else happened: hosts that came, left, were down, could take no ranks.
    pub(super) events: Vec<HostChange>,
    /// Seconds between attempts: from when a failure was noticed, or a run stopped, until the next.
    pub(super) lost_s: f64,
    #[serde(skip)]
    more_events: usize,
}

/// One start of the ranks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Attempt {
    pub(super) attempt: u32,
    pub(super) started: Timestamp,
    /// When its end was noticed, where that is known.
    pub(super) ended: Option<Timestamp>,
    pub(super) seconds: Option<f64>,
    pub(super) hosts: Vec<String>,
    /// How it ended.
    pub(super) outcome: Option<String>,
    /// Seconds from its end until the next one started.
    pub(super) until_next_s: Option<f64>,
}

/// A failure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Failed {
    pub(super) attempt: u32,
    pub(super) time: Timestamp,
    /// Where it is known.
    pub(super) host: Option<String>,
    pub(super) what: String,
    pub(super) noticed_by: String,
    /// Seconds until the next attempt started.
    pub(super) until_next_s: Option<f64>,
}

/// Something that happened to a host, or to the hostfile.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct HostChange {
    pub(super) time: Timestamp,
    pub(super) level: Level,
    pub(super) host: Option<String>,
    pub(super) what: String,
}

/// What the log of launches tells.
#[derive(Debug, Default)]
pub(super) struct Launches {
    all: Vec<Launch>,
}

impl Launches {
    /// Takes one more entry into account.
    pub(super) fn take(&mut self, entry: Entry) {
        let (time, level) = (entry.time, entry.level);
        let RunEvent::Launch(event) = entry.event else { return };
        let (host, what) = (event.host().map(str::to_owned), event.text());
        match event {
            LaunchEvent::Started { launch, hosts, .. } => self.started(time, launch, hosts),
            LaunchEvent::AttemptStarted { attempt, hosts } => {
                self.launch(time).begin(time, attempt, hosts);
            }
            LaunchEvent::Failed { attempt, host, what, noticed_by } => {
                let until_next_s = None;
                let failed = Failed { attempt, time, host, what, noticed_by, until_next_s };
                self.launch(time).fail(failed);
            }
            LaunchEvent::Ended { exit_code, reason, .. } => {
                self.launch(time).end(time, exit_code, reason);
            }
            LaunchEvent::Swept { .. }
            | LaunchEvent::Excluded { .. }
            | LaunchEvent::Up { .. }
            | LaunchEvent::Down { .. }
            | LaunchEvent::Joins { .. }
            | LaunchEvent::Leaves { .. }
            | LaunchEvent::BadHostfile { .. }
            | LaunchEvent::Waits { .. }
            | LaunchEvent::TakesOver { .. } => {
                self.launch(time).change(HostChange { time, level, host, what });
            }
        }
    }

    /// All launches, once the log is read. The runs tell when one stopped that was to go on with other
    /// hosts; `goes_on` is whether the last launch does.
    pub(super) fn finish(mut self, runs: &[Run], goes_on: bool) -> Vec<Launch> {
        let open = self.all.pop_if(|_| goes_on);
        for launch in self.all.iter_mut().filter(|launch| launch.ended.is_none()) {
            launch.lose_supervisor();
            launch.outcome = Some("ended without a word, killed perhaps".to_owned());
        }
        self.all.extend(open);
        for launch in &mut self.all {
            launch.sum_up(runs);
        }
        self.all
    }

    /// The launch that an entry belongs to. There is always one: the start of the log may be gone.
    fn launch(&mut self, time: Timestamp) -> &mut Launch {
        if self.all.is_empty() {
            self.all.push(Launch::since(time));
        }
        let last = self.all.len() - 1;
        &mut self.all[last]
    }

    /// A supervisor that takes over from one that was lost goes on with its launch.
    fn started(&mut self, time: Timestamp, launch: String, hosts: Vec<String>) {
        let last = self.all.last_mut().filter(|last| last.ended.is_none());
        if let Some(last) = last.filter(|last| last.launch.as_ref() == Some(&launch)) {
            last.lose_supervisor();
            return;
        }
        self.all.push(Launch { launch: Some(launch), hosts, ..Launch::since(time) });
    }
}

impl Launch {
    fn since(started: Timestamp) -> Self {
        Self {
            launch: None,
            started,
            ended: None,
            outcome: None,
            exit_code: None,
            hosts: Vec::new(),
            attempts: Vec::new(),
            failures: Vec::new(),
            events: Vec::new(),
            lost_s: 0.0,
            more_events: 0,
        }
    }

    /// The attempt under way.
    fn open(&mut self) -> Option<&mut Attempt> {
        self.attempts.last_mut().filter(|attempt| attempt.outcome.is_none())
    }

    fn begin(&mut self, started: Timestamp, attempt: u32, hosts: Vec<String>) {
        if let Some(before) = self.open() {
            before.outcome = Some("stopped, to go on with other hosts".to_owned());
        }
        let (ended, seconds, outcome, until_next_s) = (None, None, None, None);
        self.attempts.push(Attempt {
            attempt,
            started,
            ended,
            seconds,
            hosts,
            outcome,
            until_next_s,
        });
    }

    fn fail(&mut self, failed: Failed) {
        if let Some(attempt) = self.open().filter(|open| open.attempt == failed.attempt) {
            attempt.ended = Some(failed.time);
            attempt.outcome = Some("failed".to_owned());
        }
        self.failures.push(failed);
    }

    fn end(&mut self, time: Timestamp, exit_code: u8, reason: Option<String>) {
        let words = match exit_code {
            exit::DONE => "all done".to_owned(),
            exit::SOME_FAILED => "ended, some images failed".to_owned(),
            exit::STOPPED => "stopped".to_owned(),
            code => format!("ended with {code}"),
        };
        if let Some(attempt) = self.open() {
            (attempt.ended, attempt.outcome) = (Some(time), Some(words.clone()));
        }
        (self.ended, self.exit_code) = (Some(time), Some(exit_code));
        self.outcome = Some(reason.map_or(words.clone(), |reason| format!("{words}: {reason}")));
    }

    /// Its supervisor has ended without a word.
    fn lose_supervisor(&mut self) {
        if let Some(attempt) = self.open() {
            attempt.outcome = Some("its supervisor was lost".to_owned());
        }
    }

    fn change(&mut self, change: HostChange) {
        if self.events.len() < MOST_EVENTS {
            self.events.push(change);
        } else {
            self.more_events += 1;
        }
    }

    /// Times, once all events are known.
    fn sum_up(&mut self, runs: &[Run]) {
        let starts: Vec<Timestamp> = self.attempts.iter().map(|attempt| attempt.started).collect();
        for (index, attempt) in self.attempts.iter_mut().enumerate() {
            let next = starts.get(index + 1).copied();
            if attempt.ended.is_none() && attempt.outcome.is_some() {
                attempt.ended = end_of_run(runs, attempt.started, next);
            }
            let ended = attempt.ended;
            attempt.seconds = ended.map(|ended| seconds_between(attempt.started, ended));
            attempt.until_next_s = ended.zip(next).map(|(from, to)| seconds_between(from, to));
        }
        for failed in &mut self.failures {
            let attempt = self.attempts.iter().find(|attempt| attempt.attempt == failed.attempt);
            failed.until_next_s = attempt.and_then(|attempt| attempt.until_next_s);
        }
        self.lost_s = self.attempts.iter().filter_map(|attempt| attempt.until_next_s).sum();
    }

    /// `3 attempts, 2 failures, 7.5 s lost between attempts`.
    pub(super) fn totals_text(&self) -> String {
        let attempts = count_of(self.attempts.len(), "attempt");
        let lost = match self.attempts.len() {
            0 | 1 => String::new(),
            _ => format!(", {:.1} s lost between attempts", self.lost_s),
        };
        format!("{attempts}, {}{lost}", count_of(self.failures.len(), "failure"))
    }

    pub(super) fn name(&self) -> &str {
        self.launch.as_deref().unwrap_or("?")
    }

    pub(super) fn outcome_text(&self) -> &str {
        self.outcome.as_deref().unwrap_or("goes on")
    }

    /// What is not kept, if anything.
    pub(super) fn more_text(&self) -> Option<String> {
        (self.more_events > 0).then(|| {
            let more = count_of(self.more_events, "more event");
            format!("{more} of its hosts are in its log: mpix logs --event launch")
        })
    }
}

impl Attempt {
    pub(super) fn outcome_text(&self) -> &str {
        self.outcome.as_deref().unwrap_or("goes on")
    }
}

/// The last sign of the run that began between the start of an attempt and that of the next.
fn end_of_run(runs: &[Run], from: Timestamp, to: Option<Timestamp>) -> Option<Timestamp> {
    let is_within = |run: &&Run| run.started >= from && to.is_none_or(|to| run.started < to);
    let run = runs.iter().rev().find(is_within)?;
    let last = run.started.checked_add(SignedDuration::try_from_secs_f64(run.seconds).ok()?);
    run.ended.or(last.ok())
}

impl Failed {
    /// `host-1: killed by signal 9`, or without the host where it is not known.
    pub(super) fn what_text(&self) -> String {
        self.host
            .as_ref()
            .map_or_else(|| self.what.clone(), |host| format!("{host}: {}", self.what))
    }
}
