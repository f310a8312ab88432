//! What the log tells, added up entry by entry: no more is kept of an image than its milliseconds.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::events::{
    Distribution, Entry, ImageDone, ImageFailed, Level, RunEnded, RunEvent, RunStarted, Stages,
};

/// Images that are named as the slowest.
const SLOWEST: usize = 5;
/// Warnings that are kept; others are counted.
const WARNINGS: usize = 100;
/// Spans of time that a run is kept in at most.
const SPANS: usize = 512;
/// Seconds of the shortest span.
const SHORTEST_SPAN: f64 = 0.125;

/// A run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Run {
    /// Number of the attempt; none where the log begins in the middle of it.
    pub(super) run: Option<u64>,
    pub(super) started: Timestamp,
    pub(super) ended: Option<Timestamp>,
    pub(super) seconds: f64,
    /// Seconds that it foresaw for all of it.
    pub(super) foreseen_s: Option<f64>,
    pub(super) mpix: String,
    pub(super) host: String,
    pub(super) op: String,
    pub(super) ranks: usize,
    pub(super) hosts: usize,
    pub(super) threads: usize,
    /// Images of the run, those included that were done before.
    pub(super) images: Option<usize>,
    /// Images that it has done itself.
    pub(super) done: usize,
    pub(super) failed: usize,
    pub(super) pixels: u64,
    pub(super) outcome: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) exit_code: Option<u8>,
    #[serde(skip)]
    pub(super) series: Series,
}

/// Milliseconds of an image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Times {
    pub(super) images: usize,
    pub(super) mean: f64,
    pub(super) median: f64,
    pub(super) percentile_95: f64,
    pub(super) longest: f64,
}

/// One of the slowest images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Slow {
    pub(super) image: String,
    pub(super) ms: f64,
    pub(super) pixels: u64,
    pub(super) rank: usize,
    pub(super) host: String,
    /// The stage that took longest.
    pub(super) mostly: &'static str,
}

/// What all images spent in one stage.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct StageTime {
    pub(super) stage: &'static str,
    pub(super) ms: f64,
    /// Of all stages, 0 to 1.
    pub(super) share: f64,
}

/// What a rank has done.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct RankWork {
    /// None for images that all ranks had bands of.
    pub(super) rank: Option<usize>,
    pub(super) host: String,
    pub(super) threads: Option<usize>,
    pub(super) images: usize,
    pub(super) failed: usize,
    pub(super) pixels: u64,
    /// Seconds in which it decoded, filtered and encoded: those of images worked on at the same time
    /// add up.
    pub(super) work_s: f64,
    /// Seconds of the runs that it was in.
    pub(super) seconds: f64,
}

/// A message that mattered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Warning {
    pub(super) time: Timestamp,
    pub(super) level: Level,
    pub(super) rank: usize,
    pub(super) host: String,
    pub(super) text: String,
    /// How often it was said.
    pub(super) times: usize,
}

/// What a run did in each span of time, the spans getting longer as the run does.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) span_s: f64,
    /// Images and pixels.
    pub(super) spans: Vec<(usize, u64)>,
}

impl Default for Series {
    fn default() -> Self {
        Self { span_s: SHORTEST_SPAN, spans: Vec::new() }
    }
}

impl Series {
    fn add(&mut self, seconds: f64, pixels: u64) {
        while seconds >= self.span_s * SPANS as f64 {
            self.double();
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to SPANS")]
        let span = (seconds.max(0.0) / self.span_s) as usize;
        if self.spans.len() <= span {
            self.spans.resize(span + 1, (0, 0));
        }
        self.spans[span].0 += 1;
        self.spans[span].1 += pixels;
    }

    /// Makes each span twice as long.
    pub(super) fn double(&mut self) {
        let sum = |pair: &[(usize, u64)]| {
            pair.iter().fold((0, 0), |sum, span| (sum.0 + span.0, sum.1 + span.1))
        };
        self.spans = self.spans.chunks(2).map(sum).collect();
        self.span_s *= 2.0;
    }
}

/// What all runs of a log add up to.
#[derive(Debug)]
pub(super) struct Sums {
    pub(super) times: Option<Times>,
    /// How many images took from so many to so many milliseconds.
    pub(super) histogram: Vec<(f64, f64, usize)>,
    pub(super) stages: Vec<StageTime>,
    pub(super) ranks: Vec<RankWork>,
}

/// What the log tells.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    pub(super) runs: Vec<Run>,
    pub(super) slowest: Vec<Slow>,
    pub(super) warnings: Vec<Warning>,
    pub(super) more_warnings: usize,
    times: Vec<f32>,
    stages: Stages,
    ranks: BTreeMap<(Option<usize>, String), RankWork>,
    /// Ranks of the run that the log is at.
    present: Vec<(Option<usize>, String)>,
    last: Option<Timestamp>,
}

