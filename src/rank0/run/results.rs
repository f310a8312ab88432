//! What ranks answer, and results on their way to the disk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Run;
use crate::error::{BugError, Error, ImageError};
use crate::journal::OutputHash;
use crate::rank0::Event;
use crate::rank0::account::Written;
use crate::rank0::budget::Permit;
use crate::rank0::lease_keeper::is_loss;
use crate::source::write_whole;
use crate::transport::message::{ImageResult, Message, ToRank0};

/// Why a result is not there.
#[derive(Debug)]
pub struct WriteFailure {
    pub(crate) error: ImageError,
    /// Bytes that were to be written.
    pub(crate) bytes: u64,
}

impl Run<'_> {
    pub(super) fn take_message(
        &mut self,
        from: usize,
        message: Message<ToRank0>,
    ) -> Result<(), Error> {
        self.vigil.heard(from, Instant::now());
        match message.header {
            ToRank0::Hello(_) => {
                return Err(BugError::Message { from, what: "it greets twice" }.into());
            }
            ToRank0::Log { level, text } => self.account.message(from, level, text),
            ToRank0::Began { image } => self.account.worked_on(image),
            ToRank0::Pong { sequence, load } => {
                self.vigil.answered(from, (sequence, load), Instant::now());
            }
            ToRank0::Image { image, .. }
            | ToRank0::Band { image, .. }
            | ToRank0::BandFailed { image, .. }
            | ToRank0::Partials { image, .. }
                if self.given_up.contains(&image) => {}
            ToRank0::Image { image, result } => {
                self.account.answered(image);
                self.take_image(from, image, (result, message.payload))?;
            }
            ToRank0::Band { image, band } => {
                self.account.answered(image);
                self.take_band(from, (image, band), message.payload)?;
            }
            ToRank0::BandFailed { image, band, kind, reason } => {
                self.account.answered(image);
                self.take_band_failure(from, (image, band), (kind, &reason))?;
            }
            ToRank0::Partials { image, band } => {
                self.account.answered(image);
                self.take_partials(from, (image, band), &message.payload)?;
            }
        }
        Ok(())
    }

    fn take_image(
        &mut self,
        from: usize,
        image: usize,
        (result, file): (ImageResult, Bytes),
    ) -> Result<(), Error> {
        let unknown = BugError::Message { from, what: "it speaks of an image that it never had" };
        let given = self.given.remove(&image).filter(|given| given.rank == from);
        let given = given.ok_or(unknown)?;
        self.hands.take_image(from, given.bytes);
        match result {
            ImageResult::Done { pixels, times } => {
                self.account.came_back(image, times);
                self.write(image, given.permit, pixels, file);
            }
            ImageResult::Failed { kind, reason } => self.account.fail(image, kind, &reason)?,
        }
        Ok(())
    }

    /// Has a thread write a file; `permit` is for the memory that it takes meanwhile.
    fn write(&self, image: usize, permit: Permit, pixels: u64, file: Bytes) {
        let (reading, entries) = (Arc::clone(&self.reading), Arc::clone(&self.entries));
        let hold = self.account.hold().clone();
        let name = self.entries[image].output.display().to_string();
        self.writers.add(name, move || {
            let (root, name) = (&reading.job.settings.output, &entries[image].output);
            if let Err(error) = hold.check()
                && is_loss(&error)
            {
                return Event::LeaseTrouble(error);
            }
            let began = Instant::now();
            let (bytes, sha256) = (file.len() as u64, OutputHash::of(&file));
            let written = write_whole(root, name, &file).map_err(|source| {
                let path = root.join(name);
                WriteFailure { error: ImageError::CannotWrite { path, source }, bytes }
            });
            let (encode, write) = (Duration::ZERO, began.elapsed());
            let written = written.map(|()| Written { pixels, bytes, sha256, encode, write });
            drop(permit);
            // Whoever has the directory now may have taken the temporary file for a dead run's.
            if written.is_err()
                && let Err(error) = hold.renew()
                && is_loss(&error)
            {
                return Event::LeaseTrouble(error);
            }
            Event::Written(image, written)
        });
    }
}
