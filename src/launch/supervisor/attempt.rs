//! One attempt: from its start to its end, and what that end means.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{CHECK_LIMIT, Checked, Event, Fault, Supervisor, TICK, lost};
use crate::error::{Error, HostError, OutputError, exit, tell};
use crate::events::{Entry, LaunchEvent, Outcome, RunEnded, RunEvent, replace};
use crate::host;
use crate::journal::directory_of;
use crate::launch::agent::is_this_host;
use crate::launch::check::check_all;
use crate::launch::exit::Notices;
use crate::launch::hostfile::HostEntry;
use crate::launch::mpirun::{self, Attempt, Said};

/// The hostfile of the attempt under way.
const HOSTS: &str = "launch-hosts";
/// Time until the first word of rank 0: `mpirun` has to reach all hosts, and MPI to begin.
const START_LIMIT: Duration = Duration::from_secs(120);
/// Time that is left to what an `mpirun` that has ended has said last: an `ssh` to a host that is cut
/// off may hold its pipes.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Time that `mpirun` has to end after it has closed its output.
const END_LIMIT: Duration = Duration::from_secs(10);
/// Rank 0 may be silent for so long at least: it says something each second.
const SHORTEST_SILENCE: Duration = Duration::from_secs(2);
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
    has_spoken: bool,
    has_begun: bool,
    /// When `mpirun` was seen to have ended.
    gone: Option<Instant>,
    images: usize,
    ended: Option<RunEnded>,
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

    fn take(&mut self, event: RunEvent) {
        (self.heard, self.has_spoken) = (Instant::now(), true);
        match event {
            RunEvent::RunStarted(started) => {
                self.has_begun = true;
                self.ranks = started.ranks.into_iter().map(|rank| rank.host).collect();
            }
            RunEvent::ImageDone(_) => self.images += 1,
            RunEvent::RunEnded(ended) => self.ended = Some(ended),
            RunEvent::ImageDoneBefore { .. }
            | RunEvent::Foreseen(_)
            | RunEvent::ImageFailed(_)
            | RunEvent::Heartbeat { .. }
            | RunEvent::ImageGiven { .. }
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
        if let Some(RunEnded { reason: Some(reason), rank: Some(rank), .. }) = &self.ended {
            let (host, what) = (self.host_of(*rank), reason.clone());
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
            has_spoken: false,
            has_begun: false,
            gone: None,
            images: 0,
            ended: None,
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
            let event = self.events.recv_timeout(TICK).ok();
            match event.and_then(|event| self.take_aside(event)) {
                // The last words of an attempt before.
                Some(Event::Said(number, _)) if number != self.attempt => {}
                Some(Event::Said(_, Said::Out(line))) => self.take_out(&line, &mut course),
                Some(Event::Said(_, Said::Err(line))) => {
                    if let Some(own) = course.notices.take(line) {
                        tell(&own);
                    }
                }
                Some(Event::Said(_, Said::Closed)) => {
                    let code = wait_for(attempt);
                    return Ok(course.end(code, self.stop.is_some()));
                }
                Some(Event::Checked(checked)) => self.take_checked(checked, attempt, &mut course),
                Some(Event::Signal(name)) => {
                    let is_second = self.stop.replace(name).is_some();
                    if is_second || !course.has_begun {
                        attempt.kill();
                        self.sweep(&course.hosts, None);
                        return Ok(End::Final(exit::STOPPED));
                    }
                    // A planned stop is one already; a second signal would break the run off.
                    if course.planned.is_none() {
                        attempt.ask_to_stop();
                    }
                }
                Some(Event::PlaceLost(by)) => return Err(lost(by)),
                Some(Event::Host(_) | Event::Swept { .. }) | None => {}
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
        let stall = self.settings.stall_timeout.max(SHORTEST_SILENCE);
        let limit = if course.has_spoken { stall } else { START_LIMIT.max(stall) };
        if course.fault.is_none() && course.heard.elapsed() > limit && course.ended.is_none() {
            let seconds = course.heard.elapsed().as_secs();
            let what = if course.has_spoken {
                format!("rank 0 has said nothing for {seconds} s")
            } else {
                format!("the run has not begun within {seconds} s")
            };
            let host = if course.has_spoken { course.host_of(0) } else { None };
            let noticed_by = "the supervisor".to_owned();
            course.fault = Some(Fault { host, what, noticed_by });
            attempt.kill();
        }
        if course.has_begun && course.planned.is_none() && self.stop.is_none() {
            let listed = self.roster.hosts();
            if course.hosts.iter().all(|host| listed.contains(host)) {
                self.ask_for_hosts(course, listed.len());
            } else {
                self.plan_anew(attempt, course);
            }
        }
    }

    /// Has the run stop in order, so that it goes on with other hosts.
    fn plan_anew(&mut self, attempt: &Attempt, course: &mut Course) {
        course.planned = Some(Instant::now());
        self.planned = course.planned;
        attempt.ask_to_stop();
    }

    /// Asks hosts that the run lacks and that seem to be able to take ranks. One that is not would stop
    /// the run for nothing.
    fn ask_for_hosts(&mut self, course: &Course, listed: usize) {
        let wanted = self.settings.hosts.unwrap_or(listed);
        let is_early = self.planned.is_some_and(|last| last.elapsed() < BETWEEN_PLANS);
        if course.hosts.len() >= wanted || is_early || self.is_asking {
            return;
        }
        let mut fresh = self.roster.ready();
        fresh.retain(|host| !course.hosts.contains(host));
        if fresh.is_empty() {
            return;
        }
        self.is_asking = true;
        let (asker, events) = (self.asker.clone(), self.to_events.clone());
        std::thread::spawn(move || {
            let outcomes = check_all(&asker, &fresh, CHECK_LIMIT);
            let _ = events.send(Event::Checked(fresh.into_iter().zip(outcomes).collect()));
        });
    }

    /// Hosts have said whether they can take ranks.
    fn take_checked(&mut self, checked: Vec<Checked>, attempt: &Attempt, course: &mut Course) {
        self.is_asking = false;
        let able = self.able(checked, usize::MAX);
        if able.is_empty() || course.planned.is_some() || self.stop.is_some() {
            return;
        }
        for host in able {
            self.tell(LaunchEvent::Joins { host: host.name });
        }
        self.plan_anew(attempt, course);
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
