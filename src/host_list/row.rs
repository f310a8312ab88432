//! What is known of one host, for people and for programs.

use std::io::{self, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::error::{on_one_line, with_causes};
use crate::host::size;
use crate::launch::check::{Asker, CheckError, Facts};
use crate::launch::hostfile::HostEntry;
use crate::launch::ping::HostState;

/// What is known of a host.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) host: HostEntry,
    pub(super) ping: Option<HostState>,
    pub(super) check: Option<Result<Facts, CheckError>>,
}

/// What that comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// Not all is known yet.
    Unknown,
    /// It can take ranks.
    Up,
    /// It is up, and cannot take ranks.
    Unusable,
    /// It does not answer.
    Down,
}

impl State {
    const ALL: [Self; 4] = [Self::Up, Self::Unusable, Self::Down, Self::Unknown];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Unusable => "UNUSABLE",
            Self::Down => "DOWN",
        }
    }

    fn style(self, colours: bool) -> Style {
        let colour = match self {
            _ if !colours => return Style::new(),
            Self::Unknown => return Style::new().dimmed(),
            Self::Up => AnsiColor::Green,
            Self::Unusable => AnsiColor::Yellow,
            Self::Down => AnsiColor::Red,
        };
        Style::new().fg_color(Some(colour.into()))
    }
}

/// A host as JSON has it.
#[derive(Serialize)]
struct Told<'a> {
    name: &'a str,
    state: State,
    slots: Option<usize>,
    round_trip_ms: Option<f64>,
    why: Option<String>,
    /// Since a ping was last answered.
    silent_s: Option<f64>,
    facts: Option<&'a Facts>,
}

impl Row {
    pub(super) fn state(&self) -> State {
        match (&self.ping, &self.check) {
            (Some(HostState::Down { .. }), _) => State::Down,
            (Some(HostState::Up { .. }), Some(Ok(_))) => State::Up,
            (Some(HostState::Up { .. }), Some(Err(_))) => State::Unusable,
            (None, _) | (_, None) => State::Unknown,
        }
    }

    fn facts(&self) -> Option<&Facts> {
        self.check.as_ref()?.as_ref().ok()
    }

    /// Why it cannot take ranks, or what else one should know.
    pub(super) fn note(&self, asker: &Asker) -> Option<String> {
        match (&self.ping, &self.check) {
            (Some(HostState::Down { why, .. }), _) => Some(on_one_line(&why.to_string())),
            (_, Some(Err(error))) => Some(with_causes(error)),
            (_, Some(Ok(facts))) => Some(on_one_line(&asker.unfit(facts)?)),
            (_, None) => None,
        }
    }

    /// Its name, state, and what was measured.
    fn cells(&self) -> [String; 7] {
        let ping = match &self.ping {
            Some(HostState::Up { round_trip }) if round_trip.is_zero() => "here".to_owned(),
            Some(HostState::Up { round_trip }) => format!("{:.1} ms", milliseconds(*round_trip)),
            Some(HostState::Down { .. }) | None => String::new(),
        };
        let told = |tell: &dyn Fn(&Facts) -> String| self.facts().map(tell).unwrap_or_default();
        let cores = told(&|facts| match (facts.rank.allowed_cores, facts.rank.host_cores) {
            (allowed, all) if allowed == all => all.to_string(),
            (allowed, all) => format!("{allowed} of {all}"),
        });
        let memory = told(&|facts| match facts.available_bytes {
            Some(bytes) => format!("{} of {}", size(bytes), size(facts.rank.memory_bytes)),
            None => size(facts.rank.memory_bytes),
        });
        let load =
            told(&|facts| facts.load.map(|[one, ..]| format!("{one:.2}")).unwrap_or_default());
        let version = told(&|facts| on_one_line(&facts.rank.version));
        [self.host.name.clone(), self.state().name().to_owned(), ping, cores, memory, load, version]
    }

    fn told(&self, asker: &Asker) -> Told<'_> {
        let (round_trip, since) = match &self.ping {
            Some(HostState::Up { round_trip }) => (Some(*round_trip), None),
            Some(HostState::Down { since, .. }) => (None, Some(*since)),
            None => (None, None),
        };
        Told {
            name: &self.host.name,
            state: self.state(),
            slots: self.host.slots,
            round_trip_ms: round_trip.map(milliseconds),
            why: self.note(asker),
            silent_s: since.map(|since| since.elapsed().as_secs_f64()),
            facts: self.facts(),
        }
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A JSON object for each host, one a line.
pub(super) fn print_json<'a>(
    rows: impl IntoIterator<Item = &'a Row>,
    asker: &Asker,
    out: &mut impl Write,
) -> io::Result<()> {
    for row in rows {
        serde_json::to_writer(&mut *out, &row.told(asker))?;
        writeln!(out)?;
    }
    Ok(())
}

