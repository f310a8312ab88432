//! What a run says to people while it goes on, and at its end.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::error::{on_one_line, tell};
use crate::settings::Verbosity;

/// Time between two lines where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Counts images, and shows how many are done.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    verbosity: Verbosity,
    started: Instant,
    last_line: Instant,
    total: usize,
    done: usize,
    before: usize,
    failed: usize,
    pixels: u64,
}

impl Progress {
    pub(crate) fn new(total: usize, verbosity: Verbosity) -> Self {
        let target = match verbosity {
            // The log's lines would tear a bar.
            Verbosity::Quiet | Verbosity::Messages => ProgressDrawTarget::hidden(),
            Verbosity::Normal | Verbosity::Images => ProgressDrawTarget::stderr(),
        };
        let bar = ProgressBar::with_draw_target(Some(total as u64), target);
        let style = ProgressStyle::with_template(
            "{wide_bar} {pos}/{len} images, {rate}, {elapsed} gone, {eta} to go{msg}",
        );
        let rate = |state: &ProgressState, text: &mut dyn Write| {
            // A bar that cannot be drawn is no reason to fail.
            let _ = write!(text, "{:.1}/s", state.per_sec());
        };
        bar.set_style(
            style.unwrap_or_else(|_| ProgressStyle::default_bar()).with_key("rate", rate),
        );
        let now = Instant::now();
        let (done, before, failed, pixels) = (0, 0, 0, 0);
        Self { bar, verbosity, started: now, last_line: now, total, done, before, failed, pixels }
    }

    /// An image is done.
    pub(crate) fn done(&mut self, input: &Path, output: &Path, pixels: u64) {
        self.done += 1;
        self.pixels = self.pixels.saturating_add(pixels);
        self.bar.inc(1);
        if self.verbosity >= Verbosity::Images {
            self.say(&format!("mpix: `{}` -> `{}`", input.display(), output.display()));
        }
    }

    /// An earlier run has done an image.
    pub(crate) fn done_before(&mut self, input: &Path) {
        self.done += 1;
        self.before += 1;
        self.bar.inc(1);
        if self.verbosity >= Verbosity::Images {
            self.say(&format!("mpix: `{}` was done before", input.display()));
        }
    }

    /// Images that have failed.
    pub(crate) fn failures(&self) -> usize {
        self.failed
    }

    /// An image failed.
    pub(crate) fn failed(&mut self, input: &Path, reason: &str) {
        self.failed += 1;
        self.bar.inc(1);
        self.bar.set_message(format!(", {} failed", self.failed));
        self.say(&format!("mpix: failed: `{}` {reason}", input.display()));
    }

    /// Looks at the clock: where there is no terminal, a line is due now and then.
    pub(crate) fn tick(&mut self) {
        let due = self.last_line.elapsed() >= LINE_INTERVAL;
        if due && self.bar.is_hidden() && self.verbosity >= Verbosity::Normal {
            self.last_line = Instant::now();
            let ended = self.done + self.failed;
            self.say(&format!("mpix: {ended} of {} images, {} failed", self.total, self.failed));
        }
    }

    /// The last words.
    pub(crate) fn finish(self) {
        self.bar.finish_and_clear();
        if self.verbosity >= Verbosity::Normal {
            let seconds = self.started.elapsed().as_secs_f64();
            #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
            let megapixels = self.pixels as f64 / 1e6;
            let before = match self.before {
                0 => String::new(),
                before => format!(" ({before} before)"),
            };
            tell(&format!(
                "mpix: {} of {} images done{before}, {} failed, {megapixels:.1} megapixels in \
                 {seconds:.1} s",
                self.done, self.total, self.failed
            ));
        }
    }

    /// Says a line, above the bar where there is one.
    pub(crate) fn say(&self, line: &str) {
        self.bar.suspend(|| tell(&on_one_line(line)));
    }
}
