//! What ranks answer, and results on their way to the disk.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Run;
use crate::error::{BugError, Error, ImageError};
use crate::plan::{ImageShape, Way};
use crate::rank0::Event;
use crate::rank0::account::Written;
use crate::rank0::bands::{BandMade, BandTold};
use crate::rank0::budget::Permit;
use crate::rank0::lease_keeper::is_loss;
use crate::source::{put_in_place, remove_beside, write_whole};
use crate::transport::message::{Filtered, ImageResult, Message, ToRank0};

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
        let now = Instant::now();
        self.vigil.heard(from, now);
        if let Some(arrived) = self.desk.hub.take_arrived(from) {
            self.reading.foresight().arrived((from, Way::Back), arrived, now);
        }
        match message.header {
            ToRank0::Hello(_) | ToRank0::Sees { .. } => {
                return Err(BugError::Message { from, what: "it greets twice" }.into());
            }
            ToRank0::Log { level, text } => self.account.message(from, level, text),
            ToRank0::Began { image } => self.account.worked_on(image),
            ToRank0::Pong { sequence, load } => {
                self.vigil.answered(from, (sequence, load), now);
            }
            ToRank0::Arrived(arrived) => {
                self.reading.foresight().arrived((from, Way::Out), arrived, now);
            }
            ToRank0::Image { image, result } if self.given_up.contains(&image) => {
                self.drop_result(image, result);
            }
            ToRank0::Filtered { image }
            | ToRank0::BandNotSeen { image, .. }
            | ToRank0::BandFiltered { image, .. }
            | ToRank0::Band { image, .. }
            | ToRank0::BandFailed { image, .. }
            | ToRank0::Partials { image, .. }
                if self.given_up.contains(&image) => {}
            ToRank0::Filtered { image } => {
                self.account.answered(image);
                let given = self.given.get_mut(&image).filter(|given| given.rank == from);
                let given = given.ok_or(unknown_image(from))?;
                given.is_filtered = true;
                self.hands.begin_writing(from);
            }
            ToRank0::Image { image, result } => {
                self.account.answered(image);
                self.take_image(from, image, (result, message.payload))?;
            }
            ToRank0::BandNotSeen { image, band } => self.take_not_seen(from, (image, band))?,
            ToRank0::BandFiltered { image, band } => {
                self.take_filtered_band(from, (image, band))?;
            }
            ToRank0::Band { image, band, times, groups, made, is_written } => {
                let (bytes, told) = (message.payload, BandTold { times, groups });
                self.take_band(from, (image, band), BandMade { bytes, is_written, made, told })?;
            }
            ToRank0::BandFailed { image, band, kind, reason } => {
                self.take_band_failure(from, (image, band), (kind, &reason))?;
            }
            ToRank0::Partials { image, band, times, groups } => {
                let told = BandTold { times, groups };
                self.take_partials(from, (image, band), (&message.payload, told))?;
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
        let given = self.given.remove(&image).filter(|given| given.rank == from);
        let given = given.ok_or(unknown_image(from))?;
        if let ImageResult::NotSeen = result {
            self.fetch(image, given.loaded.seen);
            self.given.insert(image, given);
            return Ok(());
        }
        self.hands.take_image(from, given.bytes(), given.is_filtered);
        match result {
            ImageResult::Done(filtered) => {
                self.learn(&given.loaded.shape, &filtered);
                self.account.came_back(image, &filtered);
                self.write(image, given.loaded.permit, filtered, file);
            }
            ImageResult::Failed { kind, reason } => self.account.fail(image, kind, &reason)?,
            ImageResult::NotSeen => {}
        }
        Ok(())
    }

    /// Corrects what is expected of images by one that was done, and tells what is foreseen of the
    /// rest, once.
    fn learn(&mut self, shape: &ImageShape, filtered: &Filtered) {
        let mut foresight = self.reading.foresight();
        foresight.saw(shape, &self.reading.chain, filtered.times.of_pixels(), filtered.bytes);
        if self.is_foreseen {
            return;
        }
        let left = self.queue.left() + self.account.under_way();
        if let Some(rest) = foresight.rest(left) {
            let seen = foresight.seen();
            drop(foresight);
            self.is_foreseen = true;
            self.account.foreseen((seen, left), rest);
        }
    }

    /// Nothing of an image is wanted any more, nor what its rank has written of it.
    fn drop_result(&self, image: usize, result: ImageResult) {
        let ImageResult::Done(filtered) = result else { return };
        let (reading, entries) = (Arc::clone(&self.reading), Arc::clone(&self.entries));
        self.writers.add(self.name_of_output(image), move || {
            drop_at(&reading.job.settings.output, &entries[image].output, &filtered);
            Event::Dropped
        });
    }

    /// Waits for what ranks have in hand that write themselves, and removes what they write.
    pub(super) fn drop_results(&mut self, limit: Duration) {
        let end = Instant::now() + limit;
        self.given.retain(|_, given| self.sees_files[given.rank]);
        while !self.given.is_empty() && Instant::now() < end {
            let Ok(event) = self.desk.next() else { break };
            if let Some(Event::Message(_, message)) = event
                && let ToRank0::Image { image, result } = message.header
            {
                self.given.remove(&image);
                self.drop_result(image, result);
            }
        }
        self.writers.finish(end);
    }

    fn name_of_output(&self, image: usize) -> String {
        self.entries[image].output.display().to_string()
    }

    /// Has a thread put a result in its place; `permit` is for the memory that it takes meanwhile.
    fn write(&self, image: usize, permit: Permit, filtered: Filtered, file: Bytes) {
        let (reading, entries) = (Arc::clone(&self.reading), Arc::clone(&self.entries));
        let hold = self.account.hold().clone();
        self.writers.add(self.name_of_output(image), move || {
            let (root, name) = (&reading.job.settings.output, &entries[image].output);
            if let Err(error) = hold.check()
                && is_loss(&error)
            {
                drop_at(root, name, &filtered);
                return Event::LeaseTrouble(error);
            }
            let written = put(root, name, &filtered, &file);
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

/// Puts a result in its place that its rank has written, or that came with the bytes of the file.
fn put(
    root: &Path,
    name: &Path,
    filtered: &Filtered,
    file: &[u8],
) -> Result<Written, WriteFailure> {
    let (began, bytes) = (Instant::now(), filtered.bytes);
    let written = match &filtered.temporary {
        Some(temporary) => put_in_place(root, name, temporary.as_ref()),
        None => write_whole(root, name, file),
    };
    written.map_err(|source| {
        let error = ImageError::CannotWrite { path: root.join(name), source };
        WriteFailure { error, bytes }
    })?;
    let (pixels, hash, encode) = (filtered.pixels, filtered.hash, Duration::ZERO);
    Ok(Written { pixels, bytes, hash, encode, write: began.elapsed() })
}

/// Removes what a rank has written of a result.
fn drop_at(root: &Path, name: &Path, filtered: &Filtered) {
    if let Some(temporary) = &filtered.temporary {
        remove_beside(root, name, temporary.as_ref());
    }
}

pub(super) fn unknown_image(from: usize) -> BugError {
    BugError::Message { from, what: "it speaks of an image that it never had" }
}
