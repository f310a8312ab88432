//! The plots of the page.

use super::Report;
use super::chart::{Axis, Column, Heading, Mark, Row, Tick, columns, number_text, rows, ticks};
use super::launches::Failed;
use super::timeline::{RankWork, Series, seconds_between};
use crate::events::{clock, count_of, grouped, megapixels};

/// Columns of a plot over time.
const MOST_COLUMNS: f64 = 120.0;
/// Ranks that are named below their columns.
const NAMED_RANKS: usize = 16;

/// A plot, and the words above and below it.
#[derive(Debug)]
pub(super) struct Plot {
    pub(super) title: &'static str,
    pub(super) svg: String,
    pub(super) about: String,
}

/// All that there is something to draw for.
pub(super) fn plots(report: &Report) -> Vec<Plot> {
    let over_time = [
        over_time(report, "rate", "Images over time", "images/s", |span| f64::from(count(span.0))),
        over_time(report, "pixels", "Pixels over time", "megapixels/s", |span| megapixels(span.1)),
    ];
    let ranks = [
        of_ranks(
            &report.ranks,
            "speed",
            "Pixels of each rank",
            "megapixels/s",
            "What each rank gave over the whole time of its runs.",
            |rank| rank.megapixels_per_s(),
        ),
        of_ranks(
            &report.ranks,
            "work",
            "Work of each rank",
            "s",
            "Time spent on decoding, filtering and encoding; images that a rank had at the same time \
             add up.",
            |rank| Some(rank.work_s).filter(|&work| work > 0.0),
        ),
    ];
    let all = over_time.into_iter().chain([stages(report), histogram(report)]).chain(ranks);
    all.flatten().collect()
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// What runs did, one after the other; the time between them is left out.
fn over_time(
    report: &Report,
    id: &str,
    title: &'static str,
    unit: &str,
    amount: impl Fn((usize, u64)) -> f64,
) -> Option<Plot> {
    let runs = &report.runs;
    let images: usize = runs.iter().map(|run| run.done).sum();
    let seconds: f64 = runs.iter().map(|run| run.seconds).sum();
    if images == 0 || seconds <= 0.0 {
        return None;
    }
    let wanted = (f64::from(count(images)) / 3.0).clamp(6.0, MOST_COLUMNS);
    let mut span_s = runs.iter().map(|run| run.series.span_s).fold(0.0, f64::max);
    while seconds / span_s > wanted {
        span_s *= 2.0;
    }
    let (mut drawn, mut marks, mut begin) = (Vec::new(), Vec::new(), 0.0);
    for run in runs {
        if runs.len() > 1 {
            marks.push(Mark::at(begin, &format!("run {}", run.name())));
        }
        drawn.extend(spans(&run.series, span_s, run.seconds).into_iter().map(
            |(from, to, span)| {
                let value = amount(span) / (to - from);
                let (images, value_text) = (count_of(span.0, "image"), number_text(value));
                let at = format!("{} to {}", seconds_text(from), seconds_text(to));
                let tip = format!("run {}, {at}: {value_text} {unit}, {images}", run.name());
                Column { from: begin + from, to: begin + to, value, tip }
            },
        ));
        begin += run.seconds;
    }
    name_those_with_room(&mut marks, seconds);
    let faults = faults(report);
    let told = if faults.is_empty() { "" } else { " Crosses mark failures in a launch." };
    marks.extend(faults);
    let axis = Axis {
        to: seconds,
        ticks: time_ticks(seconds),
        label: "time of the runs".to_owned(),
        marks,
    };
    let all = if images == 1 { "image" } else { "images" };
    let all = format!("{} {all}", grouped(images as u64));
    let about = match runs.len() {
        1 => format!("{all} in {}.", clock(seconds)),
        runs => format!(
            "{all} in {runs} runs of {} together; lines mark where each begins, and the time between \
             them is left out.",
            clock(seconds)
        ),
    } + told;
    let heading = Heading { id, title, about: about.clone() };
    Some(Plot { title, svg: columns(&heading, &axis, unit, &drawn), about })
}

/// Failures in launches, each where the runs were when it was noticed.
fn faults(report: &Report) -> Vec<Mark> {
    let failures = report.launches.iter().flat_map(|launch| &launch.failures);
    let place = |failed: &Failed| {
        let (mut at, mut begin) = (None, 0.0);
        for run in report.runs.iter().take_while(|run| run.started <= failed.time) {
            at = Some(begin + seconds_between(run.started, failed.time).min(run.seconds));
            begin += run.seconds;
        }
        let tip = format!("attempt {} failed: {}", failed.attempt, failed.what_text());
        Some(Mark { fault: Some(tip), ..Mark::at(at?, "") })
    };
    failures.filter_map(place).collect()
}

/// Names that would stand in each other are left out: their lines stay.
fn name_those_with_room(marks: &mut [Mark], seconds: f64) {
    let mut free_from = f64::NEG_INFINITY;
    for mark in marks {
        if mark.at < free_from || mark.at > 0.9 * seconds {
            mark.label.clear();
        } else {
            free_from = mark.at + 0.082 * seconds;
        }
    }
}

/// Spans of `span_s`, of a run that took `seconds`: from, to, what was done. The last one is not
/// shorter than half of that.
fn spans(series: &Series, span_s: f64, seconds: f64) -> Vec<(f64, f64, (usize, u64))> {
    let mut series = series.clone();
    while series.span_s < span_s {
        series.double();
    }
    let mut spans: Vec<(f64, f64, (usize, u64))> = Vec::new();
    for (index, span) in series.spans.into_iter().enumerate() {
        let from = f64::from(count(index)) * span_s;
        let to = (from + span_s).min(seconds.max(from));
        match spans.last_mut() {
            Some(last) if to - from < span_s / 2.0 => {
                *last = (last.0, to.max(last.1), (last.2.0 + span.0, last.2.1 + span.1));
            }
            Some(_) | None => spans.push((from, to.max(from + 1e-3), span)),
        }
    }
    spans
}

fn seconds_text(seconds: f64) -> String {
    if seconds < 10.0 { format!("{} s", number_text(seconds)) } else { clock(seconds) }
}

fn time_ticks(seconds: f64) -> Vec<Tick> {
    const STEPS: [f64; 14] = [
        10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0,
        43200.0, 86400.0,
    ];
    let round = STEPS.into_iter().find(|step| seconds / step <= 6.0);
    let all = match round {
        Some(step) if seconds > 50.0 => (0..=6).map(|index| f64::from(index) * step).collect(),
        Some(_) | None => ticks(seconds, 5),
    };
    let within = all.into_iter().filter(|&at| at <= seconds * 1.001);
    within.map(|at| Tick { at, label: seconds_text(at) }).collect()
}

fn stages(report: &Report) -> Option<Plot> {
    let longest = report.stages.iter().any(|stage| stage.ms > 0.0);
    let images = report.times.map(|times| times.images).filter(|_| longest)?;
    let drawn: Vec<Row> = report
        .stages
        .iter()
        .map(|stage| {
            let mean = stage.ms / f64::from(count(images));
            let share = 100.0 * stage.share;
            let class = match stage.stage {
                "decode" | "filter" | "encode" => "bar",
                "wait" => "waiting",
                _ => "moving",
            };
            Row {
                name: stage.stage.to_owned(),
                value: stage.ms,
                text: format!("{mean:.1} ms · {share:.1} %"),
                class,
                tip: format!("{}: {mean:.1} ms an image, {share:.1} % of all time", stage.stage),
            }
        })
        .collect();
    let about =
        "Mean of all images. Filled: a rank computes. Light: bytes move, or are made to last. \
                 Striped: the image waits at rank 0 for memory, a reader, a rank or a writer."
            .to_owned();
    let title = "Where the time of an image goes";
    let heading = Heading { id: "stages", title, about: about.clone() };
    Some(Plot { title, svg: rows(&heading, &drawn), about })
}

fn histogram(report: &Report) -> Option<Plot> {
    let (times, bins) = (report.times?, &report.histogram);
    let (first, last) = (bins.first()?.0, bins.last()?.1);
    let place = |ms: f64| (ms / first).log10();
    let drawn: Vec<Column> = bins
        .iter()
        .map(|&(from, to, images)| Column {
            from: place(from),
            to: place(to),
            value: f64::from(count(images)),
            tip: format!(
                "{} to {} ms: {}",
                number_text(from),
                number_text(to),
                count_of(images, "image")
            ),
        })
        .collect();
    let (median, high) = (place(times.median), place(times.percentile_95));
    let marks = if median > 0.12 * place(last) {
        let median = Mark { before: true, ..Mark::at(median, "median") };
        vec![median, Mark::at(high, "95 %")]
    } else {
        vec![Mark::at(median, "median")]
    };
    let axis = Axis {
        to: place(last),
        ticks: log_ticks(first, last),
        label: "milliseconds of an image, from its reading to its record".to_owned(),
        marks,
    };
    let about = format!(
        "Half of the images took up to {:.0} ms, 95 of 100 up to {:.0} ms. The axis is logarithmic.",
        times.median, times.percentile_95
    );
    let title = "Time of an image";
    let heading = Heading { id: "spread", title, about: about.clone() };
    Some(Plot { title, svg: columns(&heading, &axis, "images", &drawn), about })
}

/// 1, 2 and 5 times each power of ten; the powers alone where there are many.
fn log_ticks(first: f64, last: f64) -> Vec<Tick> {
    let decades = (last / first).log10();
    let steps: &[f64] = if decades <= 2.5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let fine: Vec<f64> = (1..=9).map(f64::from).collect();
    let steps = if decades < 0.6 { &fine[..] } else { steps };
    let powers = -3..=9;
    let all = powers.flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)));
    let within = all.filter(|&at| at >= first * 0.999 && at <= last * 1.001);
    within.map(|at| Tick { at: (at / first).log10(), label: number_text(at) }).collect()
}

