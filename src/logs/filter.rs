//! Which entries are shown.

use std::str::FromStr;

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

use super::line::{Facts, name_of};
use crate::events::{Entry, Level, RunEvent};

/// What an entry must be to be shown: all of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// At least of this level.
    pub level: Option<Level>,
    /// One of these events, if any are named.
    pub events: Vec<String>,
    /// Of one of these ranks, if any are named.
    pub ranks: Vec<usize>,
    /// Of this host.
    pub host: Option<String>,
    /// Of an image whose name contains this.
    pub image: Option<String>,
    /// Of an image that took more milliseconds.
    pub slower_than_ms: Option<f64>,
    /// Of this run.
    pub run: Option<RunChoice>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Not after.
    pub until: Option<Timestamp>,
}

/// A run of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunChoice {
    /// The one with this number.
    Number(u64),
    /// The one that began last.
    Last,
    /// Those that began as this one in the log, counted from 1, or later.
    From(usize),
}

impl FromStr for RunChoice {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "last" { Ok(Self::Last) } else { text.parse().map(Self::Number) }
    }
}

/// Which run the last entry was of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    number: Option<u64>,
    /// Counted in the log: numbers begin anew with `--fresh`.
    count: usize,
}

impl Filter {
    /// Whether an entry is shown. Entries come in the order of the log: they belong to the run that
    /// began before them.
    pub(super) fn lets_pass(&self, entry: &Entry, at: &mut Position) -> bool {
        if let RunEvent::RunStarted(started) = &entry.event {
            *at = Position { number: Some(started.run), count: at.count + 1 };
        }
        let facts = Facts::of(&entry.event);
        self.level.is_none_or(|level| entry.level >= level)
            && (self.events.is_empty()
                || self.events.iter().any(|name| name == name_of(&entry.event)))
            && (self.ranks.is_empty() || facts.rank.is_some_and(|rank| self.ranks.contains(&rank)))
            && is(self.host.as_deref(), |host| facts.is_of_host(host))
            && is(self.image.as_deref(), |text| {
                facts.image.is_some_and(|image| image.contains(text))
            })
            && is(self.slower_than_ms, |most| facts.ms.is_some_and(|ms| ms > most))
            && is(self.run, |run| at.is_of(run))
            && is(self.since, |since| entry.time >= since)
            && is(self.until, |until| entry.time <= until)
    }
}

impl Position {
    fn is_of(&self, run: RunChoice) -> bool {
        match run {
            RunChoice::Number(number) => self.number == Some(number),
            RunChoice::From(count) => self.count >= count,
            RunChoice::Last => true,
        }
    }
}

/// Whether there is no wish, or it is met.
fn is<T>(wish: Option<T>, met: impl FnOnce(T) -> bool) -> bool {
    wish.is_none_or(met)
}

/// A time as `2026-01-31T12:00:00Z`, or a span back from `now`, as `10m`, `2h 30m` or `1d`; a day has
/// 24 hours.
#[must_use]
pub fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let span: Span = text.parse().ok()?;
    let back: SignedDuration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    now.checked_sub(back.abs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_a_span_back() {
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2026-01-31T13:00:00+01:00", "2026-01-31T12:00:00Z"),
            ("10m", "2026-01-31T11:50:00Z"),
            ("1d", "2026-01-30T12:00:00Z"),
            ("2h 30m", "2026-01-31T09:30:00Z"),
            ("1.5h", "2026-01-31T10:30:00Z"),
            ("10m ago", "2026-01-31T11:50:00Z"),
            ("PT1M", "2026-01-31T11:59:00Z"),
        ] {
            assert_eq!(moment(text, now), Some(expected.parse().unwrap()), "{text}");
        }
        for bad in ["", "10", "yesterday", "2026-01-31", "9999999999d"] {
            assert_eq!(moment(bad, now), None, "{bad}");
        }
    }
}
