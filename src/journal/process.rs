//! Which process of which host it is, and whether it is gone.

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};

/// A process, told apart from all others: also from those of another host of the same name, of the
/// same host before it was started again, of another container, and from a later one with its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    host: String,
    boot: Option<String>,
    namespace: Option<String>,
    user: Option<u32>,
    pid: u32,
    started: Option<u64>,
}

impl Process {
    /// Process `pid` of this machine, which calls itself `host`.
    pub(super) fn new(host: &str, pid: u32) -> Self {
        Self {
            host: host.to_owned(),
            boot: fs::read_to_string("/proc/sys/kernel/random/boot_id").ok(),
            namespace: fs::read_link("/proc/self/ns/pid").ok().map(|to| format!("{to:?}")),
            user: fs::metadata("/proc/self").ok().map(|own| own.uid()),
            pid,
            started: start_of(pid),
        }
    }

    /// A process of this machine, which calls itself `host`, that is gone.
    #[cfg(test)]
    pub(super) fn gone(host: &str) -> Self {
        Self { started: Some(0), ..Self::new(host, std::process::id()) }
    }

    /// Whether this process is surely gone, as `observer` sees it: false where it cannot tell. One
    /// user's processes may be hidden from another (`hidepid`), so both must be the same user's.
    pub(super) fn is_gone(&self, observer: &Self) -> bool {
        let same = |a: &Option<String>, b: &Option<String>| a.is_some() && a == b;
        self.host == observer.host
            && same(&self.boot, &observer.boot)
            && same(&self.namespace, &observer.namespace)
            && self.user.is_some()
            && self.user == observer.user
            && observer.started.is_some()
            && self.started.is_some()
            && start_of(self.pid) != self.started
    }
}

/// When process `pid` started, in clock ticks since the host did; nothing if there is none, or if
/// only its exit status is left.
#[must_use]
pub fn start_of(pid: u32) -> Option<u64> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat).into_owned();
    // The name, in parentheses, may hold spaces and parentheses.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    // Field 22 of the file; the state was field 3.
    let started = fields.nth(18)?.parse().ok()?;
    (!matches!(state, "Z" | "X" | "x")).then_some(started)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn only_a_dead_process_is_gone() {
        let own = Process::new("host", std::process::id());
        assert!(own.started.is_some());
        assert!(!own.is_gone(&own));
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::new("host", child.id());
        assert!(!process.is_gone(&own));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(process.is_gone(&own));
    }

    #[test]
    fn a_later_process_with_the_same_number_is_another() {
        let own = Process::new("host", std::process::id());
        let before = Process { started: own.started.map(|ticks| ticks - 1), ..own.clone() };
        assert!(before.is_gone(&own));
    }

    #[test]
    fn what_cannot_be_seen_is_not_gone() {
        let own = Process::new("host", std::process::id());
        let dead = Process { started: Some(0), ..own.clone() };
        assert!(dead.is_gone(&own));
        for unknown in [
            Process { host: "other".to_owned(), ..dead.clone() },
            Process { boot: Some("another".to_owned()), ..dead.clone() },
            Process { boot: None, ..dead.clone() },
            Process { namespace: Some("another".to_owned()), ..dead.clone() },
            Process { user: Some(u32::MAX), ..dead.clone() },
            Process { started: None, ..dead.clone() },
        ] {
            assert!(!unknown.is_gone(&own), "{unknown:?}");
        }
    }
}
