//! What was found, for people and for programs.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::{Diagnosis, Finding, Level, Report};
use crate::error::on_one_line;

/// How it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One JSON object: the host's, or with a hostfile one that has all of them as `hosts`.
    Json,
    /// A line for each finding, and one for its cure.
    Text {
        /// Whether levels are coloured.
        colours: bool,
        /// Whether what is as it should be on other hosts has lines of its own, too.
        all: bool,
    },
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "PROBLEM",
        }
    }

    fn style(self, colours: bool) -> Style {
        if !colours {
            return Style::new();
        }
        let colour = match self {
            Self::Ok => AnsiColor::Green,
            Self::Warning => AnsiColor::Yellow,
            Self::Problem => AnsiColor::Red,
        };
        let style = Style::new().fg_color(Some(colour.into()));
        if self == Self::Problem { style.bold() } else { style }
    }
}

impl Diagnosis {
    /// Shows what was found, this host first.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn print(&self, form: Form, out: &mut impl Write) -> io::Result<()> {
        match form {
            Form::Json => self.print_json(out),
            Form::Text { colours, all } => self.print_text(colours, all, out),
        }
    }

    fn print_json(&self, out: &mut impl Write) -> io::Result<()> {
        match self.hosts.as_slice() {
            [host] if self.hostfile.is_none() => serde_json::to_writer_pretty(&mut *out, host)?,
            _ => serde_json::to_writer_pretty(&mut *out, self)?,
        }
        writeln!(out)
    }

    fn print_text(&self, colours: bool, all: bool, out: &mut impl Write) -> io::Result<()> {
        for (place, host) in self.hosts.iter().enumerate() {
            if place > 0 {
                writeln!(out)?;
            }
            let version = host.version.as_deref().unwrap_or("unknown");
            let here = if place == 0 { "this host, " } else { "" };
            writeln!(out, "{}: {here}mpix {}", on_one_line(&host.host), on_one_line(version))?;
            host.print_text(colours, all || place == 0, out)?;
        }
        writeln!(out, "\n{}", self.summary())
    }

    fn summary(&self) -> String {
        let count = |level, what: &str| match self.count(level) {
            0 => format!("no {what}s"),
            1 => format!("1 {what}"),
            n => format!("{n} {what}s"),
        };
        let (problems, warnings) =
            (count(Level::Problem, "problem"), count(Level::Warning, "warning"));
        match self.hosts.len() {
            1 => format!("{problems}, {warnings}"),
            hosts => format!("{hosts} hosts: {problems}, {warnings}"),
        }
    }
}

impl Report {
    fn print_text(&self, colours: bool, all: bool, out: &mut impl Write) -> io::Result<()> {
        for finding in self.findings.iter().filter(|one| all || one.level > Level::Ok) {
            finding.print_text(colours, out)?;
        }
        let fine = self.findings.iter().filter(|finding| finding.level == Level::Ok);
        let names: Vec<_> = fine.map(|finding| finding.check.name()).collect();
        if all || names.is_empty() {
            return Ok(());
        }
        print_line(Level::Ok, colours, &names.join(", "), out)
    }
}

impl Finding {
    fn print_text(&self, colours: bool, out: &mut impl Write) -> io::Result<()> {
        let line = format!("{:<14} {}", self.check.name(), on_one_line(&self.found));
        print_line(self.level, colours, &line, out)?;
        match &self.cure {
            Some(cure) => writeln!(out, "  {:>22}: {}", "cure", on_one_line(cure)),
            None => Ok(()),
        }
    }
}

fn print_line(level: Level, colours: bool, text: &str, out: &mut impl Write) -> io::Result<()> {
    let style = level.style(colours);
    writeln!(out, "  {style}{:<8}{style:#} {text}", level.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Check;

    fn shown(colours: bool, all: bool) -> String {
        let bad = Finding::problem(Check::Reach, "no\u{1b}[31m answer", "try `ssh b true`");
        let fine = Finding::ok(Check::Mpi, "Open MPI 4.1.4");
        let mut own = Report::of_unknown("a".into(), fine.clone());
        own.version = Some("1.0".into());
        let mut other = Report::of_unknown("b".into(), bad);
        other.findings.push(fine);
        let diagnosis = Diagnosis { hostfile: None, hosts: vec![own, other] };
        let mut out = Vec::new();
        diagnosis.print(Form::Text { colours, all }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn other_hosts_are_told_in_short() {
        let expected = "\
a: this host, mpix 1.0
  ok       mpi            Open MPI 4.1.4

b: mpix unknown
  PROBLEM  reach          no\\u{1b}[31m answer
                    cure: try `ssh b true`
  ok       mpi

2 hosts: 1 problem, no warnings
";
        assert_eq!(shown(false, false), expected);
        assert_eq!(shown(false, true).matches("Open MPI 4.1.4").count(), 2);
    }

    #[test]
    fn colours_come_when_asked_for_and_move_nothing() {
        let coloured = shown(true, true);
        assert!(coloured.contains("\u{1b}[32mok      \u{1b}[0m mpi"), "{coloured:?}");
        assert!(!shown(false, true).contains('\u{1b}'));
    }
}
