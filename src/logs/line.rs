//! An entry as a line for people.

use jiff::{Timestamp, Unit};

use crate::error::on_one_line;
use crate::events::{
    Entry, Foreseen, ImageDone, LaunchEvent, Level, RunEnded, RunEvent, RunStarted, bytes_text,
    clock, count_of, megapixels,
};

/// What many events have.
#[derive(Debug, Default)]
pub(super) struct Facts<'a> {
    pub(super) rank: Option<usize>,
    pub(super) host: Option<&'a str>,
    launch: Option<&'a LaunchEvent>,
    pub(super) image: Option<&'a str>,
    pub(super) ms: Option<f64>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(event: &'a RunEvent) -> Self {
        match event {
            RunEvent::RunStarted(started) => {
                Self { rank: Some(0), host: Some(&started.host), ..Self::default() }
            }
            RunEvent::ImageGiven { image, rank } => {
                Self { rank: Some(*rank), image: Some(image), ..Self::default() }
            }
            RunEvent::ImageDone(done) => Self {
                rank: Some(done.rank),
                host: Some(&done.host),
                image: Some(&done.image),
                ms: Some(done.ms),
                launch: None,
            },
            RunEvent::ImageDoneBefore { image } => Self { image: Some(image), ..Self::default() },
            RunEvent::ImageFailed(failed) => Self {
                rank: Some(failed.rank),
                host: Some(&failed.host),
                image: Some(&failed.image),
                ms: failed.ms,
                launch: None,
            },
            RunEvent::Message { rank, host, .. } => {
                Self { rank: Some(*rank), host: Some(host), ..Self::default() }
            }
            RunEvent::Launch(event) => {
                Self { host: event.host(), launch: Some(event), ..Self::default() }
            }
            RunEvent::Stopping { .. }
            | RunEvent::Foreseen(_)
            | RunEvent::Heartbeat { .. }
            | RunEvent::RunEnded(_) => Self::default(),
        }
    }

    pub(super) fn is_of_host(&self, host: &str) -> bool {
        self.host == Some(host) || self.launch.is_some_and(|event| event.is_about(host))
    }
}

/// The name of an event, as the log has it.
pub(super) fn name_of(event: &RunEvent) -> &'static str {
    match event {
        RunEvent::RunStarted(_) => "run-started",
        RunEvent::ImageGiven { .. } => "image-given",
        RunEvent::ImageDone(_) => "image-done",
        RunEvent::ImageDoneBefore { .. } => "image-done-before",
        RunEvent::ImageFailed(_) => "image-failed",
        RunEvent::Foreseen(_) => "foreseen",
        RunEvent::Stopping { .. } => "stopping",
        RunEvent::Message { .. } => "message",
        RunEvent::Heartbeat { .. } => "heartbeat",
        RunEvent::RunEnded(_) => "run-ended",
        RunEvent::Launch(_) => "launch",
    }
}

/// Time, level, event, rank and host, milliseconds, and what else there is to say.
pub(super) fn line_of(entry: &Entry) -> String {
    let facts = Facts::of(&entry.event);
    let rank = facts.rank.map_or_else(String::new, |rank| format!("rank {rank}"));
    let ms = facts.ms.map_or_else(String::new, |ms| format!("{ms:.1} ms"));
    let line = format!(
        "{}  {:<5}  {:<12}  {rank:<8}  {:<12}  {ms:>12}  {}",
        time_text(entry.time),
        level_text(entry.level),
        name_of(&entry.event),
        facts.host.unwrap_or_default(),
        what(&entry.event)
    );
    on_one_line(&line)
}

/// UTC, to the millisecond, always as long.
fn time_text(time: Timestamp) -> String {
    format!("{:.3}", time.round(Unit::Millisecond).unwrap_or(time))
}

