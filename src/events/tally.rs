//! What the events of a run add up to.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::event::{
    Distribution, ImageDone, ImageFailed, RankPulse, RunEnded, RunEvent, RunStarted,
};
use super::status::{Failure, ImageCounts, RankStatus, RunState, Status, megapixels};

/// The rates of late are those of so long.
const WINDOW: Duration = Duration::from_secs(15);
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);
/// Failures that a status names.
const FAILURES_NAMED: usize = 10;

/// Counts what happens in a run.
#[derive(Debug)]
pub struct Tally {
    status: Status,
    began: Instant,
    /// Images in hand, by the rank that has them.
    given: HashMap<String, usize>,
    /// How far the run was at the last seconds.
    samples: VecDeque<Sample>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    /// Images ended by this run itself.
    ended: usize,
    pixels: u64,
}

impl Tally {
    /// A run that begins at `now`, and logs to `log`.
    #[must_use]
    pub fn new(started: &RunStarted, log: PathBuf, now: Instant) -> Self {
        let rank = |info: &super::RankInfo| RankStatus {
            info: info.clone(),
            in_hand: 0,
            done: 0,
            failed: 0,
            pixels: 0,
            silent_s: 0.0,
            round_trip_ms: None,
            load: None,
        };
        let status = Status {
            format: Status::format(),
            mpix: started.mpix.clone(),
            run: started.run,
            host: started.host.clone(),
            pid: started.pid,
            output: started.output.clone(),
            op: started.op.clone(),
            state: RunState::Running,
            outcome: None,
            reason: None,
            exit_code: None,
            started: Timestamp::now(),
            updated: Timestamp::now(),
            elapsed_s: 0.0,
            images: ImageCounts { total: started.images, ..ImageCounts::default() },
            pixels: 0,
            input_bytes: 0,
            output_bytes: 0,
            images_per_s: 0.0,
            megapixels_per_s: 0.0,
            eta_s: None,
            ranks: started.ranks.iter().map(rank).collect(),
            failures: Vec::new(),
            log,
        };
        let samples = VecDeque::from([Sample { at: now, ended: 0, pixels: 0 }]);
        Self { status, began: now, given: HashMap::new(), samples }
    }

    /// Takes one more event into account.
    pub fn apply(&mut self, event: &RunEvent) {
        match event {
            RunEvent::ImageGiven { image, rank } => {
                self.given.insert(image.clone(), *rank);
                self.at_rank(*rank, |rank| rank.in_hand += 1);
            }
            RunEvent::ImageDone(done) => self.done(done),
            RunEvent::ImageDoneBefore { .. } => {
                self.status.images.done += 1;
                self.status.images.done_before += 1;
            }
            RunEvent::ImageFailed(failed) => self.failed(failed),
            RunEvent::Stopping { reason, .. } => {
                self.status.state = RunState::Stopping;
                self.status.reason = Some(reason.clone());
            }
            RunEvent::Heartbeat { ranks, .. } => self.pulse(ranks),
            RunEvent::RunEnded(ended) => self.ended(ended),
            RunEvent::RunStarted(_)
            | RunEvent::Foreseen(_)
            | RunEvent::Message { .. }
            | RunEvent::Launch(_) => {}
        }
    }

    /// A rank has filtered a band of so many pixels.
    pub fn band_done(&mut self, rank: usize, pixels: u64) {
        self.at_rank(rank, |rank| rank.pixels += pixels);
    }

    /// Images that failed.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.status.images.failed
    }

    fn at_rank(&mut self, rank: usize, change: impl FnOnce(&mut RankStatus)) {
        if let Some(rank) = self.status.ranks.get_mut(rank) {
            change(rank);
        }
    }

    fn pulse(&mut self, ranks: &[RankPulse]) {
        for pulse in ranks {
            self.at_rank(pulse.rank, |rank| {
                rank.silent_s = pulse.silent_s;
                (rank.round_trip_ms, rank.load) = (pulse.round_trip_ms, pulse.load);
            });
        }
    }

    fn take_back(&mut self, image: &str) {
        if let Some(rank) = self.given.remove(image) {
            self.at_rank(rank, |rank| rank.in_hand = rank.in_hand.saturating_sub(1));
        }
    }

    fn done(&mut self, done: &ImageDone) {
        self.take_back(&done.image);
        self.status.images.done += 1;
        self.status.pixels = self.status.pixels.saturating_add(done.pixels);
        self.status.input_bytes += done.input_bytes;
        self.status.output_bytes += done.output_bytes;
        if done.distribution == Distribution::Image {
            self.at_rank(done.rank, |rank| {
                rank.done += 1;
                rank.pixels = rank.pixels.saturating_add(done.pixels);
            });
        }
    }

    fn failed(&mut self, failed: &ImageFailed) {
        self.status.images.failed += 1;
        if self.given.contains_key(&failed.image) {
            self.at_rank(failed.rank, |rank| rank.failed += 1);
        }
        self.take_back(&failed.image);
        let failures = &mut self.status.failures;
        if failures.len() == FAILURES_NAMED {
            failures.remove(0);
        }
        let (image, kind, reason) = (failed.image.clone(), failed.kind, failed.reason.clone());
        failures.push(Failure { image, kind, reason });
    }

    fn ended(&mut self, ended: &RunEnded) {
        self.status.state = RunState::Ended;
        self.status.outcome = Some(ended.outcome);
        self.status.reason.clone_from(&ended.reason);
        self.status.exit_code = Some(ended.exit_code);
    }

    /// Images ended by this run itself.
    fn own_ended(&self) -> usize {
        self.status.images.ended() - self.status.images.done_before
    }

    /// Remembers how far the run is, for the rates of late.
    pub fn sample(&mut self, now: Instant) {
        let last = self.samples.back().map_or(self.began, |sample| sample.at);
        if now.duration_since(last) < SAMPLE_INTERVAL {
            return;
        }
        self.samples.push_back(Sample {
            at: now,
            ended: self.own_ended(),
            pixels: self.status.pixels,
        });
        while self.samples.get(1).is_some_and(|next| now.duration_since(next.at) >= WINDOW) {
            self.samples.pop_front();
        }
    }

    /// Where the run is, with `in_hand` images begun and not ended.
    pub fn status(&mut self, in_hand: usize, now: Instant) -> &Status {
        let ended = self.own_ended();
        let since = match self.samples.front() {
            Some(&sample) if self.status.state != RunState::Ended => sample,
            Some(_) | None => Sample { at: self.began, ended: 0, pixels: 0 },
        };
        let seconds = now.duration_since(since.at).as_secs_f64().max(1e-3);
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let rate = (ended - since.ended) as f64 / seconds;
        let status = &mut self.status;
        status.updated = Timestamp::now();
        status.elapsed_s = (now.duration_since(self.began).as_secs_f64() * 1e3).round() / 1e3;
        status.images.in_hand = in_hand;
        status.images_per_s = round(rate);
        status.megapixels_per_s = round(megapixels(status.pixels - since.pixels) / seconds);
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let eta = status.images.left() as f64 / rate;
        status.eta_s = (status.state == RunState::Running && rate > 0.0).then(|| round(eta));
        status
    }
}

