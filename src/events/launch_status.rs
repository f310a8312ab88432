//! Where a launch is: a file beside the results, replaced with each change.

use std::path::Path;
use std::{fs, io};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::replace::replace_json;

const NAME: &str = "launch.json";

/// Where a launch is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchStatus {
    /// The launch, 16 hexadecimal digits.
    pub launch: String,
    /// Host of the supervisor.
    pub host: String,
    /// Its process.
    pub pid: u32,
    /// When it began.
    pub started: Timestamp,
    /// When this was written.
    pub updated: Timestamp,
    /// The attempt under way, from 1; 0 before the first.
    pub attempt: u32,
    /// Failures so far.
    pub failures: u32,
    /// Its exit code, once it has ended.
    pub exit_code: Option<u8>,
    /// All hosts, in the order of the hostfile.
    pub hosts: Vec<HostStatus>,
    /// The last events, as text, the newest last.
    pub events: Vec<String>,
}

/// What a host is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostStatus {
    /// Its name.
    pub host: String,
    /// What it does.
    pub state: HostRole,
    /// Since when.
    pub since: Timestamp,
    /// Why it takes no ranks.
    pub why: Option<String>,
}

/// What a host does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostRole {
    /// It has ranks.
    Running,
    /// It could have.
    Spare,
    /// It does not answer.
    Down,
    /// It answers, but takes no ranks for the time being.
    Excluded,
    /// Nothing is known of it yet.
    Unknown,
}

impl LaunchStatus {
    /// Reads the status in `directory`, which is `OUT/.mpix`; none: no launch was there.
    #[must_use]
    pub fn read(directory: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(directory.join(NAME)).ok()?).ok()
    }

    /// Replaces the status in `directory`, as [`replace`](super::replace) does.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        replace_json(directory, NAME, self)
    }

    /// A line for the launch and one for each host.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "launch {} on {} (process {}), attempt {}, {} failures{}",
            self.launch,
            self.host,
            self.pid,
            self.attempt,
            self.failures,
            self.exit_code.map_or_else(String::new, |code| format!(", ended with {code}"))
        )];
        let widest = self.hosts.iter().map(|host| host.host.chars().count()).max().unwrap_or(0);
        lines.extend(self.hosts.iter().map(|host| {
            let why = host.why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
            let since = host.since.strftime("%H:%M:%S");
            format!("  {:widest$}  {:<8} since {since} UTC{why}", host.host, host.state.text())
        }));
        lines
    }
}

impl HostRole {
    /// For people.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Spare => "spare",
            Self::Down => "down",
            Self::Excluded => "excluded",
            Self::Unknown => "unknown",
        }
    }
}
