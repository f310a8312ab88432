//! The program's own messages: to the terminal, and to whoever keeps the log of the run.

use std::sync::{Mutex, OnceLock, PoisonError};

use env_logger::{Builder, Env};
use log::{LevelFilter, Log, Metadata, Record};

/// What is passed on to the log of a run. Nothing below: what ranks do to pass a message on must
/// not make messages.
const PASSED_ON: LevelFilter = LevelFilter::Info;

type PassOn = Box<dyn Fn(log::Level, String) + Send>;

struct Logger {
    terminal: env_logger::Logger,
    pass_on: Mutex<Option<PassOn>>,
}

static LOGGER: OnceLock<Logger> = OnceLock::new();

/// Starts the log: messages of `level` and above go to standard error; `RUST_LOG` has the last word.
pub fn start(level: &str) {
    let terminal =
        Builder::from_env(Env::default().default_filter_or(level)).format_target(false).build();
    let most = terminal.filter().max(PASSED_ON);
    let logger = LOGGER.get_or_init(|| Logger { terminal, pass_on: Mutex::new(None) });
    if log::set_logger(logger).is_ok() {
        log::set_max_level(most);
    }
}

/// Passes messages on, from now on, that belong into the log of a run.
pub fn pass_on(to: impl Fn(log::Level, String) + Send + 'static) {
    if let Some(logger) = LOGGER.get() {
        *logger.pass_on.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(to));
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= PASSED_ON || self.terminal.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.terminal.matches(record) {
            self.terminal.log(record);
        }
        if record.level() <= PASSED_ON {
            let pass_on = self.pass_on.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(pass_on) = &*pass_on {
                pass_on(record.level(), record.args().to_string());
            }
        }
    }

    fn flush(&self) {
        self.terminal.flush();
    }
}
