//! What is wrong with a hostfile, and what would be right.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a hostfile cannot be used.
#[derive(Debug, Error)]
pub enum HostfileError {
    /// It cannot be read.
    #[error("failed to read the hostfile `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line of it is wrong.
    #[error("failed to read the hostfile `{}`, line {line}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        #[source]
        wrong: Wrong,
    },
    /// It has no host.
    #[error("the hostfile `{}` names no host; write one a line, as `node1 slots=1`", path.display())]
    NoHosts {
        /// The file.
        path: PathBuf,
    },
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Wrong {
    /// A name that no host has.
    #[error("`{}` is no name of a host; write a name, an IPv4 or an IPv6 address", word.escape_debug())]
    Host {
        /// What stands there.
        word: String,
    },
    /// Several hosts, or a host and its slots, in one word.
    #[error(
        "`{}` is no name of a host; write each host on a line of its own, with `slots=N` or `port=N` \
         after it",
        word.escape_debug()
    )]
    HostWithMore {
        /// What stands there.
        word: String,
    },
    /// A name that no user has.
    #[error("`{}` is no name of a user; write letters, digits, `.`, `_` and `-`", word.escape_debug())]
    User {
        /// What stands there.
        word: String,
    },
    /// Open MPI's relative syntax.
    #[error(
        "`{}` names a host by its place in an allocation, which mpix does not know; write its name",
        word.escape_debug()
    )]
    Relative {
        /// What stands there.
        word: String,
    },
    /// A line of a rankfile.
    #[error("this is a line of a rankfile; write a host: `node1 slots=1`")]
    Rankfile,
    /// A line that starts with a setting.
    #[error("`{}` stands before any host; write the host first: `node1 slots=1`", word.escape_debug())]
    NoHost {
        /// What stands there.
        word: String,
    },
    /// A word that is no setting.
    #[error("`{}` is no setting of a host; known are {known}, each `NAME=VALUE`", word.escape_debug())]
    Unknown {
        /// What stands there.
        word: String,
        /// Settings.
        known: &'static str,
    },
    /// A setting without a value.
    #[error("`{key}` has no value; write `{key}={example}`")]
    NoValue {
        /// The setting.
        key: String,
        /// A value that it takes.
        example: &'static str,
    },
    /// A value that the setting does not take.
    #[error("`{key}={}` is no number that it takes; write {lowest} to {highest}", value.escape_debug())]
    Number {
        /// The setting.
        key: String,
        /// What stands there.
        value: String,
        /// The smallest that it takes.
        lowest: u32,
        /// The largest that it takes.
        highest: u32,
    },
    /// A setting twice on one line.
    #[error("`{key}` is given twice; write it once")]
    Twice {
        /// The setting.
        key: &'static str,
    },
    /// Slots of a host that has been named before.
    #[error(
        "`slots=` for `{host}`, which is named above; write all its slots there, or repeat its name \
         without `slots=`, once for each"
    )]
    SlotsAgain {
        /// The host.
        host: String,
    },
    /// More slots than at most.
    #[error("slots={slots} is more than max_slots={max_slots}; write at least as many")]
    TooManySlots {
        /// Slots.
        slots: usize,
        /// Slots at most.
        max_slots: usize,
    },
    /// Settings after an excluded host.
    #[error("`^{host}` leaves the host out and takes no setting; write it alone")]
    ExcludedWithMore {
        /// The host.
        host: String,
    },
}
