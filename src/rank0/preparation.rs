//! What comes before the first image: ranks greet, inputs are listed, the journal is opened.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::budget::Budget;
use super::earlier::Earlier;
use super::ledger::{Ledger, Start};
use super::reading::Reading;
use super::run::Run;
use super::threads::Threads;
use super::vigil::Vigil;
use super::watchers::{Watchers, print_line};
use super::{Desk, Event, TICK, dry_run, signals};
use crate::error::{BugError, Error, HostError, OutputError, UsageError, printed};
use crate::events::{Entry, RankInfo, RunEvent, RunStarted, logger};
use crate::journal::{JournalError, SettingsHash, State, directory_of};
use crate::plan::{Cluster, Foresight, HostFacts, Job, Links, RankPlan, Way};
use crate::settings::SharedFiles;
use crate::source::{TokenFile, list, remove_temporaries};
use crate::transport::Silence;
use crate::transport::message::{Message, SharedOutput, ToRank, ToRank0, Token};

/// Messages by which the network is measured before the first image, and their bytes: the first may go
/// faster than all others could.
const PROBES: usize = 2;
const PROBE_BYTES: usize = 256 << 10;
/// How long they are waited for. What takes longer is measured while the run goes on.
const PROBE_TIME: Duration = Duration::from_millis(40);
/// Bytes in a nanosecond of a link that takes longer, until it is known: few images are sent over it.
const SLOW_LINK: f64 = 1e-3;

/// Prepares `job` for all ranks. None: it was only to be shown, and was.
///
/// # Errors
/// When it cannot be begun.
pub(super) fn prepare(job: Job, desk: &mut Desk) -> Result<Option<Run<'_>>, Error> {
    let facts = greet(desk, job.settings.stall_timeout)?;
    let to_log = desk.to_events.clone();
    logger::pass_on(move |level, text| _ = to_log.send(Event::Log(level, text)));
    let cluster = Cluster::new(&facts, job.settings.threads, job.settings.memory);
    for warning in &cluster.warnings {
        log::warn!("{warning}");
    }
    let vigil = Vigil::new(&cluster.hosts(), job.settings.stall_timeout, Instant::now());
    let thread = Threads::start(1, &desk.to_events);
    let links = Links::new(&cluster);
    let mut company = Company { desk, vigil, thread, links, tells: job.settings.json };
    let settings = job.settings.clone();
    let entries = Arc::new(company.meanwhile("the inputs", move || list(&settings))??);
    let chain = job.work.chain()?;
    let budget = Budget::new(cluster.rank0_hold());
    let text = job.output_text();
    let (state, settings) = (State::default(), SettingsHash::of(&text));
    let earlier = Earlier { state, settings };
    let count = entries.len();
    company.measure_network()?;
    let checksum = job.work.checksum;
    let foresight_of =
        |cluster: &Cluster, links| Mutex::new(Foresight::new(cluster, links).hashing(checksum));
    let foresight = foresight_of(&cluster, company.links.clone());
    let mut reading = Reading { job, chain, cluster, budget, entries: count, foresight, earlier };
    if reading.job.settings.dry_run {
        suppose_who_sees_files(&mut reading);
        reading.foresight = foresight_of(&reading.cluster, company.links.clone());
        let print = move || dry_run::print(&reading, &entries, &mut io::stdout().lock());
        printed(company.meanwhile("the plan", print)?)?;
        return Ok(None);
    }
    let open = opening(&reading, &facts[0].host, text, company.desk);
    let (ledger, state) = company.meanwhile("the journal", open)??;
    reading.earlier.state = state;
    let started = start_of(&reading, &ledger);
    let watchers = Watchers::open(&reading.job.settings, started, ledger.hold())?;
    company.look_who_sees_files(&mut reading)?;
    let Company { desk, vigil, links, .. } = company;
    reading.foresight = foresight_of(&reading.cluster, links);
    signals::watch(&desk.to_events);
    Ok(Some(Run::new(Arc::new(reading), entries, (ledger, watchers), (desk, vigil))?))
}

