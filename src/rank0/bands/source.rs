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
use crate::error::ImageError;
use crate::image_file::{DecodeOptions, Metadata, Reader, Slicer};
use crate::rank0::Event;
use crate::transport::message::FileSeen;
use crate::worker_rank::Buffers;

/// What the thread says.
#[derive(Debug)]
pub enum FromSource {
    /// It works on the file from now on, until it says something else.
    Works,
    /// The file is open.
    Opened(Opened),
    /// The rows that were asked for.
    Rows(Part),
    /// The file has been read to its end, which took the source so long; or it cannot be.
    Ended(Result<Duration, ImageError>),
}

/// What is known of an image once its file is open.
#[derive(Debug)]
pub struct Opened {
    /// Columns, rows, channels.
    pub(crate) shape: (usize, usize, usize),
    pub(crate) metadata: Metadata,
    /// Rows of a unit in which the file can be cut, if it can be.
    pub(crate) unit_rows: Option<usize>,
}

/// What the thread is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    /// These rows, decoded.
    Rows(Range<usize>),
    /// A file that holds them.
    Slice(Range<usize>),
}

/// An image to be read.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) image: usize,
    pub(crate) file: File,
    /// What rank 0 saw of it.
    pub(crate) seen: FileSeen,
    pub(crate) options: DecodeOptions,
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

    /// How long it worked; none if nobody asks for all rows.
    fn read_all(self, orders: &Receiver<Order>) -> Result<Option<Duration>, ImageError> {
        let Self { image, file, seen, options, events } = self;
        let same_file = file.try_clone().map_err(ImageError::Unreadable)?;
        // Rank 0 hears of it when it is there to hear.
        let say = |what| _ = events.send(Event::Source(image, what));
        let mut time = Duration::ZERO;
        say(FromSource::Works);
        let (mut rows, opened) = timed(&mut time, || Rows::open(file, options))?;
        say(FromSource::Opened(opened));
        while let Ok(wanted) = orders.recv() {
            say(FromSource::Works);
            say(FromSource::Rows(timed(&mut time, || rows.next(wanted))?));
        }
        if !rows.are_all_read() {
            return Ok(None);
        }
        say(FromSource::Works);
        timed(&mut time, || rows.end())?;
        // Else what was hashed is perhaps not what was filtered.
        let now = FileSeen::of(&same_file.metadata().map_err(ImageError::Unreadable)?);
        if now == seen { Ok(Some(time)) } else { Err(ImageError::Changing) }
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
    fn open(file: File, options: DecodeOptions) -> Result<(Self, Opened), ImageError> {
        let mut rows = Self {
            slicer: Slicer::open(file.try_clone().map_err(ImageError::Unreadable)?, &options)?,
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
            Opened { shape: slicer.shape(), metadata: slicer.take_metadata(), unit_rows }
        } else {
            let reader = rows.reader()?;
            Opened { shape: reader.shape(), metadata: reader.take_metadata(), unit_rows: None }
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

    fn next(&mut self, order: Order) -> Result<Part, ImageError> {
        match (order, &self.slicer) {
            (Order::Slice(rows), Some(slicer)) => {
                let slice = slicer.slice(&rows)?;
                self.last = (rows, Bytes::new());
                Ok(Part { bytes: slice.file.into(), slice_from: Some(slice.first_row) })
            }
            (Order::Rows(rows) | Order::Slice(rows), _) => {
                self.slicer = None;
                Ok(Part { bytes: self.decode(rows)?, slice_from: None })
            }
        }
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

/// The first bytes of a file, read from their places: its position, which the source may use, stays
/// where it is.
pub(crate) struct FromStart<'f> {
    file: &'f File,
    next: u64,
    end: u64,
}

impl<'f> FromStart<'f> {
    pub(crate) fn new(file: &'f File, bytes: u64) -> Self {
        Self { file, next: 0, end: bytes }
    }
}

impl Read for FromStart<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.next).unwrap_or(usize::MAX);
        let wanted = out.len().min(left);
        let read = self.file.read_at(&mut out[..wanted], self.next)?;
        self.next += read as u64;
        Ok(read)
    }
}
