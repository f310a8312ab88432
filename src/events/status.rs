//! Where a run is: a file beside the results, replaced each second.

use std::path::{Path, PathBuf};
use std::{fs, io};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::event::{Outcome, RankInfo, RankLoad};
use super::replace::replace_json;
use super::text::clock;
use crate::error::FailureKind;

/// The form of the file; another number is another form.
const FORMAT: u32 = 1;
/// Seconds of silence that a rank's line tells of; each is pinged once a second.
const SILENCE_TOLD: f64 = 3.0;
const NAME: &str = "status.json";

/// Where a run is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Form of the file.
    pub format: u32,
    /// Version of mpix.
    pub mpix: String,
    /// Number of the attempt in this output directory, from 1.
    pub run: u64,
    /// Host of rank 0.
    pub host: String,
    /// Process of rank 0.
    pub pid: u32,
    /// The output directory, as the user named it.
    pub output: String,
    /// The chain of ops.
    pub op: String,
    /// Whether it goes on.
    pub state: RunState,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Why it stops or ended, where that is more than its outcome.
    pub reason: Option<String>,
    /// Its exit code.
    pub exit_code: Option<u8>,
    /// When it began.
    pub started: Timestamp,
    /// When this was written.
    pub updated: Timestamp,
    /// Seconds since it began.
    pub elapsed_s: f64,
    /// Its images.
    pub images: ImageCounts,
    /// Pixels of the images that it has done.
    pub pixels: u64,
    /// Bytes of their inputs.
    pub input_bytes: u64,
    /// Bytes of their results.
    pub output_bytes: u64,
    /// Images a second, of late; of a run that has ended: over all.
    pub images_per_s: f64,
    /// Millions of pixels a second, of late; of a run that has ended: over all.
    pub megapixels_per_s: f64,
    /// Seconds that it will still take, if it goes on so.
    pub eta_s: Option<f64>,
    /// Its ranks, by number.
    pub ranks: Vec<RankStatus>,
    /// The last failures, the newest last.
    pub failures: Vec<Failure>,
    /// The first file of its log.
    pub log: PathBuf,
}

/// Whether a run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// It goes on.
    Running,
    /// It finishes what is in hand.
    Stopping,
    /// It has ended.
    Ended,
}

/// How many images there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageCounts {
    /// All.
    pub total: usize,
    /// Those with a result, from before or not.
    pub done: usize,
    /// Those that earlier runs have done.
    pub done_before: usize,
    /// Those that failed.
    pub failed: usize,
    /// Those that were begun and have not ended.
    pub in_hand: usize,
}

impl ImageCounts {
    /// Those with a result or a failure.
    #[must_use]
    pub fn ended(&self) -> usize {
        self.done + self.failed
    }

    /// Those without.
    #[must_use]
    pub fn left(&self) -> usize {
        self.total.saturating_sub(self.ended())
    }
}

/// Where a rank is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankStatus {
    /// Its host, threads and memory.
    #[serde(flatten)]
    pub info: RankInfo,
    /// Whole images that it has in hand.
    pub in_hand: usize,
    /// Whole images that it has done.
    pub done: usize,
    /// Whole images that failed there.
    pub failed: usize,
    /// Pixels that it has filtered, in whole images and in bands.
    pub pixels: u64,
    /// Seconds since it last said anything, at the last heartbeat.
    #[serde(default)]
    pub silent_s: f64,
    /// Milliseconds that the last ping took that it answered, there and back; rank 0 and the rank may each have
    /// slept for two of them.
    #[serde(default)]
    pub round_trip_ms: Option<f64>,
    /// How much it had to do then.
    #[serde(default)]
    pub load: Option<RankLoad>,
}

/// An image that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The input.
    pub image: String,
    /// What kind of failure.
    pub kind: FailureKind,
    /// The reason, for people.
    pub reason: String,
}

/// Why there is no status to read.
#[derive(Debug, Error)]
pub enum StatusError {
    /// It cannot be read.
    #[error("failed to read `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is none.
    #[error("failed to understand `{}`: it is no status of this version of mpix", path.display())]
    Garbled {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl Status {
    /// The form that this mpix writes.
    pub(super) fn format() -> u32 {
        FORMAT
    }

    /// Reads the status in `directory`, which is `OUT/.mpix`.
    ///
    /// # Errors
    /// When there is none, or it is of another form.
    pub fn read(directory: &Path) -> Result<Self, StatusError> {
        let path = directory.join(NAME);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(source) => return Err(StatusError::Unreadable { path, source }),
        };
        serde_json::from_str(&text).map_err(|source| StatusError::Garbled { path, source })
    }

    /// Replaces the status in `directory`, as [`replace`](super::replace) does.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        replace_json(directory, NAME, self)
    }

    /// `713 of 1000 images done (200 before), 3 failed`.
    #[must_use]
    pub fn counts_text(&self) -> String {
        let images = &self.images;
        let before = match images.done_before {
            0 => String::new(),
            before => format!(" ({before} before)"),
        };
        format!("{} of {} images done{before}, {} failed", images.done, images.total, images.failed)
    }

    /// `24.1 images/s, 289 megapixels/s, 0:42 gone, 0:12 to go`.
    #[must_use]
    pub fn pace_text(&self) -> String {
        let pace = format!(
            "{:.1} images/s, {:.1} megapixels/s, {} gone",
            self.images_per_s,
            self.megapixels_per_s,
            clock(self.elapsed_s)
        );
        match self.eta_s {
            Some(eta) => format!("{pace}, {} to go", clock(eta)),
            None => pace,
        }
    }

    /// A line for each rank.
    #[must_use]
    pub fn rank_lines(&self) -> Vec<String> {
        let widest = self.ranks.iter().map(|rank| rank.info.host.chars().count()).max();
        let width = widest.unwrap_or(0);
        let line = |(number, rank): (usize, &RankStatus)| {
            let silent = match rank.silent_s {
                seconds if seconds >= SILENCE_TOLD => format!("  silent for {}", clock(seconds)),
                _ => String::new(),
            };
            format!(
                "rank {number:<3} {:width$}  {:>3} threads  {:>3} in hand  {:>7} done  {:>5} failed  \
                 {:>9.1} megapixels{silent}",
                rank.info.host,
                rank.info.threads,
                rank.in_hand,
                rank.done,
                rank.failed,
                megapixels(rank.pixels)
            )
        };
        self.ranks.iter().enumerate().map(line).collect()
    }
}

/// Pixels in millions.
#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
#[must_use]
pub fn megapixels(pixels: u64) -> f64 {
    pixels as f64 / 1e6
}
