//! What plots are drawn with: axes, ticks, bars, as SVG. Colours are the page's.

use std::fmt::Write;

use super::escape::Text;

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 26.0;
const TOP: f64 = 38.0;
const BOTTOM: f64 = 42.0;
/// Pixels of a row of a chart of rows.
const ROW: f64 = 26.0;

/// A plot with a heading and a sentence that says what it shows.
#[derive(Debug)]
pub(super) struct Heading<'a> {
    /// Letters that no other plot of the page has.
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    pub(super) about: String,
}

/// A bar that stands on the x axis.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) value: f64,
    /// Shown under the pointer.
    pub(super) tip: String,
}

/// A mark on the x axis.
#[derive(Debug)]
pub(super) struct Tick {
    pub(super) at: f64,
    pub(super) label: String,
}

/// The x axis.
#[derive(Debug)]
pub(super) struct Axis {
    pub(super) to: f64,
    pub(super) ticks: Vec<Tick>,
    pub(super) label: String,
    /// Lines across the plot.
    pub(super) marks: Vec<Mark>,
}

/// A line across the plot, with what it marks.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) at: f64,
    pub(super) label: String,
    /// Whether the label stands before the line.
    pub(super) before: bool,
    /// Where it marks a failure: what is shown under the pointer.
    pub(super) fault: Option<String>,
}

impl Mark {
    pub(super) fn at(at: f64, label: &str) -> Self {
        Self { at, label: label.to_owned(), before: false, fault: None }
    }
}

/// Columns over an axis that begins at 0. Those that touch look like one shape.
pub(super) fn columns(
    heading: &Heading<'_>,
    axis: &Axis,
    y_label: &str,
    columns: &[Column],
) -> String {
    let highest = columns.iter().map(|column| column.value).fold(0.0, f64::max);
    let ticks = ticks(highest, 4);
    let top = ticks.last().copied().unwrap_or(1.0).max(highest);
    let x = |at: f64| LEFT + (WIDTH - LEFT - RIGHT) * at / axis.to.max(f64::MIN_POSITIVE);
    let y = |value: f64| HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top;
    let mut svg = begin(heading, HEIGHT);
    for tick in &ticks {
        line(&mut svg, "grid", (LEFT, y(*tick)), (WIDTH - RIGHT, y(*tick)));
        text(&mut svg, "end", (LEFT - 7.0, y(*tick) + 4.0), &number_text(*tick));
    }
    for column in columns {
        let (left, right) = (x(column.from), x(column.to));
        // Those that touch overlap by a hair, lest the ground shines through.
        let shape = (left, y(column.value), right - left + 0.4, y(0.0) - y(column.value));
        bar(&mut svg, "bar", shape, &column.tip);
    }
    line(&mut svg, "axis", (LEFT, y(0.0)), (WIDTH - RIGHT, y(0.0)));
    for tick in &axis.ticks {
        line(&mut svg, "axis", (x(tick.at), y(0.0)), (x(tick.at), y(0.0) + 4.0));
        text(&mut svg, "middle", (x(tick.at), y(0.0) + 17.0), &tick.label);
    }
    for mark in &axis.marks {
        if let Some(tip) = &mark.fault {
            fault(&mut svg, (x(mark.at), y(0.0)), tip);
            continue;
        }
        line(&mut svg, "mark", (x(mark.at), TOP - 14.0), (x(mark.at), y(0.0)));
        let anchor = if mark.before { "end" } else { "start" };
        let shift = if mark.before { -4.0 } else { 4.0 };
        text(&mut svg, anchor, (x(mark.at) + shift, TOP - 6.0), &mark.label);
    }
    text(&mut svg, "middle", (f64::midpoint(LEFT, WIDTH - RIGHT), HEIGHT - 6.0), &axis.label);
    text(&mut svg, "start", (0.0, 13.0), y_label);
    svg.push_str("</svg>");
    svg
}

/// A bar that lies beside its name.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) text: String,
    pub(super) class: &'static str,
    pub(super) tip: String,
}

