//! The thread that reads an image in bands: it decodes the rows that rank 0 asks for, in their order, or
//! cuts them out of the file for the ranks to decode. Where ranks read rows that stand in the file as
//! they are, it reads what one of them does not find, and joins the hashes that they make.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use bytes::Bytes;

use super::{Part, timed};
use crate::buffers::Buffers;
use crate::error::ImageError;
use crate::hash::{ContentHash, GroupHashes, GroupJoiner, groups_within};
use crate::image_file::{DecodeOptions, Metadata, PlainRows, Reader, Slicer};
use crate::rank0::Event;
use crate::transport::message::{BandInput, FileSeen, InputPlace};

/// What the thread says.
#[derive(Debug)]
pub enum FromSource {
    /// It works on the file from now on, until it says something else.
    Works,
    /// The file is open.
    Opened(Opened),
    /// The rows that were asked for.
    Rows(Part),
    /// The input rows of a band that its rank did not find.
    Band(usize, Bytes),
    /// The file has been read to its end; or it cannot be.
    Ended(Result<Ended, ImageError>),
}

/// What is known of an image once its file is open.
#[derive(Debug)]
pub struct Opened {
    /// Columns, rows, channels.
    pub(crate) shape: (usize, usize, usize),
    pub(crate) metadata: Metadata,
    /// Rows of a unit in which the file can be cut, if it can be.
    pub(crate) unit_rows: Option<usize>,
    /// Where ranks read its rows, and their places, if they do.
    pub(crate) place: Option<(InputPlace, PlainRows)>,
    /// The file, and what rank 0 saw of it, unless it is hashed by those who read its rows.
    pub(crate) to_hash: Option<(File, FileSeen)>,
}

/// What the thread is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    /// These rows, decoded, or a file that holds them, if they may be cut out.
    Rows {
        /// Which.
        rows: Range<usize>,
        /// Whether they may.
        in_slices: bool,
    },
    /// The input rows of a band, which its rank did not find in their place.
    Band {
        /// Its number.
        band: usize,
        /// Its own rows.
        rows: Range<usize>,
        /// Those and their halo.
        input_rows: Range<usize>,
    },
    /// Groups of the file, from this one on, that a rank has hashed.
    Hashed(u64, GroupHashes),
}

/// What is known of a file once it was read to its end.
#[derive(Debug)]
pub struct Ended {
    /// How long the source decoded.
    pub(crate) time: Duration,
    /// Its hash, unless another thread makes it.
    pub(crate) content: Option<ContentHash>,
}

/// An image to be read.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) image: usize,
    pub(crate) file: File,
    /// What rank 0 saw of it.
    pub(crate) seen: FileSeen,
    pub(crate) options: DecodeOptions,
    /// Whether ranks are to decode it, if it can be cut.
    pub(crate) in_slices: bool,
    /// The file's name from the root, if ranks are to read its rows where they stand in it as they are.
    pub(crate) by_ranks: Option<PathBuf>,
    pub(crate) events: Sender<Event>,
}

impl Source {
    /// Opens the file, gives the rows that are asked for, and looks at what is behind the last. Ends
    /// when nobody asks any more.
    pub(crate) fn read(self, orders: &Receiver<Order>) -> Option<Event> {
        let image = self.image;
        let ended = self.read_all(orders).transpose()?;
        Some(Event::Source(image, FromSource::Ended(ended)))
    }

