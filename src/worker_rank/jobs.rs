//! What a rank's threads do with one message.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::Event;
use super::by_rows::{self, Fault, FileJob};
use super::files::{self, Content, Unwritten};
use super::filter::{Locals, filter_rows, filter_with, finish_rows, summarize_rows};
use super::pool::Load;
use super::shared_rows::SharedRows;
use crate::band::{Band, BandMut};
use crate::buffers::Buffers;
use crate::error::{BugError, ImageError, UsageError, with_causes};
use crate::hash::{Checksum, ContentHash, GroupHashes, OutputHash};
use crate::image_file::{self, EncodeOptions, Format, Pieces, Reader};
use crate::ops::chain::{Chain, Round};
use crate::plan::{Work, is_spread};
use crate::source::SharedPart;
use crate::transport::message::{
    BandHeader, BandResult, Filtered, ImageResult, Message, OutputPlace, RankTimes, SharedFiles,
    ToRank0, microseconds,
};

/// What all jobs of a rank share.
#[derive(Debug)]
pub(crate) struct Jobs {
    work: Work,
    chain: Chain,
    buffers: Arc<Buffers>,
    load: Load,
}

/// How a file comes to the rank, and its result goes from there.
#[derive(Debug)]
pub(crate) enum Way {
    /// As bytes from and to rank 0.
    Payload(Bytes),
    /// As files that rank 0 sees, too.
    Files(SharedFiles),
}

/// How the input rows of a band come to the rank.
#[derive(Debug)]
pub(crate) enum BandRows {
    /// As pixels.
    Pixels(Bytes),
    /// In a file that begins with this row.
    Slice(usize, Bytes),
    /// In a file that rank 0 sees, too.
    Shared(Arc<SharedRows>),
}

/// What the rank knows of a band beside its rows: how long it took to get them, and hashes that it made
/// of the input.
#[derive(Debug, Default)]
struct Told {
    times: RankTimes,
    groups: GroupHashes,
}

/// What becomes of the rows that are made of a band.
#[derive(Debug)]
struct Goal {
    /// What they are encoded in, if they are to be.
    pieces: Option<Pieces>,
    /// Their places in the result, if they have whole pages of it.
    part: Option<SharedPart>,
    /// The file, below the output directory, to which the rank writes that part.
    file: Option<PathBuf>,
}

/// A file made of another: its pixels, how long it took, and its bytes.
type Made = (u64, RankTimes, Vec<u8>);

/// Measures one piece of work after another.
struct Stopwatch(Instant);

impl Stopwatch {
    fn start() -> Self {
        Self(Instant::now())
    }

    /// Microseconds since the start or the last lap.
    fn lap(&mut self) -> u64 {
        let now = Instant::now();
        microseconds(now.duration_since(std::mem::replace(&mut self.0, now)))
    }
}

/// What `threads` threads took together that filtered for `us` microseconds.
fn of_filter(us: u64, threads: usize) -> RankTimes {
    RankTimes { filter_us: us.saturating_mul(threads as u64), ..RankTimes::default() }
}

/// A band between the two halves of a global pass.
#[derive(Debug)]
pub struct Pending {
    round: usize,
    first_row: usize,
    rows: usize,
    width: usize,
    output_channels: usize,
    height: usize,
    locals: Locals,
    goal: Goal,
}

impl Jobs {
    pub(crate) fn new(work: Work, load: Load) -> Result<Self, UsageError> {
        let (chain, buffers) = (work.chain()?, Arc::new(Buffers::new(work.kept_buffers)));
        Ok(Self { work, chain, buffers, load })
    }

    /// Threads for one job: those that other jobs in hand leave it.
    fn threads(&self) -> usize {
        self.work.threads.div_ceil(self.load.tasks().max(1))
    }

    /// Memory that is used again.
    pub(super) fn buffers(&self) -> &Arc<Buffers> {
        &self.buffers
    }

