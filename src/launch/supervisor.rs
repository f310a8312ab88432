//! The supervisor of a launch: starts a run over the hosts that are there, and again on those that are
//! left, until it is done.
//!
//! It holds nothing that a run needs: the journal knows what is done. So it may die at any moment, and
//! whoever starts it again goes on.

mod attempt;
mod sweeps;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use self::attempt::End;
use self::sweeps::Sweeps;
use super::check::{Asker, CheckError, Facts, check_all};
use super::hostfile::HostEntry;
use super::mpirun::{self, Said};
use super::ping::{HostEvent, HostState, Pace, Pings};
use super::place::Place;
use super::program;
use super::roster::Roster;
use super::source::Hosts;
use super::sweep::Swept;
use super::teller::Teller;
use crate::error::{Error, HostError, OutputError, UsageError, exit, printed, with_causes};
use crate::events::{LaunchEvent, LaunchStatus};
use crate::journal::{LaunchId, directory_of};
use crate::settings::{LaunchSettings, Verbosity};

/// OpenSSH 9.8 and later turns an address away that comes more often without logging in.
const PACE: Pace = Pace {
    interval: Duration::from_secs(2),
    timeout: Duration::from_secs(2),
    down_after: Duration::from_secs(3),
};
/// Time between two looks at the clock.
const TICK: Duration = Duration::from_millis(200);
/// Time between two checks of hosts while there are too few.
const ASK_AGAIN: Duration = Duration::from_secs(3);
/// Time that hosts have to answer the first ping.
const FIRST_PINGS: Duration = Duration::from_secs(4);
/// Time that a host has for the full check.
const CHECK_LIMIT: Duration = Duration::from_secs(8);
/// Wait before the next attempt, for each failure in a row without progress.
const BACK_OFF: Duration = Duration::from_millis(500);

/// What happens to the supervisor.
#[derive(Debug)]
enum Event {
    Host(HostEvent),
    /// An attempt says something.
    Said(u32, Said),
    Signal(&'static str),
    /// Hosts that may join were asked whether they can take ranks.
    Checked(Vec<Checked>),
    /// What an attempt left on a host was ended, or not.
    Swept {
        attempt: u32,
        host: String,
        outcome: Result<Swept, CheckError>,
    },
    /// Another supervisor has its place.
    PlaceLost(String),
}

/// What a host says of itself, or why it cannot take ranks.
type Checked = (HostEntry, Result<Facts, CheckError>);

impl From<(u32, Said)> for Event {
    fn from((attempt, said): (u32, Said)) -> Self {
        Self::Said(attempt, said)
    }
}

/// Starts runs until one ends for good. Returns its exit code.
///
/// # Errors
/// When the launch cannot be carried out: no hosts, another supervisor, faults that come again and
/// again.
pub fn launch(settings: LaunchSettings) -> Result<u8, Error> {
    let (source, hosts) = Hosts::of(settings.hostfile.as_deref())?;
    if settings.dry_run {
        return print_command(&settings, &hosts);
    }
    let output = settings.run.output.clone();
    std::fs::create_dir_all(&output)
        .map_err(|source| UsageError::Output { path: output.clone(), source })?;
    if program::find("mpirun").is_none() {
        return Err(HostError::NoMpirun(std::io::ErrorKind::NotFound.into()).into());
    }
    let (to_events, events) = channel();
    let is_stopped = watch_signals(&to_events)?;
    let command = mpirun::typed(&settings.command);
    let lost = to_events.clone();
    let place = Place::take(
        &output,
        &format!("mpix launch … -- {command}"),
        (settings.standby, &is_stopped),
        move |by| _ = lost.send(Event::PlaceLost(by)),
    )?;
    let Some(_place) = place else { return Ok(exit::STOPPED) };
    Supervisor::new(settings, source, hosts, (to_events, events)).carry_out()
}

fn print_command(settings: &LaunchSettings, hosts: &[HostEntry]) -> Result<u8, Error> {
    let program = crate::host::program().unwrap_or_else(|| PathBuf::from("mpix"));
    let wanted = settings.hosts.unwrap_or(hosts.len()).min(hosts.len());
    let file = settings.hostfile.clone().unwrap_or_else(|| PathBuf::from("HOSTFILE"));
    let words = mpirun::words(settings, (&program, &file), wanted, None);
    let mut out = std::io::stdout().lock();
    printed(writeln!(out, "{}", mpirun::typed(&words)))?;
    Ok(exit::DONE)
}

/// Turns signals into events. Also returns whether there was one.
fn watch_signals(events: &Sender<Event>) -> Result<Arc<AtomicBool>, Error> {
    let is_stopped = Arc::new(AtomicBool::new(false));
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGUSR1])
        .map_err(|source| OutputError::Journal { source: Box::new(source) })?;
    let (events, flag) = (events.clone(), Arc::clone(&is_stopped));
    thread::spawn(move || {
        for signal in signals.forever() {
            flag.store(true, Ordering::Relaxed);
            let name = signal_hook::low_level::signal_name(signal).unwrap_or("a signal");
            if events.send(Event::Signal(name)).is_err() {
                return;
            }
        }
    });
    Ok(is_stopped)
}