/// To two digits.
fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::super::event::{Outcome, RankInfo, Stages};
    use super::*;
    use crate::error::FailureKind;

    fn tally(now: Instant) -> Tally {
        let rank = |host: &str| RankInfo { host: host.to_owned(), threads: 2, memory_bytes: 1 };
        let started = RunStarted {
            run: 1,
            mpix: "0".to_owned(),
            host: "a".to_owned(),
            pid: 1,
            output: "out".to_owned(),
            op: "invert".to_owned(),
            images: 100,
            ranks: vec![rank("a"), rank("b")],
        };
        Tally::new(&started, PathBuf::new(), now)
    }

    fn done(image: &str, rank: usize) -> RunEvent {
        RunEvent::ImageDone(ImageDone {
            image: image.to_owned(),
            output: image.to_owned(),
            rank,
            host: String::new(),
            distribution: Distribution::Image,
            op: String::new(),
            pixels: 3_000_000,
            input_bytes: 10,
            output_bytes: 20,
            ms: 1.0,
            stages_ms: Stages::default(),
        })
    }

    #[test]
    fn images_are_counted_where_they_are() {
        let now = Instant::now();
        let mut tally = tally(now);
        for image in ["x", "y", "z"] {
            tally.apply(&RunEvent::ImageGiven { image: image.to_owned(), rank: 1 });
        }
        tally.apply(&done("x", 1));
        tally.apply(&RunEvent::ImageDoneBefore { image: "w".to_owned() });
        tally.apply(&RunEvent::ImageFailed(ImageFailed {
            image: "y".to_owned(),
            rank: 1,
            host: String::new(),
            op: String::new(),
            kind: FailureKind::NotAnImage,
            reason: "is torn".to_owned(),
            ms: None,
        }));
        let status = tally.status(1, now);
        let images = status.images;
        assert_eq!((images.done, images.done_before, images.failed, images.left()), (2, 1, 1, 97));
        let rank = &status.ranks[1];
        assert_eq!((rank.in_hand, rank.done, rank.failed, rank.pixels), (1, 1, 1, 3_000_000));
        assert_eq!(status.failures[0].reason, "is torn");
        assert_eq!(status.counts_text(), "2 of 100 images done (1 before), 1 failed");
    }

    #[test]
    fn a_rank_that_is_silent_is_told_of_in_its_line() {
        let now = Instant::now();
        let mut tally = tally(now);
        let pulse = |rank, silent_s| {
            let (host, round_trip_ms, load) = (String::new(), Some(0.25), None);
            RankPulse { rank, host, silent_s, round_trip_ms, load }
        };
        let ranks = vec![pulse(0, 0.9), pulse(1, 75.0), pulse(2, 1.0)];
        tally.apply(&RunEvent::Heartbeat { in_hand: 1, ranks });
        let status = tally.status(1, now);
        assert_eq!(status.ranks[1].round_trip_ms, Some(0.25));
        let lines = status.rank_lines();
        assert!(!lines[0].contains("silent") && lines[1].ends_with("silent for 1:15"), "{lines:?}");
    }

    #[test]
    fn rates_are_those_of_late_and_leave_out_what_was_done_before() {
        let start = Instant::now();
        let mut tally = tally(start);
        for second in 1..=60 {
            if second <= 30 {
                tally.apply(&RunEvent::ImageDoneBefore { image: String::new() });
            } else if second > 40 {
                tally.apply(&done("x", 0));
            }
            tally.sample(start + Duration::from_secs(second));
        }
        let status = tally.status(0, start + Duration::from_secs(60));
        assert_eq!((status.images_per_s, status.megapixels_per_s), (1.0, 3.0));
        assert_eq!(status.eta_s, Some(50.0));
        tally.apply(&RunEvent::RunEnded(RunEnded {
            rank: None,
            run: 1,
            outcome: Outcome::Stopped,
            reason: None,
            exit_code: 130,
            done: 50,
            done_before: 30,
            failed: 0,
            left: 50,
            seconds: 60.0,
        }));
        let status = tally.status(0, start + Duration::from_secs(60));
        assert_eq!((status.images_per_s, status.eta_s), (0.33, None));
    }
}
