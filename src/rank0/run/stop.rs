//! How a run stops before its end, and how it ends.

use std::io;

use super::{Run, WriteFailure};
use crate::error::{Error, ImageError, OutputError, exit, with_causes};
use crate::events::count_of;
use crate::journal::{LeaseError, RunOutcome};
use crate::rank0::account::RunEnding;

/// Why a run ends before every file has.
#[derive(Debug)]
pub(super) enum Stop {
    /// A signal asked for it.
    Signal(&'static str),
    /// More files failed than may.
    TooManyFailures(usize),
    /// The output directory cannot be written any more.
    Output(io::Error),
}

impl Stop {
    fn reason(&self) -> String {
        match self {
            Self::Signal(name) => format!("stopped by {name}"),
            Self::TooManyFailures(count) => {
                format!("gave up after {} (`--max-failures`)", count_of(*count, "failure"))
            }
            Self::Output(error) => format!("the output directory cannot be written: {error}"),
        }
    }
}

impl Run<'_> {
    /// Begins nothing more, and gives back what no rank has begun.
    pub(super) fn begin_to_stop(&mut self, stop: Stop) -> Result<(), OutputError> {
        self.account.stopping(stop.reason());
        if let Stop::Signal(_) = &stop {
            self.account.say("mpix: the same signal again stops at once");
        }
        self.stop = Some(stop);
        for (image, _) in std::mem::take(&mut self.ready) {
            self.give_back(image)?;
        }
        Ok(())
    }

    pub(super) fn give_back(&mut self, image: usize) -> Result<(), OutputError> {
        self.given_back += 1;
        self.account.give_back(image)
    }

    pub(super) fn end(self) -> Result<u8, Error> {
        let undone = self.queue.left() + self.given_back;
        let failed = self.account.failed();
        let (outcome, exit_code) = match (self.stop.as_ref(), failed) {
            (None, 0) => (RunOutcome::AllDone, exit::DONE),
            (None, _) => (RunOutcome::SomeFailed, exit::SOME_FAILED),
            (Some(Stop::Signal(_)), _) => (RunOutcome::Stopped, exit::STOPPED),
            (Some(Stop::TooManyFailures(_)), _) => (RunOutcome::GaveUp, exit::SOME_FAILED),
            (Some(Stop::Output(_)), _) => (RunOutcome::GaveUp, exit::OUTPUT),
        };
        let reason = self.stop.as_ref().map(Stop::reason);
        if let Some(Stop::Output(source)) = self.stop {
            let (missing, missing_bytes) = (undone + failed, self.missing_bytes);
            let error = OutputError::Gone { missing, missing_bytes, source }.into();
            self.account.broken_off(&error);
            return Err(error);
        }
        if let Some(reason) = &reason {
            let left = count_of(undone, "image");
            self.account.say(&format!("mpix: {reason}; {left} left, the same command goes on"));
        }
        // The manifest of many images takes a while, and ranks that hear nothing end the run.
        self.desk.stop_ranks()?;
        let may_litter = !self.given_up.is_empty();
        let ending = RunEnding { outcome, reason, exit_code, may_litter };
        self.account.close(&self.reading.job.settings.output, ending)?;
        Ok(exit_code)
    }

    pub(super) fn take_lease_trouble(&mut self, error: LeaseError) -> Result<(), Error> {
        match error {
            LeaseError::Lost { .. } | LeaseError::Overtaken { .. } => {
                Err(OutputError::Lost { source: Box::new(error) }.into())
            }
            LeaseError::Io { source, .. } if self.stop.is_none() && is_gone(&source) => {
                Ok(self.begin_to_stop(Stop::Output(source))?)
            }
            LeaseError::Io { .. } | LeaseError::Held { .. } | LeaseError::HeldByUnknown { .. } => {
                log::warn!("{}", with_causes(&error));
                Ok(())
            }
        }
    }

    /// A result that cannot be written fails alone, unless no result can be written any more.
    pub(super) fn take_write_failure(
        &mut self,
        image: usize,
        failure: WriteFailure,
    ) -> Result<(), Error> {
        self.missing_bytes += failure.bytes;
        let ImageError::CannotWrite { path, source } = failure.error else {
            return Ok(self.fail(image, &failure.error)?);
        };
        let root = &self.reading.job.settings.output;
        if is_gone(&source) || !root.is_dir() {
            self.give_back(image)?;
            if self.stop.is_none() {
                self.begin_to_stop(Stop::Output(source))?;
            }
            return Ok(());
        }
        Ok(self.fail(image, &ImageError::CannotWrite { path, source })?)
    }
}

/// Whether an error of the system means that nothing more can be written.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotFound
            | io::ErrorKind::StaleNetworkFileHandle
    )
}
