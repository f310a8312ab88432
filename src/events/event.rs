//! The events, and the form in which they are logged.

use std::time::Duration;

use jiff::{Timestamp, Unit};
use serde::{Deserialize, Serialize};

use super::launch_event::LaunchEvent;
use crate::error::FailureKind;

/// An event with its time: a line of the log, and of `mpix run --json`.
///
/// As JSON: `{"time":"2026-01-31T12:00:00.123456Z","level":"info","event":"image-done",…}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When, to the microsecond.
    pub time: Timestamp,
    /// How much it matters.
    pub level: Level,
    /// What.
    #[serde(flatten)]
    pub event: RunEvent,
}

impl Entry {
    /// `event`, now.
    #[must_use]
    pub fn now(event: RunEvent) -> Self {
        let now = Timestamp::now();
        let time = now.round(Unit::Microsecond).unwrap_or(now);
        Self { time, level: event.level(), event }
    }

    /// Whether the log of a run keeps it.
    #[must_use]
    pub fn is_logged(&self) -> bool {
        self.level > Level::Debug
    }
}

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// For who looks closely; not kept in the log.
    Debug,
    /// What a run does.
    Info,
    /// What the user should know.
    Warn,
    /// What went wrong.
    Error,
}

impl From<log::Level> for Level {
    fn from(level: log::Level) -> Self {
        match level {
            log::Level::Error => Self::Error,
            log::Level::Warn => Self::Warn,
            log::Level::Info => Self::Info,
            log::Level::Debug | log::Level::Trace => Self::Debug,
        }
    }
}

/// What happens in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum RunEvent {
    /// A run begins.
    RunStarted(RunStarted),
    /// An image is sent to a rank, whole.
    ImageGiven {
        /// The input.
        image: String,
        /// The rank.
        rank: usize,
    },
    /// The result of an image lasts.
    ImageDone(ImageDone),
    /// An earlier run has done an image.
    ImageDoneBefore {
        /// The input.
        image: String,
    },
    /// An image cannot be done.
    ImageFailed(ImageFailed),
    /// How long the rest takes, foreseen when enough images were seen; told once.
    Foreseen(Foreseen),
    /// Nothing more is begun.
    Stopping {
        /// Why.
        reason: String,
        /// Images in hand, which are finished.
        in_hand: usize,
    },
    /// Where the ranks are, told each second; before the start of a run, too, while rank 0 looks for
    /// inputs.
    Heartbeat {
        /// Images that were begun and have not ended.
        in_hand: usize,
        /// All ranks, by number.
        ranks: Vec<RankPulse>,
    },
    /// A message of the program's log.
    Message {
        /// The rank that says it.
        rank: usize,
        /// Its host.
        host: String,
        /// How much it matters.
        #[serde(skip)]
        level: Option<Level>,
        /// What.
        text: String,
    },
    /// A run ends.
    RunEnded(RunEnded),
    /// What the supervisor of a launch does.
    Launch(LaunchEvent),
}

impl RunEvent {
    fn level(&self) -> Level {
        match self {
            Self::ImageGiven { .. } | Self::ImageDoneBefore { .. } | Self::Heartbeat { .. } => {
                Level::Debug
            }
            Self::RunStarted(_) | Self::ImageDone(_) | Self::Foreseen(_) => Level::Info,
            Self::ImageFailed(_) => Level::Error,
            Self::Stopping { .. } => Level::Warn,
            Self::Message { level, .. } => level.unwrap_or(Level::Info),
            Self::Launch(event) => event.level(),
            Self::RunEnded(ended) => match ended.outcome {
                Outcome::AllDone => Level::Info,
                Outcome::SomeFailed | Outcome::Stopped => Level::Warn,
                Outcome::GaveUp | Outcome::Broken => Level::Error,
            },
        }
    }
}

/// A run begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStarted {
    /// Number of the attempt in this output directory, from 1.
    pub run: u64,
    /// Version of mpix.
    pub mpix: String,
    /// Host of rank 0.
    pub host: String,
    /// Process of rank 0.
    pub pid: u32,
    /// The output directory, as the user named it.
    pub output: String,
    /// The chain of ops.
    pub op: String,
    /// Images of the run, those included that are done already.
    pub images: usize,
    /// The ranks, by number.
    pub ranks: Vec<RankInfo>,
}

/// What a run foresees of its rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Foreseen {
    /// Images of which it learned what they cost.
    pub seen: usize,
    /// Images that are left.
    pub left: usize,
    /// Seconds that they will take.
    pub seconds: f64,
    /// Seconds from the start of the run to the end, with these.
    pub all_seconds: f64,
    /// What the run waits for most.
    pub bottleneck: String,
}

/// A rank of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RankInfo {
    /// Host name.
    pub host: String,
    /// Threads that it filters with.
    pub threads: usize,
    /// Bytes for images in flight.
    pub memory_bytes: u64,
}

/// How a rank is, as rank 0 sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankPulse {
    /// The rank.
    pub rank: usize,
    /// Its host.
    pub host: String,
    /// Seconds since it last said anything.
    pub silent_s: f64,
    /// Milliseconds that the last ping took that it answered, there and back; rank 0 and the rank may each have
    /// slept for two of them.
    pub round_trip_ms: Option<f64>,
    /// How much it had to do then.
    pub load: Option<RankLoad>,
}

/// How much a rank has to do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankLoad {
    /// Tasks that wait for a thread: whole images and bands.
    pub tasks_waiting: usize,
    /// Tasks that threads work on.
    pub tasks_in_hand: usize,
    /// Threads that it filters with.
    pub threads: usize,
    /// Programs that ran or waited to run on its host, on average over the last minute.
    pub host_load: Option<f64>,
    /// Bytes of memory that its host could give now without swapping.
    pub available_bytes: Option<u64>,
}

