//! `mpix report`: what runs have done in an output directory.
//!
//! | file | what it holds |
//! |---|---|
//! | `gather` | journal, status and log, read into one [`Report`] |
//! | `timeline` | what the log tells: runs, times, stages, ranks |
//! | `launches` | what the log of launches tells: attempts, failures, hosts |
//! | `text` | the report for people, on a terminal |
//! | `page` | the report as one page, with `page.css` and `page.js`; where it may be written |
//! | `sections` | the parts of the page |
//! | `plots`, `chart` | the page's plots, and what they are drawn with |
//! | `thumbnails` | the page's pictures |
//! | `escape` | text that is safe in a page |
//!
//! What is done and what failed is the journal's to tell; times are the log's. A log that is not there,
//! or not whole, is said, and costs no more than what it would have told.

mod chart;
mod escape;
mod gather;
mod launches;
mod page;
mod plots;
mod sections;
mod text;
mod thumbnails;
mod timeline;

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use launches::Launch;
pub use page::write_page;
use timeline::{RankWork, Run, Slow, StageTime, Times, Warning};

use crate::error::FailureKind;
use crate::journal::Done;

/// What runs have done in an output directory.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The output directory, as the user named it.
    output: PathBuf,
    /// When this was told.
    made: Timestamp,
    /// Version of the mpix that tells.
    mpix: &'static str,
    state: RunningState,
    /// The chain of ops of the last run.
    op: String,
    /// How the last run makes outputs.
    settings: String,
    /// Images of the last run, where it has told.
    total: Option<usize>,
    counts: Counts,
    /// Failures of each kind, the most frequent first.
    kinds: Vec<(&'static str, usize)>,
    input_bytes: u64,
    output_bytes: u64,
    pixels: u64,
    /// Seconds of all runs.
    seconds: f64,
    /// Images that these runs have done: one that was done again counts again.
    images_timed: usize,
    images_per_s: Option<f64>,
    megapixels_per_s: Option<f64>,
    /// Milliseconds of an image.
    times: Option<Times>,
    slowest: Vec<Slow>,
    stages: Vec<StageTime>,
    ranks: Vec<RankWork>,
    failures: Vec<Failure>,
    runs: Vec<Run>,
    /// What started the runs, where `mpix launch` did.
    launches: Vec<Launch>,
    warnings: Vec<Warning>,
    /// What of the journal could not be read.
    damage: Vec<String>,
    /// What is missing from this report, and why.
    notes: Vec<String>,
    /// The command that goes on, where it is known.
    command: Option<String>,
    #[serde(skip)]
    histogram: Vec<(f64, f64, usize)>,
    /// All results, by name.
    #[serde(skip)]
    done: Vec<Done>,
}

/// Whether the last run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum RunningState {
    /// It does.
    Running,
    /// It has ended, and said how.
    Ended,
    /// It has ended without a word.
    Lost,
}

/// How many inputs there are of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Counts {
    done: usize,
    failed: usize,
    set_aside: usize,
    /// Given to ranks, and not back.
    in_hand: usize,
    /// Without a result or a failure, where the number of images is known.
    left: Option<usize>,
}

/// An input without a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Failure {
    kind: FailureKind,
    image: PathBuf,
    reason: String,
}
