//! What the journal says, record by record.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::FailureKind;
use crate::hash::{ContentHash, OutputHash, SettingsHash};
use crate::path_bytes;

/// One event. The order of variants and fields is the file's format: add a variant at the end, and
/// a field only with a new version.
///
/// Paths are kept byte for byte, and compared so: `a//b` is not `a/b`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// A run began.
    RunStarted(RunStarted),
    /// An input was handed to a rank. Written before it is sent, so that a crash finds it in hand.
    Given {
        /// The input.
        #[serde(with = "path_bytes")]
        input: PathBuf,
        /// The rank.
        rank: u32,
    },
    /// An input came back undone without anybody's fault, as at a stop: it is no suspect.
    Returned {
        /// The input.
        #[serde(with = "path_bytes")]
        input: PathBuf,
    },
    /// An output is whole and durable.
    Done(Done),
    /// An input cannot be done.
    Failed(Failed),
    /// An input has killed ranks, and is left alone from now on.
    SetAside(SetAside),
    /// A run came to an orderly end.
    RunEnded(RunEnded),
    /// What is left in a compacted journal of the crashes that an input was in hand at.
    Suspected(Suspected),
}

/// What an image is: where, how long, when changed, what inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Where.
    #[serde(with = "path_bytes")]
    pub path: PathBuf,
    /// Length in bytes.
    pub bytes: u64,
    /// Modification time in nanoseconds since 1970; earlier is negative.
    pub modified_ns: i64,
    /// Hash of the content.
    pub content: ContentHash,
}

/// A run began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStarted {
    /// Number of the attempt, from 1.
    pub run: u64,
    /// How it makes outputs.
    pub settings: SettingsHash,
    /// The same as text.
    pub settings_text: String,
    /// Version of mpix.
    pub program_version: String,
    /// Host of rank 0.
    pub host: String,
    /// Process of rank 0.
    pub pid: u32,
    /// When, in nanoseconds since 1970.
    pub at_ns: i64,
}

/// An output is whole and durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// What it was made of.
    pub input: Identity,
    /// Where it lies, below the output directory.
    #[serde(with = "path_bytes")]
    pub output: PathBuf,
    /// Its length in bytes.
    pub output_bytes: u64,
    /// Its hash.
    pub output_hash: OutputHash,
    /// How it was made.
    pub settings: SettingsHash,
    /// Pixels of the image.
    pub pixels: u64,
    /// Microseconds from handing it out to its result.
    pub micros: u64,
    /// Rank that made it.
    pub rank: u32,
}

impl Done {
    /// Whether this is the output of a file with this length and modification time, made with
    /// these settings. Equal times are not yet equal content: compare that where it matters.
    #[must_use]
    pub fn is_of(&self, bytes: u64, modified_ns: i64, settings: &SettingsHash) -> bool {
        self.input.bytes == bytes
            && self.input.modified_ns == modified_ns
            && self.settings == *settings
    }
}

/// An input cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The input.
    #[serde(with = "path_bytes")]
    pub input: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its modification time in nanoseconds since 1970.
    pub modified_ns: i64,
    /// With which settings.
    pub settings: SettingsHash,
    /// What kind of failure.
    #[serde(with = "kind_code")]
    pub kind: FailureKind,
    /// The reason, for people.
    pub reason: String,
}

/// An input has killed ranks, and is left alone from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAside {
    /// The input.
    #[serde(with = "path_bytes")]
    pub input: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its modification time in nanoseconds since 1970.
    pub modified_ns: i64,
    /// With which settings.
    pub settings: SettingsHash,
    /// How many times.
    pub crashes: u32,
}

/// A run came to an orderly end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEnded {
    /// Number of the attempt.
    pub run: u64,
    /// How.
    pub outcome: RunOutcome,
    /// When, in nanoseconds since 1970.
    pub at_ns: i64,
}

/// How a run came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunOutcome {
    /// Every image is done.
    AllDone,
    /// Every image is done or failed.
    SomeFailed,
    /// A signal stopped it.
    Stopped,
    /// It gave up: too many failures, a full disk, a host that is gone.
    GaveUp,
}

/// What is left in a compacted journal of the crashes that an input was in hand at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspected {
    /// The input.
    #[serde(with = "path_bytes")]
    pub input: PathBuf,
    /// How many crashes.
    pub crashes: u32,
}

/// Kinds of failure by fixed numbers, so that the enum may be sorted anew.
mod kind_code {
    use serde::{Deserialize, Deserializer, Serializer, de::Error, de::Unexpected};

    use crate::error::FailureKind;

    pub(super) fn serialize<S: Serializer>(kind: &FailureKind, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u8(match kind {
            FailureKind::Unreadable => 1,
            FailureKind::NotAnImage => 2,
            FailureKind::OverLimit => 3,
            FailureKind::Unsupported => 4,
            FailureKind::CannotWrite => 5,
            FailureKind::SetAside => 6,
        })
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<FailureKind, D::Error> {
        Ok(match u8::deserialize(from)? {
            1 => FailureKind::Unreadable,
            2 => FailureKind::NotAnImage,
            3 => FailureKind::OverLimit,
            4 => FailureKind::Unsupported,
            5 => FailureKind::CannotWrite,
            6 => FailureKind::SetAside,
            code => {
                let found = Unexpected::Unsigned(code.into());
                return Err(D::Error::invalid_value(found, &"a kind of failure"));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_failure_returns() {
        for code in 1..=6 {
            let failed = Failed {
                input: PathBuf::from("a"),
                bytes: 1,
                modified_ns: -1,
                settings: SettingsHash::of(""),
                kind: FailureKind::Unreadable,
                reason: String::new(),
            };
            let mut bytes = postcard::to_stdvec(&failed).unwrap();
            let at = bytes.len() - 2; // before the empty reason
            bytes[at] = code;
            let read: Failed = postcard::from_bytes(&bytes).unwrap();
            assert_eq!(postcard::to_stdvec(&read).unwrap(), bytes);
        }
    }
}
