//! Images in bands: their threads, their bands at ranks, and what becomes of them.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use super::Run;
use super::results::unknown_image;
use crate::error::{BugError, Error, FailureKind, ImageError, with_causes};
use crate::hash::ContentHash;
use crate::plan::{PixelCost, slices_pay};
use crate::rank0::Event;
use crate::rank0::bands::{
    BandImage, BandMade, BandTold, Ended, ForSink, Freed, FromSource, Opened, Sink, Source,
};
use crate::rank0::reading::{Content, Loaded, Reading};
use crate::transport::message::{FileSeen, Message, OutputPlace, ToRank};

impl Run<'_> {
    /// Has the threads of an image in bands begin.
    pub(super) fn start_bands(&mut self, image: usize, loaded: Loaded) {
        let Content::InBands(file) = loaded.content else { return };
        self.account.in_bands(image);
        let options = self.reading.job.work.encode_options(loaded.shape.output);
        let parts = (loaded.shape, options, loaded.permit);
        // Rank 0's own rows are the sink's to write.
        let writers = self.sees_files.iter().enumerate().map(|(rank, &sees)| rank > 0 && sees);
        let (bands, orders) =
            BandImage::new(image, parts, writers.collect(), Arc::clone(&self.reading));
        let all_see = self.sees_files.iter().all(|&sees| sees);
        let by_ranks = all_see.then(|| self.entries[image].key());
        let name = self.entries[image].input.display().to_string();
        self.in_bands.push(bands);
        let Reading { job, chain, cluster, .. } = &*self.reading;
        let cost = PixelCost::expected(&loaded.shape, chain);
        let in_slices = slices_pay(&loaded.shape, &cost, cluster.threads());
        let (options, events) = (job.work.decode, self.desk.to_events.clone());
        let source =
            Source { image, file, seen: loaded.seen, options, in_slices, by_ranks, events };
        self.readers.add_alone(name, move || source.read(&orders));
    }

    /// Has a thread hash a file, while its rows are filtered.
    fn identify(&mut self, image: usize, (file, seen): (File, FileSeen)) {
        self.account.worked_on(image);
        let name = self.entries[image].input.display().to_string();
        let identify = move || Event::Identified(image, Reading::identify(&file, &seen));
        self.readers.add_alone(name, move || Some(identify()));
    }

    fn bands_at(&self, image: usize) -> Option<usize> {
        self.in_bands.iter().position(|bands| bands.image == image)
    }

    fn bands_of(&mut self, from: usize, image: usize) -> Result<&mut BandImage, BugError> {
        self.in_bands.iter_mut().find(|bands| bands.image == image).ok_or(unknown_image(from))
    }

    /// Takes what the source of an image says, unless nobody wants it any more.
    pub(super) fn take_source(&mut self, image: usize, said: FromSource) -> Result<(), Error> {
        let Some(index) = self.bands_at(image) else { return Ok(()) };
        match said {
            FromSource::Works => self.account.worked_on(image),
            FromSource::Opened(mut opened) => {
                self.account.answered(image);
                if let Some(file) = opened.to_hash.take() {
                    self.identify(image, file);
                }
                self.open_bands(index, opened);
            }
            FromSource::Rows(part) => {
                self.account.answered(image);
                self.in_bands[index].take_read(part);
            }
            FromSource::Band(band, bytes) => {
                self.account.answered(image);
                if let Some((rank, message)) = self.in_bands[index].hand_over(band, bytes) {
                    self.sees_not(image, rank);
                    self.desk.hub.send(rank, message)?;
                }
            }
            FromSource::Ended(Ok(Ended { time, content })) => {
                self.account.answered(image);
                self.account.decoded(image, time);
                if let Some(content) = content {
                    self.account.identified(image, content);
                    self.in_bands[index].identified();
                }
                self.in_bands[index].read_to_its_end(time);
            }
            FromSource::Ended(Err(error)) => {
                self.fail_bands(image, error.kind(), &with_causes(&error))?;
            }
        }
        Ok(())
    }

    /// Starts the first round of an image, and the thread that writes it.
    fn open_bands(&mut self, index: usize, opened: Opened) {
        let bands = &mut self.in_bands[index];
        let Some(ForSink { parts, shape, pieces, is_shared }) = bands.open(&opened) else {
            return;
        };
        let (image, options) = (bands.image, bands.options.clone());
        let name = self.entries[image].output.clone();
        let sink = Sink {
            image,
            shape,
            metadata: opened.metadata,
            options,
            pieces,
            is_shared,
            checksum: self.reading.job.work.checksum,
            place: (self.reading.job.settings.output.clone(), name),
            hold: self.account.hold().clone(),
            events: self.desk.to_events.clone(),
        };
        let name = self.entries[image].output.display().to_string();
        self.writers.add_alone(name, move || sink.write(&parts));
    }

    /// Takes the hash of the file of an image.
    pub(super) fn take_identity(
        &mut self,
        image: usize,
        content: Result<ContentHash, ImageError>,
    ) -> Result<(), Error> {
        let Some(index) = self.bands_at(image) else { return Ok(()) };
        match content {
            Ok(content) => {
                self.account.answered(image);
                self.account.identified(image, content);
                self.in_bands[index].identified();
                Ok(())
            }
            Err(error) => self.fail_bands(image, error.kind(), &with_causes(&error)),
        }
    }

    /// The file of an image is begun, and its rows have places in it.
    pub(super) fn take_begun(&mut self, image: usize, place: OutputPlace) {
        if let Some(index) = self.bands_at(image) {
            self.in_bands[index].begun(place);
        }
    }

    /// A band of an image was written.
    pub(super) fn take_sunk(&mut self, image: usize) {
        if let Some(index) = self.bands_at(image) {
            self.in_bands[index].sunk();
        }
    }

    /// Gives the next bands and shares to ranks, those of the first image first.
    pub(super) fn hand_out_bands(&mut self) -> Result<(), BugError> {
        for bands in &mut self.in_bands {
            while let Some((rank, share)) = bands.next_share() {
                self.desk.hub.send(rank, share)?;
            }
            while let Some(bytes) = bands.next_bytes() {
                let Some(rank) = self.hands.for_band(bytes) else { return Ok(()) };
                let Some(message) = bands.hand_out(rank) else { break };
                self.hands.give_band(rank, bytes);
                self.desk.hub.send(rank, message)?;
            }
        }
        Ok(())
    }

    pub(super) fn take_partials(
        &mut self,
        from: usize,
        (image, band): (usize, usize),
        (partials, told): (&[u8], BandTold),
    ) -> Result<(), BugError> {
        self.account.answered(image);
        let freed = self.bands_of(from, image)?.take_partials((from, band), (partials, told))?;
        self.free(from, freed);
        Ok(())
    }

    /// A rank does not find the file of an image as rank 0 saw it.
    pub(super) fn take_not_seen(
        &mut self,
        from: usize,
        (image, band): (usize, usize),
    ) -> Result<(), BugError> {
        self.account.answered(image);
        self.bands_of(from, image)?.take_not_seen((from, band))
    }

    /// A rank has filtered a band, and writes its part of the result.
    pub(super) fn take_filtered_band(
        &mut self,
        from: usize,
        (image, band): (usize, usize),
    ) -> Result<(), BugError> {
        self.account.answered(image);
        if self.bands_of(from, image)?.take_filtered((from, band))? {
            self.hands.begin_writing(from);
        }
        Ok(())
    }

    pub(super) fn take_band(
        &mut self,
        from: usize,
        (image, band): (usize, usize),
        made: BandMade,
    ) -> Result<(), BugError> {
        let (freed, pixels) = self.bands_of(from, image)?.take_band((from, band), made)?;
        if !freed.is_filtered {
            self.account.answered(image);
        }
        self.free(from, freed);
        self.account.band_done(from, pixels);
        Ok(())
    }

    /// A band could not be decoded or encoded, so that the image has failed.
    pub(super) fn take_band_failure(
        &mut self,
        from: usize,
        (image, band): (usize, usize),
        (kind, reason): (FailureKind, &str),
    ) -> Result<(), Error> {
        self.account.answered(image);
        self.bands_of(from, image)?;
        log::debug!("band {band} of image {image} cannot be made");
        self.fail_bands(image, kind, reason)
    }

    fn free(&mut self, rank: usize, freed: Freed) {
        match freed {
            Freed { is_work: true, is_filtered: true, .. } => self.hands.end_band_writing(rank),
            Freed { is_work: true, .. } => self.hands.end_band_work(rank),
            Freed { is_work: false, .. } => {}
        }
        self.hands.end_band_memory(rank, freed.bytes);
    }

    /// Lets go of an image in bands. Its threads end, and its ranks forget it.
    pub(super) fn drop_bands(&mut self, image: usize) -> Result<(), BugError> {
        let Some(index) = self.bands_at(image) else { return Ok(()) };
        let bands = self.in_bands.remove(index);
        for (rank, freed) in bands.at_ranks() {
            self.free(rank, freed);
        }
        self.given_up.insert(image);
        for rank in 0..self.desk.hub.ranks() {
            self.desk.hub.send(rank, Message::bare(ToRank::GiveUp { image }))?;
        }
        Ok(())
    }

    fn fail_bands(&mut self, image: usize, kind: FailureKind, reason: &str) -> Result<(), Error> {
        self.drop_bands(image)?;
        Ok(self.account.fail(image, kind, reason)?)
    }

    /// The result of an image is there. If it went in bands, it corrects what is expected of images;
    /// `encode` is what rank 0 encoded of it.
    pub(super) fn bands_written(&mut self, image: usize, encode: Duration) {
        let Some(index) = self.bands_at(image) else { return };
        let bands = self.in_bands.remove(index);
        self.account.bands_done(image, bands.times());
        let (shape, times) = bands.seen(encode);
        self.reading.foresight().saw_in_bands(&shape, &self.reading.chain, times);
    }
}
