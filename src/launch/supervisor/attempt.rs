//! One attempt: from its start to its end, and what that end means.

use std::path::PathBuf;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use super::{Event, Fault, Supervisor, TICK, lost};
use crate::error::{Error, HostError, OutputError, exit, tell};
use crate::events::{Entry, LaunchEvent, Outcome, RankPulse, RunEnded, RunEvent, replace};
use crate::host;
use crate::journal::directory_of;
use crate::launch::agent::is_this_host;
use crate::launch::exit::Notices;
use crate::launch::hostfile::HostEntry;
use crate::launch::mpirun::{self, Attempt, Said};

/// The hostfile of the attempt under way.
const HOSTS: &str = "launch-hosts";
/// Time that a run has while rank 0 does what it does without a word: it lists the inputs and opens the
/// journal at the start, and writes the manifest at the end.
const WORDLESS_LIMIT: Duration = Duration::from_secs(300);
/// Time that is left to what an `mpirun` that has ended has said last: an `ssh` to a host that is cut
/// off may hold its pipes.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Time that `mpirun` has to end after it has closed its output.
const END_LIMIT: Duration = Duration::from_secs(10);
/// More than the run's own limit, so that rank 0, which knows more, speaks first.
const RANK0_MORE: Duration = Duration::from_millis(500);
/// Time between two starts that only bring hosts in.
const BETWEEN_PLANS: Duration = Duration::from_secs(5);

/// What the end of an attempt means.
pub(super) enum End {
    /// The run has ended for good, with this code.
    Final(u8),
    /// The hosts are others now.
    Planned,
    /// It failed after so many images.
    Failed { fault: Fault, images: usize },
}

/// What is known of the attempt under way.
struct Course {
    hosts: Vec<HostEntry>,
    ranks_per_host: usize,
    /// When anything was last heard of it.
    heard: Instant,
    has_begun: bool,
    /// Images without a result or a failure.
    left: usize,
    /// When `mpirun` was seen to have ended.
    gone: Option<Instant>,
    images: usize,
    ended: Option<RunEnded>,
    pulses: Vec<RankPulse>,
    /// The host of each rank, as it calls itself.
    ranks: Vec<String>,
    notices: Notices,
    /// Why the supervisor has ended it.
    fault: Option<Fault>,
    planned: Option<Instant>,
}

impl Course {
    /// The host of a rank, as the hostfile names it. The rank knows its host by the name that the host
    /// gives itself; where that is none of the hostfile's, ranks are counted in its order.
    fn host_of(&self, rank: usize) -> Option<String> {
        let told = self.ranks.get(rank).map(String::as_str).unwrap_or_default();
        let is_it = |host: &&HostEntry| is_same_host(&host.name, told);
        let by_name = self.hosts.iter().find(is_it);
        let host = by_name.or_else(|| self.hosts.get(rank / self.ranks_per_host))?;
        Some(host.name.clone())
    }

    /// The host of the rank that has been silent for longest.
    fn most_silent(&self) -> Option<String> {
        let longest = self.pulses.iter().max_by(|a, b| a.silent_s.total_cmp(&b.silent_s))?;
        self.host_of(longest.rank)
    }

    fn take(&mut self, event: RunEvent) {
        self.heard = Instant::now();
        match event {
            RunEvent::RunStarted(started) => {
                (self.has_begun, self.left) = (true, started.images);
                self.ranks = started.ranks.into_iter().map(|rank| rank.host).collect();
            }
            RunEvent::ImageDone(_) => {
                self.images += 1;
                self.left = self.left.saturating_sub(1);
            }
            RunEvent::ImageDoneBefore { .. } | RunEvent::ImageFailed(_) => {
                self.left = self.left.saturating_sub(1);
            }
            RunEvent::Heartbeat { ranks, .. } => self.pulses = ranks,
            RunEvent::RunEnded(ended) => self.ended = Some(ended),
            RunEvent::ImageGiven { .. }
            | RunEvent::Stopping { .. }
            | RunEvent::Message { .. }
            | RunEvent::Launch(_) => {}
        }
    }

