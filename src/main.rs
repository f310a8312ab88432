//! The `mpix` program.

use std::process::ExitCode;

use clap::Parser;
use mpix::cli::{Cli, Command};
use mpix::error::{tell, with_causes};
use mpix::events::logger;
use mpix::role;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => return ExitCode::from(role::say(&answer)),
    };
    start_log(&cli);
    match role::play(cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tell(&format!("mpix: {}", with_causes(&error)));
            ExitCode::from(error.exit_code())
        }
    }
}

/// Messages of the log go to standard error; `RUST_LOG` has the last word.
fn start_log(cli: &Cli) {
    let Command::Run(run) = &cli.command else { return logger::start("warn") };
    logger::start(match (run.quiet, run.verbose) {
        (true, _) => "error",
        (false, 0 | 1) => "warn",
        (false, _) => "debug",
    });
}
