//! The thread that writes an image in bands: it takes what the ranks made, in whatever order, and
//! joins it, in theirs, to a file that appears whole or not at all.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use bytes::Bytes;

use super::timed;
use crate::error::ImageError;
use crate::hash::OutputHasher;
use crate::image_file::{EncodeOptions, Joiner, Metadata, Pieces, Writer};
use crate::journal::LeaseError;
use crate::rank0::Event;
use crate::rank0::account::Written;
use crate::rank0::lease_keeper::{Hold, is_loss};
use crate::rank0::run::WriteFailure;
use crate::source::NewFile;

/// What the thread is told.
#[derive(Debug)]
pub(crate) enum ToSink {
    /// What became of a band: its rows, or what they are encoded to.
    Band(usize, Bytes),
    /// All of them are there, and the file may appear.
    Finish,
}

/// A result to be written.
#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) image: usize,
    /// Columns, rows, channels.
    pub(crate) shape: (usize, usize, usize),
    pub(crate) metadata: Metadata,
    pub(crate) options: EncodeOptions,
    pub(crate) pieces: Option<Pieces>,
    /// The output directory, and the file's name below it.
    pub(crate) place: (PathBuf, PathBuf),
    pub(crate) hold: Hold,
    pub(crate) events: Sender<Event>,
}

/// Why there is no result.
enum Fault {
    /// Nobody wants it any more.
    Abandoned,
    /// Another has the output directory.
    Lost(LeaseError),
    Failed(WriteFailure),
}

impl From<ImageError> for Fault {
    fn from(error: ImageError) -> Self {
        Self::Failed(WriteFailure { error, bytes: 0 })
    }
}

impl Sink {
    /// Writes what comes. Ends when the file is there, cannot be, or is not wanted any more.
    pub(crate) fn write(self, parts: &Receiver<ToSink>) -> Option<Event> {
        match self.write_all(parts) {
            Ok(written) => Some(Event::Written(self.image, Ok(written))),
            Err(Fault::Abandoned) => None,
            Err(Fault::Lost(error)) => Some(Event::LeaseTrouble(error)),
            // Whoever has the directory now may have taken the temporary file for a dead run's.
            Err(Fault::Failed(failure)) => Some(match self.hold.renew() {
                Err(lost) if is_loss(&lost) => Event::LeaseTrouble(lost),
                Ok(()) | Err(_) => Event::Written(self.image, Err(failure)),
            }),
        }
    }

    fn write_all(&self, parts: &Receiver<ToSink>) -> Result<Written, Fault> {
        self.check_lease()?;
        let mut encode = Duration::ZERO;
        let (mut encoder, head) = timed(&mut encode, || Encoder::new(self))?;
        let mut output = Output::begin(self)?;
        output.append(&head)?;
        let (mut waiting, mut next) = (BTreeMap::new(), 0);
        while let ToSink::Band(band, bytes) = parts.recv().map_err(|_| Fault::Abandoned)? {
            waiting.insert(band, bytes);
            while let Some(bytes) = waiting.remove(&next) {
                output.append(&timed(&mut encode, || encoder.add(bytes))?)?;
                next += 1;
                // Rank 0 hears of it when it is there to hear.
                let _ = self.events.send(Event::Sunk(self.image));
            }
        }
        output.append(&timed(&mut encode, || encoder.end())?)?;
        output.finish(encode)
    }

    /// Makes sure that the output directory is still this run's.
    fn check_lease(&self) -> Result<(), Fault> {
        match self.hold.check() {
            Err(error) if is_loss(&error) => Err(Fault::Lost(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// Makes the bytes of a file of what the ranks made.
enum Encoder<'s> {
    /// They encoded it in pieces.
    Pieces(Joiner),
    /// They gave rows.
    Rows(Writer<'s>),
}

impl<'s> Encoder<'s> {
    /// .. and the first bytes of the file.
    fn new(sink: &'s Sink) -> Result<(Self, Bytes), ImageError> {
        let Sink { shape, metadata, options, pieces, .. } = sink;
        Ok(match pieces {
            Some(pieces) => {
                let (joiner, head) = Joiner::new(pieces, metadata)?;
                (Self::Pieces(joiner), Bytes::from(head))
            }
            None => {
                let writer = Writer::new(*shape, metadata, options, Vec::new())?;
                (Self::Rows(writer), Bytes::new())
            }
        })
    }

    fn add(&mut self, band: Bytes) -> Result<Bytes, ImageError> {
        match self {
            Self::Pieces(joiner) => joiner.add(band),
            Self::Rows(writer) => writer.write(&band).map(|()| Bytes::new()),
        }
    }

    fn end(self) -> Result<Bytes, ImageError> {
        match self {
            Self::Pieces(joiner) => joiner.end().map(Bytes::from),
            Self::Rows(writer) => writer.end().map(|(file, _)| Bytes::from(file)),
        }
    }
}

/// The file, as far as it is written.
struct Output<'s> {
    sink: &'s Sink,
    file: NewFile,
    bytes: u64,
    sha256: OutputHasher,
    time: Duration,
}

impl<'s> Output<'s> {
    fn begin(sink: &'s Sink) -> Result<Self, Fault> {
        let (root, name) = &sink.place;
        let file = NewFile::begin(root, name).map_err(|source| cannot_write(sink, source, 0))?;
        Ok(Self { sink, file, bytes: 0, sha256: OutputHasher::default(), time: Duration::ZERO })
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.bytes += bytes.len() as u64;
        let Self { file, sha256, time, .. } = self;
        let appended = timed(time, || {
            sha256.add(bytes);
            file.append(bytes)
        });
        appended.map_err(|source| cannot_write(self.sink, source, self.bytes))
    }

    fn finish(self, encode: Duration) -> Result<Written, Fault> {
        let Self { sink, file, bytes, sha256, mut time } = self;
        let fault = |source| cannot_write(sink, source, bytes);
        timed(&mut time, || file.sync()).map_err(fault)?;
        sink.check_lease()?;
        timed(&mut time, || file.appear()).map_err(fault)?;
        let (width, height, _) = sink.shape;
        let pixels = width as u64 * height as u64;
        Ok(Written { pixels, bytes, sha256: sha256.end(), encode, write: time })
    }
}

fn cannot_write(sink: &Sink, source: std::io::Error, bytes: u64) -> Fault {
    let path = sink.place.0.join(&sink.place.1);
    Fault::Failed(WriteFailure { error: ImageError::CannotWrite { path, source }, bytes })
}