    /// What `mpirun`'s end with `code` means, where a signal came if `is_stopped`.
    fn end(self, code: i32, is_stopped: bool) -> End {
        let images = self.images;
        if let Some(fault) = self.fault {
            if is_stopped {
                return End::Final(exit::STOPPED);
            }
            return End::Failed { fault, images };
        }
        let planned = self.planned.is_some();
        if let Some(ended) = &self.ended {
            match ended.outcome {
                Outcome::AllDone | Outcome::SomeFailed | Outcome::GaveUp => {
                    return End::Final(ended.exit_code);
                }
                Outcome::Stopped if planned && !is_stopped => return End::Planned,
                // Else its ranks were told to go since one of them died.
                Outcome::Stopped if is_stopped || code == i32::from(exit::STOPPED) => {
                    return End::Final(exit::STOPPED);
                }
                Outcome::Broken if !matches!(ended.exit_code, exit::BUG | exit::HOST) => {
                    return End::Final(ended.exit_code);
                }
                Outcome::Stopped | Outcome::Broken => {}
            }
        }
        let first = |codes: &[u8]| codes.iter().copied().find(|own| i32::from(*own) == code);
        let told_before_the_start = [exit::USAGE, exit::HELD, exit::OUTPUT];
        if !self.has_begun
            && let Some(code) = first(&told_before_the_start)
        {
            return End::Final(code);
        }
        if is_stopped {
            return End::Final(exit::STOPPED);
        }
        End::Failed { fault: self.fault_of(code), images }
    }

    fn fault_of(&self, code: i32) -> Fault {
        let names: Vec<String> = self.hosts.iter().map(|host| host.name.clone()).collect();
        if let Some(RunEnded { reason: Some(reason), exit_code, .. }) = &self.ended
            && *exit_code == exit::HOST
        {
            let (host, what) = (self.most_silent(), reason.clone());
            return Fault { host, what, noticed_by: "rank 0's pings".to_owned() };
        }
        let text = self.notices.text();
        let reason = self.ended.as_ref().and_then(|ended| ended.reason.clone());
        let reason = reason.filter(|_| code == i32::from(exit::BUG));
        let what = match (reason, text.is_empty()) {
            (Some(reason), _) => reason,
            (None, false) => text,
            (None, true) => format!("mpirun ended with code {code}"),
        };
        let host = self.notices.blamed(&names).map(str::to_owned);
        Fault { host, what, noticed_by: format!("mpirun's exit code {code}") }
    }
}

impl Supervisor {
    /// Runs on `hosts` until the run ends or must be ended.
    pub(super) fn attempt_on(&mut self, hosts: &[HostEntry]) -> Result<End, Error> {
        let id = self.next_id();
        let hostfile = self.write_hostfile(hosts)?;
        let program = PathBuf::from(&self.asker.program);
        let own = host::program().unwrap_or_else(|| program.clone());
        let words = mpirun::words(&self.settings, (&program, &hostfile), hosts.len(), Some(id));
        log::info!("{}", mpirun::typed(&words));
        self.roster.run_on(hosts);
        let names = hosts.iter().map(|host| host.name.clone()).collect();
        self.tell(LaunchEvent::AttemptStarted { attempt: id.attempt, hosts: names });
        let mut attempt =
            Attempt::start(&own, &words, id, &self.to_events).map_err(HostError::NoMpirun)?;
        let now = Instant::now();
        let course = Course {
            hosts: hosts.to_vec(),
            ranks_per_host: self.settings.ranks_per_host,
            heard: now,
            has_begun: false,
            left: 0,
            gone: None,
            images: 0,
            ended: None,
            pulses: Vec::new(),
            ranks: Vec::new(),
            notices: Notices::default(),
            fault: None,
            planned: None,
        };
        let outcome = self.watch(&mut attempt, course);
        attempt.kill();
        outcome
    }

    fn write_hostfile(&self, hosts: &[HostEntry]) -> Result<PathBuf, Error> {
        let directory = directory_of(&self.settings.run.output);
        let path = directory.join(HOSTS);
        let text = mpirun::hostfile_of(hosts, self.settings.ranks_per_host);
        replace(&directory, HOSTS, text.as_bytes())
            .map_err(|source| OutputError::Journal { source: Box::new(source) })?;
        Ok(std::path::absolute(&path).unwrap_or(path))
    }