    /// None if nobody asks for all rows.
    fn read_all(self, orders: &Receiver<Order>) -> Result<Option<Ended>, ImageError> {
        let Self { image, file, seen, options, in_slices, by_ranks, events } = self;
        let same_file = file.try_clone().map_err(ImageError::Unreadable)?;
        // Rank 0 hears of it when it is there to hear.
        let say = |what| _ = events.send(Event::Source(image, what));
        let mut time = Duration::ZERO;
        say(FromSource::Works);
        let (mut rows, mut opened) = timed(&mut time, || Rows::open(file, options, in_slices))?;
        let mut plain =
            rows.plain_from().and_then(|from| Plain::new(&same_file, from, (rows.shape, seen)));
        if let Some(plain) = &plain {
            let place = |path| InputPlace { path, seen, rows_from: plain.rows_from };
            opened.place = by_ranks.map(|path| (place(path), plain.rows));
        } else {
            opened.to_hash = Some((same_file.try_clone().map_err(ImageError::Unreadable)?, seen));
        }
        say(FromSource::Opened(opened));
        while let Ok(order) = orders.recv() {
            match (order, &mut plain) {
                (Order::Hashed(first, groups), Some(plain)) => plain.groups.add(first, groups),
                (Order::Band { band, rows, input_rows }, Some(plain)) => {
                    say(FromSource::Works);
                    let bytes = timed(&mut time, || plain.read(rows, input_rows))?;
                    say(FromSource::Band(band, bytes));
                }
                (Order::Hashed(..) | Order::Band { .. }, None) => {}
                (Order::Rows { rows: wanted, in_slices }, plain) => {
                    say(FromSource::Works);
                    let (part, fresh) = timed(&mut time, || rows.next(wanted, in_slices))?;
                    let bytes = part.bytes.clone();
                    say(FromSource::Rows(part));
                    if let Some(plain) = plain {
                        plain.hash_last(fresh, &bytes)?;
                    }
                }
            }
        }
        let is_read = rows.are_all_read();
        let content = match plain.map(|plain| plain.groups.end()) {
            None if is_read => None,
            Some(Some(content)) => Some(content),
            None | Some(None) => return Ok(None),
        };
        say(FromSource::Works);
        if is_read {
            timed(&mut time, || rows.end())?;
        }
        // Else what was hashed is perhaps not what was filtered.
        is_still(&same_file, &seen)?;
        Ok(Some(Ended { time, content }))
    }
}

fn is_still(file: &File, seen: &FileSeen) -> Result<(), ImageError> {
    let now = FileSeen::of(&file.metadata().map_err(ImageError::Unreadable)?);
    if now == *seen { Ok(()) } else { Err(ImageError::Changing) }
}

/// A file whose rows stand in it as they are. Whoever reads rows of it hashes the groups that begin
/// there.
struct Plain<'f> {
    file: &'f File,
    seen: FileSeen,
    rows_from: u64,
    rows: PlainRows,
    row_bytes: usize,
    groups: GroupJoiner,
}

impl<'f> Plain<'f> {
    /// None: it ends before its last row.
    fn new(
        file: &'f File,
        rows_from: u64,
        (shape, seen): ((usize, usize, usize), FileSeen),
    ) -> Option<Self> {
        let rows = PlainRows::new(rows_from, shape, seen.bytes)?;
        let (row_bytes, groups) = (shape.0 * shape.2, GroupJoiner::new(seen.bytes));
        Some(Self { file, seen, rows_from, rows, row_bytes, groups })
    }

    /// The input rows of a band, from their place.
    fn read(&mut self, rows: Range<usize>, input_rows: Range<usize>) -> Result<Bytes, ImageError> {
        let mut bytes = vec![0; input_rows.len() * self.row_bytes];
        let place = self.rows.place(&input_rows).start;
        let read = self.file.read_exact_at(&mut bytes, place);
        is_still(self.file, &self.seen)?;
        read.map_err(ImageError::Unreadable)?;
        self.hash(rows, (place, &bytes))?;
        Ok(bytes.into())
    }

    /// Hashes the last rows of those that were read, which no part had before.
    fn hash_last(&mut self, fresh: Range<usize>, read: &[u8]) -> Result<(), ImageError> {
        if fresh.is_empty() {
            return Ok(());
        }
        let held = &read[read.len() - fresh.len() * self.row_bytes..];
        let place = self.rows.place(&fresh).start;
        self.hash(fresh, (place, held))
    }

    fn hash(&mut self, rows: Range<usize>, held: (u64, &[u8])) -> Result<(), ImageError> {
        let groups = groups_within(&self.rows.share(&rows));
        let first = groups.start;
        let hashes = GroupHashes::read((self.file, self.seen.bytes), groups, held);
        is_still(self.file, &self.seen)?;
        self.groups.add(first, hashes.map_err(ImageError::Unreadable)?);
        Ok(())
    }
}

/// The rows of a file, in bands that overlap.
struct Rows {
    file: File,
    options: DecodeOptions,
    /// What cuts them out, until they are asked for decoded.
    slicer: Option<Slicer>,
    /// What decodes them.
    reader: Option<Reader<'static>>,
    /// Columns, rows, channels.
    shape: (usize, usize, usize),
    buffers: Arc<Buffers>,
    /// The band before, and its pixels if they are decoded.
    last: (Range<usize>, Bytes),
}

