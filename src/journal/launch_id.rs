//! Which attempt of which launch a run is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The variable that tells a run which attempt it is: `MPIX_LAUNCH=ID:ATTEMPT`.
pub const LAUNCH_VARIABLE: &str = "MPIX_LAUNCH";

const ID_DIGITS: usize = 16;

/// An attempt of a launch, as text `00c0ffee00c0ffee:2`: a later attempt takes the output directory
/// from an earlier one, dead or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct LaunchId {
    /// A random number that all attempts of one launch share.
    pub id: u64,
    /// The attempt, from 1.
    pub attempt: u32,
}

impl LaunchId {
    /// Whether this is a later attempt of the same launch.
    #[must_use]
    pub fn is_later_than(&self, other: &Self) -> bool {
        self.id == other.id && self.attempt > other.attempt
    }
}

impl fmt::Display for LaunchId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:0width$x}:{}", self.id, self.attempt, width = ID_DIGITS)
    }
}

/// A text that names no attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected ID:ATTEMPT, {ID_DIGITS} hexadecimal digits and a number from 1")]
pub struct NoLaunchId;

impl FromStr for LaunchId {
    type Err = NoLaunchId;

    fn from_str(text: &str) -> Result<Self, NoLaunchId> {
        let (id, attempt) = text.split_once(':').ok_or(NoLaunchId)?;
        // The parsers take a sign, too.
        let are_digits = id.bytes().all(|byte| byte.is_ascii_hexdigit())
            && attempt.bytes().all(|byte| byte.is_ascii_digit());
        if id.len() != ID_DIGITS || !are_digits {
            return Err(NoLaunchId);
        }
        let id = u64::from_str_radix(id, 16).map_err(|_| NoLaunchId)?;
        let attempt = attempt.parse().ok().filter(|&attempt| attempt > 0).ok_or(NoLaunchId)?;
        Ok(Self { id, attempt })
    }
}

impl From<LaunchId> for String {
    fn from(launch: LaunchId) -> Self {
        launch.to_string()
    }
}

impl TryFrom<String> for LaunchId {
    type Error = NoLaunchId;

    fn try_from(text: String) -> Result<Self, NoLaunchId> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_launch_comes_back_from_its_text_and_garbage_does_not() {
        let launch = LaunchId { id: 0xc0ffee, attempt: 12 };
        assert_eq!(launch.to_string(), "0000000000c0ffee:12");
        assert_eq!("0000000000C0FFEE:12".parse(), Ok(launch));
        for garbage in [
            "",
            ":",
            "c0ffee:1",
            "0000000000c0ffee",
            "0000000000c0ffee:",
            "0000000000c0ffee:0",
            "0000000000c0ffee:+1",
            "+000000000c0ffee:1",
            "0000000000c0ffee:1:2",
            "0000000000c0ffee:4294967296",
            "ééééé00000c0ffee:1",
        ] {
            assert_eq!(garbage.parse::<LaunchId>(), Err(NoLaunchId), "{garbage}");
        }
    }

    #[test]
    fn only_an_attempt_of_the_same_launch_is_later() {
        let [first, second, other] =
            [(1, 1), (1, 2), (2, 3)].map(|(id, attempt)| LaunchId { id, attempt });
        assert!(second.is_later_than(&first) && !first.is_later_than(&second));
        assert!(!first.is_later_than(&first) && !other.is_later_than(&first));
    }
}
