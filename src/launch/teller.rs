//! Who is told what happens to a launch: the terminal, standard output, its log, its status.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::error::{on_one_line, tell};
use crate::events::{
    Entry, HostStatus, LaunchEvent, LaunchStatus, LogFile, RunEvent, launch_log_path,
};
use crate::host;

/// Events that the status keeps.
const EVENTS_KEPT: usize = 50;

/// Tells of a launch.
#[derive(Debug)]
pub(super) struct Teller {
    directory: PathBuf,
    status: LaunchStatus,
    log: Option<LogFile>,
    prints_json: bool,
    is_quiet: bool,
}

impl Teller {
    /// Begins with what `directory`, which is `OUT/.mpix`, tells of an earlier supervisor of the same
    /// launch.
    pub(super) fn open(
        directory: &Path,
        (launch, attempt, failures): (String, u32, u32),
        (prints_json, is_quiet): (bool, bool),
    ) -> Self {
        let log = LogFile::open(&launch_log_path(directory));
        if let Err(error) = &log {
            log::warn!("failed to open the log of the launch: {error}");
        }
        let now = Timestamp::now();
        let status = LaunchStatus {
            launch,
            host: host::name(),
            pid: std::process::id(),
            started: now,
            updated: now,
            attempt,
            failures,
            exit_code: None,
            hosts: Vec::new(),
            events: Vec::new(),
        };
        Self { directory: directory.to_path_buf(), status, log: log.ok(), prints_json, is_quiet }
    }

    /// Tells of an event. `hosts` is what each host does from now on.
    pub(super) fn tell(&mut self, event: LaunchEvent, hosts: Vec<HostStatus>) {
        match &event {
            LaunchEvent::AttemptStarted { attempt, .. } => self.status.attempt = *attempt,
            LaunchEvent::Failed { .. } => self.status.failures += 1,
            LaunchEvent::Ended { exit_code, .. } => self.status.exit_code = Some(*exit_code),
            LaunchEvent::Started { .. }
            | LaunchEvent::Swept { .. }
            | LaunchEvent::Excluded { .. }
            | LaunchEvent::Up { .. }
            | LaunchEvent::Down { .. }
            | LaunchEvent::Joins { .. }
            | LaunchEvent::Leaves { .. }
            | LaunchEvent::BadHostfile { .. }
            | LaunchEvent::Waits { .. }
            | LaunchEvent::TakesOver { .. } => {}
        }
        let text = on_one_line(&event.text());
        if !self.is_quiet {
            tell(&format!("mpix launch: {text}"));
        }
        let entry = Entry::now(RunEvent::Launch(event));
        self.keep(&entry);
        if self.prints_json {
            self.print(&serde_json::to_string(&entry).unwrap_or_default());
        }
        self.status.hosts = hosts;
        let line = format!("{:.0}  {text}", self.now());
        self.status.events.push(line);
        let over = self.status.events.len().saturating_sub(EVENTS_KEPT);
        self.status.events.drain(..over);
        self.write();
    }

    fn now(&mut self) -> Timestamp {
        self.status.updated = Timestamp::now();
        self.status.updated
    }

    fn keep(&mut self, entry: &Entry) {
        if let Some(log) = &mut self.log
            && let Err(error) = log.append(entry)
        {
            log::warn!("the log of the launch ends here: {error}");
            self.log = None;
        }
    }

    fn write(&self) {
        if let Err(error) = self.status.write(&self.directory) {
            log::warn!("failed to write the status of the launch: {error}");
        }
    }

    /// Passes a line of JSON on to whoever reads standard output.
    pub(super) fn print(&mut self, line: &str) {
        // Who read them has gone; the launch goes on.
        self.prints_json &= writeln!(io::stdout().lock(), "{line}").is_ok();
    }

    /// Whether somebody reads events on standard output.
    pub(super) fn prints_json(&self) -> bool {
        self.prints_json
    }
}
