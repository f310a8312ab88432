//! The report on a terminal, and for programs.

use std::io::{self, Write};

use super::launches::{Attempt, Failed};
use super::timeline::{RankWork, Run};
use super::{Report, RunningState};
use crate::error::on_one_line;
use crate::events::{bytes_text, clock, count_of, grouped, megapixels};

impl Report {
    /// For programs.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn print_json(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)
    }

    /// For people.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let name = on_one_line(&self.output.display().to_string());
        writeln!(out, "`{name}`: {}\n", self.state.text())?;
        let mut field =
            |name: &str, value: &str| writeln!(out, "  {name:<12} {}", on_one_line(value));
        field("ops", if self.op.is_empty() { "none" } else { &self.op })?;
        field("settings", &self.settings)?;
        field("images", &self.counts_text())?;
        for (kind, count) in &self.kinds {
            field("", &format!("{} {kind}", grouped(*count as u64)))?;
        }
        let (input, output) = (bytes_text(self.input_bytes), bytes_text(self.output_bytes));
        field("read", &format!("{input}, {:.1} megapixels", megapixels(self.pixels)))?;
        field("written", &output)?;
        if let (Some(images), Some(pixels)) = (self.images_per_s, self.megapixels_per_s) {
            let took = clock(self.seconds);
            field(
                "throughput",
                &format!("{images:.1} images/s, {pixels:.1} megapixels/s in {took}"),
            )?;
        }
        self.print_times(out)?;
        self.print_ranks(out)?;
        self.print_runs(out)?;
        self.print_launches(out)?;
        self.print_failures(out)?;
        self.print_warnings(out)
    }

    /// `713 of 1,000 done, 3 failed, 1 set aside, 4 in hand, 12 left`.
    pub(super) fn counts_text(&self) -> String {
        let counts = &self.counts;
        let total =
            self.total.map_or_else(String::new, |total| format!(" of {}", grouped(total as u64)));
        let mut text =
            format!("{}{total} done, {} failed", grouped(counts.done as u64), counts.failed);
        let more = [
            (Some(counts.set_aside), "set aside"),
            (Some(counts.in_hand), "in hand"),
            (counts.left, "left"),
        ];
        for (count, what) in more {
            if let Some(count) = count.filter(|&count| count > 0) {
                text.push_str(&format!(", {} {what}", grouped(count as u64)));
            }
        }
        text
    }

    fn print_times(&self, out: &mut impl Write) -> io::Result<()> {
        let Some(times) = &self.times else { return Ok(()) };
        writeln!(
            out,
            "  {:<12} median {:.1} ms, 95 of 100 within {:.1} ms, mean {:.1} ms, longest {:.1} ms",
            "an image", times.median, times.percentile_95, times.mean, times.longest
        )?;
        if !self.stages.is_empty() {
            let stages: Vec<String> = self
                .stages
                .iter()
                .map(|stage| format!("{} {:.1} %", stage.stage, 100.0 * stage.share))
                .collect();
            writeln!(out, "  {:<12} {}", "of its time", stages.join(", "))?;
        }
        for (index, slow) in self.slowest.iter().enumerate() {
            let name = if index == 0 { "slowest" } else { "" };
            let image = on_one_line(&slow.image);
            writeln!(
                out,
                "  {name:<12} {:.1} ms, mostly {}, {:.1} megapixels, rank {}: `{image}`",
                slow.ms,
                slow.mostly,
                megapixels(slow.pixels),
                slow.rank
            )?;
        }
        Ok(())
    }

    fn print_ranks(&self, out: &mut impl Write) -> io::Result<()> {
        if self.ranks.is_empty() {
            return Ok(());
        }
        writeln!(out, "\nranks")?;
        let hosts = self.ranks.iter().map(|rank| rank.host.chars().count()).max();
        let width = hosts.unwrap_or(0).max(4);
        writeln!(
            out,
            "  {:>5}  {:width$}  {:>7}  {:>8}  {:>6}  {:>11}  {:>9}  {:>13}",
            "rank", "host", "threads", "images", "failed", "megapixels", "work", "megapixels/s"
        )?;
        for rank in &self.ranks {
            writeln!(
                out,
                "  {:>5}  {:width$}  {:>7}  {:>8}  {:>6}  {:>11.1}  {:>9}  {:>13}",
                rank.name(),
                on_one_line(&rank.host),
                rank.threads.map_or_else(String::new, |threads| threads.to_string()),
                rank.images,
                rank.failed,
                megapixels(rank.pixels),
                if rank.work_s > 0.0 { format!("{:.1} s", rank.work_s) } else { String::new() },
                rank.megapixels_per_s().map_or_else(String::new, |rate| format!("{rate:.1}")),
            )?;
        }
        Ok(())
    }

    fn print_runs(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "\nruns")?;
        for run in &self.runs {
            writeln!(out, "  {}", on_one_line(&run.line()))?;
        }
        Ok(())
    }

    fn print_launches(&self, out: &mut impl Write) -> io::Result<()> {
        for launch in &self.launches {
            let (name, totals) = (launch.name(), launch.totals_text());
            let line = format!("launch {name}, {totals}: {}", launch.outcome_text());
            writeln!(out, "\n{}", on_one_line(&line))?;
            for attempt in &launch.attempts {
                writeln!(out, "  {}", on_one_line(&attempt.line()))?;
            }
            let failures = launch.failures.iter().map(|failed| (failed.time, failed.line()));
            let events = launch.events.iter().map(|event| (event.time, event.what.clone()));
            let mut story: Vec<_> = failures.chain(events).collect();
            story.sort_by_key(|&(time, _)| time);
            for (time, what) in story {
                writeln!(out, "  {time:.0}  {}", on_one_line(&what))?;
            }
            if let Some(more) = launch.more_text() {
                writeln!(out, "  {more}")?;
            }
        }
        Ok(())
    }

    fn print_failures(&self, out: &mut impl Write) -> io::Result<()> {
        if !self.failures.is_empty() {
            writeln!(out, "\nfailures")?;
        }
        for failure in &self.failures {
            let line = format!(
                "{}: `{}` {}",
                failure.kind.name(),
                failure.image.display(),
                failure.reason
            );
            writeln!(out, "  {}", on_one_line(&line))?;
        }
        Ok(())
    }

    fn print_warnings(&self, out: &mut impl Write) -> io::Result<()> {
        if !(self.warnings.is_empty() && self.damage.is_empty() && self.notes.is_empty()) {
            writeln!(out, "\nwarnings")?;
        }
        for warning in &self.warnings {
            let times = if warning.times > 1 {
                format!(" ({} times)", warning.times)
            } else {
                String::new()
            };
            let line = format!("rank {} {}: {}{times}", warning.rank, warning.host, warning.text);
            writeln!(out, "  {}", on_one_line(&line))?;
        }
        for damage in &self.damage {
            writeln!(out, "  the journal is damaged: {damage}")?;
        }
        for note in &self.notes {
            writeln!(out, "  {}", on_one_line(note))?;
        }
        Ok(())
    }
}