/// The lines of a table with a head, a line for each host and one for their sum.
pub(super) fn table<'a>(
    rows: impl IntoIterator<Item = &'a Row>,
    asker: &Asker,
    colours: bool,
) -> Vec<String> {
    let rows: Vec<&Row> = rows.into_iter().collect();
    let head = ["HOST", "STATE", "PING", "CORES", "MEMORY", "LOAD", "VERSION"].map(str::to_owned);
    let cells: Vec<[String; 7]> = rows.iter().map(|row| row.cells()).collect();
    let width = |column: usize| {
        let all = cells.iter().chain([&head]).map(|cells| cells[column].chars().count());
        all.max().unwrap_or_default()
    };
    let widths: [usize; 7] = std::array::from_fn(width);
    let line = |cells: &[String; 7], style: Style, note: &str| {
        let mut line = String::new();
        for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
            let padded = format!("{cell:<width$}");
            match column {
                1 => line.push_str(&format!("{style}{padded}{style:#}  ")),
                _ => line.push_str(&format!("{padded}  ")),
            }
        }
        line.push_str(note);
        line.trim_end().to_owned()
    };
    let mut lines = vec![line(&head, Style::new(), "")];
    lines.extend(rows.iter().zip(&cells).map(|(row, cells)| {
        line(cells, row.state().style(colours), &row.note(asker).unwrap_or_default())
    }));
    lines.push(summary(&rows));
    lines
}

fn summary(rows: &[&Row]) -> String {
    let count = |state| rows.iter().filter(|row| row.state() == state).count();
    let counts = State::ALL.map(|state| (state, count(state)));
    let counts = counts.iter().filter(|(state, count)| *count > 0 || *state == State::Up);
    let counts: Vec<_> =
        counts.map(|(state, count)| format!("{count} {}", state.name().to_lowercase())).collect();
    format!("{} host{}: {}", rows.len(), if rows.len() == 1 { "" } else { "s" }, counts.join(", "))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::launch::agent::Agent;
    use crate::launch::ping::PingError;

    fn asker() -> Asker {
        let agent = Agent::new(None, |_| true);
        Asker { agent, program: "/opt/mpix".into(), version: "1.0".into() }
    }

    fn rows() -> Vec<Row> {
        let host = |name: &str| HostEntry { name: name.into(), ..HostEntry::default() };
        let up = HostState::Up { round_trip: Duration::from_micros(1234) };
        let why = PingError::Refused { address: "10.0.0.2:22".parse().unwrap() };
        let down = HostState::Down { why, since: Instant::now() };
        let mut facts = Facts::of_this_host("avx2".into());
        (facts.rank.version, facts.rank.allowed_cores, facts.rank.host_cores) =
            ("1.0".into(), 2, 8);
        (facts.rank.memory_bytes, facts.available_bytes) = (8 << 30, Some(3 << 29));
        (facts.load, facts.program) = (Some([0.5, 1.0, 1.0]), Some("/opt/mpix".into()));
        let late =
            CheckError::TimedOut { limit: Duration::from_secs(5), cure: "wait\nmore".into() };
        vec![
            Row { host: host("node1"), ping: Some(up.clone()), check: Some(Ok(facts)) },
            Row { host: host("b"), ping: Some(down), check: None },
            Row { host: host("c"), ping: Some(up), check: Some(Err(late)) },
            Row { host: host("d"), ping: None, check: None },
        ]
    }

    #[test]
    fn a_table_is_aligned_and_says_why() {
        let expected = "\
HOST   STATE     PING    CORES   MEMORY              LOAD  VERSION
node1  up        1.2 ms  2 of 8  1.5 GiB of 8.0 GiB  0.50  1.0
b      DOWN                                                         10.0.0.2:22 refuses: it is up, but no sshd listens there
c      UNUSABLE  1.2 ms                                             its mpix has not answered after 5.0 s; wait\\nmore
d      unknown
4 hosts: 1 up, 1 unusable, 1 down, 1 unknown";
        assert_eq!(table(&rows(), &asker(), false).join("\n"), expected);
        let coloured = table(&rows(), &asker(), true);
        assert!(coloured[1].contains("\u{1b}[32mup      \u{1b}[0m  1.2 ms"), "{coloured:?}");
    }

    #[test]
    fn each_host_is_an_object() {
        let mut out = Vec::new();
        print_json(&rows(), &asker(), &mut out).unwrap();
        let lines = String::from_utf8(out).unwrap();
        let told: Vec<serde_json::Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let states: Vec<_> = told.iter().map(|host| host["state"].as_str().unwrap()).collect();
        assert_eq!(states, ["up", "down", "unusable", "unknown"]);
        assert_eq!(told[0]["facts"]["allowed_cores"], 2);
        assert!(told[0]["why"].is_null() && told[1]["why"].as_str().unwrap().contains("refuses"));
    }
}