fn of_ranks(
    ranks: &[RankWork],
    id: &str,
    title: &'static str,
    unit: &str,
    about: &str,
    value: impl Fn(&RankWork) -> Option<f64>,
) -> Option<Plot> {
    let single: Vec<&RankWork> = ranks.iter().filter(|rank| rank.rank.is_some()).collect();
    if single.len() < 2 || single.iter().all(|rank| value(rank).is_none()) {
        return None;
    }
    let drawn: Vec<Column> = single
        .iter()
        .enumerate()
        .map(|(index, rank)| {
            let (at, value) = (f64::from(count(index)), value(rank).unwrap_or(0.0));
            let images = count_of(rank.images, "image");
            let tip = format!(
                "rank {} on {}: {} {unit}, {images}",
                rank.name(),
                rank.host,
                number_text(value)
            );
            Column { from: at + 0.12, to: at + 0.88, value, tip }
        })
        .collect();
    let every = single.len().div_ceil(NAMED_RANKS);
    let named = single.iter().enumerate().step_by(every);
    let ticks =
        named.map(|(index, rank)| Tick { at: f64::from(count(index)) + 0.5, label: rank.name() });
    let to = f64::from(count(single.len()));
    let axis = Axis { to, ticks: ticks.collect(), label: "rank".to_owned(), marks: Vec::new() };
    let heading = Heading { id, title, about: about.to_owned() };
    Some(Plot { title, svg: columns(&heading, &axis, unit, &drawn), about: about.to_owned() })
}
