//! The thread that reads an image in bands: it decodes the rows that rank 0 asks for, in their order, or
//! cuts them out of the file for the ranks to decode.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use bytes::Bytes;

use super::{Part, timed};
use crate::buffers::Buffers;
use crate::error::ImageError;
use crate::hash::{ContentHash, ContentHasher};
use crate::image_file::{DecodeOptions, Metadata, Reader, Slicer};
use crate::rank0::Event;
use crate::transport::message::FileSeen;

/// What the thread says.
#[derive(Debug)]
pub enum FromSource {
    /// It works on the file from now on, until it says something else.
    Works,
    /// The file is open.
    Opened(Opened),
    /// The rows that were asked for.
    Rows(Part),
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
    /// The file, and what rank 0 saw of it, unless the source hashes what it reads.
    pub(crate) to_hash: Option<(File, FileSeen)>,
}

/// What the thread is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    /// These rows, decoded.
    Rows(Range<usize>),
    /// A file that holds them.
    Slice(Range<usize>),
}

/// What is known of a file once it was read to its end.
#[derive(Debug)]
pub struct Ended {
    /// How long the source decoded.
    pub(crate) time: Duration,
    /// Its hash, if the source made one.
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
        let Self { image, file, seen, options, in_slices, events } = self;
        let same_file = file.try_clone().map_err(ImageError::Unreadable)?;
        // Rank 0 hears of it when it is there to hear.
        let say = |what| _ = events.send(Event::Source(image, what));
        let mut time = Duration::ZERO;
        say(FromSource::Works);
        let (mut rows, opened) = timed(&mut time, || Rows::open(file, options, in_slices))?;
        let plain_from = rows.plain_from().filter(|&start| start <= seen.bytes);
        let mut passing =
            plain_from.map(|start| Passing::begin(&same_file, start, seen.bytes)).transpose()?;
        let to_hash = match passing {
            Some(_) => None,
            None => Some((same_file.try_clone().map_err(ImageError::Unreadable)?, seen)),
        };
        say(FromSource::Opened(Opened { to_hash, ..opened }));
        while let Ok(wanted) = orders.recv() {
            say(FromSource::Works);
            let (part, fresh) = timed(&mut time, || rows.next(wanted))?;
            let bytes = part.bytes.clone();
            say(FromSource::Rows(part));
            if let Some(passing) = &mut passing {
                passing.add(&bytes[fresh..]);
            }
        }
        if !rows.are_all_read() {
            return Ok(None);
        }
        say(FromSource::Works);
        timed(&mut time, || rows.end())?;
        let hashed = passing.map(Passing::end).transpose()?;
        // Else what was hashed is perhaps not what was filtered.
        let now = FileSeen::of(&same_file.metadata().map_err(ImageError::Unreadable)?);
        if now != seen || hashed.is_some_and(|(_, bytes)| bytes != seen.bytes) {
            return Err(ImageError::Changing);
        }
        Ok(Some(Ended { time, content: hashed.map(|(content, _)| content) }))
    }
}

/// The hash of a file whose rows stand in it as they are: of the very bytes that are filtered, and of
/// those before and behind them.
struct Passing<'f> {
    file: &'f File,
    hasher: ContentHasher,
    next: u64,
    end: u64,
}

impl<'f> Passing<'f> {
    /// Takes what stands before the rows, which begin at `rows`, in a file of `end` bytes.
    fn begin(file: &'f File, rows: u64, end: u64) -> Result<Self, ImageError> {
        let mut own = Self { file, hasher: ContentHasher::default(), next: 0, end };
        own.add_file(rows)?;
        Ok(own)
    }

    /// Takes the next rows.
    fn add(&mut self, rows: &[u8]) {
        self.hasher.add(rows);
        self.next += rows.len() as u64;
    }

    /// Takes what the file holds up to `end`.
    fn add_file(&mut self, end: u64) -> Result<(), ImageError> {
        let part = FilePart::new(self.file, self.next..end);
        self.next = end;
        self.hasher.add_all(part).map_err(ImageError::Unreadable)
    }

    /// The hash of all of the file, and how many bytes those were.
    fn end(mut self) -> Result<(ContentHash, u64), ImageError> {
        self.add_file(self.end)?;
        Ok(self.hasher.end())
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
            Opened { shape, metadata, unit_rows, to_hash: None }
        } else {
            let reader = rows.reader()?;
            let (shape, metadata) = (reader.shape(), reader.take_metadata());
            Opened { shape, metadata, unit_rows: None, to_hash: None }
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

    /// What is asked for, and where in it begins what was not in the part before.
    fn next(&mut self, order: Order) -> Result<(Part, usize), ImageError> {
        match (order, &self.slicer) {
            (Order::Slice(rows), Some(slicer)) => {
                let slice = slicer.slice(&rows)?;
                self.last = (rows, Bytes::new());
                Ok((Part { bytes: slice.file.into(), slice_from: Some(slice.first_row) }, 0))
            }
            (Order::Rows(rows) | Order::Slice(rows), _) => {
                self.slicer = None;
                let (bytes, fresh) = self.decode(rows)?;
                Ok((Part { bytes, slice_from: None }, fresh))
            }
        }
    }

    /// The rows `rows`: those that the band before holds, too, from there, the others from the file;
    /// and where these begin.
    fn decode(&mut self, rows: Range<usize>) -> Result<(Bytes, usize), ImageError> {
        let (width, _, channels) = self.shape;
        let stride = width * channels;
        let (held, before) = std::mem::take(&mut self.last);
        let mut band = self.buffers.take(rows.len() * stride);
        let (halo, fresh) = band.split_at_mut(held.end.saturating_sub(rows.start) * stride);
        halo.copy_from_slice(&before[before.len() - halo.len()..]);
        drop(before);
        self.reader()?.read(fresh)?;
        let fresh = halo.len();
        let band = self.buffers.lend(band);
        self.last = (rows, band.clone());
        Ok((band, fresh))
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
