//! What happens to a launch: starts, failures of hosts, starts again.

use serde::{Deserialize, Serialize};

use super::event::Level;

/// What happens to a launch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum LaunchEvent {
    /// A supervisor begins.
    Started {
        /// The launch, 16 hexadecimal digits.
        launch: String,
        /// The supervisor's process.
        pid: u32,
        /// The hosts that it may use.
        hosts: Vec<String>,
    },
    /// Ranks are started.
    AttemptStarted {
        /// The attempt, from 1.
        attempt: u32,
        /// Hosts that have ranks, rank 0's first.
        hosts: Vec<String>,
    },
    /// An attempt has failed, or one of its hosts.
    Failed {
        /// The attempt.
        attempt: u32,
        /// The host, where it is known.
        host: Option<String>,
        /// What happened.
        what: String,
        /// How it was noticed.
        noticed_by: String,
    },
    /// What an attempt has left on a host was ended, or would not go.
    Swept {
        /// The attempt.
        attempt: u32,
        /// The host.
        host: String,
        /// Processes that were ended.
        ended: usize,
        /// Why it is not known, or what is left; the next attempt's number shuts it out.
        left: Option<String>,
    },
    /// A host can take no ranks for the time being.
    Excluded {
        /// The host.
        host: String,
        /// Why.
        why: String,
    },
    /// A host answers.
    Up {
        /// The host.
        host: String,
    },
    /// A host does not answer.
    Down {
        /// The host.
        host: String,
        /// What comes back instead.
        why: String,
    },
    /// A host takes part from the next attempt on.
    Joins {
        /// The host.
        host: String,
    },
    /// A host takes part no more: it is not in the hostfile.
    Leaves {
        /// The host.
        host: String,
    },
    /// The edited hostfile cannot be used: the last one that could holds.
    BadHostfile {
        /// Why.
        why: String,
    },
    /// There are not enough hosts; the launch waits.
    Waits {
        /// Hosts that can take ranks.
        hosts: usize,
        /// Hosts that are needed.
        needed: usize,
    },
    /// It goes on with a launch whose supervisor was lost.
    TakesOver {
        /// From whom.
        from: String,
    },
    /// The supervisor ends.
    Ended {
        /// Its exit code.
        exit_code: u8,
        /// Why, where the run's own end does not tell.
        reason: Option<String>,
        /// Attempts.
        attempts: u32,
        /// Failures.
        failures: u32,
        /// Seconds.
        seconds: f64,
    },
}

impl LaunchEvent {
    pub(super) fn level(&self) -> Level {
        match self {
            Self::Started { .. }
            | Self::AttemptStarted { .. }
            | Self::Up { .. }
            | Self::Joins { .. }
            | Self::Leaves { .. } => Level::Info,
            Self::Swept { left, .. } => {
                if left.is_some() {
                    Level::Warn
                } else {
                    Level::Info
                }
            }
            Self::Excluded { .. }
            | Self::Down { .. }
            | Self::Waits { .. }
            | Self::TakesOver { .. }
            | Self::BadHostfile { .. } => Level::Warn,
            Self::Failed { .. } => Level::Error,
            Self::Ended { exit_code: 0, .. } => Level::Info,
            Self::Ended { .. } => Level::Warn,
        }
    }

    /// The host that it is about.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Failed { host, .. } => host.as_deref(),
            Self::Swept { host, .. }
            | Self::Excluded { host, .. }
            | Self::Up { host }
            | Self::Down { host, .. }
            | Self::Joins { host }
            | Self::Leaves { host } => Some(host),
            Self::Started { .. }
            | Self::AttemptStarted { .. }
            | Self::BadHostfile { .. }
            | Self::Waits { .. }
            | Self::TakesOver { .. }
            | Self::Ended { .. } => None,
        }
    }

    /// Whether it is about a host, or about several of which it is one.
    #[must_use]
    pub fn is_about(&self, name: &str) -> bool {
        match self {
            Self::Started { hosts, .. } | Self::AttemptStarted { hosts, .. } => {
                hosts.iter().any(|host| host == name)
            }
            Self::Failed { .. }
            | Self::Swept { .. }
            | Self::Excluded { .. }
            | Self::Up { .. }
            | Self::Down { .. }
            | Self::Joins { .. }
            | Self::Leaves { .. }
            | Self::BadHostfile { .. }
            | Self::Waits { .. }
            | Self::TakesOver { .. }
            | Self::Ended { .. } => self.host() == Some(name),
        }
    }

    /// For people, on one line.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Started { launch, hosts, .. } => {
                format!("launch {launch} over {}", hosts.join(", "))
            }
            Self::AttemptStarted { attempt, hosts } => {
                format!("attempt {attempt} on {}", hosts.join(", "))
            }
            Self::Failed { attempt, host, what, noticed_by } => {
                let host = host.as_ref().map_or_else(String::new, |host| format!(" on `{host}`"));
                format!("attempt {attempt} failed{host}: {what} (noticed by {noticed_by})")
            }
            Self::Swept { attempt, host, ended, left } => match left {
                Some(left) => format!("`{host}` may have processes of attempt {attempt}: {left}"),
                None => format!("ended {ended} processes of attempt {attempt} on `{host}`"),
            },
            Self::Excluded { host, why } => format!("`{host}` takes no ranks: {why}"),
            Self::Up { host } => format!("`{host}` is up"),
            Self::Down { host, why } => format!("`{host}` is down: {why}"),
            Self::Joins { host } => format!("`{host}` joins"),
            Self::Leaves { host } => format!("`{host}` leaves"),
            Self::BadHostfile { why } => format!("the last good hostfile holds: {why}"),
            Self::Waits { hosts, needed } => {
                format!("waits for hosts: {hosts} of {needed} can take ranks")
            }
            Self::TakesOver { from } => format!("takes over from {from}"),
            Self::Ended { exit_code, reason, attempts, failures, seconds } => {
                let reason = reason.as_ref().map_or_else(String::new, |text| format!(": {text}"));
                format!(
                    "ends with {exit_code} after {attempts} attempts, {failures} failures, \
                     {seconds:.1} s{reason}"
                )
            }
        }
    }
}
