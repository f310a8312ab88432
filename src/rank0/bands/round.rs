//! How far one round of the chain has come with an image: which bands are asked for, handed out,
//! summarized, and back.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

use crate::error::BugError;
use crate::hash::groups_within;
use crate::image_file::PlainRows;
use crate::ops::chain::Round;
use crate::plan::{Flow, band_bytes, cut_rows, kept_bytes};
use crate::transport::message::{BandInput, InputPlace};

/// Where the rows come from that a round works on.
#[derive(Debug)]
pub(super) enum Input {
    /// From the file, band by band: those that have been read.
    Read(VecDeque<Part>),
    /// From the file, where ranks read them themselves.
    Placed(InputPlace, PlainRows),
    /// From the round before: all of them.
    Joined(Bytes),
}

/// The input rows of a band, for a rank.
#[derive(Debug)]
pub struct Part {
    /// Their pixels, or a file that holds them; nothing if the rank reads them.
    pub(crate) bytes: Bytes,
    /// Which of these.
    pub(crate) input: BandInput,
}

/// The state of a round.
#[derive(Debug)]
pub(super) struct RoundState {
    pub(super) number: usize,
    /// Columns, rows, channels of its input.
    shape: (usize, usize, usize),
    output_channels: usize,
    is_global: bool,
    bands: Vec<BandState>,
    input: Input,
    /// Bands that may be on their way, and those that are.
    limit: usize,
    on_their_way: usize,
    /// Bands whose input was asked for, or was read by a rank; bands that were handed out, and given
    /// their share.
    ordered: usize,
    handed_out: usize,
    shared: usize,
    /// What bands told for the global pass, until all have; then what they are told.
    partials: Vec<Option<Vec<Vec<u8>>>>,
    shares: VecDeque<Vec<u8>>,
    /// Bands that must still come back.
    awaited: usize,
}

/// A band of a round.
#[derive(Debug)]
struct BandState {
    rows: Range<usize>,
    input_rows: Range<usize>,
    /// Bytes that a rank needs for it, until its rows have come back, and until it is summarized.
    bytes: u64,
    kept: u64,
    at: At,
    /// Whether its rank reads its rows, and has not told hashes of them yet.
    is_read_there: bool,
    /// Whether its rows are made, and its rank only writes them.
    is_filtered: bool,
}

/// Where a band is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Not handed out.
    Rank0,
    /// At a rank that works on it.
    Work(usize),
    /// At a rank that waits for its share, or makes rows of it.
    Kept(usize),
    /// Its rows have come back.
    Back,
}

/// A band for a rank.
#[derive(Debug)]
pub(super) struct Handed {
    pub(super) band: usize,
    pub(super) rows: Range<usize>,
    pub(super) input_rows: Range<usize>,
    pub(super) part: Part,
}

/// What a rank no longer holds, now that it has answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Freed {
    pub(crate) bytes: u64,
    /// Whether it has worked for as long.
    pub(crate) is_work: bool,
    /// Whether it has told before that it only writes.
    pub(crate) is_filtered: bool,
}

impl RoundState {
    /// Round `number` before its first band.
    pub(super) fn new(
        number: usize,
        round: &Round,
        shape: (usize, usize, usize),
        (flow, input): (&Flow, Input),
    ) -> Self {
        let (width, height, channels) = shape;
        let band = |rows: Range<usize>| {
            let input_rows = round.input_rows(rows.clone(), height);
            let size = (width, channels);
            let bytes = band_bytes(round, size, input_rows.len(), rows.len());
            let kept = kept_bytes(round, size, rows.len());
            let (is_read_there, is_filtered) = (false, false);
            BandState { rows, input_rows, bytes, kept, at: At::Rank0, is_read_there, is_filtered }
        };
        let bands: Vec<BandState> = cut_rows(0..height, flow.rows).into_iter().map(band).collect();
        let (awaited, is_global) = (bands.len(), round.is_global());
        Self {
            number,
            shape,
            output_channels: round.output_channels(channels),
            is_global,
            partials: bands.iter().filter(|_| is_global).map(|_| None).collect(),
            bands,
            input,
            limit: flow.on_their_way,
            on_their_way: 0,
            ordered: 0,
            handed_out: 0,
            shared: 0,
            shares: VecDeque::new(),
            awaited,
        }
    }