    /// Decodes, filters and encodes a file.
    pub(crate) fn whole_image(
        &self,
        image: usize,
        way: Way,
        (format, pixel_bytes): (Format, usize),
    ) -> Result<Event, BugError> {
        let answer =
            |result, file| Event::Answer(Message::new(ToRank0::Image { image, result }, file));
        let mut watch = Stopwatch::start();
        let (input, read_us, made, place) = match way {
            Way::Payload(file) => {
                let (input, read_us) = (ContentHash::of(&file), watch.lap());
                (input, read_us, self.filter_file(&file, format, pixel_bytes)?, None)
            }
            Way::Files(files) => {
                // Why it cannot be read, rank 0 finds out and tells.
                let Ok(Some(file)) = files::read(&files, &self.buffers) else {
                    return Ok(answer(ImageResult::NotSeen, Vec::new()));
                };
                let (input, read_us) = (ContentHash::of(&file), watch.lap());
                let made = self.filter_file(&file, format, pixel_bytes)?;
                self.buffers.give(file);
                (input, read_us, made, Some(files.output))
            }
        };
        let (pixels, times, file) = match made {
            Ok(made) => made,
            Err(error) => {
                let (kind, reason) = (error.kind(), with_causes(&error));
                return Ok(answer(ImageResult::Failed { kind, reason }, Vec::new()));
            }
        };
        watch.lap();
        let bytes = file.len() as u64;
        let hash = OutputHash::of(self.work.checksum, &file);
        let times = RankTimes { read_us, write_us: watch.lap(), ..times };
        let filtered = Filtered { pixels, times, input, bytes, hash, temporary: None };
        Ok(match place {
            None => answer(ImageResult::Done(filtered), file),
            Some(name) => {
                let content = Content::Image(filtered);
                Event::Filtered(Unwritten { image, name, bytes: file, content })
            }
        })
    }

    fn filter_file(
        &self,
        file: &[u8],
        format: Format,
        pixel_bytes: usize,
    ) -> Result<Result<Made, ImageError>, BugError> {
        let options = self.work.encode_options(format);
        let threads = self.threads();
        if threads > 1 && is_spread(&self.chain) {
            return self.filter_spread(file, &options, pixel_bytes, threads);
        }
        let times = by_rows::Times::default();
        let mut watch = Stopwatch::start();
        let job = FileJob { file, pixel_bytes, decode: &self.work.decode, encode: &options };
        match by_rows::filter_file(&self.chain, &job, &self.buffers, &times) {
            Ok((file, pixels)) => Ok(Ok((pixels, times.of_rank(watch.lap()), file))),
            Err(Fault::Decode(error) | Fault::Encode(error)) => Ok(Err(error)),
            Err(Fault::Bug(bug)) => Err(bug),
        }
    }

    /// Decodes a file whole, filters it on `threads` threads, and encodes it.
    fn filter_spread(
        &self,
        file: &[u8],
        options: &EncodeOptions,
        pixel_bytes: usize,
        threads: usize,
    ) -> Result<Result<Made, ImageError>, BugError> {
        let recycled = self.buffers.take_any(pixel_bytes);
        let mut watch = Stopwatch::start();
        let picture = match image_file::decode(file, &self.work.decode, recycled) {
            Ok(picture) => picture,
            Err(error) => return Ok(Err(error)),
        };
        let decode_us = watch.lap();
        let (width, height) = (picture.width, picture.height);
        let shape = (width, height, picture.channels);
        let filtered = filter_with(&self.chain, picture.pixels, shape, threads, &self.buffers)?;
        let filtering = of_filter(watch.lap(), threads);
        let channels = self.chain.output_channels(picture.channels);
        let encoded =
            image_file::encode(&filtered, width, height, channels, &picture.metadata, options);
        self.buffers.give(filtered);
        let encode_us = watch.lap();
        let times = RankTimes { decode_us, encode_us, ..filtering };
        Ok(encoded.map(|file| (width as u64 * height as u64, times, file)))
    }

    fn round(&self, round: usize) -> Result<&Round, BugError> {
        let unknown = BugError::Message { from: 0, what: "it names a round that is none" };
        self.chain.rounds().get(round).ok_or(unknown)
    }

    /// What is to become of the rows of a band.
    fn goal_of(&self, band: &BandHeader, round: &Round) -> Result<Goal, BugError> {
        let fault = |what| BugError::Message { from: 0, what };
        let (format, place) = match &band.result {
            BandResult::Rows => return Ok(Goal { pieces: None, part: None, file: None }),
            BandResult::Pieces(format, rows_from) => (*format, rows_from.map(|from| (from, None))),
            BandResult::Place(format, OutputPlace { name, rows_from }) => {
                (*format, Some((*rows_from, Some(name.clone()))))
            }
        };
        let shape = (band.width, band.height, round.output_channels(band.channels));
        let pieces = Pieces::new(shape, &self.work.encode_options(format))
            .ok_or(fault("its format is not encoded in pieces"))?;
        let (start, end) = (band.rows.start, band.rows.end);
        let is_whole = |row: usize| row == band.height || row.is_multiple_of(pieces.rows());
        if !is_whole(start) || !is_whole(end) {
            return Err(fault("its rows are no whole pieces"));
        }
        let Some((rows_from, file)) = place else {
            return Ok(Goal { pieces: Some(pieces), part: None, file: None });
        };
        let place =
            |row| pieces.place(row, rows_from).ok_or(fault("its rows have no place in the result"));
        let part = SharedPart::of(place(start)?..place(end)?);
        Ok(Goal { pieces: Some(pieces), part, file })
    }