impl Timeline {
    /// Takes one more entry into account.
    pub(super) fn take(&mut self, entry: Entry) {
        let time = entry.time;
        match entry.event {
            RunEvent::RunStarted(started) => self.started(time, &started),
            RunEvent::ImageDone(done) => self.done(time, done),
            RunEvent::ImageFailed(failed) => self.failed(time, failed),
            RunEvent::Foreseen(foreseen) => {
                self.run(time).foreseen_s = Some(foreseen.all_seconds);
            }
            RunEvent::Stopping { reason, .. } => self.run(time).reason = Some(reason),
            RunEvent::Message { rank, host, text, .. } if entry.level >= Level::Warn => {
                self.warned(Warning { time, level: entry.level, rank, host, text, times: 1 });
            }
            RunEvent::RunEnded(ended) => self.ended(time, ended),
            RunEvent::Message { .. }
            | RunEvent::ImageGiven { .. }
            | RunEvent::Heartbeat { .. }
            | RunEvent::Launch(_)
            | RunEvent::ImageDoneBefore { .. } => {}
        }
        self.last = Some(time);
    }

    /// The log has ended, or goes on at another one.
    pub(super) fn end_of_log(&mut self) {
        let last = self.last.take();
        let open = self.runs.last_mut().filter(|run| run.outcome.is_none());
        if let (Some(run), Some(last)) = (open, last) {
            run.seconds = run.seconds.max(seconds_between(run.started, last));
        }
        self.leave();
    }

    /// What all runs add up to.
    pub(super) fn sums(mut self) -> Sums {
        Sums {
            histogram: histogram(&self.times),
            times: times_of(&mut self.times),
            stages: stage_times(&self.stages),
            ranks: self.ranks.into_values().collect(),
        }
    }

    /// The run that an entry belongs to. There is always one: the start of the log may be gone.
    fn run(&mut self, time: Timestamp) -> &mut Run {
        if self.last.is_none() || self.runs.is_empty() {
            self.runs.push(Run::since(time));
        }
        let last = self.runs.len() - 1;
        &mut self.runs[last]
    }

    fn started(&mut self, time: Timestamp, started: &RunStarted) {
        self.end_of_log();
        let mut hosts: Vec<&str> = started.ranks.iter().map(|rank| rank.host.as_str()).collect();
        hosts.sort_unstable();
        hosts.dedup();
        self.runs.push(Run {
            run: Some(started.run),
            mpix: started.mpix.clone(),
            host: started.host.clone(),
            op: started.op.clone(),
            ranks: started.ranks.len(),
            hosts: hosts.len(),
            threads: started.ranks.iter().map(|rank| rank.threads).sum(),
            images: Some(started.images),
            ..Run::since(time)
        });
        for (number, info) in started.ranks.iter().enumerate() {
            let key = (Some(number), info.host.clone());
            self.rank(key.clone()).threads = Some(info.threads);
            self.present.push(key);
        }
    }

    fn ended(&mut self, time: Timestamp, ended: RunEnded) {
        let run = self.run(time);
        run.ended = Some(time);
        run.seconds = ended.seconds;
        run.outcome = Some(ended.outcome.text().to_owned());
        run.reason = ended.reason.or(run.reason.take());
        run.exit_code = Some(ended.exit_code);
        self.leave();
    }

    /// The ranks of the last run have been in it for its whole time.
    fn leave(&mut self) {
        let seconds = self.runs.last().map_or(0.0, |run| run.seconds);
        for key in std::mem::take(&mut self.present) {
            self.rank(key).seconds += seconds;
        }
    }

    fn rank(&mut self, key: (Option<usize>, String)) -> &mut RankWork {
        let (rank, host) = key.clone();
        self.ranks.entry(key).or_insert(RankWork { rank, host, ..RankWork::default() })
    }

    fn done(&mut self, time: Timestamp, done: ImageDone) {
        let run = self.run(time);
        run.done += 1;
        run.pixels += done.pixels;
        let seconds = seconds_between(run.started, time);
        run.series.add(seconds, done.pixels);
        run.seconds = run.seconds.max(seconds);
        let whole = done.distribution == Distribution::Image;
        let key = if whole { (Some(done.rank), done.host.clone()) } else { (None, String::new()) };
        let rank = self.rank(key);
        let stages = &done.stages_ms;
        rank.images += 1;
        rank.pixels += done.pixels;
        rank.work_s += (stages.decode + stages.filter + stages.encode) / 1e3;
        #[expect(clippy::cast_possible_truncation, reason = "half the digits are enough")]
        self.times.push(done.ms as f32);
        add(&mut self.stages, stages);
        self.keep_if_slow(done);
    }

    fn failed(&mut self, time: Timestamp, failed: ImageFailed) {
        self.run(time).failed += 1;
        if failed.ms.is_some() {
            self.rank((Some(failed.rank), failed.host)).failed += 1;
        }
    }