impl RunningState {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Running => "a run goes on",
            Self::Ended => "the last run has ended",
            Self::Lost => {
                "the last run has ended without a word, killed perhaps; the same command goes on"
            }
        }
    }
}

impl RankWork {
    pub(super) fn name(&self) -> String {
        self.rank.map_or_else(|| "all".to_owned(), |rank| rank.to_string())
    }

    /// Over the runs that it was in.
    pub(super) fn megapixels_per_s(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| megapixels(self.pixels) / self.seconds)
    }
}

impl Run {
    pub(super) fn name(&self) -> String {
        self.run.map_or_else(|| "?".to_owned(), |run| run.to_string())
    }

    /// How it ended, and why.
    pub(super) fn outcome_text(&self) -> String {
        let outcome = self.outcome.as_deref().unwrap_or("goes on");
        match &self.reason {
            Some(reason) => format!("{outcome}: {reason}"),
            None => outcome.to_owned(),
        }
    }

    fn line(&self) -> String {
        let code = self.exit_code.map_or_else(String::new, |code| format!(", exit code {code}"));
        let place = match self.ranks {
            0 => String::new(),
            1 => ", 1 rank".to_owned(),
            ranks => format!(", {ranks} ranks on {}", count_of(self.hosts, "host")),
        };
        let foreseen = self
            .foreseen_s
            .map_or_else(String::new, |seconds| format!(", {} foreseen", clock(seconds)));
        format!(
            "{:>3}  {:.0}  {:>8}{foreseen}  {} done, {} failed{place}  {}{code}",
            self.name(),
            self.started,
            clock(self.seconds),
            grouped(self.done as u64),
            self.failed,
            self.outcome_text()
        )
    }
}

impl Attempt {
    fn line(&self) -> String {
        format!(
            "attempt {:>3}  {:.0}  {:>8}  {}, on {}",
            self.attempt,
            self.started,
            self.seconds.map_or_else(String::new, clock),
            self.outcome_text(),
            self.hosts.join(", ")
        )
    }
}

impl Failed {
    fn line(&self) -> String {
        let host = self.host.as_ref().map_or_else(String::new, |host| format!(" on `{host}`"));
        let next = self.until_next_s.map_or_else(
            || "no other started".to_owned(),
            |seconds| format!("the next started {seconds:.1} s later"),
        );
        let Self { attempt, what, noticed_by, .. } = self;
        format!("attempt {attempt} failed{host}: {what} (noticed by {noticed_by}); {next}")
    }
}