    /// Columns, rows, channels of what the round makes.
    pub(super) fn output_shape(&self) -> (usize, usize, usize) {
        let (width, height, _) = self.shape;
        (width, height, self.output_channels)
    }

    /// Bytes of a row that the round makes.
    pub(super) fn output_row_bytes(&self) -> usize {
        self.shape.0 * self.output_channels
    }

    /// Columns, rows, channels of its input.
    pub(super) fn shape(&self) -> (usize, usize, usize) {
        self.shape
    }

    /// The rows that the file is to be asked for now.
    pub(super) fn order(&mut self) -> Option<Range<usize>> {
        if !matches!(self.input, Input::Read(_)) || self.on_their_way >= self.limit {
            return None;
        }
        let band = self.bands.get(self.ordered)?;
        self.ordered += 1;
        self.on_their_way += 1;
        Some(band.input_rows.clone())
    }

    /// Whether nothing more is to be asked for.
    pub(super) fn is_ordered(&self) -> bool {
        self.ordered == self.bands.len()
    }

    /// Takes rows that were asked for.
    pub(super) fn take_read(&mut self, part: Part) {
        let Input::Read(ready) = &mut self.input else { return };
        let number = self.handed_out + ready.len();
        if let (Some(band), BandInput::Slice { .. }) = (self.bands.get_mut(number), &part.input) {
            // The rank has the file beside its rows.
            band.bytes += part.bytes.len() as u64;
        }
        ready.push_back(part);
    }

    /// Bytes that a rank needs for the next band, if there is one to hand out.
    pub(super) fn next_bytes(&self) -> Option<u64> {
        let is_there = match &self.input {
            Input::Read(ready) => !ready.is_empty(),
            Input::Placed(..) | Input::Joined(_) => self.on_their_way < self.limit,
        };
        self.bands.get(self.handed_out).filter(|_| is_there).map(|band| band.bytes)
    }

    /// The next band, for rank `to`.
    pub(super) fn hand_out(&mut self, to: usize) -> Option<Handed> {
        let (width, _, channels) = self.shape;
        let number = self.handed_out;
        let band = self.bands.get_mut(number)?;
        let (rows, input_rows) = (band.rows.clone(), band.input_rows.clone());
        let part = match &mut self.input {
            Input::Read(ready) => ready.pop_front()?,
            Input::Placed(place, _) => {
                self.on_their_way += 1;
                band.is_read_there = true;
                Part { bytes: Bytes::new(), input: BandInput::Place(place.clone()) }
            }
            Input::Joined(pixels) => {
                self.on_their_way += 1;
                let stride = width * channels;
                let bytes = pixels.slice(input_rows.start * stride..input_rows.end * stride);
                Part { bytes, input: BandInput::Rows }
            }
        };
        band.at = At::Work(to);
        self.handed_out += 1;
        Some(Handed { band: number, rows, input_rows, part })
    }

    /// Takes how many groups of the file rank `from` has hashed that begin in the rows of band `band`.
    /// Returns the number of the first, if it was to read them.
    ///
    /// # Errors
    /// When the rank never had that band, or was to hash others.
    pub(super) fn take_groups(
        &mut self,
        (from, number): (usize, usize),
        count: usize,
    ) -> Result<Option<u64>, BugError> {
        let band = self.band_of(from, number)?;
        let (first, wanted) = match &self.input {
            Input::Placed(_, rows) if band.is_read_there => {
                let groups = groups_within(&rows.share(&band.rows));
                (Some(groups.start), groups.end - groups.start)
            }
            Input::Read(_) | Input::Placed(..) | Input::Joined(_) => (None, 0),
        };
        if count as u64 != wanted {
            let what = "it has hashed other parts of the file than asked for";
            return Err(BugError::Message { from, what });
        }
        self.bands[number].is_read_there = false;
        self.ordered += usize::from(first.is_some());
        Ok(first)
    }

    /// Rank `from` does not find the input of band `band`: another way is needed. Returns its rows and
    /// its input rows.
    ///
    /// # Errors
    /// When it was not to look for it.
    pub(super) fn take_not_seen(
        &mut self,
        (from, number): (usize, usize),
    ) -> Result<(Range<usize>, Range<usize>), BugError> {
        if !self.band_of(from, number)?.is_read_there {
            let what = "it does not find what it was not to look for";
            return Err(BugError::Message { from, what });
        }
        let band = &mut self.bands[number];
        band.is_read_there = false;
        self.ordered += 1;
        Ok((band.rows.clone(), band.input_rows.clone()))
    }