/// How an image was shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distribution {
    /// One rank had it whole.
    Image,
    /// All ranks had bands of it.
    Bands,
}

/// The result of an image lasts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageDone {
    /// The input.
    pub image: String,
    /// The result, below the output directory.
    pub output: String,
    /// The rank that filtered it; 0 where all did.
    pub rank: usize,
    /// The rank's host.
    pub host: String,
    /// How it was shared out.
    pub distribution: Distribution,
    /// The chain of ops.
    pub op: String,
    /// Columns times rows.
    pub pixels: u64,
    /// Bytes of the input.
    pub input_bytes: u64,
    /// Bytes of the result.
    pub output_bytes: u64,
    /// Milliseconds from when it was begun until its result lasted.
    pub ms: f64,
    /// Where they went.
    pub stages_ms: Stages,
}

/// Where the time of an image went, in milliseconds.
///
/// An image in bands is decoded, filtered, encoded and written at the same time: `filter` is then what
/// the others leave of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stages {
    /// Read from the disk, and hashed.
    pub read: f64,
    /// Decoded.
    pub decode: f64,
    /// Filtered.
    pub filter: f64,
    /// Encoded.
    pub encode: f64,
    /// Sent to a rank and back, and waited there.
    pub send: f64,
    /// Hashed, written, and made to last.
    pub write: f64,
    /// Until the journal's record of it lasted.
    pub record: f64,
    /// Waited at rank 0: for memory, for a reader, for a rank, for a writer.
    pub wait: f64,
}

impl Stages {
    /// Names of the stages with their times, in the order that an image passes them; waiting last.
    #[must_use]
    pub fn named(&self) -> [(&'static str, f64); 8] {
        [
            ("read", self.read),
            ("decode", self.decode),
            ("filter", self.filter),
            ("encode", self.encode),
            ("send", self.send),
            ("write", self.write),
            ("record", self.record),
            ("wait", self.wait),
        ]
    }

    /// The same, where an image took `whole` and was not worked on for the rest.
    #[must_use]
    pub fn of_whole(self, whole: Duration) -> Self {
        let worked: f64 = self.named().iter().map(|(_, time)| time).sum();
        Self { wait: round((milliseconds(whole) - worked).max(0.0)), ..self }
    }
}

/// A time in milliseconds, to the microsecond.
#[must_use]
pub fn milliseconds(time: Duration) -> f64 {
    round(time.as_secs_f64() * 1e3)
}

fn round(milliseconds: f64) -> f64 {
    (milliseconds * 1e3).round() / 1e3
}

/// An image cannot be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageFailed {
    /// The input.
    pub image: String,
    /// The rank that had it; 0 where none had.
    pub rank: usize,
    /// The rank's host.
    pub host: String,
    /// The chain of ops.
    pub op: String,
    /// What kind of failure.
    pub kind: FailureKind,
    /// The reason, for people.
    pub reason: String,
    /// Milliseconds from when it was begun; none where it was not.
    pub ms: Option<f64>,
}

/// A run ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunEnded {
    /// Number of the attempt.
    pub run: u64,
    /// How.
    pub outcome: Outcome,
    /// Why it ended so, where that is more than its outcome.
    pub reason: Option<String>,
    /// The rank at which it broke, where it is one.
    #[serde(default)]
    pub rank: Option<usize>,
    /// The exit code.
    pub exit_code: u8,
    /// Images with a result, those from before included.
    pub done: usize,
    /// Images that earlier runs have done.
    pub done_before: usize,
    /// Images that failed.
    pub failed: usize,
    /// Images without a result or a failure.
    pub left: usize,
    /// Seconds that it took.
    pub seconds: f64,
}

/// How a run came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Every image is done.
    AllDone,
    /// Every image is done or failed.
    SomeFailed,
    /// A signal stopped it.
    Stopped,
    /// Too many failures, a full disk.
    GaveUp,
    /// An error broke it off.
    Broken,
}

impl Outcome {
    /// For people.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::AllDone => "all done",
            Self::SomeFailed => "ended, some images failed",
            Self::Stopped => "stopped",
            Self::GaveUp => "gave up",
            Self::Broken => "broken off",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        let stages = Stages { read: 1.5, filter: 20.25, ..Stages::default() };
        let done = ImageDone {
            image: "in/a \"b\".jpg".to_owned(),
            output: "b.jpg".to_owned(),
            rank: 3,
            host: "worker".to_owned(),
            distribution: Distribution::Image,
            op: "invert".to_owned(),
            pixels: 12,
            input_bytes: 34,
            output_bytes: 56,
            ms: 30.0,
            stages_ms: stages.of_whole(Duration::from_millis(30)),
        };
        Entry::now(RunEvent::ImageDone(done))
    }

    #[test]
    fn a_line_is_flat_and_comes_back() {
        let entry = entry();
        let line = serde_json::to_string(&entry).unwrap();
        assert!(!line.contains('\n'));
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        for (name, expected) in [("level", "info"), ("event", "image-done"), ("host", "worker")] {
            assert_eq!(value[name], expected, "{line}");
        }
        assert_eq!((&value["rank"], &value["ms"]), (&3.into(), &30.0.into()), "{line}");
        assert_eq!(serde_json::from_str::<Entry>(&line).unwrap(), entry);
    }

    #[test]
    fn what_no_stage_took_was_waited() {
        let RunEvent::ImageDone(done) = entry().event else { panic!() };
        assert_eq!(done.stages_ms.wait, 8.25);
        assert_eq!(done.stages_ms.named().iter().map(|(_, time)| time).sum::<f64>(), 30.0);
    }
}
