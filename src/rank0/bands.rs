//! An image that all ranks filter together, in bands: a thread reads it, ranks filter and encode what
//! they are handed, round by round, and a thread writes what comes back.
//!
//! Data flows one way: `source` -> `round` (rank 0's thread, which holds no more bands than may be on
//! their way) -> ranks -> `sink`. Only between two rounds are all rows in memory. Ranks that see rank 0's
//! files read rows that stand in one as they are, and write those whose places in the result are known:
//! then `source` and `sink` hear of them only.

mod round;
mod sink;
mod source;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use bytes::Bytes;

pub(crate) use self::round::Freed;
pub(crate) use self::round::Part;
use self::round::{Handed, Input, RoundState};
pub(crate) use self::sink::{Made, Sink, ToSink};
pub use self::source::FromSource;
pub(crate) use self::source::{Ended, FilePart, Opened, Order, Source};
use super::budget::Permit;
use super::reading::Reading;
use crate::error::BugError;
use crate::hash::{Checksum, GroupHashes};
use crate::image_file::{EncodeOptions, Pieces};
use crate::ops::chain::Round;
use crate::plan::{Flow, ImageShape, Piece, flows};
use crate::source::SharedPart;
use crate::transport::message::{
    BandHeader, BandResult, Message, OutputPlace, RankTimes, ToRank, microseconds,
};

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
    /// For each rank, whether it writes its part of the result, where that has places for it.
    writers: Vec<bool>,
    target: Target,
    /// The rows that came back, unless the round is the last.
    joined: Vec<u8>,
    /// What must be there before the result may appear: all bands, the end of the file, its hash.
    is_joined: bool,
    is_read: bool,
    is_identified: bool,
    /// What it took the source and the ranks.
    times: RankTimes,
}

/// Where the rows of a result go.
#[derive(Debug)]
enum Target {
    /// Behind each other, in a file that the sink joins.
    Sink,
    /// To their places in a file that the sink is about to begin.
    Awaited,
    /// To their places in this file, by the sink or by ranks.
    Place(OutputPlace),
}

/// What a rank made of a band.
#[derive(Debug)]
pub(crate) struct BandMade {
    /// Its rows, or what they are encoded to; only edges, if the rest is written.
    pub(crate) bytes: Bytes,
    pub(crate) is_written: bool,
    /// Hashes of groups of the result.
    pub(crate) made: GroupHashes,
    pub(crate) told: BandTold,
}

/// What a rank tells of a band beside its rows.
#[derive(Debug)]
pub(crate) struct BandTold {
    pub(crate) times: RankTimes,
    pub(crate) groups: GroupHashes,
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
    /// Whether ranks write to the file, too.
    pub(crate) is_shared: bool,
}