    /// What rank 0 has read of band `number`, for the rank that did not find it.
    pub(super) fn hand_over(&self, number: usize, bytes: Bytes) -> Option<(usize, Handed)> {
        let band = self.bands.get(number)?;
        let At::Work(rank) = band.at else { return None };
        let (rows, input_rows) = (band.rows.clone(), band.input_rows.clone());
        let part = Part { bytes, input: BandInput::Rows };
        Some((rank, Handed { band: number, rows, input_rows, part }))
    }

    /// Rank `from` has filtered band `band`, and writes a part of its rows. Returns whether its thread
    /// has worked until now.
    ///
    /// # Errors
    /// When the rank never had that band, or says so twice.
    pub(super) fn take_filtered(
        &mut self,
        (from, number): (usize, usize),
    ) -> Result<bool, BugError> {
        let is_work = matches!(self.band_of(from, number)?.at, At::Work(_));
        if std::mem::replace(&mut self.bands[number].is_filtered, true) {
            return Err(BugError::Message { from, what: "it has filtered a band twice" });
        }
        Ok(is_work)
    }

    /// The next band that is to be told the outcome of the global pass: its rank, its number, and
    /// what it is told.
    pub(super) fn next_share(&mut self) -> Option<(usize, usize, Vec<u8>)> {
        if self.on_their_way >= self.limit {
            return None;
        }
        let share = self.shares.pop_front()?;
        let number = self.shared;
        let At::Kept(rank) = self.bands.get(number)?.at else { return None };
        self.shared += 1;
        self.on_their_way += 1;
        Some((rank, number, share))
    }

    /// Takes what rank `from` told of band `band` for the global pass.
    ///
    /// # Errors
    /// When the rank never had that band, or its partials make no sense.
    pub(super) fn take_partials(
        &mut self,
        round: &Round,
        (from, number): (usize, usize),
        partials: &[u8],
    ) -> Result<Freed, BugError> {
        let fault = |what| BugError::Message { from, what };
        let band = self.band_of(from, number)?;
        let freed =
            Freed { bytes: band.bytes - band.kept, is_work: true, is_filtered: band.is_filtered };
        if !self.is_global {
            return Err(fault("it brings partials that nobody waits for"));
        }
        let partials: Vec<Vec<u8>> = postcard::from_bytes(partials)
            .map_err(|source| BugError::GlobalPass { part: "partials", source })?;
        if self.bands[number].at != At::Work(from) {
            return Err(fault("it brings partials twice"));
        }
        self.bands[number].at = At::Kept(from);
        self.partials[number] = Some(partials);
        self.on_their_way -= 1;
        if self.partials.iter().all(Option::is_some) {
            self.shares = self.combine(round)?;
        }
        Ok(freed)
    }

    /// What each band is told, once all have told theirs.
    fn combine(&mut self, round: &Round) -> Result<VecDeque<Vec<u8>>, BugError> {
        let by_band: Vec<Vec<Vec<u8>>> =
            std::mem::take(&mut self.partials).into_iter().flatten().collect();
        let counts: Vec<usize> = by_band.iter().map(Vec::len).collect();
        let partials: Vec<Vec<u8>> = by_band.into_iter().flatten().collect();
        let mut shares = round.combine(&partials)?.into_iter();
        let share_of = |count: usize| {
            let own: Vec<Vec<u8>> = shares.by_ref().take(count).collect();
            postcard::to_stdvec(&own).map_err(|source| BugError::Encode { source })
        };
        counts.into_iter().map(share_of).collect()
    }

    /// Band `band` comes back from rank `from`. Returns what it frees there, and the band's rows.
    ///
    /// # Errors
    /// When the rank never had that band, or cannot have made its rows.
    pub(super) fn take_back(
        &mut self,
        (from, number): (usize, usize),
    ) -> Result<(Freed, Range<usize>), BugError> {
        let fault = |what| BugError::Message { from, what };
        let is_global = self.is_global;
        let has_share = number < self.shared;
        let band = self.band_of(from, number)?;
        if is_global && !has_share {
            return Err(fault("it brings rows before it has its share"));
        }
        let bytes = if is_global { band.kept } else { band.bytes };
        let (own, is_filtered) = (band.rows.clone(), band.is_filtered);
        self.bands[number].at = At::Back;
        self.awaited -= 1;
        Ok((Freed { bytes, is_work: !is_global, is_filtered }, own))
    }

