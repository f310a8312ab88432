//! `mpix status`: where a run is, or how it ended.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use jiff::{Timestamp, Unit};
use serde::Serialize;

use crate::error::{Error, ReadError, on_one_line, printed};
use crate::events::{LaunchStatus, RunState, Status, StatusError};
use crate::journal::directory_of;
use crate::pulse::{Pulse, Seen};

/// How often it is shown again.
const AGAIN: Duration = Duration::from_secs(1);

/// Where it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Columns and lines of a terminal on which the cursor may be moved.
    pub size: Option<(u16, u16)>,
    /// Whether there are colours.
    pub colours: bool,
}

/// Shows the status of the run that writes, or wrote, to `output`; with `watch`, again each second
/// until the run has ended, and its launch where there is one.
///
/// # Errors
/// When there is none, or `out` cannot be written.
pub fn show(
    output: &Path,
    as_json: bool,
    watch: bool,
    screen: Screen,
    out: &mut impl Write,
) -> Result<(), Error> {
    let mut pulse = Pulse::of(output);
    let mut shown = Shown { text: String::new(), lines: 0 };
    loop {
        let seen = pulse.look().map_err(|error| no_status(output, error))?;
        let written = if as_json {
            print_json(&seen, watch, out)
        } else {
            let text = text_of(&seen, screen.colours) + &launch_text(output);
            shown.print(&text, screen.size.filter(|_| watch), out)
        };
        if written.is_err() || !watch || !(seen.alive || pulse.is_supervised()) {
            return Ok(printed(written)?);
        }
        thread::sleep(AGAIN);
    }
}

fn no_status(output: &Path, error: StatusError) -> ReadError {
    ReadError::NoStatus { output: output.to_path_buf(), source: Box::new(error) }
}

/// The JSON form.
#[derive(Serialize)]
struct Json<'a> {
    #[serde(flatten)]
    status: &'a Status,
    alive: bool,
}

fn print_json(seen: &Seen, on_one_line: bool, out: &mut impl Write) -> io::Result<()> {
    let json = Json { status: &seen.status, alive: seen.alive };
    if on_one_line {
        serde_json::to_writer(&mut *out, &json)?;
    } else {
        serde_json::to_writer_pretty(&mut *out, &json)?;
    }
    writeln!(out)?;
    out.flush()
}

/// What stands on the screen.
struct Shown {
    text: String,
    lines: usize,
}

impl Shown {
    /// Prints `text` where it differs: over what stands there on a terminal, below it elsewhere.
    fn print(
        &mut self,
        text: &str,
        terminal: Option<(u16, u16)>,
        out: &mut impl Write,
    ) -> io::Result<()> {
        if text == self.text {
            return Ok(());
        }
        if let Some(size) = terminal {
            if self.lines > 0 {
                write!(out, "\x1b[{}A\x1b[J", self.lines)?;
            }
            let fitting = fitted(text, size);
            write!(out, "{fitting}")?;
            self.lines = fitting.lines().count();
        } else {
            let gap = if self.text.is_empty() { "" } else { "\n" };
            write!(out, "{gap}{text}")?;
        }
        text.clone_into(&mut self.text);
        out.flush()
    }
}

/// `text` cut to a terminal, so that each line is one and all can be drawn over. Escapes that colour
/// take no room.
fn fitted(text: &str, (columns, lines): (u16, u16)) -> String {
    let mut fitting = String::with_capacity(text.len());
    for line in text.lines().take(usize::from(lines).saturating_sub(1).max(1)) {
        let (mut taken, mut in_escape) = (0, false);
        for character in line.chars() {
            in_escape |= character == '\x1b';
            if in_escape || taken < usize::from(columns) {
                fitting.push(character);
            }
            taken += usize::from(!in_escape);
            in_escape &= character != 'm';
        }
        fitting.push('\n');
    }
    fitting
}