/// A failure, as far as it is understood.
#[derive(Debug)]
struct Fault {
    host: Option<String>,
    what: String,
    noticed_by: String,
}

struct Supervisor {
    settings: LaunchSettings,
    source: Hosts,
    asker: Asker,
    roster: Roster,
    pings: Pings,
    events: Receiver<Event>,
    to_events: Sender<Event>,
    teller: Teller,
    launch: u64,
    /// The supervisor of this launch that was lost.
    before: Option<String>,
    /// Of the attempt under way, or of the last.
    attempt: u32,
    attempts: u32,
    failures: u32,
    /// Failures in a row without an image done between them.
    fruitless: u32,
    stop: Option<&'static str>,
    /// When a run was last asked to stop so that it goes on with other hosts.
    planned: Option<Instant>,
    /// Whether hosts that may join are being asked.
    is_asking: bool,
    sweeps: Sweeps,
    began: Instant,
}

impl Supervisor {
    fn new(
        settings: LaunchSettings,
        source: Hosts,
        hosts: Vec<HostEntry>,
        (to_events, events): (Sender<Event>, Receiver<Event>),
    ) -> Self {
        let directory = directory_of(&settings.run.output);
        // A launch whose supervisor was lost is the same launch: its attempts are shut out.
        let earlier = LaunchStatus::read(&directory).filter(|status| status.exit_code.is_none());
        let id = earlier.as_ref().and_then(|status| u64::from_str_radix(&status.launch, 16).ok());
        let launch = id.unwrap_or_else(|| RandomState::new().build_hasher().finish());
        let before =
            earlier.as_ref().map(|lost| format!("process {} on `{}`", lost.pid, lost.host));
        let attempt = earlier.as_ref().map_or(0, |status| status.attempt);
        let failures = earlier.as_ref().map_or(0, |status| status.failures);
        let forms = (settings.json, settings.run.verbosity == Verbosity::Quiet);
        let teller = Teller::open(&directory, (format!("{launch:016x}"), attempt, failures), forms);
        let (to_pings, pinged) = channel();
        let pings = Pings::start(&hosts, PACE, to_pings);
        let pass_on = to_events.clone();
        thread::spawn(move || {
            for event in pinged {
                if pass_on.send(Event::Host(event)).is_err() {
                    return;
                }
            }
        });
        let mut roster = Roster::default();
        roster.set(&hosts);
        Self {
            settings,
            source,
            asker: Asker::of_this_process(),
            roster,
            pings,
            events,
            to_events,
            teller,
            launch,
            before,
            attempt,
            attempts: 0,
            failures: 0,
            fruitless: 0,
            stop: None,
            planned: None,
            is_asking: false,
            sweeps: Sweeps::default(),
            began: Instant::now(),
        }
    }