/// Bars below each other, each with its name and its value.
pub(super) fn rows(heading: &Heading<'_>, rows: &[Row]) -> String {
    const NAMES: f64 = 64.0;
    const VALUES: f64 = 165.0;
    let longest = rows.iter().map(|row| row.value).fold(f64::MIN_POSITIVE, f64::max);
    let height = ROW * rows.len() as f64 + 8.0;
    let mut svg = begin(heading, height);
    for (index, row) in rows.iter().enumerate() {
        let top = ROW * index as f64 + 4.0;
        let width = (WIDTH - NAMES - VALUES) * row.value / longest;
        bar(&mut svg, row.class, (NAMES, top + 3.0, width, ROW - 8.0), &row.tip);
        text(&mut svg, "end", (NAMES - 7.0, top + 16.0), &row.name);
        text(&mut svg, "start", (NAMES + width + 7.0, top + 16.0), &row.text);
    }
    svg.push_str("</svg>");
    svg
}

fn begin(heading: &Heading<'_>, height: f64) -> String {
    let Heading { id, title, about } = heading;
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\
         <title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>",
        Text(title),
        Text(about)
    )
}

fn line(svg: &mut String, class: &str, from: (f64, f64), to: (f64, f64)) {
    let _ = write!(
        svg,
        "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
        from.0, from.1, to.0, to.1
    );
}

/// A line that ends in a cross on the x axis.
fn fault(svg: &mut String, (x, y): (f64, f64), tip: &str) {
    let _ = write!(svg, "<g class=\"fault\"><title>{}</title>", Text(tip));
    line(svg, "", (x, TOP - 4.0), (x, y));
    line(svg, "cross", (x - 4.0, y - 4.0), (x + 4.0, y + 4.0));
    line(svg, "cross", (x - 4.0, y + 4.0), (x + 4.0, y - 4.0));
    svg.push_str("</g>");
}

fn text(svg: &mut String, anchor: &str, at: (f64, f64), words: &str) {
    let _ = write!(
        svg,
        "<text text-anchor=\"{anchor}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        at.0,
        at.1,
        Text(words)
    );
}

fn bar(svg: &mut String, class: &str, (x, y, width, height): (f64, f64, f64, f64), tip: &str) {
    let (width, height) = (width.max(0.5), height.max(0.0));
    let _ = write!(
        svg,
        "<rect class=\"{class}\" x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" \
         height=\"{height:.2}\"><title>{}</title></rect>",
        Text(tip)
    );
}

/// From 0 to `highest` or above, about `count` of them, at round distances.
pub(super) fn ticks(highest: f64, count: u32) -> Vec<f64> {
    if !(highest.is_finite() && highest > 0.0) {
        return vec![0.0, 1.0];
    }
    let rough = highest / f64::from(count);
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    let step = step.into_iter().find(|&step| step >= rough * 0.999).unwrap_or(rough);
    let last = (highest / step - 1e-9).ceil().max(1.0);
    let mut all = Vec::new();
    let mut index = 0.0;
    while index <= last {
        all.push(index * step);
        index += 1.0;
    }
    all
}

/// Without more digits than it needs.
pub(super) fn number_text(number: f64) -> String {
    let (number, unit) = match number.abs() {
        size if size >= 1e9 => (number / 1e9, "G"),
        size if size >= 1e6 => (number / 1e6, "M"),
        size if size >= 1e4 => (number / 1e3, "k"),
        _ => (number, ""),
    };
    let digits = if number.abs() >= 100.0 {
        0
    } else if number.abs() >= 1.0 {
        1
    } else {
        3
    };
    let text = format!("{number:.digits$}");
    let short =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{short}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_reach_the_highest() {
        assert_eq!(ticks(7.3, 4), [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(ticks(1000.0, 4), [0.0, 500.0, 1000.0]);
        assert_eq!(ticks(0.0, 4), [0.0, 1.0]);
        assert_eq!(ticks(f64::NAN, 4), [0.0, 1.0]);
        for highest in [0.003, 0.9, 1.0, 19.9, 123_456.0] {
            let ticks = ticks(highest, 4);
            assert!((3..=6).contains(&ticks.len()), "{ticks:?}");
            assert!(*ticks.last().unwrap() >= highest * 0.999, "{ticks:?}");
        }
    }

    #[test]
    fn numbers_are_short() {
        let texts = [0.0, 0.25, 7.0, 12.5, 1500.0, 25_000.0, 3.2e6].map(number_text);
        assert_eq!(texts, ["0", "0.25", "7", "12.5", "1500", "25k", "3.2M"]);
    }
}
