//! The `mpix` program.

use std::process::ExitCode;

use clap::Parser;
use mpix::cli::{Cli, Command};
use mpix::error::{tell, with_causes};
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
    let level = match &cli.command {
        Command::Run(args) if args.quiet => "error",
        Command::Run(args) if args.verbose > 1 => "debug",
        Command::Run(_)
        | Command::Verify(_)
        | Command::Doctor(_)
        | Command::Ops(_)
        | Command::Completions(_) => "warn",
    };
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(level))
        .format_target(false)
        .init();
}