    fn keep_if_slow(&mut self, done: ImageDone) {
        if self.slowest.len() == SLOWEST
            && self.slowest.last().is_some_and(|last| last.ms >= done.ms)
        {
            return;
        }
        let stages = done.stages_ms.named();
        let mostly = stages.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map_or("", |&(name, _)| name);
        let ImageDone { image, ms, pixels, rank, host, .. } = done;
        self.slowest.push(Slow { image, ms, pixels, rank, host, mostly });
        self.slowest.sort_by(|a, b| b.ms.total_cmp(&a.ms));
        self.slowest.truncate(SLOWEST);
    }

    fn warned(&mut self, warning: Warning) {
        let same =
            |other: &&mut Warning| (&other.text, &other.host) == (&warning.text, &warning.host);
        if let Some(same) = self.warnings.iter_mut().find(same) {
            same.times += 1;
        } else if self.warnings.len() < WARNINGS {
            self.warnings.push(warning);
        } else {
            self.more_warnings += 1;
        }
    }
}

impl Run {
    pub(super) fn since(started: Timestamp) -> Self {
        Self {
            run: None,
            started,
            ended: None,
            seconds: 0.0,
            foreseen_s: None,
            mpix: String::new(),
            host: String::new(),
            op: String::new(),
            ranks: 0,
            hosts: 0,
            threads: 0,
            images: None,
            done: 0,
            failed: 0,
            pixels: 0,
            outcome: None,
            reason: None,
            exit_code: None,
            series: Series::default(),
        }
    }
}

pub(super) fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}

fn add(sum: &mut Stages, one: &Stages) {
    sum.read += one.read;
    sum.decode += one.decode;
    sum.filter += one.filter;
    sum.encode += one.encode;
    sum.send += one.send;
    sum.write += one.write;
    sum.record += one.record;
    sum.wait += one.wait;
}

fn stage_times(stages: &Stages) -> Vec<StageTime> {
    let named = stages.named();
    let all: f64 = named.iter().map(|(_, ms)| ms).sum();
    if all <= 0.0 {
        return Vec::new();
    }
    named.iter().map(|&(stage, ms)| StageTime { stage, ms, share: ms / all }).collect()
}

fn times_of(times: &mut [f32]) -> Option<Times> {
    if times.is_empty() {
        return None;
    }
    times.sort_unstable_by(f32::total_cmp);
    let at = |percent: usize| f64::from(times[(times.len() - 1) * percent / 100]);
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let mean = times.iter().map(|&ms| f64::from(ms)).sum::<f64>() / times.len() as f64;
    Some(Times {
        images: times.len(),
        mean,
        median: at(50),
        percentile_95: at(95),
        longest: at(100),
    })
}

/// How many images took how long: bins of equal ratio, 10 or 20 of them to a power of ten.
fn histogram(times: &[f32]) -> Vec<(f64, f64, usize)> {
    let per_decade = if times.len() < 200 { 10.0 } else { 20.0 };
    let mut bins = BTreeMap::<i32, usize>::new();
    for &ms in times {
        #[expect(clippy::cast_possible_truncation, reason = "the logarithm of a time")]
        let bin = (f64::from(ms.max(1e-3)).log10() * per_decade).floor() as i32;
        *bins.entry(bin).or_default() += 1;
    }
    let (Some(&first), Some(&last)) = (bins.keys().next(), bins.keys().next_back()) else {
        return Vec::new();
    };
    let edge = |bin: i32| 10f64.powf(f64::from(bin) / per_decade);
    (first..=last)
        .map(|bin| (edge(bin), edge(bin + 1), bins.get(&bin).copied().unwrap_or(0)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_taken() {
        let mut times: Vec<f32> = (1..=100).rev().map(|ms| ms as f32).collect();
        let found = times_of(&mut times).unwrap();
        assert_eq!((found.median, found.percentile_95, found.longest), (50.0, 95.0, 100.0));
        assert_eq!(found.mean, 50.5);
        assert_eq!(times_of(&mut []), None);
        assert_eq!(times_of(&mut [7.0]).unwrap().percentile_95, 7.0);
    }

    #[test]
    fn spans_get_longer_as_a_run_does() {
        let mut series = Series::default();
        for second in 0..100_000 {
            series.add(f64::from(second), 2);
        }
        let sum = series.spans.iter().fold((0, 0), |sum, span| (sum.0 + span.0, sum.1 + span.1));
        assert_eq!(sum, (100_000, 200_000));
        assert!(series.spans.len() <= SPANS && series.spans.len() > SPANS / 4);
        assert!(series.span_s * series.spans.len() as f64 >= 100_000.0);
    }

    #[test]
    fn a_histogram_holds_every_image() {
        let times: Vec<f32> = (0..1000).map(|ms| ms as f32).collect();
        let bins = histogram(&times);
        assert_eq!(bins.iter().map(|bin| bin.2).sum::<usize>(), 1000);
        assert!(bins.windows(2).all(|pair| (pair[0].1 - pair[1].0).abs() < 1e-9));
        assert_eq!(histogram(&[5.0]).len(), 1);
        assert!(histogram(&[]).is_empty());
    }
}