impl BandImage {
    /// An image whose file is not open yet, and where its source learns what to read. `writers` tells
    /// for each rank whether it may write to rank 0's files.
    pub(crate) fn new(
        image: usize,
        (shape, options, permit): (ImageShape, EncodeOptions, Permit),
        writers: Vec<bool>,
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
            writers,
            target: Target::Sink,
            joined: Vec::new(),
            is_joined: false,
            is_read: false,
            is_identified: false,
            times: RankTimes::default(),
        };
        (own, ordered)
    }

    /// The file is open: starts the first round. Returns what the sink must know.
    pub(crate) fn open(&mut self, opened: &Opened) -> Option<ForSink> {
        let ((width, height, channels), unit_rows) = (opened.shape, opened.unit_rows);
        let result = (width, height, self.reading.chain.output_channels(channels));
        self.pieces = Pieces::new(result, &self.options);
        let piece = self.pieces.as_ref().map(Piece::of);
        self.shape = ImageShape { width, height, channels, piece, unit_rows, ..self.shape };
        let Reading { chain, cluster, job, .. } = &*self.reading;
        let hold = cluster.rank0_hold();
        self.flows = flows(&self.shape, chain, (cluster, hold), job.settings.band_rows);
        let has_places =
            self.pieces.as_ref().is_some_and(|pieces| pieces.place(height, 0).is_some());
        let is_shared = has_places && self.writers.contains(&true);
        if has_places {
            self.target = Target::Awaited;
        }
        let input = match opened.place.clone() {
            Some((place, rows)) => Input::Placed(place, rows),
            None => Input::Read(VecDeque::new()),
        };
        self.start_round(0, (width, height, channels), input);
        let pieces = self.pieces.clone();
        Some(ForSink { parts: self.for_sink.take()?, shape: result, pieces, is_shared })
    }

    /// The sink has begun the file, in which rows have places.
    pub(crate) fn begun(&mut self, place: OutputPlace) {
        self.target = Target::Place(place);
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
            let _ = orders.send(Order::Rows { rows, in_slices });
        }
        self.end_orders();
    }

    /// Has the source end, once nothing more is to be asked for.
    fn end_orders(&mut self) {
        if self.round.as_ref().is_some_and(RoundState::is_ordered) {
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
        if self.is_last_round() && matches!(self.target, Target::Awaited) {
            return None;
        }
        self.round.as_ref()?.next_bytes()
    }

    /// The next band, for rank `to`.
    pub(crate) fn hand_out(&mut self, to: usize) -> Option<Message<ToRank>> {
        let handed = self.round.as_mut()?.hand_out(to)?;
        self.message(to, handed)
    }

    /// What rank 0 has read of a band that its rank did not find, and that rank.
    pub(crate) fn hand_over(&self, band: usize, bytes: Bytes) -> Option<Addressed> {
        let (to, handed) = self.round.as_ref()?.hand_over(band, bytes)?;
        Some((to, self.message(to, handed)?))
    }

    fn message(&self, to: usize, handed: Handed) -> Option<Message<ToRank>> {
        let round = self.round.as_ref()?;
        let (width, height, channels) = round.shape();
        let header = ToRank::Band(BandHeader {
            image: self.image,
            round: round.number,
            band: handed.band,
            rows: handed.rows,
            input_rows: handed.input_rows,
            input: handed.part.input,
            width,
            channels,
            height,
            result: self.result_at(to),
        });
        Some(Message::new(header, handed.part.bytes))
    }

    /// What becomes of the rows that rank `rank` makes in this round.
    fn result_at(&self, rank: usize) -> BandResult {
        let format = self.options.format;
        match &self.target {
            _ if !self.is_last_round() || self.pieces.is_none() => BandResult::Rows,
            Target::Place(place) if self.writers.get(rank) == Some(&true) => {
                BandResult::Place(format, place.clone())
            }
            Target::Place(place) => BandResult::Pieces(format, Some(place.rows_from)),
            Target::Sink | Target::Awaited => BandResult::Pieces(format, None),
        }
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
        (partials, told): (&[u8], BandTold),
    ) -> Result<Freed, BugError> {
        self.take_told((from, band), told)?;
        let (state, round) = self.round_for(from)?;
        let freed = state.take_partials(round, (from, band), partials)?;
        self.order();
        Ok(freed)
    }

    /// Takes what rank `from` tells of band `band` beside its rows.
    fn take_told(&mut self, (from, band): (usize, usize), told: BandTold) -> Result<(), BugError> {
        let (state, _) = self.round_for(from)?;
        let first = state.take_groups((from, band), told.groups.count())?;
        if let (Some(orders), Some(first)) = (&self.orders, first) {
            // A source that has ended has said why.
            let _ = orders.send(Order::Hashed(first, told.groups));
        }
        self.end_orders();
        self.times.add(&told.times);
        Ok(())
    }

    /// Rank `from` does not find the input of band `band`: the source reads it.
    ///
    /// # Errors
    /// When the rank never had that band, or was not to look for it.
    pub(crate) fn take_not_seen(&mut self, (from, band): (usize, usize)) -> Result<(), BugError> {
        let (state, _) = self.round_for(from)?;
        let (rows, input_rows) = state.take_not_seen((from, band))?;
        if let Some(orders) = &self.orders {
            // A source that has ended has said why.
            let _ = orders.send(Order::Band { band, rows, input_rows });
        }
        self.end_orders();
        Ok(())
    }

    /// Rank `from` has filtered band `band`, and writes it. Returns whether its thread has worked until
    /// now.
    ///
    /// # Errors
    /// When the rank never had that band, or was not to write it.
    pub(crate) fn take_filtered(&mut self, (from, band): (usize, usize)) -> Result<bool, BugError> {
        if !matches!(self.result_at(from), BandResult::Place(..)) {
            return Err(BugError::Message { from, what: "it writes what it was not to write" });
        }
        self.round_for(from)?.0.take_filtered((from, band))
    }

    /// Takes what rank `from` made of band `band`. Returns what the rank no longer holds, and the
    /// pixels in those rows.
    ///
    /// # Errors
    /// When the rank never had that band, or gives other rows than asked for.
    pub(crate) fn take_band(
        &mut self,
        (from, band): (usize, usize),
        BandMade { bytes, is_written, made, told }: BandMade,
    ) -> Result<(Freed, u64), BugError> {
        self.take_told((from, band), told)?;
        let is_last = self.is_last_round();
        let (state, _) = self.round_for(from)?;
        let (freed, rows) = state.take_back((from, band))?;
        let (width, _, channels) = state.output_shape();
        let (stride, pixels) = (width * channels, width as u64 * rows.len() as u64);
        let is_back = state.is_back();
        let made = self.made(from, &rows, (bytes, is_written, made))?;
        if is_last {
            self.is_joined = is_back;
            // A sink that has ended has said why.
            let _ = self.to_sink.send(ToSink::Band(band, made));
            self.finish();
        } else {
            self.round_for(from)?.0.landed();
            self.joined[rows.start * stride..rows.end * stride].copy_from_slice(&made.bytes);
            self.go_on();
        }
        Ok((freed, pixels))
    }

    /// What rank `from` made of some rows, or wrote and gave the edges of, if it is of the right length.
    fn made(
        &self,
        from: usize,
        rows: &Range<usize>,
        (bytes, is_written, groups): (Bytes, bool, GroupHashes),
    ) -> Result<Made, BugError> {
        let fault = |what| BugError::Message { from, what };
        let result = self.result_at(from);
        let place = |first| {
            let pieces = self.pieces.as_ref()?;
            Some(pieces.place(rows.start, first)?..pieces.place(rows.end, first)?)
        };
        let part = match &result {
            BandResult::Pieces(_, Some(from)) => place(*from).and_then(SharedPart::of),
            BandResult::Place(_, output) => place(output.rows_from).and_then(SharedPart::of),
            BandResult::Rows | BandResult::Pieces(_, None) => None,
        };
        let length: Option<u64> = match (&result, &part) {
            (BandResult::Place(..), Some(part)) if is_written => Some(part.edges().iter().sum()),
            _ if is_written => return Err(fault("it has written what it was not to write")),
            (BandResult::Rows, _) => {
                let row = self.round.as_ref().map_or(0, RoundState::output_row_bytes);
                Some(row as u64 * rows.len() as u64)
            }
            (BandResult::Pieces(..) | BandResult::Place(..), _) => {
                place(0).map(|place| place.end - place.start)
            }
        };
        if length.is_some_and(|length| length != bytes.len() as u64) {
            return Err(fault("it brings another number of rows than asked for"));
        }
        let expected = match self.reading.job.work.checksum {
            Checksum::Blake3 => part.as_ref().map_or(0, SharedPart::groups),
            Checksum::Sha256 | Checksum::None => 0,
        };
        if groups.count() as u64 != expected {
            return Err(fault("it tells hashes of other groups than asked for"));
        }
        Ok(Made { bytes, part: part.map(|part| (part, groups)), is_written })
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

    /// What it took the source and the ranks.
    pub(crate) fn times(&self) -> RankTimes {
        self.times
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