/// Waits until every rank has said what its host offers, for `stall_timeout` seconds at most.
fn greet(desk: &mut Desk, stall_timeout: Option<u64>) -> Result<Vec<HostFacts>, Error> {
    let mut facts: Vec<Option<HostFacts>> = vec![None; desk.hub.ranks()];
    let mut silence = Silence::since(Instant::now());
    while let Some(rank) = facts.iter().position(Option::is_none) {
        let waited = silence.look(Instant::now());
        if let Some(seconds) = stall_timeout.filter(|&limit| waited.as_secs() >= limit) {
            return Err(HostError::NeverBegan { rank, seconds }.into());
        }
        let Some(event) = desk.next()? else { continue };
        match event {
            Event::Message(from, Message { header: ToRank0::Hello(host), .. }) => {
                let own = env!("CARGO_PKG_VERSION");
                if host.version != own {
                    let (host, version) = (host.host, host.version);
                    return Err(UsageError::OtherVersion { host, version, own }.into());
                }
                if !host.is_possible() {
                    let what = "it counts cores that no host has";
                    return Err(BugError::Message { from, what }.into());
                }
                facts[from] = Some(host);
            }
            Event::Message(from, _) => {
                return Err(BugError::Message { from, what: "it comes before a greeting" }.into());
            }
            Event::Prepared
            | Event::Looked(..)
            | Event::Reading(_)
            | Event::Read(..)
            | Event::Fetched(..)
            | Event::Dropped
            | Event::Source(..)
            | Event::Identified(..)
            | Event::Begun(..)
            | Event::Sunk(_)
            | Event::Log(..)
            | Event::Written(..)
            | Event::Recorded(_)
            | Event::Signal(_)
            | Event::LeaseTrouble(_)
            | Event::Broken(_) => {}
        }
    }
    Ok(facts.into_iter().flatten().collect())
}

/// The ranks while rank 0 is busy with something that may take minutes, such as a million inputs on
/// a file server: one that heard nothing of rank 0 would end the run, and so would a supervisor.
struct Company<'a> {
    desk: &'a mut Desk,
    vigil: Vigil,
    thread: Threads,
    links: Links,
    /// Whether somebody reads events on standard output.
    tells: bool,
}

/// What ranks have said while rank 0 attended to them.
#[derive(Default)]
struct Said {
    /// Whether they see rank 0's files.
    sees: HashMap<usize, bool>,
    /// How often something that they were sent had arrived.
    arrived: usize,
}

impl Company<'_> {
    /// Does `work`, which is about `what`, on a thread of its own, and pings the ranks meanwhile.
    ///
    /// # Errors
    /// When a rank falls silent, or `work` panics.
    fn meanwhile<T: Send + 'static>(
        &mut self,
        what: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (to, outcome) = channel();
        self.thread.add(what.to_owned(), move || {
            // Whoever waits may have given up.
            let _ = to.send(work());
            Event::Prepared
        });
        self.attend(TICK, |_| outcome.try_recv().ok())
    }

    /// Pings the ranks until `look` has what it looks for, in what ranks have said; it is asked each
    /// `interval` at least.
    ///
    /// # Errors
    /// When a rank falls silent.
    fn attend<T>(
        &mut self,
        interval: Duration,
        mut look: impl FnMut(&Said) -> Option<T>,
    ) -> Result<T, Error> {
        let (mut said, mut for_later) = (Said::default(), Vec::new());
        let done = loop {
            match self.desk.next_within(interval)? {
                Some(Event::Prepared) | None => {}
                Some(Event::Message(from, message)) => {
                    self.vigil.heard(from, Instant::now());
                    if let ToRank0::Pong { sequence, load } = message.header {
                        self.vigil.answered(from, (sequence, load), Instant::now());
                    } else if let ToRank0::Sees { output } = message.header {
                        said.sees.insert(from, output);
                    } else if let ToRank0::Arrived(arrived) = message.header {
                        said.arrived += 1;
                        self.links.add((from, Way::Out), arrived, Instant::now());
                    } else {
                        for_later.push(Event::Message(from, message));
                    }
                }
                Some(event) => for_later.push(event),
            }
            if let Some(done) = look(&said) {
                break done;
            }
            if let Some(ranks) = self.vigil.keep(&mut self.desk.hub)?.filter(|_| self.tells) {
                let heartbeat = RunEvent::Heartbeat { in_hand: 0, ranks };
                // Who read them has gone; the run goes on.
                self.tells = print_line(&Entry::now(heartbeat)).is_ok();
            }
        };
        for event in for_later {
            let _ = self.desk.to_events.send(event);
        }
        Ok(done)
    }

    /// Measures the network, if there is one, by what it takes to another host and no longer than a
    /// moment.
    ///
    /// # Errors
    /// When a rank falls silent.
    fn measure_network(&mut self) -> Result<(), Error> {
        let Some(far) = self.links.first_far() else { return Ok(()) };
        for _ in 0..PROBES {
            let probe = Message::new(ToRank::Probe, vec![0; PROBE_BYTES]);
            self.desk.hub.send(far, probe)?;
        }
        let end = Instant::now() + PROBE_TIME;
        let arrived = self.attend(PROBE_TIME, |said| {
            (said.arrived == PROBES || Instant::now() >= end).then_some(said.arrived)
        })?;
        if arrived < PROBES {
            self.links = self.links.clone().assuming(SLOW_LINK);
        }
        Ok(())
    }

    /// Finds out which ranks see rank 0's files.
    ///
    /// # Errors
    /// When a rank must see them, and does not.
    fn look_who_sees_files(&mut self, reading: &mut Reading) -> Result<(), Error> {
        let (ranks, settings) = (&mut reading.cluster.ranks, &reading.job.settings);
        if settings.shared_files == SharedFiles::No {
            return Ok(());
        }
        let (directory, count) = (settings.output.clone(), ranks.len());
        let left = move || {
            let directory = std::path::absolute(&directory).unwrap_or(directory);
            // A rank alone need not look.
            let file = (count > 1).then(|| leave_token(&directory)).transpose()?;
            Ok::<_, OutputError>((directory, file))
        };
        let (directory, file) = self.meanwhile("the files", left)??;
        let token = file
            .as_ref()
            .map(|file| Token { path: file.path().to_path_buf(), content: file.content() });
        let shared = SharedOutput { directory, token, umask: umask_of_this_process() };
        for rank in 0..count {
            self.desk.hub.send(rank, Message::bare(ToRank::Look(shared.clone())))?;
        }
        let sees =
            self.attend(TICK, |said| (said.sees.len() == count).then(|| said.sees.clone()))?;
        for (number, rank) in ranks.iter_mut().enumerate() {
            rank.sees_files = sees.get(&number) == Some(&true);
            let (host, path) = (rank.host.clone(), shared.directory.clone());
            if !rank.sees_files && settings.shared_files == SharedFiles::Yes {
                return Err(UsageError::NotShared { rank: number, host, path }.into());
            }
            if !rank.sees_files {
                log::info!(
                    "rank {number} on `{host}` does not see `{}`: it gets files as bytes",
                    path.display()
                );
            }
        }
        self.meanwhile("the files", move || drop(file))
    }
}