    fn tell(&mut self, event: LaunchEvent) {
        self.teller.tell(event, self.roster.statuses());
    }

    fn carry_out(mut self) -> Result<u8, Error> {
        let hosts = self.roster.hosts();
        let names = hosts.iter().map(|host| host.name.clone()).collect();
        let (launch, pid) = (format!("{:016x}", self.launch), std::process::id());
        self.tell(LaunchEvent::Started { launch, pid, hosts: names });
        if let Some(from) = self.before.take() {
            self.tell(LaunchEvent::TakesOver { from });
            self.sweep(&hosts, None);
        }
        let outcome = self.supervise();
        self.finish_sweeps();
        if matches!(outcome, Err(Error::Output(OutputError::Lost { .. }))) {
            // Its status and log are another's now.
            return outcome;
        }
        let (exit_code, reason) = match &outcome {
            Ok(code) => (*code, None),
            Err(error) => (error.exit_code(), Some(with_causes(error))),
        };
        let (attempts, failures) = (self.attempts, self.failures);
        let seconds = (self.began.elapsed().as_secs_f64() * 10.0).round() / 10.0;
        self.roster.run_on(&[]);
        self.tell(LaunchEvent::Ended { exit_code, reason, attempts, failures, seconds });
        outcome
    }

    fn supervise(&mut self) -> Result<u8, Error> {
        loop {
            let Some(hosts) = self.gather()? else { return Ok(exit::STOPPED) };
            match self.attempt_on(&hosts)? {
                End::Final(code) => return Ok(code),
                End::Planned => {}
                End::Failed { fault, images } => self.after(fault, &hosts, images)?,
            }
        }
    }

    /// Waits until enough hosts can take ranks. None: a signal came.
    fn gather(&mut self) -> Result<Option<Vec<HostEntry>>, Error> {
        let (began, mut told) = (Instant::now(), false);
        loop {
            if self.stop.is_some() {
                return Ok(None);
            }
            let all_known = self.roster.is_known() || self.began.elapsed() > FIRST_PINGS;
            let needed = self.settings.min_hosts;
            if all_known {
                let mut candidates = self.roster.ready();
                if candidates.len() < needed {
                    candidates.extend(self.roster.left_alone());
                }
                let outcomes = check_all(&self.asker, &candidates, CHECK_LIMIT);
                let wanted = self.settings.hosts.unwrap_or(candidates.len());
                let able = self.able(candidates.into_iter().zip(outcomes).collect(), wanted);
                if able.len() >= needed {
                    return Ok(Some(able));
                }
                if began.elapsed() > self.settings.wait {
                    let seconds = self.settings.wait.as_secs();
                    let reason = format!(
                        "{} of {needed} hosts (`--min-hosts`) could take ranks for {seconds} s (`--wait`)",
                        able.len()
                    );
                    return Err(HostError::UsedUp { reason }.into());
                }
                if !std::mem::replace(&mut told, true) {
                    self.tell(LaunchEvent::Waits { hosts: able.len(), needed });
                }
            }
            self.listen(Instant::now() + if told { ASK_AGAIN } else { TICK })?;
            self.look_at_hostfile();
        }
    }

    /// Those of the hosts that can take ranks, as many as are wanted.
    fn able(&mut self, checked: Vec<Checked>, wanted: usize) -> Vec<HostEntry> {
        let mut able = Vec::new();
        for (host, outcome) in checked {
            let unfit = outcome.map(|facts| self.asker.unfit(&facts));
            match unfit.unwrap_or_else(|error| Some(error.to_string())) {
                None => able.push(host),
                Some(why) => self.exclude(&host.name, why),
            }
        }
        able.truncate(wanted);
        able
    }

