//! The parts of the page.

mod launches;

use std::fmt::{Display, Write};

pub(super) use launches::launches;

use super::Report;
use super::chart::number_text;
use super::escape::{Text, path_text, shell_word};
use super::plots;
use super::thumbnails::{Pair, Side};
use crate::events::{Level, bytes_text, clock, count_of, grouped, megapixels};

/// Failures that the page names; `mpix report` names all.
const MOST_FAILURES: usize = 2000;
/// Small pictures below are drawn larger, with their pixels seen.
const TINY: usize = 60;

/// What was run, where, and how it stands.
pub(super) fn head(report: &Report) -> String {
    let (state, class) = report.state.words(report);
    let op = if report.op.is_empty() { "no ops: converted only" } else { &report.op };
    format!(
        "<h1>{}</h1>\n<p><span class=\"state {class}\">{state}</span> <code>{}</code></p>\n\
         <p class=\"quiet\">{}</p>\n",
        path_text(&report.output),
        Text(op),
        Text(settings_text(&report.settings))
    )
}

/// The settings without the ops, which stand above.
fn settings_text(settings: &str) -> String {
    let parts = settings.split("; ").filter(|part| !part.starts_with("ops "));
    parts.collect::<Vec<_>>().join(" · ")
}

/// The numbers that matter most.
pub(super) fn tiles(report: &Report) -> String {
    let mut html = String::from("<dl class=\"tiles\">\n");
    let counts = &report.counts;
    let mut tile = |name: &str, value: String, more: String| {
        let _ = writeln!(
            html,
            "<div class=\"tile\"><dt>{name}</dt><dd>{}<span class=\"more\">{}</span></dd></div>",
            Text(value),
            Text(more)
        );
    };
    let of_total =
        report.total.map_or_else(String::new, |total| format!("of {}", grouped(total as u64)));
    let left =
        counts.left.filter(|&left| left > 0).map(|left| format!(", {} left", grouped(left as u64)));
    tile("Images done", grouped(counts.done as u64), of_total + &left.unwrap_or_default());
    let kinds = report.kinds.iter().take(3).map(|(kind, count)| format!("{count} {kind}"));
    let kinds = kinds.collect::<Vec<_>>().join(", ");
    let aside = if kinds.is_empty() { "none".to_owned() } else { kinds };
    tile("Failed or set aside", grouped((counts.failed + counts.set_aside) as u64), aside);
    if let (Some(images), Some(pixels)) = (report.images_per_s, report.megapixels_per_s) {
        tile(
            "Throughput",
            format!("{} images/s", number_text(images)),
            format!("{} megapixels/s in {}", number_text(pixels), took(report.seconds)),
        );
    }
    if let Some(times) = &report.times {
        tile(
            "Time of an image",
            format!("{} ms", number_text(times.median)),
            format!("median; 95 of 100 within {} ms", number_text(times.percentile_95)),
        );
    }
    tile(
        "Pixels",
        format!("{} M", number_text(megapixels(report.pixels))),
        "of the results".to_owned(),
    );
    tile("Read", bytes_text(report.input_bytes), "inputs of the results".to_owned());
    tile("Written", bytes_text(report.output_bytes), ratio(report));
    if let Some(run) = report.runs.iter().rev().find(|run| run.ranks > 0) {
        let hosts =
            format!("on {}, {}", count_of(run.hosts, "host"), count_of(run.threads, "thread"));
        tile("Ranks", run.ranks.to_string(), hosts);
    }
    html.push_str("</dl>\n");
    html
}

fn took(seconds: f64) -> String {
    if seconds < 60.0 { format!("{} s", number_text(seconds)) } else { clock(seconds) }
}

fn ratio(report: &Report) -> String {
    if report.input_bytes == 0 {
        return "results".to_owned();
    }
    #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
    let ratio = report.output_bytes as f64 / report.input_bytes as f64;
    format!("{} % of what was read", number_text(100.0 * ratio))
}