    fn watch(&mut self, attempt: &mut Attempt, mut course: Course) -> Result<End, Error> {
        let mut looked = Instant::now();
        loop {
            match self.events.recv_timeout(TICK) {
                // The last words of an attempt before.
                Ok(Event::Said(number, _)) if number != self.attempt => {}
                Ok(Event::Said(_, Said::Out(line))) => self.take_out(&line, &mut course),
                Ok(Event::Said(_, Said::Err(line))) => {
                    if let Some(own) = course.notices.take(line) {
                        tell(&own);
                    }
                }
                Ok(Event::Said(_, Said::Closed)) => {
                    let code = wait_for(attempt);
                    return Ok(course.end(code, self.stop.is_some()));
                }
                Ok(Event::Host(event)) => self.take_ping(event),
                Ok(Event::Signal(name)) => {
                    let is_second = self.stop.replace(name).is_some();
                    if is_second || !course.has_begun {
                        attempt.kill();
                        self.sweep(&course.hosts);
                        return Ok(End::Final(exit::STOPPED));
                    }
                    // A planned stop is one already; a second signal would break the run off.
                    if course.planned.is_none() {
                        attempt.ask_to_stop();
                    }
                }
                Ok(Event::PlaceLost(by)) => return Err(lost(by)),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            if looked.elapsed() >= TICK {
                looked = Instant::now();
                self.look_at_the_clock(attempt, &mut course);
                if let Ok(Some(code)) = attempt.code()
                    && course.gone.get_or_insert_with(Instant::now).elapsed() > LAST_WORDS
                {
                    return Ok(course.end(code, self.stop.is_some()));
                }
                let lingers = course
                    .ended
                    .as_ref()
                    .filter(|ended| course.heard.elapsed() > lingering_limit(ended.outcome));
                let code = lingers.map(|ended| i32::from(ended.exit_code));
                if course.fault.is_some() || code.is_some() {
                    // Its pipes may stay open: `ssh` to a host that is cut off holds them.
                    return Ok(course.end(code.unwrap_or(0), self.stop.is_some()));
                }
            }
        }
    }

    fn take_out(&mut self, line: &str, course: &mut Course) {
        if let Ok(entry) = serde_json::from_str::<Entry>(line) {
            course.take(entry.event);
            if self.teller.prints_json() {
                self.teller.print(line);
            }
        }
    }

    fn look_at_the_clock(&mut self, attempt: &mut Attempt, course: &mut Course) {
        self.look_at_hostfile();
        let watched = course.has_begun && course.left > 0;
        let limit = if watched { self.settings.stall_timeout + RANK0_MORE } else { WORDLESS_LIMIT };
        if course.fault.is_none() && course.heard.elapsed() > limit && course.ended.is_none() {
            let seconds = course.heard.elapsed().as_secs();
            let what = if course.has_begun {
                format!("rank 0 has said nothing for {seconds} s")
            } else {
                format!("the run has not begun within {seconds} s")
            };
            let host = if course.has_begun { course.host_of(0) } else { None };
            let noticed_by = "the supervisor".to_owned();
            course.fault = Some(Fault { host, what, noticed_by });
            attempt.kill();
        }
        if course.planned.is_none() && self.stop.is_none() && self.wants_other_hosts(course) {
            course.planned = Some(Instant::now());
            self.planned = course.planned;
            attempt.ask_to_stop();
        }
    }

    /// Whether the run should go on with other hosts: one of its own is in the hostfile no more, or it
    /// lacks hosts that could take ranks.
    fn wants_other_hosts(&mut self, course: &mut Course) -> bool {
        if !course.has_begun {
            return false;
        }
        let listed = self.roster.hosts();
        if course.hosts.iter().any(|host| !listed.contains(host)) {
            return true;
        }
        let wanted = self.settings.hosts.unwrap_or(listed.len());
        let is_early = self.planned.is_some_and(|last| last.elapsed() < BETWEEN_PLANS);
        if course.hosts.len() >= wanted || is_early {
            return false;
        }
        let fresh: Vec<HostEntry> =
            self.roster.ready().into_iter().filter(|host| !course.hosts.contains(host)).collect();
        // A host that could not take ranks would stop the run for nothing.
        let able = if fresh.is_empty() { fresh } else { self.check(&fresh) };
        // What the run said meanwhile waits to be heard.
        course.heard = Instant::now();
        for host in &able {
            self.tell(LaunchEvent::Joins { host: host.name.clone() });
        }
        !able.is_empty()
    }
}

/// Time that `mpirun` has to end after the run has told its end. Where a host is cut off, it waits
/// for that for minutes.
fn lingering_limit(outcome: Outcome) -> Duration {
    match outcome {
        Outcome::Broken => Duration::from_secs(1),
        Outcome::AllDone | Outcome::SomeFailed | Outcome::Stopped | Outcome::GaveUp => {
            Duration::from_secs(10)
        }
    }
}

/// Whether a host of the hostfile is the one that calls itself `told`.
fn is_same_host(listed: &str, told: &str) -> bool {
    let short = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    listed == told || short(listed) == short(told) || (is_this_host(listed) && told == host::name())
}

/// Waits for the end of an `mpirun` that has closed its output.
fn wait_for(attempt: &mut Attempt) -> i32 {
    let limit = Instant::now() + END_LIMIT;
    while Instant::now() < limit {
        match attempt.code() {
            Ok(Some(code)) => return code,
            Ok(None) => std::thread::sleep(Duration::from_millis(10)),
            Err(_) => break,
        }
    }
    attempt.kill();
    i32::from(exit::HOST)
}
