//! Looks at hosts again and again.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::row::{self, Row, State};
use super::{Request, hosts_of};
use crate::error::{Error, exit, printed, with_causes};
use crate::launch::check::{Asker, CheckError, Facts, check_all};
use crate::launch::hostfile::HostEntry;
use crate::launch::ping::{HostEvent, Pace, Pings};

/// From one look to the next.
const TICK: Duration = Duration::from_secs(1);
/// Time after which a host that is up tells of itself again.
const FACTS_LAST: Duration = Duration::from_secs(10);

/// How changes are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A table, drawn again in its place each second.
    Screen {
        /// Whether states are coloured.
        colours: bool,
    },
    /// A line for each change.
    Changes,
    /// A JSON object for each host, each second.
    Json,
}

/// What the mpix of a host said.
type Answer = (HostEntry, Result<Facts, CheckError>);

/// Watches the hosts of a hostfile until `out` cannot be written; the file may change meanwhile.
/// Returns the exit code.
///
/// # Errors
/// When the hostfile cannot be read at the start, or `out` cannot be written for another reason than
/// a reader that has enough.
pub fn watch(request: &Request, form: Form, out: &mut impl Write) -> Result<u8, Error> {
    let (mut watch, events) = Watch::start(request)?;
    let mut next_tick = Instant::now() + TICK;
    loop {
        let is_tick = wait(&events, next_tick);
        if is_tick {
            next_tick = Instant::now() + TICK;
            watch.read_again(&request.hostfile);
        }
        watch.look();
        if let Err(error) = watch.show(form, is_tick, out).and_then(|()| out.flush()) {
            printed(Err(error))?;
            return Ok(exit::DONE);
        }
    }
}

/// Waits for something to happen, or until then, which is a tick.
fn wait(events: &Receiver<HostEvent>, until: Instant) -> bool {
    let left = until.saturating_duration_since(Instant::now());
    match events.recv_timeout(left) {
        Ok(_) => {
            // What it is stands in the states, together with all else that has happened by now.
            while events.try_recv().is_ok() {}
            Instant::now() >= until
        }
        Err(RecvTimeoutError::Timeout) => true,
        Err(RecvTimeoutError::Disconnected) => {
            thread::sleep(left);
            true
        }
    }
}

struct Watch {
    asker: Asker,
    pings: Pings,
    /// Time that an mpix has to answer.
    timeout: Duration,
    hosts: Vec<Watched>,
    answers: Receiver<Answer>,
    to_answers: Sender<Answer>,
    /// When the hostfile was written, as far as it has been read.
    written: Option<SystemTime>,
}

struct Watched {
    row: Row,
    /// When its mpix was last asked, since it has been up.
    asked: Option<Instant>,
    /// The state that was last told.
    told: State,
}

impl Watched {
    fn new(host: HostEntry) -> Self {
        let row = Row { host, ping: None, check: None };
        Self { row, asked: None, told: State::Unknown }
    }
}

impl Watch {
    fn start(request: &Request) -> Result<(Self, Receiver<HostEvent>), Error> {
        let written = written(&request.hostfile);
        let hosts = hosts_of(&request.hostfile)?;
        let timeout = request.timeout;
        let pace = Pace { interval: TICK, timeout, down_after: timeout };
        let (to_events, events) = channel();
        let (to_answers, answers) = channel();
        let watch = Self {
            asker: Asker::of_this_process(),
            pings: Pings::start(&hosts, pace, to_events),
            timeout,
            hosts: hosts.into_iter().map(Watched::new).collect(),
            answers,
            to_answers,
            written,
        };
        Ok((watch, events))
    }

    /// Takes the hostfile's hosts, if it has been written since. One that is wrong is told once.
    fn read_again(&mut self, path: &Path) {
        let written = written(path);
        if written.is_none() || written == self.written {
            return;
        }
        self.written = written;
        let hosts = match hosts_of(path) {
            Ok(hosts) => hosts,
            Err(error) => {
                log::warn!("the hosts stay as they were: {}", with_causes(&error));
                return;
            }
        };
        self.pings.set_hosts(&hosts);
        let mut before = std::mem::take(&mut self.hosts);
        self.hosts.extend(hosts.into_iter().map(|host| {
            let known = before.iter().position(|known| known.row.host == host);
            known.map_or_else(|| Watched::new(host), |place| before.swap_remove(place))
        }));
    }

    /// Brings the rows up to date, and asks those whose answer is old.
    fn look(&mut self) {
        for (watched, (_, state)) in self.hosts.iter_mut().zip(self.pings.states()) {
            if state.as_ref().is_none_or(|state| !state.is_up()) {
                (watched.row.check, watched.asked) = (None, None);
            }
            watched.row.ping = state;
        }
        for (host, answer) in self.answers.try_iter() {
            let known = self.hosts.iter_mut().find(|watched| watched.row.host == host);
            if let Some(watched) = known.filter(|watched| watched.asked.is_some()) {
                watched.row.check = Some(answer);
            }
        }
        self.ask();
    }

    fn ask(&mut self) {
        let last = FACTS_LAST.max(2 * self.timeout);
        let mut due = Vec::new();
        for watched in &mut self.hosts {
            let up = watched.row.ping.as_ref().is_some_and(|ping| ping.is_up());
            if up && watched.asked.is_none_or(|asked| asked.elapsed() >= last) {
                watched.asked = Some(Instant::now());
                due.push(watched.row.host.clone());
            }
        }
        if due.is_empty() {
            return;
        }
        let (asker, timeout, answers) = (self.asker.clone(), self.timeout, self.to_answers.clone());
        thread::spawn(move || {
            let told = check_all(&asker, &due, timeout);
            // Nobody may listen any more.
            due.into_iter().zip(told).for_each(|answer| drop(answers.send(answer)));
        });
    }

    fn show(&mut self, form: Form, is_tick: bool, out: &mut impl Write) -> io::Result<()> {
        let rows = self.hosts.iter().map(|watched| &watched.row);
        match form {
            Form::Json if is_tick => row::print_json(rows, &self.asker, out),
            Form::Screen { colours } if is_tick => {
                // To the top, each line to its end, then all below: nothing flickers.
                let lines = row::table(rows, &self.asker, colours);
                let lines: String = lines.iter().map(|line| format!("{line}\u{1b}[K\n")).collect();
                write!(out, "\u{1b}[H{lines}\u{1b}[J")
            }
            Form::Changes => self.show_changes(out),
            Form::Json | Form::Screen { .. } => Ok(()),
        }
    }

    fn show_changes(&mut self, out: &mut impl Write) -> io::Result<()> {
        for watched in &mut self.hosts {
            let state = watched.row.state();
            if state == State::Unknown || state == watched.told {
                continue;
            }
            watched.told = state;
            let name = &watched.row.host.name;
            let note =
                watched.row.note(&self.asker).map_or_else(String::new, |note| format!(": {note}"));
            let now = jiff::Timestamp::now();
            writeln!(out, "{now:.0} {name} {}{note}", state.name())?;
        }
        Ok(())
    }
}

fn written(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}
