//! A file through the chain on one thread, strip by strip: nothing holds all of its pixels, where
//! formats and ops allow that.

use std::cell::Cell;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::buffers::Buffers;
use super::jobs::microseconds;
use crate::band::{Band, Rows};
use crate::error::{BugError, ImageError};
use crate::image_file::{DecodeOptions, EncodeOptions, Reader, Writer};
use crate::ops::chain::Chain;
use crate::transport::message::RankTimes;

/// Why there is no result.
pub(crate) enum Fault {
    /// The file cannot be decoded.
    Decode(ImageError),
    /// The result cannot be encoded.
    Encode(ImageError),
    /// It is the program's fault.
    Bug(BugError),
}

impl From<BugError> for Fault {
    fn from(bug: BugError) -> Self {
        Self::Bug(bug)
    }
}

/// How long parts of the work took.
#[derive(Debug, Default)]
pub(crate) struct Times {
    pub(crate) decode: Cell<Duration>,
    pub(crate) encode: Cell<Duration>,
}

impl Times {
    /// These, when all of the work took `all_us` microseconds.
    pub(crate) fn of_rank(&self, all_us: u64) -> RankTimes {
        let [decode_us, encode_us] =
            [&self.decode, &self.encode].map(|time| microseconds(time.get()));
        let filter_us = all_us.saturating_sub(decode_us + encode_us);
        RankTimes { decode_us, filter_us, encode_us }
    }
}

/// Adds the time that `work` takes.
fn timed<T>(time: &Cell<Duration>, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let result = work();
    time.set(time.get() + began.elapsed());
    result
}

/// The rows of a file.
struct Decoded<'r, 'f> {
    reader: &'r mut Reader<'f>,
    time: &'r Cell<Duration>,
}

impl Rows for Decoded<'_, '_> {
    type Fault = Fault;

    fn width(&self) -> usize {
        self.reader.width()
    }

    fn height(&self) -> usize {
        self.reader.height()
    }

    fn channels(&self) -> usize {
        self.reader.channels()
    }

    fn rows(&mut self, rows: Range<usize>) -> Result<Band<'_>, Fault> {
        timed(self.time, || self.reader.rows(rows)).map_err(Fault::Decode)
    }
}

/// Reads a file, filters its rows, and gives the file that is made of them, with its pixels.
pub(crate) fn filter_file(
    chain: &Chain,
    file: &[u8],
    (decode, encode): (&DecodeOptions, &EncodeOptions),
    buffers: &Buffers,
    pixel_bytes: usize,
    times: &Times,
) -> Result<(Vec<u8>, u64), Fault> {
    let recycled = buffers.take_any(pixel_bytes);
    let opened = timed(&times.decode, || Reader::open(file, decode, recycled));
    let mut reader = opened.map_err(Fault::Decode)?;
    let pixels = reader.width() as u64 * reader.height() as u64;
    let made = filter_rows(chain, &mut reader, encode, times);
    if let Err(fault @ (Fault::Decode(_) | Fault::Bug(_))) = made {
        return Err(fault);
    }
    // What is wrong with the file counts before what is wrong with the result.
    let read = timed(&times.decode, || reader.end());
    buffers.give(read.map_err(Fault::Decode)?);
    Ok((made?, pixels))
}

fn filter_rows(
    chain: &Chain,
    reader: &mut Reader<'_>,
    options: &EncodeOptions,
    times: &Times,
) -> Result<Vec<u8>, Fault> {
    let metadata = reader.take_metadata();
    let shape = (reader.width(), reader.height(), reader.channels());
    let output = (shape.0, shape.1, chain.output_channels(shape.2));
    let mut rows = chain.through(Box::new(Decoded { reader, time: &times.decode }));
    let mut writer = Writer::new(output, &metadata, options).map_err(Fault::Encode)?;
    for strip in chain.strips(shape) {
        let rows = rows.rows(strip.clone())?.slice(strip);
        timed(&times.encode, || writer.write(rows.bytes())).map_err(Fault::Encode)?;
    }
    timed(&times.encode, || writer.end()).map_err(Fault::Encode)
}