    /// The band that rank `from` speaks of, which must be there.
    fn band_of(&self, from: usize, band: usize) -> Result<&BandState, BugError> {
        let fault = |what| Err(BugError::Message { from, what });
        match self.bands.get(band).map(|band| (band, band.at)) {
            Some((band, At::Work(owner) | At::Kept(owner))) if owner == from => Ok(band),
            Some((_, At::Back)) => fault("it brings a band twice"),
            Some((_, At::Rank0 | At::Work(_) | At::Kept(_))) | None => {
                fault("it speaks of a band that it never had")
            }
        }
    }

    /// A band that came back has been joined to the others, or written.
    pub(super) fn landed(&mut self) {
        self.on_their_way -= 1;
    }

    /// Whether all bands have come back.
    pub(super) fn is_back(&self) -> bool {
        self.awaited == 0
    }

    /// What ranks still hold: the rank, and what it frees if nothing is wanted any more.
    pub(super) fn at_ranks(&self) -> impl Iterator<Item = (usize, Freed)> {
        self.bands.iter().filter_map(|band| {
            let (rank, bytes, is_work) = match band.at {
                At::Work(rank) => (rank, band.bytes, true),
                At::Kept(rank) => (rank, band.kept, false),
                At::Rank0 | At::Back => return None,
            };
            Some((rank, Freed { bytes, is_work, is_filtered: band.is_filtered }))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Chain, Simd};

    const SHAPE: (usize, usize, usize) = (4, 10, 1);

    fn state(op: &str, on_their_way: usize) -> (Chain, RoundState) {
        let chain = Chain::build(&[op.parse().unwrap()], Simd::scalar()).unwrap();
        let flow = Flow { rows: 2, on_their_way, held: 0, in_slices: false };
        let input = Input::Read(VecDeque::new());
        let state = RoundState::new(0, &chain.rounds()[0], SHAPE, (&flow, input));
        (chain, state)
    }

    fn part(pixels: Vec<u8>) -> Part {
        Part { bytes: pixels.into(), input: BandInput::Rows }
    }

    #[test]
    fn no_more_rows_are_asked_for_than_may_be_on_their_way() {
        let (_, mut round) = state("blur:ksize=3", 2);
        assert_eq!([round.order(), round.order(), round.order()], [Some(0..3), Some(1..5), None]);
        assert_eq!(round.next_bytes(), None);
        round.take_read(part(vec![0; 12]));
        assert_eq!(round.next_bytes(), Some(4 * (3 + 2)));
        assert_eq!(round.hand_out(7).unwrap().rows, 0..2);
        let (freed, rows) = round.take_back((7, 0)).unwrap();
        assert_eq!((freed.bytes, freed.is_work, rows, round.order()), (20, true, 0..2, None));
        round.landed();
        assert_eq!((round.order(), round.is_ordered()), (Some(3..7), false));
        assert_eq!(round.at_ranks().count(), 0);
    }

    #[test]
    fn shares_go_out_in_turn_and_no_faster_than_rows_are_written() {
        let (chain, mut round) = state("canny", 3);
        let pass = &chain.rounds()[0];
        for band in 0..5 {
            let rows = round.order().unwrap();
            let pixels = vec![0; rows.len() * 4];
            round.take_read(part(pixels.clone()));
            let handed = round.hand_out(1).unwrap();
            let input = crate::band::Band::new(&pixels, 4, 1, rows.start, 10);
            let (partial, _) = pass.summarize(input, handed.rows);
            assert!(round.next_share().is_none());
            let partials = postcard::to_stdvec(&vec![partial]).unwrap();
            let freed = round.take_partials(pass, (1, band), &partials).unwrap();
            assert!(freed.bytes > 0 && freed.is_work);
        }
        let mut given = || round.next_share().map(|(rank, band, _)| (rank, band));
        assert_eq!(
            [given(), given(), given(), given()],
            [Some((1, 0)), Some((1, 1)), Some((1, 2)), None]
        );
        let too_soon = round.take_back((1, 3)).unwrap_err().to_string();
        assert!(too_soon.contains("before it has its share"), "{too_soon}");
        round.take_back((1, 0)).unwrap();
        round.landed();
        assert_eq!(round.next_share().unwrap().1, 3);
        assert_eq!(round.at_ranks().count(), 4);
    }
}