/// What is missing, and what is broken.
pub(super) fn notes(report: &Report) -> String {
    let damage = report.damage.iter().map(|damage| format!("The journal is damaged: {damage}."));
    let lost = (report.state == super::RunningState::Lost).then(|| {
        "The last run has ended without a word, killed perhaps. The same command goes on where it was."
            .to_owned()
    });
    let hand = (report.counts.in_hand > 0).then(|| {
        let images = count_of(report.counts.in_hand, "image");
        format!("{images} in hand: given to ranks, without a result or a failure yet.")
    });
    let all: Vec<String> = lost.into_iter().chain(hand).chain(damage).collect();
    let all: Vec<String> =
        all.into_iter().chain(report.notes.iter().map(|note| sentence(note))).collect();
    if all.is_empty() {
        return String::new();
    }
    let items: String = all.iter().map(|note| format!("<li>{}</li>", Text(note))).collect();
    format!("<div class=\"notes\" role=\"note\"><ul>{items}</ul></div>\n")
}

fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first: String = characters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", characters.as_str())
}

/// Some inputs with their results.
pub(super) fn pictures(report: &Report, pairs: &[Pair<'_>]) -> String {
    if pairs.is_empty() {
        return String::new();
    }
    let all = report.done.len();
    let which = if pairs.len() == all {
        format!("All {}.", count_of(all, "result"))
    } else {
        let (some, all) = (grouped(pairs.len() as u64), grouped(all as u64));
        format!("{some} of {all} results, spread evenly over their names.")
    };
    let mut html = format!("<p class=\"quiet\">{which}</p>\n<ul class=\"pairs\">\n");
    for pair in pairs {
        let done = pair.done;
        #[expect(clippy::cast_precision_loss, reason = "microseconds are far below 2^52")]
        let ms = number_text(done.micros as f64 / 1e3);
        let name = path_text(&done.output);
        let _ = write!(
            html,
            "<li class=\"card\"><h3 class=\"path\"><bdi>{name}</bdi></h3><div class=\"sides\">"
        );
        html.push_str(&side_html(&pair.before, "before", &name, &path_text(&done.input.path)));
        html.push_str(&side_html(&pair.after, "after", &name, &name));
        let _ = writeln!(
            html,
            "</div><p class=\"quiet\">{ms} ms at rank {}, {} megapixels</p></li>",
            done.rank,
            number_text(megapixels(done.pixels))
        );
    }
    html.push_str("</ul>\n");
    html
}

fn side_html(side: &Side, which: &str, name: &impl Display, path: &impl Display) -> String {
    let mut html = String::from("<figure><div class=\"frame\">");
    match &side.image {
        Ok(small) => {
            let longer = small.width.max(small.height).max(1);
            let (class, times) =
                if longer < TINY { (" class=\"tiny\"", TINY / longer) } else { ("", 1) };
            let _ = write!(
                html,
                "<img{class} src=\"{}\" width=\"{}\" height=\"{}\" alt=\"{name}, {which}\" \
                 title=\"{path}\" loading=\"lazy\">",
                small.url,
                small.width * times,
                small.height * times
            );
        }
        Err(reason) => {
            let _ = write!(html, "<p title=\"{path}\">{}</p>", Text(reason));
        }
    }
    let size = side.size.map(|(width, height)| format!("{width} × {height}"));
    let bytes = side.bytes.map(bytes_text);
    let facts: Vec<String> = size.into_iter().chain(bytes).collect();
    let _ = write!(
        html,
        "</div><figcaption>{which}<br>{}</figcaption></figure>",
        Text(facts.join(", "))
    );
    html
}

/// Every input without a result.
pub(super) fn failures(report: &Report) -> String {
    let all = report.failures.len();
    if all == 0 {
        return String::new();
    }
    let mut html = String::from(
        "<div class=\"tools\" hidden><label for=\"wish\">Show those with</label>\
         <input id=\"wish\" type=\"search\" placeholder=\"kind, image or reason\">\
         <span id=\"found\" class=\"quiet\" role=\"status\"></span></div>\n",
    );
    let more = if all > MOST_FAILURES {
        format!(
            "; the first {} stand here, <code>mpix report</code> names all",
            grouped(MOST_FAILURES as u64)
        )
    } else {
        String::new()
    };
    let caption = format!("{} without a result{more}", count_of(all, "image"));
    open_table(&mut html, "failed", &caption, &[("Kind", ""), ("Image", ""), ("Reason", "")]);
    for failure in report.failures.iter().take(MOST_FAILURES) {
        let _ = writeln!(
            html,
            "<tr><td class=\"bad\">{}</td><td class=\"path\"><bdi>{}</bdi></td><td>{}</td></tr>",
            failure.kind.name(),
            path_text(&failure.image),
            Text(&failure.reason)
        );
    }
    html.push_str("</tbody></table></div>\n");
    html
}

/// A table that scrolls by itself on a narrow screen.
fn open_table(html: &mut String, id: &str, caption: &str, heads: &[(&str, &str)]) {
    let _ = write!(
        html,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"{id}-c\">\
         <table id=\"{id}\" class=\"sorts\"><caption id=\"{id}-c\">{caption}</caption><thead><tr>"
    );
    for (name, class) in heads {
        let _ = write!(html, "<th scope=\"col\" class=\"{class}\">{name}</th>");
    }
    html.push_str("</tr></thead><tbody>\n");
}

/// All plots that there is something to draw for, and the slowest images.
pub(super) fn plots(report: &Report) -> String {
    let plots = plots::plots(report);
    if plots.is_empty() {
        return String::new();
    }
    let mut html = String::from(
        "<svg class=\"defs\" aria-hidden=\"true\"><defs><pattern id=\"stripes\" width=\"7\" height=\"7\" \
         patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
         <line class=\"stripe\" x1=\"0\" y1=\"0\" x2=\"0\" y2=\"7\"/></pattern></defs></svg>\n\
         <div class=\"plots\">\n",
    );
    for plot in plots {
        let _ = writeln!(
            html,
            "<figure class=\"plot\"><h3>{}</h3>{}<figcaption>{}</figcaption></figure>",
            Text(plot.title),
            plot.svg,
            Text(plot.about)
        );
    }
    html.push_str("</div>\n");
    html.push_str(&slowest(report));
    html
}

fn slowest(report: &Report) -> String {
    if report.slowest.len() < 2 {
        return String::new();
    }
    let mut html = String::from("<h3 style=\"margin: 20px 0 8px\">The slowest images</h3>\n");
    let heads = [
        ("Image", ""),
        ("ms", "number"),
        ("Mostly", ""),
        ("Megapixels", "number"),
        ("Rank", "number"),
        ("Host", ""),
    ];
    open_table(
        &mut html,
        "slowest",
        "From the beginning of an image until its record lasts",
        &heads,
    );
    for slow in &report.slowest {
        let _ = writeln!(
            html,
            "<tr><td class=\"path\"><bdi>{}</bdi></td><td class=\"number\">{:.1}</td><td>{}</td>\
             <td class=\"number\">{:.1}</td><td class=\"number\">{}</td><td>{}</td></tr>",
            Text(&slow.image),
            slow.ms,
            slow.mostly,
            megapixels(slow.pixels),
            slow.rank,
            Text(&slow.host)
        );
    }
    html.push_str("</tbody></table></div>\n");
    html
}

/// What each rank has done.
pub(super) fn ranks(report: &Report) -> String {
    if report.ranks.is_empty() {
        return String::new();
    }
    let mut html = String::new();
    let heads = [
        ("Rank", "number"),
        ("Host", ""),
        ("Threads", "number"),
        ("Images", "number"),
        ("Failed", "number"),
        ("Megapixels", "number"),
        ("Work, s", "number"),
        ("Megapixels/s", "number"),
    ];
    let caption = "Images that were sent whole; “all” stands for those that all ranks had bands of";
    open_table(&mut html, "rank-table", caption, &heads);
    for rank in &report.ranks {
        let _ = write!(
            html,
            "<tr><td class=\"number\">{}</td><td>{}</td>",
            rank.name(),
            Text(&rank.host)
        );
        let threads = rank.threads.map_or_else(String::new, |threads| threads.to_string());
        let work = Some(rank.work_s).filter(|&work| work > 0.0);
        let work = work.map_or_else(String::new, |work| format!("{work:.1}"));
        let rate = rank.megapixels_per_s().map_or_else(String::new, |rate| format!("{rate:.1}"));
        let (images, failed) = (grouped(rank.images as u64), grouped(rank.failed as u64));
        for cell in [threads, images, failed, format!("{:.1}", megapixels(rank.pixels)), work, rate]
        {
            let _ = write!(html, "<td class=\"number\">{cell}</td>");
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
    html
}

/// Every attempt.
pub(super) fn runs(report: &Report) -> String {
    let mut html = String::new();
    let heads = [
        ("Run", "number"),
        ("Began", ""),
        ("Took", "number"),
        ("Foreseen", "number"),
        ("Done", "number"),
        ("Failed", "number"),
        ("Ranks", "number"),
        ("Ops", ""),
        ("How it ended", ""),
        ("Code", "number"),
        ("mpix", ""),
    ];
    open_table(&mut html, "run-table", "Each run in this directory", &heads);
    for run in &report.runs {
        let code = run.exit_code.map_or_else(String::new, |code| code.to_string());
        let foreseen = run.foreseen_s.map_or_else(String::new, took);
        let ranks = if run.ranks == 0 { String::new() } else { run.ranks.to_string() };
        let _ = writeln!(
            html,
            "<tr><td class=\"number\">{}</td><td class=\"when\">{:.0}</td>\
             <td class=\"number\" data-value=\"{}\">{}</td><td class=\"number\">{foreseen}</td>\
             <td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{ranks}</td><td class=\"ops\"><code>{}</code></td>\
             <td>{}</td><td class=\"number\">{code}</td><td>{}</td></tr>",
            run.name(),
            run.started,
            run.seconds,
            took(run.seconds),
            grouped(run.done as u64),
            grouped(run.failed as u64),
            Text(&run.op),
            Text(run.outcome_text()),
            Text(&run.mpix)
        );
    }
    html.push_str("</tbody></table></div>\n");
    html
}

/// Messages that mattered.
pub(super) fn warnings(report: &Report) -> String {
    if report.warnings.is_empty() {
        return String::new();
    }
    let mut html = String::new();
    let heads = [
        ("First", ""),
        ("Level", ""),
        ("Rank", "number"),
        ("Host", ""),
        ("Message", ""),
        ("Times", "number"),
    ];
    open_table(&mut html, "warned", "Messages of the log", &heads);
    for warning in &report.warnings {
        let level = if warning.level == Level::Error { "error" } else { "warning" };
        let _ = writeln!(
            html,
            "<tr><td class=\"when\">{:.0}</td><td>{level}</td><td class=\"number\">{}</td><td>{}</td>\
             <td>{}</td><td class=\"number\">{}</td></tr>",
            warning.time,
            warning.rank,
            Text(&warning.host),
            Text(&warning.text),
            warning.times
        );
    }
    html.push_str("</tbody></table></div>\n");
    html
}

/// What to type next.
pub(super) fn commands(report: &Report) -> String {
    let output = shell_word(&report.output.to_string_lossy());
    let mut html = String::new();
    let mut step = |what: &str, command: &str| {
        let _ = writeln!(html, "<p>{what}</p>\n<pre><code>{}</code></pre>", Text(command));
    };
    step(
        "Read every result again, and hold it against the journal:",
        &format!("mpix verify {output}"),
    );
    let ops = report.op.split(" | ").filter(|op| !op.is_empty());
    let ops: String = ops.map(|op| format!(" --op {}", shell_word(op))).collect();
    let again = report.command.clone().unwrap_or_else(|| format!("mpix run{ops} -o {output} …"));
    step(
        "Go on where it was, or take up images that are new: the same command again, with the same inputs:",
        &again,
    );
    if report.counts.failed + report.counts.set_aside > 0 {
        step(
            "Try those again that failed:",
            &again.replacen("mpix run", "mpix run --retry-failed", 1),
        );
    }
    step("See what took long:", &format!("mpix logs {output} --slower-than 1000"));
    step(
        "See what went wrong, and what was warned of:",
        &format!("mpix logs {output} --level warn"),
    );
    html
}
