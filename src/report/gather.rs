//! Journal, status and log, read into one report.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;

use super::launches::Launches;
use super::timeline::{RankWork, Run, Timeline, Times};
use super::{Counts, Failure, Report, RunningState};
use crate::error::{Error, FailureKind, OutputError};
use crate::events::{
    Entry, LogReader, RunEvent, count_of, files_of, grouped, launch_log_path, log_path, logs_of,
    megapixels,
};
use crate::journal::{JournalError, Lease, LeaseName, RunOutcome, State, directory_of, read};
use crate::pulse::{Pulse, Seen};

impl Report {
    /// Reads what runs have left in `output`.
    ///
    /// # Errors
    /// When there is no journal, or it cannot be read.
    pub fn of(output: &Path) -> Result<Self, Error> {
        let unreadable =
            |error: JournalError| Error::Output(OutputError::Journal { source: Box::new(error) });
        let state = read(output).map_err(unreadable)?;
        if state.records() == 0 {
            return Err(OutputError::NoJournal { output: output.to_path_buf() }.into());
        }
        let mut pulse = Pulse::of(output);
        let seen = pulse.look().ok();
        let mut report = Self::of_journal(output, &state, seen.as_ref());
        report.add_log(output, &state, seen.as_ref());
        report.add_launches(output, &mut pulse);
        Ok(report)
    }

    fn of_journal(output: &Path, state: &State, seen: Option<&Seen>) -> Self {
        let counts = state.counts();
        let last = state.last_run();
        let settings = last.map_or_else(String::new, |run| run.started.settings_text.clone());
        let images = seen.map(|seen| seen.status.images);
        let mut done: Vec<_> = state.all_done().cloned().collect();
        done.sort_unstable_by(|a, b| a.output.cmp(&b.output));
        let failures = failures_of(state);
        Self {
            output: output.to_path_buf(),
            made: Timestamp::now(),
            mpix: env!("CARGO_PKG_VERSION"),
            state: running_state(state, seen),
            op: op_of(&settings).to_owned(),
            settings,
            total: images.map(|images| images.total),
            counts: Counts {
                done: counts.done,
                failed: counts.failed,
                set_aside: counts.set_aside,
                in_hand: state.in_hand().len(),
                left: images.map(|images| images.left()),
            },
            kinds: kinds_of(&failures),
            input_bytes: done.iter().map(|done| done.input.bytes).sum(),
            output_bytes: done.iter().map(|done| done.output_bytes).sum(),
            pixels: done.iter().map(|done| done.pixels).sum(),
            seconds: 0.0,
            images_timed: 0,
            images_per_s: None,
            megapixels_per_s: None,
            times: None,
            slowest: Vec::new(),
            stages: Vec::new(),
            ranks: Vec::new(),
            failures,
            runs: Vec::new(),
            launches: Vec::new(),
            warnings: Vec::new(),
            damage: state.damage().iter().map(ToString::to_string).collect(),
            notes: Vec::new(),
            command: command_of(output),
            histogram: Vec::new(),
            done,
        }
    }

    fn add_log(&mut self, output: &Path, state: &State, seen: Option<&Seen>) {
        let mut timeline = Timeline::default();
        self.read_logs(output, seen, &mut timeline);
        timeline.runs.sort_by_key(|run| run.started);
        tell_lost(&mut timeline.runs, self.state == RunningState::Running);
        self.runs = std::mem::take(&mut timeline.runs);
        self.slowest = std::mem::take(&mut timeline.slowest);
        self.warnings = std::mem::take(&mut timeline.warnings);
        if timeline.more_warnings > 0 {
            let more = grouped(timeline.more_warnings as u64);
            self.notes.push(format!("{more} more warnings are in the log: mpix logs --level warn"));
        }
        let sums = timeline.sums();
        (self.times, self.histogram) = (sums.times, sums.histogram);
        (self.stages, self.ranks) = (sums.stages, sums.ranks);
        self.sum_up();
        if self.runs.is_empty() {
            self.runs.extend(run_of_journal(state));
        }
        if self.times.is_none() && !self.done.is_empty() {
            self.take_times_of_journal();
        }
        if self.times.is_some_and(|times| times.images < self.done.len()) {
            let (told, all) = (self.images_timed as u64, self.done.len() as u64);
            self.notes.push(format!(
                "the log tells of {} of {} results: times and throughput are those of these",
                grouped(told),
                grouped(all)
            ));
        }
    }