fn level_text(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

fn what(event: &RunEvent) -> String {
    match event {
        RunEvent::RunStarted(started) => of_start(started),
        RunEvent::ImageGiven { image, .. } | RunEvent::ImageDoneBefore { image } => {
            format!("`{image}`")
        }
        RunEvent::ImageDone(done) => of_done(done),
        RunEvent::ImageFailed(failed) => {
            format!("`{}` {} ({})", failed.image, failed.reason, failed.kind.name())
        }
        RunEvent::Foreseen(foreseen) => of_foreseen(foreseen),
        RunEvent::Stopping { reason, in_hand } => {
            format!("{reason}; {} in hand", count_of(*in_hand, "image"))
        }
        RunEvent::Message { text, .. } => text.clone(),
        RunEvent::Heartbeat { in_hand, .. } => format!("{} in hand", count_of(*in_hand, "image")),
        RunEvent::RunEnded(ended) => of_end(ended),
        RunEvent::Launch(event) => event.text(),
    }
}

fn of_start(started: &RunStarted) -> String {
    let mut hosts: Vec<&str> = started.ranks.iter().map(|rank| rank.host.as_str()).collect();
    hosts.sort_unstable();
    hosts.dedup();
    format!(
        "run {} to `{}`: {}, {} on {}, ops {}, mpix {}, process {}",
        started.run,
        started.output,
        count_of(started.images, "image"),
        count_of(started.ranks.len(), "rank"),
        count_of(hosts.len(), "host"),
        if started.op.is_empty() { "none" } else { &started.op },
        started.mpix,
        started.pid
    )
}

fn of_foreseen(foreseen: &Foreseen) -> String {
    format!(
        "{:.1} s more for {}, {:.1} s in all; held up by: {}; learned from {}",
        foreseen.seconds,
        count_of(foreseen.left, "image"),
        foreseen.all_seconds,
        foreseen.bottleneck,
        count_of(foreseen.seen, "image")
    )
}

/// With the two stages that took longest.
fn of_done(done: &ImageDone) -> String {
    let mut stages = done.stages_ms.named();
    stages.sort_by(|a, b| b.1.total_cmp(&a.1));
    let longest: Vec<String> = stages[..2]
        .iter()
        .filter(|(_, ms)| *ms > 0.0)
        .map(|(name, ms)| format!("{name} {ms:.1} ms"))
        .collect();
    let megapixels = megapixels(done.pixels);
    format!(
        "`{}` -> `{}`, {megapixels:.1} megapixels, {} -> {}; {}",
        done.image,
        done.output,
        bytes_text(done.input_bytes),
        bytes_text(done.output_bytes),
        longest.join(", ")
    )
}

fn of_end(ended: &RunEnded) -> String {
    let reason = ended.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    format!(
        "run {}: {}{reason}; {} done ({} before), {} failed, {} left, exit code {}, {}",
        ended.run,
        ended.outcome.text(),
        ended.done,
        ended.done_before,
        ended.failed,
        ended.left,
        ended.exit_code,
        clock(ended.seconds)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_log() {
        let image = "a".to_owned();
        for event in [
            RunEvent::ImageGiven { image: image.clone(), rank: 1 },
            RunEvent::ImageDoneBefore { image },
            RunEvent::Stopping { reason: String::new(), in_hand: 1 },
        ] {
            let value = serde_json::to_value(&event).unwrap();
            assert_eq!(value["event"], name_of(&event));
        }
    }

    #[test]
    fn a_message_is_one_line_and_columns_stay() {
        let message = RunEvent::Message {
            rank: 12,
            host: "worker".to_owned(),
            level: Some(Level::Warn),
            text: "two\nlines\x1b[2J".to_owned(),
        };
        let time = "2026-01-31T12:00:00Z".parse().unwrap();
        let line = line_of(&Entry { time, level: Level::Warn, event: message });
        assert!(
            line.starts_with("2026-01-31T12:00:00.000Z  warn   message       rank 12   worker ")
        );
        assert!(line.ends_with(r"two\nlines\u{1b}[2J"), "{line}");
    }
}