    /// Filters a band, or summarizes it for a global pass.
    pub(crate) fn band(&self, band: &BandHeader, rows: &BandRows) -> Result<Event, BugError> {
        check_band(band, self.round(band.round)?)?;
        let mut watch = Stopwatch::start();
        let (image, number) = (band.image, band.band);
        let (rows, told) = match rows {
            BandRows::Pixels(pixels) => {
                check_pixels(band, pixels)?;
                return self.rows_of_band(band, pixels, Told::default());
            }
            BandRows::Slice(first_row, slice) => match self.decode_slice(band, *first_row, slice) {
                Ok(rows) => {
                    let times = RankTimes { decode_us: watch.lap(), ..RankTimes::default() };
                    (rows, Told { times, ..Told::default() })
                }
                Err(error) => return Ok(Event::Answer(band_failed((image, number), &error))),
            },
            BandRows::Shared(shared) => {
                let places = shared.places((band.width, band.height, band.channels))?;
                let Some((rows, groups)) = shared.read(&places, band, &self.buffers) else {
                    let not_seen = ToRank0::BandNotSeen { image, band: number };
                    return Ok(Event::Answer(Message::bare(not_seen)));
                };
                let times = RankTimes { read_us: watch.lap(), ..RankTimes::default() };
                (rows, Told { times, groups })
            }
        };
        let made = self.rows_of_band(band, &rows, told);
        self.buffers.give(rows);
        made
    }

    /// The input rows of a band, which are in the file `slice` that begins with row `first_row`.
    fn decode_slice(
        &self,
        band: &BandHeader,
        first_row: usize,
        slice: &[u8],
    ) -> Result<Vec<u8>, ImageError> {
        let mut reader = Reader::open(slice, &self.work.decode, Vec::new())?;
        let (width, height, channels) = reader.shape();
        let above = band.input_rows.start.saturating_sub(first_row);
        let is_held = first_row <= band.input_rows.start
            && above.saturating_add(band.input_rows.len()) <= height;
        if !is_held || (width, channels) != (band.width, band.channels) {
            // Else its header would have told the same before.
            return Err(ImageError::Changing);
        }
        let stride = width * channels;
        let mut rows = self.buffers.take(band.input_rows.len() * stride);
        for _ in 0..above {
            reader.read(&mut rows[..stride])?;
        }
        reader.read(&mut rows)?;
        reader.end()?;
        Ok(rows)
    }

    /// Filters the rows of a band, or summarizes them.
    fn rows_of_band(
        &self,
        band: &BandHeader,
        pixels: &[u8],
        Told { mut times, groups }: Told,
    ) -> Result<Event, BugError> {
        let round = self.round(band.round)?;
        let goal = self.goal_of(band, round)?;
        let input =
            Band::new(pixels, band.width, band.channels, band.input_rows.start, band.height);
        let output_channels = round.output_channels(band.channels);
        let (image, number) = (band.image, band.band);
        let threads = self.threads();
        let mut watch = Stopwatch::start();
        if round.is_global() {
            let (partials, locals) = summarize_rows(round, input, &band.rows, threads);
            times.add(&of_filter(watch.lap(), threads));
            let payload =
                postcard::to_stdvec(&partials).map_err(|source| BugError::Encode { source })?;
            let pending = Pending {
                round: band.round,
                first_row: band.rows.start,
                rows: band.rows.len(),
                width: band.width,
                output_channels,
                height: band.height,
                locals,
                goal,
            };
            let header = ToRank0::Partials { image, band: number, times, groups };
            let answer = Message::new(header, payload);
            return Ok(Event::Summarized { key: (image, number), pending, answer });
        }
        let mut filtered = self.buffers.take(band.rows.len() * band.width * output_channels);
        let mut out =
            BandMut::new(&mut filtered, band.width, output_channels, band.rows.start, band.height);
        filter_rows(round, input, &mut out, threads)?;
        times.add(&of_filter(watch.lap(), threads));
        let place = (image, number, band.rows.start);
        Ok(self.rows_made(place, filtered, (Told { times, groups }, goal)))
    }

