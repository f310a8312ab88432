//! An image that all ranks filter together: handed out in bands, round by round, and joined.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::budget::Permit;
use super::reading::Reading;
use crate::error::BugError;
use crate::image_file::{Format, Metadata, Picture};
use crate::ops::chain::Round;
use crate::plan::{band_bytes, band_rows, cut_rows};
use crate::transport::message::{BandHeader, Message, ToRank};

/// A message, and the rank that it is for.
pub(crate) type Addressed = (usize, Message<ToRank>);

/// An image between decoding and encoding.
#[derive(Debug)]
pub(crate) struct BandImage {
    pub(crate) image: usize,
    pub(crate) format: Format,
    pub(crate) permit: Permit,
    pub(crate) metadata: Metadata,
    pub(crate) width: usize,
    pub(crate) height: usize,
    reading: Arc<Reading>,
    channels: usize,
    pixels: Bytes,
    round: RoundState,
}

/// How far one round of the chain has come.
#[derive(Debug)]
struct RoundState {
    number: usize,
    cuts: Vec<Range<usize>>,
    handed_out: usize,
    /// Bands that must still come back in this half of the round.
    awaited: usize,
    /// Who has each band.
    owners: Vec<Option<usize>>,
    /// What each band told for the global pass.
    partials: Vec<Option<Vec<Vec<u8>>>>,
    /// Whether all of them have told, and got their shares.
    is_shared: bool,
    /// The rows that came back.
    joined: Vec<u8>,
    came_back: Vec<bool>,
}

impl BandImage {
    /// Starts the first round of an image that has just been decoded.
    pub(crate) fn new(
        image: usize,
        (picture, format, permit): (Picture, Format, Permit),
        reading: Arc<Reading>,
    ) -> Self {
        let mut own = Self {
            image,
            format,
            permit,
            metadata: picture.metadata,
            width: picture.width,
            height: picture.height,
            reading,
            channels: picture.channels,
            pixels: Bytes::from(picture.pixels),
            round: RoundState::empty(),
        };
        own.start_round(0);
        own
    }

    fn round(&self) -> &Round {
        &self.reading.chain.rounds()[self.round.number]
    }

    fn start_round(&mut self, number: usize) {
        self.round.number = number;
        let shape = (self.width, self.height, self.channels);
        let (cluster, wanted) = (&self.reading.cluster, self.reading.job.settings.band_rows);
        let cuts = cut_rows(0..self.height, band_rows(self.round(), shape, cluster, wanted));
        let bands = cuts.len();
        let output_stride = self.width * self.round().output_channels(self.channels);
        self.round = RoundState {
            number,
            cuts,
            handed_out: 0,
            awaited: bands,
            owners: vec![None; bands],
            partials: vec![None; bands],
            is_shared: false,
            joined: vec![0; self.height * output_stride],
            came_back: vec![false; bands],
        };
    }

    /// Whether there is a band to hand out.
    pub(crate) fn has_next(&self) -> bool {
        self.round.handed_out < self.round.cuts.len()
    }

    /// Whether the bands of this round are summarized before their rows come back.
    pub(crate) fn is_summarized(&self) -> bool {
        self.round().is_global()
    }

    /// The next band and the input rows that it needs.
    fn next(&self) -> Option<(Range<usize>, Range<usize>)> {
        let rows = self.round.cuts.get(self.round.handed_out)?.clone();
        Some((rows.clone(), self.round().input_rows(rows, self.height)))
    }

    /// Bytes that a rank needs for band `band`, until its rows have come back.
    pub(crate) fn bytes_of(&self, band: usize) -> u64 {
        let Some(rows) = self.round.cuts.get(band) else { return 0 };
        let input = self.round().input_rows(rows.clone(), self.height);
        band_bytes(self.round(), (self.width, self.channels), input.len(), rows.len())
    }

    /// Pixels of band `band`.
    pub(crate) fn pixels_of(&self, band: usize) -> u64 {
        let rows = self.round.cuts.get(band).map_or(0, Range::len);
        rows as u64 * self.width as u64
    }

    /// Who still has bands: each with the bytes that it needs for one, and whether the rank works on
    /// it, or only keeps what it needs for the second half of a global pass.
    pub(crate) fn at_ranks(&self) -> impl Iterator<Item = (usize, u64, bool)> {
        let round = &self.round;
        let there = move |(band, owner): (usize, &Option<usize>)| {
            let rank = (*owner)?;
            let has_told = round.is_shared || round.partials[band].is_some();
            let is_work = !self.is_summarized() || !has_told;
            (!round.came_back[band]).then(|| (rank, self.bytes_of(band), is_work))
        };
        round.owners.iter().enumerate().filter_map(there)
    }

    /// Bytes that a rank needs for the next band.
    pub(crate) fn next_bytes(&self) -> u64 {
        self.bytes_of(self.round.handed_out)
    }

