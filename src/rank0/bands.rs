//! An image that all ranks filter together, in bands: a thread reads it, ranks filter and encode what
//! they are handed, round by round, and a thread writes what comes back.
//!
//! Data flows one way: `source` -> `round` (rank 0's thread, which holds no more bands than may be on
//! their way) -> ranks -> `sink`. Only between two rounds are all rows in memory.

mod round;
mod sink;
mod source;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use bytes::Bytes;

pub(crate) use self::round::Freed;
pub(crate) use self::round::Part;
use self::round::{Input, RoundState};
pub(crate) use self::sink::{Sink, ToSink};
pub use self::source::FromSource;
pub(crate) use self::source::{Ended, FilePart, Opened, Order, Source};
use super::budget::Permit;
use super::reading::Reading;
use crate::error::BugError;
use crate::image_file::{EncodeOptions, Pieces};
use crate::ops::chain::Round;
use crate::plan::{Flow, ImageShape, Piece, flows};
use crate::transport::message::{BandHeader, Message, RankTimes, ToRank, microseconds};

/// A message, and the rank that it is for.
pub(crate) type Addressed = (usize, Message<ToRank>);

/// An image on its way from its file to its result.
#[derive(Debug)]
pub(crate) struct BandImage {
    pub(crate) image: usize,
    pub(crate) options: EncodeOptions,
    reading: Arc<Reading>,
    /// What its header tells.
    shape: ImageShape,
    /// For the memory that it takes.
    _permit: Permit,
    /// What the source is to read; closed once it was asked for all.
    orders: Option<Sender<Order>>,
    to_sink: Sender<ToSink>,
    /// What the sink will read, until it is started.
    for_sink: Option<Receiver<ToSink>>,
    flows: Vec<Flow>,
    /// None before the file is open.
    round: Option<RoundState>,
    pieces: Option<Pieces>,
    /// The rows that came back, unless the round is the last.
    joined: Vec<u8>,
    /// What must be there before the result may appear: all bands, the end of the file, its hash.
    is_joined: bool,
    is_read: bool,
    is_identified: bool,
    /// What it took the source and the ranks.
    times: RankTimes,
}

/// What the sink of an image must know.
#[derive(Debug)]
pub(crate) struct ForSink {
    /// Where it hears what comes back.
    pub(crate) parts: Receiver<ToSink>,
    /// Columns, rows, channels of the result.
    pub(crate) shape: (usize, usize, usize),
    /// How the ranks encode it, if they do.
    pub(crate) pieces: Option<Pieces>,
}

impl BandImage {
    /// An image whose file is not open yet, and where its source learns what to read.
    pub(crate) fn new(
        image: usize,
        (shape, options, permit): (ImageShape, EncodeOptions, Permit),
        reading: Arc<Reading>,
    ) -> (Self, Receiver<Order>) {
        let (orders, ordered) = channel();
        let (to_sink, for_sink) = channel();
        let own = Self {
            image,
            options,
            reading,
            shape,
            _permit: permit,
            orders: Some(orders),
            to_sink,
            for_sink: Some(for_sink),
            flows: Vec::new(),
            round: None,
            pieces: None,
            joined: Vec::new(),
            is_joined: false,
            is_read: false,
            is_identified: false,
            times: RankTimes::default(),
        };
        (own, ordered)
    }

    /// The file is open, its picture has this shape, and it can be cut in units of so many rows: starts
    /// the first round. Returns what the sink must know.
    pub(crate) fn open(
        &mut self,
        (width, height, channels): (usize, usize, usize),
        unit_rows: Option<usize>,
    ) -> Option<ForSink> {
        let result = (width, height, self.reading.chain.output_channels(channels));
        self.pieces = Pieces::new(result, &self.options);
        let piece = self.pieces.as_ref().map(Piece::of);
        self.shape = ImageShape { width, height, channels, piece, unit_rows, ..self.shape };
        let Reading { chain, cluster, job, .. } = &*self.reading;
        let hold = cluster.rank0_hold();
        self.flows = flows(&self.shape, chain, (cluster, hold), job.settings.band_rows);
        self.start_round(0, (width, height, channels), Input::Read(VecDeque::new()));
        let pieces = self.pieces.clone();
        Some(ForSink { parts: self.for_sink.take()?, shape: result, pieces })
    }

    fn start_round(&mut self, number: usize, shape: (usize, usize, usize), input: Input) {
        let round = &self.reading.chain.rounds()[number];
        let state = RoundState::new(number, round, shape, (&self.flows[number], input));
        if number < self.last_round() {
            let (width, height, channels) = state.output_shape();
            self.joined = vec![0; width * height * channels];
        }
        self.round = Some(state);
        self.order();
    }

    fn last_round(&self) -> usize {
        self.reading.chain.rounds().len() - 1
    }

    fn is_last_round(&self) -> bool {
        self.round.as_ref().is_some_and(|round| round.number == self.last_round())
    }

    /// Asks the source for as many rows as may be on their way.
    fn order(&mut self) {
        let Some(round) = &mut self.round else { return };
        let in_slices = self.flows[round.number].in_slices;
        while let (Some(orders), Some(rows)) = (&self.orders, round.order()) {
            // A source that has ended has said why.
            let _ = orders.send(if in_slices { Order::Slice(rows) } else { Order::Rows(rows) });
        }
        if round.is_ordered() {
            self.orders = None;
        }
    }

