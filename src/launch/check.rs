//! Whether a host can take ranks: its mpix is asked, by ssh as `mpirun` would start it.

use std::num::NonZero;
use std::process::Command;
use std::time::Duration;

use serde::de::DeserializeOwned;
use thiserror::Error;

use super::agent::{Agent, NOT_REACHED, NOT_THERE, is_this_host};
use super::at_once;
use super::hostfile::HostEntry;
use super::program::{Said, SilentError, run_bounded};
pub use crate::host::Facts;
use crate::host::{self, size};

/// Hosts that are asked at a time: each is an ssh.
pub(super) const AT_ONCE: NonZero<usize> = NonZero::new(16).unwrap();
/// Bytes that a rank's MPI and its daemon need in the directory for temporary files.
const NEEDED_BYTES: u64 = 8 << 20;
/// Characters of an answer that is none that are told.
const MOST_TOLD: usize = 80;

/// How this process asks the mpix of a host.
#[derive(Clone, Debug)]
pub struct Asker {
    /// What reaches other hosts.
    pub agent: Agent,
    /// The path of this mpix, where the others have theirs as well; `mpix` where it is not known.
    pub program: String,
    /// The version that all must have.
    pub version: String,
}

/// Why a host cannot take ranks. Shown after the host's name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CheckError {
    /// ssh does not get through.
    #[error("`{agent}` does not get through: {told}; {cure}")]
    Unreachable {
        /// The agent.
        agent: String,
        /// Its own words.
        told: String,
        /// What to do.
        cure: String,
    },
    /// A program that is needed here does not start.
    #[error("`{program}` cannot be started: {told}; {cure}")]
    NotStarted {
        /// The agent, or mpix itself.
        program: String,
        /// Why.
        told: String,
        /// What to do.
        cure: String,
    },
    /// There is no mpix.
    #[error("no mpix that can be started at {program}, nor in PATH: {told}; `{copy}`")]
    NoProgram {
        /// The path.
        program: String,
        /// What the shell there says.
        told: String,
        /// The command that copies it there.
        copy: String,
    },
    /// Its mpix lacks a library: most often MPI.
    #[error(
        "its mpix does not start: {told}; install the same MPI there, on Debian `apt-get install \
         openmpi-bin`"
    )]
    NoLibrary {
        /// What the loader says.
        told: String,
    },
    /// It has another mpix.
    #[error(
        "it has mpix {}, this host has {own}; install the same on all hosts: `{copy}`",
        version.as_deref().unwrap_or("of an earlier version")
    )]
    OtherVersion {
        /// Its version; none: one that does not know the question.
        version: Option<String>,
        /// This host's.
        own: String,
        /// The command that copies this host's there.
        copy: String,
    },
    /// What it answers is no answer.
    #[error(
        "its mpix does not answer as one ({}): {told}; try `{by_hand}`",
        code.map_or_else(|| "ended by a signal".to_owned(), |code| format!("exit code {code}"))
    )]
    Garbled {
        /// Its exit code; none when a signal ended it.
        code: Option<i32>,
        /// What it says, cut short.
        told: String,
        /// What a user types to see for himself.
        by_hand: String,
    },
    /// It does not answer in time.
    #[error("its mpix has not answered after {:.1} s; {cure}", limit.as_secs_f64())]
    TimedOut {
        /// How long it was waited for.
        limit: Duration,
        /// What to do.
        cure: String,
    },
}

/// What each host has, in their order, or why it cannot take ranks; each has `limit` to answer.
#[must_use]
pub fn check_all(
    asker: &Asker,
    hosts: &[HostEntry],
    limit: Duration,
) -> Vec<Result<Facts, CheckError>> {
    at_once(hosts, AT_ONCE, |host| check(asker, host, limit))
}

/// What a host has.
///
/// # Errors
/// When it cannot take ranks: it is not reached, has no mpix or another version, or does not answer.
pub fn check(asker: &Asker, host: &HostEntry, limit: Duration) -> Result<Facts, CheckError> {
    asker.ask(host, &["host", "--json"], limit)
}

