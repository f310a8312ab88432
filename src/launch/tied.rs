//! A program that does not outlive the one that started it.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

/// Becomes the program `command`, which the kernel ends when process `parent`, which started this one,
/// ends. Returns only with an error.
#[must_use]
pub fn become_tied(parent: u32, command: &[OsString]) -> io::Error {
    let Some((program, arguments)) = command.split_first() else {
        return io::ErrorKind::InvalidInput.into();
    };
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return error.into();
    }
    // It may have ended before that was set.
    let is_there = getppid().map(Pid::as_raw_nonzero).map(|pid| pid.get().cast_unsigned());
    if is_there != Some(parent) {
        return io::Error::other("who started it has ended");
    }
    Command::new(program).args(arguments).exec()
}
