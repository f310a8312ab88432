//! Text that people write.

use std::path::Path;

use clap::Parser;
use mpix::cli::{Cli, Command};
use mpix::launch::hostfile;
use mpix::settings::RunSettings;

/// Calls `check` with `bytes`, if they are text.
pub(super) fn of(bytes: &[u8], check: impl FnOnce(&str)) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        check(text);
    }
}

/// One argument a line: `mpix run` takes them or says why not, and what it takes makes sense.
pub(super) fn command_line(text: &str) {
    let arguments = ["mpix", "run", "-o", "out"].into_iter().chain(text.lines());
    let Ok(Cli { command: Command::Run(args) }) = Cli::try_parse_from(arguments) else { return };
    let Ok(settings) = RunSettings::new(*args) else { return };
    assert!(settings.memory != Some(0));
    assert!((1..=100).contains(&settings.quality));
    assert!(settings.threads != Some(0) && settings.band_rows != Some(0));
    // No product of these may be too large for a number.
    for (failed, total) in [(0, 0), (1, 1), (usize::MAX, usize::MAX)] {
        let _ = settings.max_failures.is_exceeded(failed, total);
    }
    assert!(!settings.max_failures.is_exceeded(0, 0), "no failure is too many");
}

/// A hostfile is read or refused by line; what is read is written so that it is read as the same.
pub(super) fn hostfile(text: &str) {
    let path = Path::new("hosts");
    let Ok(read) = hostfile::parse(text, path) else { return };
    let again = hostfile::parse(&read.to_string(), path).expect("what is written can be read");
    assert_eq!(again.hosts, read.hosts);
}