impl Asker {
    /// As this process would.
    #[must_use]
    pub fn of_this_process() -> Self {
        let program = host::program().map(|path| path.display().to_string());
        Self {
            agent: Agent::of_this_process(),
            program: program.unwrap_or_else(|| "mpix".to_owned()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Why a host that has the same mpix cannot take ranks all the same.
    #[must_use]
    pub fn unfit(&self, facts: &Facts) -> Option<String> {
        if let Some(path) = facts.program.as_ref().filter(|path| **path != self.program) {
            return Some(format!("its mpix is at `{path}`, here at `{}`", self.program));
        }
        let free = facts.temporary_free_bytes.filter(|free| *free < NEEDED_BYTES)?;
        let place = facts.temporary.display();
        let (free, needed) = (size(free), size(NEEDED_BYTES));
        Some(format!("its `{place}` has {free} free, MPI needs {needed}: make room there"))
    }

    /// What the mpix of a host answers, as JSON; this host's is asked without ssh.
    pub(super) fn ask<T: DeserializeOwned>(
        &self,
        host: &HostEntry,
        arguments: &[&str],
        limit: Duration,
    ) -> Result<T, CheckError> {
        let here = is_this_host(&host.name);
        let mut command = if here {
            let mut command = Command::new(&self.program);
            command.args(arguments);
            command
        } else {
            self.agent.mpix(host, &self.program, arguments)
        };
        match run_bounded(&mut command, limit) {
            Ok(said) => self.answer(host, &said, arguments),
            Err(error) => Err(self.silence(host, &error, here)),
        }
    }

    fn silence(&self, host: &HostEntry, error: &SilentError, here: bool) -> CheckError {
        let cure = self.agent.cure_of_silence(host, error);
        match error {
            SilentError::TooLong(limit) => CheckError::TimedOut { limit: *limit, cure },
            SilentError::Start(source) if here => CheckError::NotStarted {
                program: self.program.clone(),
                told: source.to_string(),
                cure: "start mpix again: it has been moved".to_owned(),
            },
            SilentError::Start(source) => CheckError::NotStarted {
                program: self.agent.program.clone(),
                told: source.to_string(),
                cure,
            },
        }
    }

    fn answer<T: DeserializeOwned>(
        &self,
        host: &HostEntry,
        said: &Said,
        arguments: &[&str],
    ) -> Result<T, CheckError> {
        let Some(answer) = said.json(|value| value["version"].is_string()) else {
            return Err(self.no_answer(host, said, arguments));
        };
        let version = answer["version"].as_str().unwrap_or_default().to_owned();
        if version != self.version {
            let (own, copy) = (self.version.clone(), self.agent.copy(host, &self.program));
            return Err(CheckError::OtherVersion { version: Some(version), own, copy });
        }
        serde_json::from_value(answer).map_err(|error| CheckError::Garbled {
            code: said.code,
            told: error.to_string(),
            by_hand: self.by_hand(host, arguments),
        })
    }

    fn no_answer(&self, host: &HostEntry, said: &Said, arguments: &[&str]) -> CheckError {
        let copy = self.agent.copy(host, &self.program);
        let mut told = said.last_word().to_owned();
        match said.code {
            Some(NOT_REACHED) => CheckError::Unreachable {
                agent: self.agent.program.clone(),
                cure: self.agent.cure_of_failure(host, &told),
                told,
            },
            Some(127) if told.contains("shared librar") => CheckError::NoLibrary { told },
            Some(code) if NOT_THERE.contains(&code) => {
                CheckError::NoProgram { program: self.program.clone(), told, copy }
            }
            Some(2) if said.stderr.contains("unrecognized subcommand") => {
                CheckError::OtherVersion { version: None, own: self.version.clone(), copy }
            }
            code => {
                let heard = [&said.stderr, &said.stdout].map(|text| text.trim());
                let heard = heard.into_iter().find(|text| !text.is_empty());
                told = heard.unwrap_or("nothing").chars().take(MOST_TOLD).collect();
                CheckError::Garbled { code, told, by_hand: self.by_hand(host, arguments) }
            }
        }
    }

    fn by_hand(&self, host: &HostEntry, arguments: &[&str]) -> String {
        let arguments = arguments.join(" ");
        format!("{} {} {arguments}", self.agent.typed(host), self.program)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asker() -> Asker {
        Asker {
            agent: Agent::new(None, |_| true),
            program: "/opt/mpix".into(),
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }

    fn said(code: i32, stdout: &str, stderr: &str) -> Said {
        Said { code: Some(code), stdout: stdout.into(), stderr: stderr.into() }
    }

    fn answer(said: &Said) -> Result<Facts, CheckError> {
        let host = HostEntry { name: "a".into(), ..HostEntry::default() };
        asker().answer(&host, said, &["host", "--json"])
    }

    #[test]
    fn facts_are_found_behind_a_greeting() {
        let mut facts = Facts::of_this_host("scalar".into());
        facts.program = Some("/usr/bin/mpix".into());
        let json = serde_json::to_string(&facts).unwrap();
        let told = answer(&said(0, &format!("Welcome {{}}\n{{}}\n{json}\n"), "motd")).unwrap();
        assert_eq!(told, facts);
        assert_eq!(
            asker().unfit(&told).unwrap(),
            "its mpix is at `/usr/bin/mpix`, here at `/opt/mpix`"
        );
        facts.program = Some("/opt/mpix".into());
        for (free, fits) in [(None, true), (Some(8 << 20), true), (Some((8 << 20) - 1), false)] {
            facts.temporary_free_bytes = free;
            assert_eq!(asker().unfit(&facts).is_none(), fits, "{free:?}");
        }
    }

    #[test]
    fn each_way_to_fail_has_words_and_a_cure() {
        let failures = [
            (said(255, "", "ssh: connect to host a port 22: No route to host\n"), "`ssh a true`"),
            (said(127, "", "sh: 1: exec: mpix: not found\n"), "`scp /opt/mpix a:/opt/mpix`"),
            (said(127, "", "error while loading shared libraries: libmpi.so.40"), "openmpi-bin"),
            (said(126, "", "sh: 1: exec: /opt/mpix: Permission denied"), "nor in PATH"),
            (said(0, r#"{"version": "9.0", "new": 1}"#, ""), "mpix 9.0, this host has"),
            (said(2, "", "error: unrecognized subcommand 'host'"), "of an earlier version"),
            (said(0, "hello", ""), "(exit code 0): hello; try `ssh a /opt/mpix host --json`"),
            (said(0, &format!(r#"{{"version":"{}"}}"#, asker().version), ""), "missing field"),
        ];
        for (said, words) in failures {
            let told = answer(&said).unwrap_err().to_string();
            assert!(told.contains(words), "`{words}` is not in: {told}");
        }
    }
}