    fn sum_up(&mut self) {
        self.seconds = self.runs.iter().map(|run| run.seconds).sum();
        self.images_timed = self.runs.iter().map(|run| run.done).sum();
        if self.total.is_none() {
            self.total = self.runs.last().and_then(|run| run.images);
        }
        let pixels: u64 = self.runs.iter().map(|run| run.pixels).sum();
        if self.seconds > 0.0 && self.images_timed > 0 {
            #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
            let images = self.images_timed as f64;
            self.images_per_s = Some(images / self.seconds);
            self.megapixels_per_s = Some(megapixels(pixels) / self.seconds);
        }
    }

    fn read_logs(&mut self, output: &Path, seen: Option<&Seen>, timeline: &mut Timeline) {
        let directory = directory_of(output);
        let logs = logs_of(&directory).unwrap_or_default();
        if let Some(missing) = &logs.missing {
            let missing = missing.display();
            self.notes.push(format!("the last run logged to `{missing}`, which is not there"));
        }
        if logs.there.is_empty() {
            let note = "there is no log: times are the journal's, and stages are not known";
            self.notes.push(note.to_owned());
        }
        let own = log_path(&directory);
        for log in logs.there {
            // A log that several directories share holds runs of others, too.
            let only = seen.filter(|_| log != own).map(|seen| seen.status.output.as_str());
            let mut is_ours = only.is_none();
            self.read_log(&log, "runs and times", |entry| {
                if let (Some(only), RunEvent::RunStarted(started)) = (only, &entry.event) {
                    is_ours = started.output == only;
                }
                if is_ours {
                    timeline.take(entry);
                }
            });
            timeline.end_of_log();
        }
    }

    /// Reads a log, of which the report wants to know `what`.
    fn read_log(&mut self, log: &Path, what: &str, take: impl FnMut(Entry)) {
        if let Err(error) = self.try_to_read_log(log, what, take) {
            self.notes.push(format!("the log `{}` cannot be read: {error}", log.display()));
        }
    }

    fn try_to_read_log(
        &mut self,
        log: &Path,
        what: &str,
        mut take: impl FnMut(Entry),
    ) -> std::io::Result<()> {
        let first = files_of(log)?.first().map_or(1, |&(number, _)| number);
        if first > 1 {
            self.notes
                .push(format!("the log begins with its file {first}: {what} before are not known"));
        }
        let mut reader = LogReader::open(log)?;
        for entry in reader.by_ref() {
            take(entry?);
        }
        if reader.garbled() > 0 {
            let lines = count_of(reader.garbled(), "line");
            self.notes.push(format!("{lines} of the log are no entries, and were left out"));
        }
        Ok(())
    }

    fn add_launches(&mut self, output: &Path, pulse: &mut Pulse) {
        let log = launch_log_path(&directory_of(output));
        if files_of(&log).is_ok_and(|files| files.is_empty()) {
            return;
        }
        let mut launches = Launches::default();
        self.read_log(&log, "what a launch did", |entry| launches.take(entry));
        self.launches = launches.finish(&self.runs, pulse.is_supervised());
    }

