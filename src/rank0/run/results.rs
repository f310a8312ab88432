//! What ranks answer, and results on their way to the disk.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Run;
use crate::error::{BugError, Error, ImageError};
use crate::hash::OutputHash;
use crate::image_file::{self, EncodeOptions};
use crate::rank0::Event;
use crate::rank0::account::Written;
use crate::rank0::bands::BandImage;
use crate::rank0::budget::Permit;
use crate::rank0::lease_keeper::is_loss;
use crate::source::{put_in_place, remove_beside, write_whole};
use crate::transport::message::{Filtered, ImageResult, Message, ToRank0};

/// Why a result is not there.
#[derive(Debug)]
pub struct WriteFailure {
    pub(super) error: ImageError,
    /// Bytes that were to be written.
    pub(super) bytes: u64,
}

impl Run<'_> {
    pub(super) fn take_message(
        &mut self,
        from: usize,
        message: Message<ToRank0>,
    ) -> Result<(), Error> {
        self.vigil.heard(from, Instant::now());
        match message.header {
            ToRank0::Hello(_) | ToRank0::Sees { .. } => {
                return Err(BugError::Message { from, what: "it greets twice" }.into());
            }
            ToRank0::Log { level, text } => self.account.message(from, level, text),
            ToRank0::Began { image } => self.account.worked_on(image),
            ToRank0::Pong { sequence, load } => {
                self.vigil.answered(from, (sequence, load), Instant::now());
            }
            ToRank0::Image { image, result } if self.given_up.contains(&image) => {
                self.drop_result(image, result);
            }
            ToRank0::Filtered { image }
            | ToRank0::Band { image, .. }
            | ToRank0::Partials { image, .. }
                if self.given_up.contains(&image) => {}
            ToRank0::Filtered { image } => {
                self.account.answered(image);
                let given = self.given.get_mut(&image).filter(|given| given.rank == from);
                let given = given.ok_or(unknown_image(from))?;
                given.is_filtered = true;
                self.hands.end_image_work(from);
            }
            ToRank0::Image { image, result } => {
                self.account.answered(image);
                self.take_image(from, image, (result, message.payload))?;
            }
            ToRank0::Band { image, band } => {
                self.account.answered(image);
                self.take_band(from, (image, band), &message.payload)?
            }
            ToRank0::Partials { image, band } => {
                self.account.answered(image);
                let bands = self.bands_of(from, image)?;
                let shares = bands.take_partials((from, band), &message.payload)?;
                self.hands.end_band_work(from);
                for (rank, share) in shares {
                    self.desk.hub.send(rank, share)?;
                }
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
                self.account.came_back(image, &filtered);
                let made = move || Ok(Made::ByRank(filtered, file));
                self.write(image, given.loaded.permit, made);
            }
            ImageResult::Failed { kind, reason } => self.account.fail(image, kind, &reason)?,
            ImageResult::NotSeen => {}
        }
        Ok(())
    }

    /// Nothing of an image is wanted any more, nor what its rank has written of it.
    fn drop_result(&self, image: usize, result: ImageResult) {
        let ImageResult::Done(filtered) = result else { return };
        let (reading, entries) = (Arc::clone(&self.reading), Arc::clone(&self.entries));
        self.writers.add(self.name_of_output(image), move || {
            let made = Made::ByRank(filtered, Bytes::new());
            made.drop_at(&reading.job.settings.output, &entries[image].output);
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

    fn take_band(
        &mut self,
        from: usize,
        (image, band): (usize, usize),
        rows: &Bytes,
    ) -> Result<(), Error> {
        let bands = self.bands_of(from, image)?;
        let (bytes, is_summarized) = (bands.bytes_of(band), bands.is_summarized());
        let pixels = bands.pixels_of(band);
        let done = bands.take_rows((from, band), rows)?;
        if !is_summarized {
            self.hands.end_band_work(from);
        }
        self.hands.end_band_memory(from, bytes);
        self.account.band_done(from, pixels);
        if let Some((pixels, channels)) = done {
            self.account.joined(image);
            self.encode(image, pixels, channels);
        }
        Ok(())
    }

    fn bands_of(&mut self, from: usize, image: usize) -> Result<&mut BandImage, BugError> {
        self.in_bands.iter_mut().find(|bands| bands.image == image).ok_or(unknown_image(from))
    }

    /// Encodes and writes an image that came back in bands.
    fn encode(&mut self, image: usize, pixels: Bytes, channels: usize) {
        let Some(index) = self.in_bands.iter().position(|bands| bands.image == image) else {
            return;
        };
        let bands = self.in_bands.remove(index);
        let work = &self.reading.job.work;
        let options =
            EncodeOptions { format: bands.format, quality: work.quality, strip: work.strip };
        let (width, height, metadata) = (bands.width, bands.height, bands.metadata);
        let count = width as u64 * height as u64;
        self.write(image, bands.permit, move || {
            let began = Instant::now();
            let file = image_file::encode(&pixels, width, height, channels, &metadata, &options)?;
            Ok(Made::Here { pixels: count, encode: began.elapsed(), file })
        });
    }

    /// Has a thread make a file, if it is not made, and write it; `permit` is for the memory that it
    /// takes meanwhile.
    fn write(
        &self,
        image: usize,
        permit: Permit,
        make: impl FnOnce() -> Result<Made, ImageError> + Send + 'static,
    ) {
        let (reading, entries) = (Arc::clone(&self.reading), Arc::clone(&self.entries));
        let hold = self.account.hold().clone();
        self.writers.add(self.name_of_output(image), move || {
            let (root, name) = (&reading.job.settings.output, &entries[image].output);
            let made = make().map_err(|error| WriteFailure { error, bytes: 0 });
            if let Err(error) = hold.check()
                && is_loss(&error)
            {
                if let Ok(made) = made {
                    made.drop_at(root, name);
                }
                return Event::LeaseTrouble(error);
            }
            let written = made.and_then(|made| made.write(root, name));
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

/// A result that is not in its place yet.
enum Made {
    /// Made of bands, by rank 0.
    Here { pixels: u64, encode: Duration, file: Vec<u8> },
    /// Made by a rank, and written by it, or else with the bytes of the file.
    ByRank(Filtered, Bytes),
}

impl Made {
    /// Puts it in its place.
    fn write(self, root: &Path, name: &Path) -> Result<Written, WriteFailure> {
        let began = Instant::now();
        let (done, written) = match self {
            Self::Here { pixels, encode, file } => {
                let (bytes, sha256) = (file.len() as u64, OutputHash::of(&file));
                ((pixels, bytes, sha256, encode), write_whole(root, name, &file))
            }
            Self::ByRank(Filtered { pixels, bytes, sha256, temporary, .. }, file) => {
                let written = match temporary {
                    Some(temporary) => put_in_place(root, name, temporary.as_ref()),
                    None => write_whole(root, name, &file),
                };
                ((pixels, bytes, sha256, Duration::ZERO), written)
            }
        };
        let (pixels, bytes, sha256, encode) = done;
        written.map_err(|source| {
            let error = ImageError::CannotWrite { path: root.join(name), source };
            WriteFailure { error, bytes }
        })?;
        Ok(Written { pixels, bytes, sha256, encode, write: began.elapsed() })
    }

    /// Removes what a rank has written of it.
    fn drop_at(self, root: &Path, name: &Path) {
        if let Self::ByRank(Filtered { temporary: Some(temporary), .. }, _) = self {
            remove_beside(root, name, temporary.as_ref());
        }
    }
}

fn unknown_image(from: usize) -> BugError {
    BugError::Message { from, what: "it speaks of an image that it never had" }
}