    /// The next band, for rank `to`.
    pub(crate) fn hand_out(&mut self, to: usize) -> Option<Message<ToRank>> {
        let band = self.round.handed_out;
        let (rows, input_rows) = self.next()?;
        let stride = self.width * self.channels;
        let payload = self.pixels.slice(input_rows.start * stride..input_rows.end * stride);
        self.round.handed_out += 1;
        self.round.owners[band] = Some(to);
        let header = ToRank::Band(BandHeader {
            image: self.image,
            round: self.round.number,
            band,
            rows,
            input_rows,
            width: self.width,
            channels: self.channels,
            height: self.height,
        });
        Some(Message::new(header, payload))
    }

    /// Takes the rows of a band back from rank `from`. After the last band of the last round: the
    /// pixels, and the bytes in each.
    ///
    /// # Errors
    /// When the rank never had that band, or gives other rows than asked for.
    pub(crate) fn take_rows(
        &mut self,
        (from, band): (usize, usize),
        rows: &[u8],
    ) -> Result<Option<(Bytes, usize)>, BugError> {
        let fault = |what| BugError::Message { from, what };
        self.check_owner(from, band)?;
        if self.is_summarized() && !self.round.is_shared {
            return Err(fault("it brings rows before it has its share"));
        }
        let output_channels = self.round().output_channels(self.channels);
        let stride = self.width * output_channels;
        let own = self.round.cuts[band].clone();
        let place = &mut self.round.joined[own.start * stride..own.end * stride];
        if place.len() != rows.len() {
            return Err(fault("it brings another number of rows than asked for"));
        }
        if std::mem::replace(&mut self.round.came_back[band], true) {
            return Err(fault("it brings a band twice"));
        }
        place.copy_from_slice(rows);
        self.round.awaited -= 1;
        if self.round.awaited > 0 {
            return Ok(None);
        }
        self.channels = output_channels;
        self.pixels = Bytes::from(std::mem::take(&mut self.round.joined));
        if self.round.number + 1 < self.reading.chain.rounds().len() {
            self.start_round(self.round.number + 1);
            return Ok(None);
        }
        Ok(Some((self.pixels.clone(), self.channels)))
    }

    /// Takes what a band told for the global pass; once all have, the shares for their owners.
    ///
    /// # Errors
    /// When the rank never had that band, or its partials make no sense.
    pub(crate) fn take_partials(
        &mut self,
        (from, band): (usize, usize),
        partials: &[u8],
    ) -> Result<Vec<Addressed>, BugError> {
        self.check_owner(from, band)?;
        if !self.is_summarized() || self.round.is_shared {
            return Err(BugError::Message {
                from,
                what: "it brings partials that nobody waits for",
            });
        }
        let partials: Vec<Vec<u8>> = postcard::from_bytes(partials)
            .map_err(|source| BugError::GlobalPass { part: "partials", source })?;
        if self.round.partials[band].replace(partials).is_some() {
            return Err(BugError::Message { from, what: "it brings partials twice" });
        }
        if self.round.partials.iter().any(Option::is_none) {
            return Ok(Vec::new());
        }
        self.shares()
    }

    fn shares(&mut self) -> Result<Vec<Addressed>, BugError> {
        let by_band: Vec<Vec<Vec<u8>>> =
            self.round.partials.iter_mut().filter_map(Option::take).collect();
        let counts: Vec<usize> = by_band.iter().map(Vec::len).collect();
        let partials: Vec<Vec<u8>> = by_band.into_iter().flatten().collect();
        self.round.is_shared = true;
        let mut shares = self.round().combine(&partials)?.into_iter();
        let mut messages = Vec::with_capacity(counts.len());
        for (band, count) in counts.into_iter().enumerate() {
            let own: Vec<Vec<u8>> = shares.by_ref().take(count).collect();
            let payload =
                postcard::to_stdvec(&own).map_err(|source| BugError::Encode { source })?;
            let header = ToRank::Share { image: self.image, band };
            messages.push((self.round.owners[band].unwrap_or(0), Message::new(header, payload)));
        }
        Ok(messages)
    }

    fn check_owner(&self, from: usize, band: usize) -> Result<(), BugError> {
        match self.round.owners.get(band) {
            Some(&Some(owner)) if owner == from => Ok(()),
            Some(_) | None => {
                Err(BugError::Message { from, what: "it speaks of a band that it never had" })
            }
        }
    }
}

impl RoundState {
    fn empty() -> Self {
        Self {
            number: 0,
            cuts: Vec::new(),
            handed_out: 0,
            awaited: 0,
            owners: Vec::new(),
            partials: Vec::new(),
            is_shared: false,
            joined: Vec::new(),
            came_back: Vec::new(),
        }
    }
}