    /// Where there is no log: the journal tells how long each image took, and at which rank.
    fn take_times_of_journal(&mut self) {
        let mut ranks = BTreeMap::<u32, RankWork>::new();
        let mut times: Vec<u64> = Vec::with_capacity(self.done.len());
        for done in &self.done {
            let number = usize::try_from(done.rank).ok();
            let rank = ranks
                .entry(done.rank)
                .or_insert_with(|| RankWork { rank: number, ..RankWork::default() });
            rank.images += 1;
            rank.pixels += done.pixels;
            times.push(done.micros);
        }
        times.sort_unstable();
        self.ranks = ranks.into_values().collect();
        #[expect(clippy::cast_precision_loss, reason = "microseconds are far below 2^52")]
        let at = |percent: usize| times[(times.len() - 1) * percent / 100] as f64 / 1e3;
        #[expect(clippy::cast_precision_loss, reason = "microseconds are far below 2^52")]
        let mean = times.iter().sum::<u64>() as f64 / times.len() as f64 / 1e3;
        let (median, percentile_95, longest) = (at(50), at(95), at(100));
        self.times = Some(Times { images: times.len(), mean, median, percentile_95, longest });
        self.images_timed = times.len();
    }
}

/// A run that has not said how it ended was killed, unless it is the last one and goes on.
fn tell_lost(runs: &mut [Run], last_goes_on: bool) {
    let over = runs.len() - usize::from(last_goes_on && !runs.is_empty());
    for run in runs[..over].iter_mut().filter(|run| run.outcome.is_none()) {
        run.outcome = Some("ended without a word, killed perhaps".to_owned());
    }
}

fn running_state(state: &State, seen: Option<&Seen>) -> RunningState {
    match seen {
        Some(seen) if seen.alive => RunningState::Running,
        Some(seen) if seen.is_lost() => RunningState::Lost,
        Some(_) => RunningState::Ended,
        None if state.last_run().is_some_and(|run| run.ended.is_none()) => RunningState::Lost,
        None => RunningState::Ended,
    }
}

/// The last run as the journal knows it.
fn run_of_journal(state: &State) -> Option<Run> {
    let last = state.last_run()?;
    let time = |ns: i64| Timestamp::from_nanosecond(ns.into()).ok();
    let ended = last.ended.as_ref();
    let outcome = ended.map(|ended| match ended.outcome {
        RunOutcome::AllDone => "all done",
        RunOutcome::SomeFailed => "ended, some images failed",
        RunOutcome::Stopped => "stopped",
        RunOutcome::GaveUp => "gave up",
    });
    let started = time(last.started.at_ns)?;
    let ended = ended.and_then(|ended| time(ended.at_ns));
    Some(Run {
        run: Some(last.started.run),
        ended,
        seconds: ended.map_or(0.0, |ended| ended.duration_since(started).as_secs_f64().max(0.0)),
        mpix: last.started.program_version.clone(),
        host: last.started.host.clone(),
        op: op_of(&last.started.settings_text).to_owned(),
        outcome: outcome.map(str::to_owned),
        ..Run::since(started)
    })
}

/// The ops in the text of settings: `output version 1; ops gray | invert; format …`.
fn op_of(settings: &str) -> &str {
    settings.split("; ").find_map(|part| part.strip_prefix("ops ")).unwrap_or_default()
}

fn failures_of(state: &State) -> Vec<Failure> {
    let failed = state.all_failed().map(|failed| Failure {
        kind: failed.kind,
        image: failed.input.clone(),
        reason: failed.reason.clone(),
    });
    let aside = state.all_set_aside().map(|aside| Failure {
        kind: FailureKind::SetAside,
        image: aside.input.clone(),
        reason: format!("was in hand at {} and is set aside", count_of_crashes(aside.crashes)),
    });
    let mut all: Vec<_> = failed.chain(aside).collect();
    all.sort_by(|a, b| a.image.cmp(&b.image));
    all
}

fn count_of_crashes(crashes: u32) -> String {
    if crashes == 1 { "1 crash".to_owned() } else { format!("{crashes} crashes") }
}

fn kinds_of(failures: &[Failure]) -> Vec<(&'static str, usize)> {
    let mut kinds = BTreeMap::<&str, usize>::new();
    for failure in failures {
        *kinds.entry(failure.kind.name()).or_default() += 1;
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    kinds
}

/// The command line of a run that goes on, or that has not given up its lease.
fn command_of(output: &Path) -> Option<String> {
    Lease::look(output, LeaseName::Run, "").ok().flatten().map(|seen| seen.holder.command)
}