/// What a launch that started the run says of its hosts; nothing where there was none.
fn launch_text(output: &Path) -> String {
    let launch = LaunchStatus::read(&directory_of(output));
    let lines = launch.map(|launch| launch.lines()).unwrap_or_default();
    lines.iter().map(|line| format!("  {}\n", on_one_line(line))).collect()
}

/// For people.
fn text_of(seen: &Seen, colours: bool) -> String {
    let status = &seen.status;
    let mut text = format!("{}\n", headline(seen, colours));
    let mut field = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<8} {}", on_one_line(value));
    };
    field("ops", if status.op.is_empty() { "none" } else { &status.op });
    field("process", &format!("{} on {}, mpix {}", status.pid, status.host, status.mpix));
    field("started", &second(status.started));
    let updated = second(status.updated);
    match status.state {
        RunState::Ended => field("ended", &updated),
        RunState::Running | RunState::Stopping if seen.alive => {}
        RunState::Running | RunState::Stopping => field("silent", &format!("since {updated}")),
    }
    let in_hand = match status.images.in_hand {
        0 => String::new(),
        in_hand => format!(", {in_hand} in hand"),
    };
    field("images", &format!("{}{in_hand}, {} left", status.counts_text(), status.images.left()));
    field("pace", &status.pace_text());
    field("log", &status.log.display().to_string());
    for line in status.rank_lines() {
        let _ = writeln!(text, "  {}", on_one_line(&line));
    }
    if !status.failures.is_empty() {
        let _ = writeln!(text, "  last failures:");
    }
    for failure in &status.failures {
        let line = format!("{}: `{}` {}", failure.kind.name(), failure.image, failure.reason);
        let _ = writeln!(text, "    {}", on_one_line(&line));
    }
    text
}

/// What matters first.
fn headline(seen: &Seen, colours: bool) -> String {
    let status = &seen.status;
    let reason = status.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    let (colour, what) = match (status.state, seen.alive) {
        (RunState::Ended, _) => {
            let outcome = status.outcome.map_or("ended", |outcome| outcome.text());
            let code =
                status.exit_code.map_or_else(String::new, |code| format!(", exit code {code}"));
            let colour = if status.exit_code == Some(0) { "32" } else { "31" };
            (colour, format!("has ended: {outcome}{code}{reason}"))
        }
        (RunState::Running | RunState::Stopping, false) => {
            ("31", "has ended without a word, killed perhaps; the same command goes on".to_owned())
        }
        (RunState::Running, true) => ("32", "goes on".to_owned()),
        (RunState::Stopping, true) => ("33", format!("is stopping{reason}")),
    };
    let line = format!("run {} to `{}` {what}", status.run, status.output);
    let line = on_one_line(&line);
    if colours { format!("\x1b[1;{colour}m{line}\x1b[0m") } else { line }
}

/// To the second, UTC.
fn second(time: Timestamp) -> String {
    time.round(Unit::Second).unwrap_or(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_over_has_the_lines_that_were_counted() {
        let long = "x".repeat(100);
        let text = format!("\x1b[1;31m{long}\x1b[0m\nab\n{long}\n");
        let fitting = fitted(&text, (10, 3));
        assert_eq!(fitting, format!("\x1b[1;31m{}\x1b[0m\nab\n", "x".repeat(10)));
        let mut shown = Shown { text: String::new(), lines: 0 };
        let mut out = Vec::new();
        for text in ["a\nb\n", "a\nb\n", "c\n"] {
            shown.print(text, Some((80, 24)), &mut out).unwrap();
        }
        assert_eq!(out, b"a\nb\n\x1b[2A\x1b[Jc\n");
    }

    #[test]
    fn elsewhere_each_change_is_a_block() {
        let mut shown = Shown { text: String::new(), lines: 0 };
        let mut out = Vec::new();
        for text in ["a\n", "a\n", "b\n"] {
            shown.print(text, None, &mut out).unwrap();
        }
        assert_eq!(out, b"a\n\nb\n");
    }
}
