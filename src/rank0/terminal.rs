//! What a run says to people while it goes on, and at its end.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::{on_one_line, tell};
use crate::events::{RunEvent, Status, count_of};
use crate::settings::{RunSettings, Verbosity};

/// Time between two lines where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);
/// Time between two pictures of the bar.
const DRAW_INTERVAL: Duration = Duration::from_millis(200);

/// A bar where there is a terminal, else a line now and then.
#[derive(Debug)]
pub(crate) struct Terminal {
    bar: ProgressBar,
    verbosity: Verbosity,
    per_rank: bool,
    last: Instant,
}

impl Terminal {
    pub(crate) fn new(total: usize, settings: &RunSettings) -> Self {
        let target = match settings.verbosity {
            // The log's lines would tear a bar.
            Verbosity::Quiet | Verbosity::Messages => ProgressDrawTarget::hidden(),
            Verbosity::Normal | Verbosity::Images => ProgressDrawTarget::stderr(),
        };
        let bar = ProgressBar::with_draw_target(Some(total as u64), target);
        // Colours only where the terminal has them, and never with `NO_COLOR`.
        let style = ProgressStyle::with_template("{wide_bar:.cyan/blue} {pos}/{len}\n{msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let (verbosity, per_rank) = (settings.verbosity, settings.per_rank);
        Self { bar, verbosity, per_rank, last: Instant::now() }
    }

    /// Says what an event is to people: nothing, or a line.
    pub(crate) fn show(&self, event: &RunEvent) {
        let images = self.verbosity >= Verbosity::Images;
        match event {
            RunEvent::ImageDone(done) if images => {
                self.say(&format!("mpix: `{}` -> `{}`", done.image, done.output));
            }
            RunEvent::ImageDoneBefore { image } if images => {
                self.say(&format!("mpix: `{image}` was done before"));
            }
            RunEvent::ImageFailed(failed) => {
                self.say(&format!("mpix: failed: `{}` {}", failed.image, failed.reason));
            }
            RunEvent::Stopping { reason, in_hand } => {
                let in_hand = count_of(*in_hand, "image");
                self.say(&format!("mpix: {reason}: finishing what is in hand ({in_hand})"));
            }
            RunEvent::RunStarted(_)
            | RunEvent::Foreseen(_)
            | RunEvent::ImageGiven { .. }
            | RunEvent::ImageDone(_)
            | RunEvent::ImageDoneBefore { .. }
            | RunEvent::Heartbeat { .. }
            | RunEvent::Message { .. }
            | RunEvent::Launch(_)
            | RunEvent::RunEnded(_) => {}
        }
    }

    /// Whether it is time to draw again.
    pub(crate) fn is_due(&self) -> bool {
        let interval = if self.bar.is_hidden() { LINE_INTERVAL } else { DRAW_INTERVAL };
        self.verbosity >= Verbosity::Normal && self.last.elapsed() >= interval
    }

    /// Draws where the run is.
    pub(crate) fn draw(&mut self, status: &Status) {
        self.last = Instant::now();
        let ranks = if self.per_rank { status.rank_lines() } else { Vec::new() };
        if self.bar.is_hidden() {
            self.say(&format!("mpix: {}, {}", status.counts_text(), status.pace_text()));
            for rank in ranks {
                self.say(&format!("mpix:   {rank}"));
            }
            return;
        }
        let mut lines = vec![format!("{} failed, {}", status.images.failed, status.pace_text())];
        lines.extend(ranks);
        self.bar.set_position(status.images.ended() as u64);
        self.bar.set_message(lines.join("\n"));
    }

    /// The last words.
    pub(crate) fn finish(&self, status: &Status) {
        self.bar.finish_and_clear();
        if self.verbosity >= Verbosity::Normal {
            tell(&format!("mpix: {}, {}", status.counts_text(), status.pace_text()));
            for rank in status.rank_lines().iter().filter(|_| self.per_rank) {
                tell(&format!("mpix:   {rank}"));
            }
        }
    }

    /// Says a line, above the bar where there is one.
    pub(crate) fn say(&self, line: &str) {
        self.bar.suspend(|| tell(&on_one_line(line)));
    }
}
