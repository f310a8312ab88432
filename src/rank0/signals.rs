//! Signals that ask a run to stop.

use std::sync::mpsc::Sender;

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use super::Event;

/// Turns Ctrl-C, SIGTERM and SIGUSR1, which Slurm sends before the time is up, into events.
pub(crate) fn watch(events: &Sender<Event>) {
    let mut signals = match Signals::new([SIGINT, SIGTERM, SIGUSR1]) {
        Ok(signals) => signals,
        Err(error) => {
            log::warn!("failed to watch for signals: {error}; one ends the run at once");
            return;
        }
    };
    let events = events.clone();
    std::thread::spawn(move || {
        for signal in signals.forever() {
            let name = signal_hook::low_level::signal_name(signal).unwrap_or("a signal");
            if events.send(Event::Signal(name)).is_err() {
                return;
            }
        }
    });
}
