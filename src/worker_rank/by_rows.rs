//! A file through the chain on one thread, strip by strip: nothing holds all of its pixels, where
//! formats and ops allow that.

use std::cell::Cell;
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::band::{Band, Rows};
use crate::buffers::Buffers;
use crate::error::{BugError, ImageError};
use crate::image_file::{DecodeOptions, EncodeOptions, Reader, Writer, writer_bytes};
use crate::ops::chain::Chain;
use crate::transport::message::{RankTimes, microseconds};

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
        RankTimes { decode_us, filter_us, encode_us, ..RankTimes::default() }
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

/// A file that is to be filtered.
pub(crate) struct FileJob<'f> {
    pub(crate) file: &'f [u8],
    /// Bytes of its pixels, decoded.
    pub(crate) pixel_bytes: usize,
    pub(crate) decode: &'f DecodeOptions,
    pub(crate) encode: &'f EncodeOptions,
}

/// Reads a file, filters its rows, and gives the file that is made of them, with the number of its
/// pixels.
pub(crate) fn filter_file(
    chain: &Chain,
    job: &FileJob<'_>,
    buffers: &Buffers,
    times: &Times,
) -> Result<(Vec<u8>, u64), Fault> {
    let recycled = buffers.take_any(job.pixel_bytes);
    let opened = timed(&times.decode, || Reader::open(job.file, job.decode, recycled));
    let mut reader = opened.map_err(Fault::Decode)?;
    // It may serve the result, or that of another thread.
    buffers.give(reader.take_unneeded());
    let (width, height, channels) = (reader.width(), reader.height(), reader.channels());
    let metadata = reader.take_metadata();
    let output = (width, height, chain.output_channels(channels));
    let started = || {
        let room = writer_bytes(output.0, output.1, output.2, job.encode.format);
        let recycled = buffers.take_room(usize::try_from(room).unwrap_or(0));
        Writer::new(output, &metadata, job.encode, recycled)
    };
    let written = timed(&times.encode, started)
        .map_err(Fault::Encode)
        .and_then(|writer| filter_rows(chain, &mut reader, writer, times));
    if let Err(fault @ (Fault::Decode(_) | Fault::Bug(_))) = written {
        return Err(fault);
    }
    // What is wrong with the file counts before what is wrong with the result.
    let read = timed(&times.decode, || reader.end());
    buffers.give(read.map_err(Fault::Decode)?);
    let writer = written?;
    let (file, recycled) = timed(&times.encode, || writer.end()).map_err(Fault::Encode)?;
    buffers.give(recycled);
    Ok((file, width as u64 * height as u64))
}

/// Has `writer` take all rows.
fn filter_rows<'m>(
    chain: &Chain,
    reader: &mut Reader<'_>,
    mut writer: Writer<'m>,
    times: &Times,
) -> Result<Writer<'m>, Fault> {
    let shape = (reader.width(), reader.height(), reader.channels());
    let mut rows = chain.through(Box::new(Decoded { reader, time: &times.decode }));
    for strip in chain.strips(shape) {
        let rows = rows.rows(strip.clone())?.slice(strip);
        timed(&times.encode, || writer.write(rows.bytes())).map_err(Fault::Encode)?;
    }
    Ok(writer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image_file::{Format, Metadata, encode};
    use crate::ops::Simd;

    #[test]
    fn memory_that_rows_are_not_decoded_into_serves_the_result() {
        let (width, height) = (64, 48);
        let options = |format| EncodeOptions { format, quality: 95, strip: false };
        let pixels = vec![7; width * height * 3];
        let chain = Chain::build(&[], Simd::detect()).unwrap();
        for (from, to) in [(Format::Jpeg, Format::Png), (Format::Png, Format::Jpeg)] {
            let file =
                encode(&pixels, width, height, 3, &Metadata::default(), &options(from)).unwrap();
            let room = usize::try_from(writer_bytes(width, height, 3, to)).unwrap();
            let (buffers, only) = (Buffers::new(u64::MAX), Vec::with_capacity(room));
            let place = only.as_ptr();
            buffers.give(only);
            let (decode, encode) = (&DecodeOptions::DEFAULT, &options(to));
            let job = FileJob { file: &file, pixel_bytes: room, decode, encode };
            let filtered = filter_file(&chain, &job, &buffers, &Times::default());
            let (result, _) = filtered.unwrap_or_else(|_| panic!("{from:?} to {to:?}"));
            assert_eq!(result.as_ptr(), place, "{from:?} to {to:?}");
        }
    }
}
