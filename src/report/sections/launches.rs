//! The part of the page that tells of launches.

use std::fmt::Write;

use super::{open_table, took};
use crate::report::Report;
use crate::report::escape::Text;
use crate::report::launches::{Attempt, Failed, HostChange, Launch};

/// What `mpix launch` did; nothing where there was none.
pub(in crate::report) fn launches(report: &Report) -> String {
    let mut html = String::new();
    for (number, launch) in report.launches.iter().enumerate() {
        let _ = writeln!(
            html,
            "<p>Launch <code>{}</code>, {}: {}.</p>",
            Text(launch.name()),
            launch.totals_text(),
            Text(launch.outcome_text())
        );
        attempts(&mut html, number, &launch.attempts);
        failures(&mut html, number, &launch.failures);
        events(&mut html, number, launch);
    }
    html
}

fn attempts(html: &mut String, number: usize, attempts: &[Attempt]) {
    let heads = [
        ("Attempt", "number"),
        ("Began", ""),
        ("Took", "number"),
        ("Hosts", ""),
        ("How it ended", ""),
        ("Next after", "number"),
    ];
    open_table(html, &format!("attempts-{number}"), "Each start of the ranks", &heads);
    for attempt in attempts {
        let _ = writeln!(
            html,
            "<tr><td class=\"number\">{}</td><td class=\"when\">{:.0}</td>{}<td>{}</td><td>{}</td>{}</tr>",
            attempt.attempt,
            attempt.started,
            seconds_cell(attempt.seconds),
            Text(attempt.hosts.join(", ")),
            Text(attempt.outcome_text()),
            seconds_cell(attempt.until_next_s)
        );
    }
    close_table(html);
}

fn failures(html: &mut String, number: usize, failures: &[Failed]) {
    if failures.is_empty() {
        return;
    }
    let heads = [
        ("Attempt", "number"),
        ("Noticed", ""),
        ("Host", ""),
        ("What", ""),
        ("Noticed by", ""),
        ("Next after", "number"),
    ];
    open_table(html, &format!("faults-{number}"), "What made attempts fail", &heads);
    for failed in failures {
        let _ = writeln!(
            html,
            "<tr><td class=\"number\">{}</td><td class=\"when\">{:.0}</td><td>{}</td><td>{}</td>\
             <td>{}</td>{}</tr>",
            failed.attempt,
            failed.time,
            Text(failed.host.as_deref().unwrap_or("not known")),
            Text(&failed.what),
            Text(&failed.noticed_by),
            seconds_cell(failed.until_next_s)
        );
    }
    close_table(html);
}

fn events(html: &mut String, number: usize, launch: &Launch) {
    if launch.events.is_empty() {
        return;
    }
    let more = launch.more_text().map_or_else(String::new, |more| format!("; {more}"));
    let caption = format!("What became of hosts{more}");
    open_table(html, &format!("hosts-{number}"), &caption, &[("When", ""), ("What", "")]);
    for HostChange { time, what, .. } in &launch.events {
        let _ = writeln!(html, "<tr><td class=\"when\">{time:.0}</td><td>{}</td></tr>", Text(what));
    }
    close_table(html);
}

fn seconds_cell(seconds: Option<f64>) -> String {
    seconds.map_or_else(
        || "<td class=\"number\"></td>".to_owned(),
        |seconds| format!("<td class=\"number\" data-value=\"{seconds}\">{}</td>", took(seconds)),
    )
}

fn close_table(html: &mut String) {
    html.push_str("</tbody></table></div>\n");
}
