//! Those that show what runs have left: they write to standard output as they go.

use std::io::{self, BufWriter, IsTerminal, Write};

use jiff::Timestamp;

use super::is_other_rank;
use crate::cli::{LogLevel, LogsArgs, ReportArgs, StatusArgs};
use crate::error::{Error, ReadError, exit, printed, tell};
use crate::events::Level;
use crate::logs::{self, Filter, Form};
use crate::report::{self, Report};
use crate::status::{self, Screen};

/// Where a launcher has started several, the first one speaks for all.
fn speak(
    show: impl FnOnce(&mut BufWriter<io::StdoutLock<'_>>) -> Result<(), Error>,
) -> Result<u8, Error> {
    if is_other_rank() {
        return Ok(exit::DONE);
    }
    let mut out = BufWriter::new(io::stdout().lock());
    show(&mut out)?;
    printed(out.flush())?;
    Ok(exit::DONE)
}

pub(super) fn status(args: &StatusArgs) -> Result<u8, Error> {
    speak(|out| status::show(&args.output, args.json, args.watch, screen(), out))
}

fn screen() -> Screen {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_terminal =
        io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    let size = terminal_size::terminal_size_of(io::stdout());
    let size = size.map_or((80, 24), |(width, height)| (width.0, height.0));
    Screen { size: is_terminal.then_some(size), colours: is_terminal && !is_set("NO_COLOR") }
}

pub(super) fn logs(args: &LogsArgs) -> Result<u8, Error> {
    let filter = filter_of(args, Timestamp::now())?;
    let form = Form { json: args.json, last: args.last, follow: args.follow };
    speak(|out| logs::print(&args.source, filter, form, out))
}

fn filter_of(args: &LogsArgs, now: Timestamp) -> Result<Filter, ReadError> {
    let time = |flag, text: &Option<String>| match text {
        Some(text) => logs::moment(text, now)
            .map(Some)
            .ok_or_else(|| ReadError::Time { flag, value: text.clone() }),
        None => Ok(None),
    };
    let run = args
        .run
        .as_ref()
        .map(|text| text.parse().map_err(|_| ReadError::Run { value: text.clone() }));
    Ok(Filter {
        level: args.level.map(level_of),
        events: args.events.clone(),
        ranks: args.ranks.clone(),
        host: args.host.clone(),
        image: args.image.clone(),
        slower_than_ms: args.slower_than,
        run: run.transpose()?,
        since: time("--since", &args.since)?,
        until: time("--until", &args.until)?,
    })
}

fn level_of(level: LogLevel) -> Level {
    match level {
        LogLevel::Debug => Level::Debug,
        LogLevel::Info => Level::Info,
        LogLevel::Warn => Level::Warn,
        LogLevel::Error => Level::Error,
    }
}

pub(super) fn report(args: &ReportArgs) -> Result<u8, Error> {
    speak(|out| {
        let made = Report::of(&args.output)?;
        if let Some(path) = &args.html {
            report::write_page(&made, args.thumbnails, path)?;
            tell(&format!("mpix: the page is `{}`", path.display()));
            return Ok(());
        }
        Ok(printed(if args.json { made.print_json(out) } else { made.print(out) })?)
    })
}