    fn exclude(&mut self, host: &str, why: String) {
        if self.roster.exclude(host, why.clone(), self.settings.cooldown) {
            self.tell(LaunchEvent::Excluded { host: host.to_owned(), why });
        }
    }

    /// Takes events until `until` that come while no attempt is under way.
    fn listen(&mut self, until: Instant) -> Result<(), Error> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(event) = self.events.recv_timeout(left) else { return Ok(()) };
            match self.take_aside(event) {
                Some(Event::Signal(name)) => self.stop = Some(name),
                Some(Event::PlaceLost(by)) => return Err(lost(by)),
                // All hosts are asked anew before the next attempt.
                Some(Event::Checked(_)) => self.is_asking = false,
                // The last words of an attempt that is over; the others were taken.
                Some(Event::Said(..) | Event::Host(_) | Event::Swept { .. }) | None => {}
            }
            if self.stop.is_some() {
                return Ok(());
            }
        }
    }

    fn take_ping(&mut self, HostEvent { host, state }: HostEvent) {
        let why = match state {
            HostState::Up { .. } => None,
            HostState::Down { why, .. } => Some(with_causes(&why)),
        };
        if why.is_none() {
            self.sweep_later(&host);
        }
        let was_known = self.roster.is_known();
        if self.roster.answers(&host, why.clone()) {
            match why {
                Some(why) => self.tell(LaunchEvent::Down { host, why }),
                // That all are up at first is no news.
                None if !was_known => {}
                None => self.tell(LaunchEvent::Up { host }),
            }
        }
    }

    fn look_at_hostfile(&mut self) {
        match self.source.edited() {
            None => {}
            Some(Err(error)) => {
                let why = with_causes(&error);
                self.tell(LaunchEvent::BadHostfile { why });
            }
            Some(Ok(hosts)) => {
                let (new, gone) = self.roster.set(&hosts);
                self.pings.set_hosts(&hosts);
                for host in new {
                    self.tell(LaunchEvent::Joins { host });
                }
                for host in gone {
                    self.tell(LaunchEvent::Leaves { host });
                }
            }
        }
    }

    /// Cleans up after a failure, and decides whether to go on.
    fn after(&mut self, fault: Fault, hosts: &[HostEntry], images: usize) -> Result<(), Error> {
        self.failures += 1;
        self.fruitless = if images > 0 { 0 } else { self.fruitless + 1 };
        let Fault { host, what, noticed_by } = fault;
        let attempt = self.attempt;
        let failed = (host.clone(), what.clone());
        self.tell(LaunchEvent::Failed { attempt, host, what, noticed_by });
        self.roster.run_on(&[]);
        if let (Some(host), what) = failed.clone() {
            self.roster.exclude(&host, what, self.settings.cooldown);
        }
        self.sweep(hosts, failed.0.as_deref());
        if self.fruitless > self.settings.max_restarts {
            let reason = format!(
                "{} failures in a row without one image done (`--max-restarts`), the last: {}",
                self.fruitless, failed.1
            );
            return Err(HostError::UsedUp { reason }.into());
        }
        self.listen(Instant::now() + BACK_OFF * self.fruitless.min(20))
    }

    /// Takes an event that means the same at any time; gives others back.
    fn take_aside(&mut self, event: Event) -> Option<Event> {
        match event {
            Event::Host(event) => self.take_ping(event),
            Event::Swept { attempt, host, outcome } => {
                self.take_late_sweep(attempt, host, outcome);
            }
            other @ (Event::Said(..)
            | Event::Signal(_)
            | Event::Checked(_)
            | Event::PlaceLost(_)) => {
                return Some(other);
            }
        }
        None
    }

    fn next_id(&mut self) -> LaunchId {
        self.attempt = self.attempt.saturating_add(1);
        self.attempts += 1;
        LaunchId { id: self.launch, attempt: self.attempt }
    }
}

fn lost(by: String) -> Error {
    OutputError::Lost { source: by.into() }.into()
}