    /// The state of its round, for rank `from`, which has bands of it.
    fn round_for(&mut self, from: usize) -> Result<(&mut RoundState, &Round), BugError> {
        let what = "it speaks of a band that it never had";
        let state = self.round.as_mut().ok_or(BugError::Message { from, what })?;
        let round = &self.reading.chain.rounds()[state.number];
        Ok((state, round))
    }

    /// Takes rows that the source has read.
    pub(crate) fn take_read(&mut self, part: Part) {
        if let Some(round) = &mut self.round {
            round.take_read(part);
        }
    }

    /// The source has read the file to its end, which took it so long.
    pub(crate) fn read_to_its_end(&mut self, time: Duration) {
        self.times.decode_us += microseconds(time);
        self.is_read = true;
        self.finish();
    }

    /// What the journal knows the file by is known.
    pub(crate) fn identified(&mut self) {
        self.is_identified = true;
        self.finish();
    }

    /// Bytes that a rank needs for the next band, if there is one to hand out.
    pub(crate) fn next_bytes(&self) -> Option<u64> {
        self.round.as_ref()?.next_bytes()
    }

    /// The next band, for rank `to`.
    pub(crate) fn hand_out(&mut self, to: usize) -> Option<Message<ToRank>> {
        let format = self.pieces.as_ref().map(|_| self.options.format);
        let format = format.filter(|_| self.is_last_round());
        let round = self.round.as_mut()?;
        let handed = round.hand_out(to)?;
        let (width, height, channels) = round.shape();
        let header = ToRank::Band(BandHeader {
            image: self.image,
            round: round.number,
            band: handed.band,
            rows: handed.rows,
            input_rows: handed.input_rows,
            slice_from: handed.part.slice_from,
            width,
            channels,
            height,
            format,
        });
        Some(Message::new(header, handed.part.bytes))
    }

    /// What a global pass has to tell a rank next, if its rows can be taken.
    pub(crate) fn next_share(&mut self) -> Option<Addressed> {
        let (rank, band, share) = self.round.as_mut()?.next_share()?;
        Some((rank, Message::new(ToRank::Share { image: self.image, band }, share)))
    }

    /// Takes what rank `from` told of band `band` for the global pass.
    ///
    /// # Errors
    /// When the rank never had that band, or its partials make no sense.
    pub(crate) fn take_partials(
        &mut self,
        (from, band): (usize, usize),
        (partials, times): (&[u8], RankTimes),
    ) -> Result<Freed, BugError> {
        let (state, round) = self.round_for(from)?;
        let freed = state.take_partials(round, (from, band), partials)?;
        self.times.add(&times);
        self.order();
        Ok(freed)
    }

    /// Takes what rank `from` made of band `band`. Returns what the rank no longer holds, and the
    /// pixels in those rows.
    ///
    /// # Errors
    /// When the rank never had that band, or gives other rows than asked for.
    pub(crate) fn take_band(
        &mut self,
        (from, band): (usize, usize),
        (made, times): (Bytes, RankTimes),
    ) -> Result<(Freed, u64), BugError> {
        let is_last = self.is_last_round();
        let is_encoded = is_last && self.pieces.is_some();
        let (state, _) = self.round_for(from)?;
        let (freed, rows) = state.take_back((from, band), (!is_encoded).then_some(made.len()))?;
        let (width, _, channels) = state.output_shape();
        let (stride, pixels) = (width * channels, width as u64 * rows.len() as u64);
        if is_last {
            self.is_joined = state.is_back();
            // A sink that has ended has said why.
            let _ = self.to_sink.send(ToSink::Band(band, made));
            self.finish();
        } else {
            state.landed();
            self.joined[rows.start * stride..rows.end * stride].copy_from_slice(&made);
            self.go_on();
        }
        self.times.add(&times);
        Ok((freed, pixels))
    }

    /// Asks for more rows, or starts the next round if all rows of this one are there.
    fn go_on(&mut self) {
        let Some(round) = self.round.as_ref().filter(|round| round.is_back()) else {
            return self.order();
        };
        let (next, shape) = (round.number + 1, round.output_shape());
        // First, so that the rows before are not there any more when those behind are made.
        self.round = None;
        let joined = std::mem::take(&mut self.joined);
        self.start_round(next, shape, Input::Joined(Bytes::from(joined)));
    }

    /// The sink has written a band.
    pub(crate) fn sunk(&mut self) {
        if let Some(round) = &mut self.round {
            round.landed();
        }
        self.order();
    }

    /// Lets the result appear once all is there that it needs.
    fn finish(&mut self) {
        if self.is_joined && self.is_read && self.is_identified {
            // A sink that has ended has said why.
            let _ = self.to_sink.send(ToSink::Finish);
        }
    }

    /// Its shape, and what it took whoever worked on it, where rank 0 encoded for `encode`:
    /// microseconds to decode, filter and encode it.
    pub(crate) fn seen(self, encode: Duration) -> (ImageShape, [u64; 3]) {
        let [decode, filter, by_ranks] = self.times.of_pixels();
        (self.shape, [decode, filter, by_ranks.saturating_add(microseconds(encode))])
    }

    /// What ranks still hold of it.
    pub(crate) fn at_ranks(&self) -> impl Iterator<Item = (usize, Freed)> {
        self.round.iter().flat_map(RoundState::at_ranks)
    }
}

/// Adds the time that `work` takes.
fn timed<T>(time: &mut Duration, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let result = work();
    *time += began.elapsed();
    result
}