/// Who sees rank 0's files, as far as that is known without leaving one for the ranks to find.
fn suppose_who_sees_files(reading: &mut Reading) {
    let wanted = reading.job.settings.shared_files;
    for (number, rank) in reading.cluster.ranks.iter_mut().enumerate() {
        rank.sees_files = match wanted {
            SharedFiles::Auto => number == 0,
            SharedFiles::Yes => true,
            SharedFiles::No => false,
        };
    }
}

fn leave_token(output: &Path) -> Result<TokenFile, OutputError> {
    let path = directory_of(output);
    TokenFile::leave_in(&path).map_err(|source| {
        let source = JournalError::Io { action: "leave a file in", path, source };
        OutputError::Journal { source: Box::new(source) }
    })
}

/// The permissions that files of this process do not get.
fn umask_of_this_process() -> u32 {
    const USUAL: u32 = 0o022;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok()).unwrap_or(USUAL)
}

/// What opens the journal of the output directory, and cleans up after a run that was killed.
fn opening(
    reading: &Reading,
    host: &str,
    settings_text: String,
    desk: &Desk,
) -> impl FnOnce() -> Result<(Ledger, State), Error> + Send + 'static {
    let settings = &reading.job.settings;
    let (output, fresh, launch) = (settings.output.clone(), settings.fresh, settings.launch);
    let (host, to_events) = (host.to_owned(), desk.to_events.clone());
    move || {
        make_output_directory(&output)?;
        let start =
            Start { output: &output, host: &host, settings_text: &settings_text, fresh, launch };
        let (ledger, state) = Ledger::open(&start, &to_events)?;
        for damage in state.damage() {
            log::warn!("the journal is damaged: {damage}; what it said there is done again");
        }
        if state.last_run().is_some_and(|last| last.ended.is_none()) {
            let removed = remove_temporaries(&output);
            log::info!("removed {removed} files that the last run had begun to write");
        }
        Ok((ledger, state))
    }
}

fn make_output_directory(path: &Path) -> Result<(), UsageError> {
    std::fs::create_dir_all(path)
        .map_err(|source| UsageError::Output { path: path.to_path_buf(), source })
}

/// What is told of the start of a run.
fn start_of(reading: &Reading, ledger: &Ledger) -> RunStarted {
    let rank = |plan: &RankPlan| RankInfo {
        host: plan.host.clone(),
        threads: plan.threads,
        memory_bytes: plan.memory,
    };
    let ranks: Vec<RankInfo> = reading.cluster.ranks.iter().map(rank).collect();
    RunStarted {
        run: ledger.run(),
        mpix: env!("CARGO_PKG_VERSION").to_owned(),
        host: ranks.first().map(|rank| rank.host.clone()).unwrap_or_default(),
        pid: std::process::id(),
        output: reading.job.settings.output.display().to_string(),
        op: reading.job.work.chain_text(),
        images: reading.entries,
        ranks,
    }
}
