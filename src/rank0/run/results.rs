//! What ranks answer, and results on their way to the disk.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::Run;
use crate::error::{BugError, Error, ImageError};
use crate::image_file::{self, EncodeOptions};
use crate::journal::OutputHash;
use crate::rank0::Event;
use crate::rank0::account::Written;
use crate::rank0::bands::BandImage;
use crate::rank0::budget::Permit;
use crate::rank0::lease_keeper::is_loss;
use crate::source::write_whole;
use crate::transport::message::{ImageResult, Message, ToRank0};

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
            | ToRank0::Partials { image, .. }
                if self.given_up.contains(&image) => {}
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
        let unknown = BugError::Message { from, what: "it speaks of an image that it never had" };
        let given = self.given.remove(&image).filter(|given| given.rank == from);
        let given = given.ok_or(unknown)?;
        self.hands.take_image(from, given.bytes);
        match result {
            ImageResult::Done { pixels, times } => {
                self.account.came_back(image, times);
                self.write(image, given.permit, pixels, move || Ok(file));
            }
            ImageResult::Failed { kind, reason } => self.account.fail(image, kind, &reason)?,
        }
        Ok(())
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
        let unknown = BugError::Message { from, what: "it speaks of an image that it never had" };
        self.in_bands.iter_mut().find(|bands| bands.image == image).ok_or(unknown)
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
        self.write(image, bands.permit, count, move || {
            image_file::encode(&pixels, width, height, channels, &metadata, &options)
                .map(Bytes::from)
        });
    }

    /// Has a thread make a file and write it; `permit` is for the memory that it takes meanwhile.
    fn write(
        &self,
        image: usize,
        permit: Permit,
        pixels: u64,
        file: impl FnOnce() -> Result<Bytes, ImageError> + Send + 'static,
    ) {
        let (reading, entries) = (Arc::clone(&self.reading), Arc::clone(&self.entries));
        let hold = self.account.hold().clone();
        let name = self.entries[image].output.display().to_string();
        self.writers.add(name, move || {
            let (root, name) = (&reading.job.settings.output, &entries[image].output);
            let began = Instant::now();
            let made = file().map_err(|error| WriteFailure { error, bytes: 0 });
            let encode = began.elapsed();
            if let Err(error) = hold.check()
                && is_loss(&error)
            {
                return Event::LeaseTrouble(error);
            }
            let written = made.and_then(|file| {
                let (bytes, sha256) = (file.len() as u64, OutputHash::of(&file));
                let path = root.join(name);
                write_whole(root, name, &file).map_err(|source| WriteFailure {
                    error: ImageError::CannotWrite { path, source },
                    bytes,
                })?;
                let write = began.elapsed().saturating_sub(encode);
                Ok(Written { pixels, bytes, sha256, encode, write })
            });
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