    /// What becomes of the rows that were made of a band, encoded if they are to be: an answer, or
    /// something to write first.
    fn rows_made(
        &self,
        (image, band, first_row): (usize, usize, usize),
        rows: Vec<u8>,
        (Told { mut times, groups }, goal): (Told, Goal),
    ) -> Event {
        let (length, mut watch) = (rows.len(), Stopwatch::start());
        let made = match &goal.pieces {
            None => Ok(rows),
            Some(pieces) => pieces.encode(first_row, rows),
        };
        times.encode_us = watch.lap();
        let bytes = match made {
            Ok(bytes) => bytes,
            Err(error) => return Event::Answer(band_failed((image, band), &error)),
        };
        let made = match (&goal.part, self.work.checksum) {
            (Some(part), Checksum::Blake3) => part.hashes(&bytes),
            (Some(_), Checksum::Sha256 | Checksum::None) | (None, _) => GroupHashes::default(),
        };
        times.write_us = watch.lap();
        if let (Some(part), Some(name)) = (goal.part, goal.file) {
            let content = Content::Band { band, part, times, groups, made };
            return Event::Filtered(Unwritten { image, name, bytes, content });
        }
        let header = ToRank0::Band { image, band, times, groups, made, is_written: false };
        Event::Answer(if bytes.capacity() >= length {
            // Rows as they are: their memory serves again.
            Message::new(header, self.buffers.lend(bytes))
        } else {
            Message::new(header, bytes)
        })
    }

    /// The second half of a global pass over a band.
    pub(crate) fn finish(
        &self,
        image: usize,
        band: usize,
        pending: Pending,
        shares: &[u8],
    ) -> Result<Event, BugError> {
        let shares: Vec<Vec<u8>> = postcard::from_bytes(shares)
            .map_err(|source| BugError::GlobalPass { part: "shares", source })?;
        let bytes = pending.rows * pending.width * pending.output_channels;
        let mut filtered = self.buffers.take(bytes);
        let mut out = BandMut::new(
            &mut filtered,
            pending.width,
            pending.output_channels,
            pending.first_row,
            pending.height,
        );
        let (chunks, mut watch) = (pending.locals.len(), Stopwatch::start());
        finish_rows(self.round(pending.round)?, pending.locals, &shares, &mut out)?;
        let times = of_filter(watch.lap(), chunks);
        let (place, told) = ((image, band, pending.first_row), Told { times, ..Told::default() });
        Ok(self.rows_made(place, filtered, (told, pending.goal)))
    }
}

/// The answer that a band cannot be made.
fn band_failed((image, band): (usize, usize), error: &ImageError) -> Message<ToRank0> {
    let (kind, reason) = (error.kind(), with_causes(error));
    Message::bare(ToRank0::BandFailed { image, band, kind, reason })
}

/// Checks every number of a band's header before it is used.
fn check_band(band: &BandHeader, round: &Round) -> Result<(), BugError> {
    let fault = |what| Err(BugError::Message { from: 0, what });
    if band.rows.is_empty() || band.rows.end > band.height || band.width == 0 {
        return fault("it names rows that are none");
    }
    if !(1..=4).contains(&band.channels) {
        return fault("it names channels that are none");
    }
    let Some(stride) = band.width.checked_mul(band.channels) else {
        return fault("its rows do not fit the memory");
    };
    // So that no sum of rows and halo rows overflows.
    if stride.checked_mul(band.height).is_none_or(|bytes| bytes > isize::MAX.cast_unsigned()) {
        return fault("its image does not fit the memory");
    }
    if round.input_rows(band.rows.clone(), band.height) != band.input_rows {
        return fault("its halo is not what the round needs");
    }
    Ok(())
}

/// Holds the pixels of a band against its header, which was checked.
fn check_pixels(band: &BandHeader, pixels: &[u8]) -> Result<(), BugError> {
    if band.width * band.channels * band.input_rows.len() != pixels.len() {
        let what = "its payload has another length than its rows";
        return Err(BugError::Message { from: 0, what });
    }
    Ok(())
}