impl Rows {
    fn open(
        file: File,
        options: DecodeOptions,
        in_slices: bool,
    ) -> Result<(Self, Opened), ImageError> {
        let slicer = if in_slices {
            Slicer::open(file.try_clone().map_err(ImageError::Unreadable)?, &options)?
        } else {
            None
        };
        let mut rows = Self {
            slicer,
            file,
            options,
            reader: None,
            shape: (0, 0, 0),
            // There are never more than bands on their way.
            buffers: Arc::new(Buffers::new(u64::MAX)),
            last: (0..0, Bytes::new()),
        };
        let opened = if let Some(slicer) = &mut rows.slicer {
            let unit_rows = Some(slicer.unit_rows());
            let (shape, metadata) = (slicer.shape(), slicer.take_metadata());
            Opened { shape, metadata, unit_rows, place: None, to_hash: None }
        } else {
            let reader = rows.reader()?;
            let (shape, metadata) = (reader.shape(), reader.take_metadata());
            Opened { shape, metadata, unit_rows: None, place: None, to_hash: None }
        };
        rows.shape = opened.shape;
        Ok((rows, opened))
    }

    /// What decodes the file, from its first row on when it is asked for first.
    fn reader(&mut self) -> Result<&mut Reader<'static>, ImageError> {
        let open = || {
            let file = self.file.try_clone().map_err(ImageError::Unreadable)?;
            Reader::open_file(file, &self.options, Vec::new())
        };
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => open()?,
        };
        Ok(self.reader.insert(reader))
    }

    /// Where the first row begins, if all of them stand in the file as they are.
    fn plain_from(&self) -> Option<u64> {
        self.reader.as_ref().and_then(Reader::plain_from)
    }

    /// The rows `rows`, and those of them that no part before had.
    fn next(
        &mut self,
        rows: Range<usize>,
        in_slices: bool,
    ) -> Result<(Part, Range<usize>), ImageError> {
        let fresh = self.last.0.end.clamp(rows.start, rows.end)..rows.end;
        if let Some(slicer) = self.slicer.as_ref().filter(|_| in_slices) {
            let slice = slicer.slice(&rows)?;
            self.last = (rows, Bytes::new());
            let input = BandInput::Slice { first_row: slice.first_row };
            return Ok((Part { bytes: slice.file.into(), input }, fresh));
        }
        self.slicer = None;
        Ok((Part { bytes: self.decode(rows)?, input: BandInput::Rows }, fresh))
    }

    /// The rows `rows`: those that the band before holds, too, from there, the others from the file.
    fn decode(&mut self, rows: Range<usize>) -> Result<Bytes, ImageError> {
        let (width, _, channels) = self.shape;
        let stride = width * channels;
        let (held, before) = std::mem::take(&mut self.last);
        let mut band = self.buffers.take(rows.len() * stride);
        let (halo, fresh) = band.split_at_mut(held.end.saturating_sub(rows.start) * stride);
        halo.copy_from_slice(&before[before.len() - halo.len()..]);
        drop(before);
        self.reader()?.read(fresh)?;
        let band = self.buffers.lend(band);
        self.last = (rows, band.clone());
        Ok(band)
    }

    fn are_all_read(&self) -> bool {
        self.last.0.end == self.shape.1
    }

    /// Looks at what stands behind the last row, where that was not the ranks' to do.
    fn end(self) -> Result<(), ImageError> {
        self.reader.map_or(Ok(()), |reader| reader.end().map(|_| ()))
    }
}

/// Some bytes of a file, read from their places: its position, which the source may use, stays where
/// it is.
pub(crate) struct FilePart<'f> {
    file: &'f File,
    left: Range<u64>,
}

impl<'f> FilePart<'f> {
    pub(crate) fn new(file: &'f File, bytes: Range<u64>) -> Self {
        Self { file, left: bytes }
    }
}

impl Read for FilePart<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = self.left.end.saturating_sub(self.left.start);
        let wanted = out.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = self.file.read_at(&mut out[..wanted], self.left.start)?;
        self.left.start += read as u64;
        Ok(read)
    }
}
