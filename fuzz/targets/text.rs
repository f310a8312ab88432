//! Text that people write.

use clap::Parser;
use mpix::cli::{Cli, Command};
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
