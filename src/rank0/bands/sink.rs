//! The thread that writes an image in bands: it takes what the ranks made, in whatever order, and
//! joins it, in theirs, to a file that appears whole or not at all. What is written is hashed by a
//! thread behind it.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use bytes::Bytes;

use super::timed;
use crate::error::ImageError;
use crate::hash::{Checksum, GroupHashes, OutputHash, OutputHasher};
use crate::image_file::{EncodeOptions, Joiner, Metadata, Pieces, Writer};
use crate::journal::LeaseError;
use crate::rank0::Event;
use crate::rank0::account::Written;
use crate::rank0::lease_keeper::{Hold, is_loss};
use crate::rank0::run::WriteFailure;
use crate::source::{NewFile, SharedPart};
use crate::transport::message::OutputPlace;

/// What the thread is told.
#[derive(Debug)]
pub(crate) enum ToSink {
    /// What became of a band.
    Band(usize, Made),
    /// All of them are there, and the file may appear.
    Finish,
}

/// The rows that a rank made of a band.
#[derive(Debug)]
pub(crate) struct Made {
    /// They, or what they are encoded to.
    pub(crate) bytes: Bytes,
    /// Which part of their places is whole pages, if any, and the hashes of its groups, if the rank made
    /// them.
    pub(crate) part: Option<(SharedPart, GroupHashes)>,
    /// Whether the rank has written that part, and gave only the edges before and behind it.
    pub(crate) is_written: bool,
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
    /// Whether ranks write to the file, too.
    pub(crate) is_shared: bool,
    pub(crate) checksum: Checksum,
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
        thread::scope(|scope| {
            let (to_hasher, written) = channel();
            let hasher = scope.spawn(move || self.hash(&written));
            let filled = self.fill(parts, to_hasher).and_then(|(mut output, encode)| {
                output.sync()?;
                Ok((output, encode))
            });
            // First, since it is why nothing could be passed on to it.
            let (hash, hashing) = hasher.join().unwrap_or_else(|panic| resume_unwind(panic))?;
            let (output, encode) = filled?;
            output.appear(hash, encode, hashing)
        })
    }

    /// Writes all that comes to a file that has no name yet, and passes it on. Returns how long it
    /// joined, too.
    fn fill(
        &self,
        parts: &Receiver<ToSink>,
        to_hasher: Sender<Joined>,
    ) -> Result<(Output<'_>, Duration), Fault> {
        let mut encode = Duration::ZERO;
        let (mut encoder, head) = timed(&mut encode, || Encoder::new(self))?;
        let mut output = Output::begin(self, to_hasher)?;
        output.place(head.len() as u64)?;
        output.append(Joined::Beside(head))?;
        let (mut waiting, mut next) = (BTreeMap::new(), 0);
        while let ToSink::Band(band, made) = parts.recv().map_err(|_| Fault::Abandoned)? {
            waiting.insert(band, made);
            while let Some(made) = waiting.remove(&next) {
                match made.part {
                    Some((part, groups)) => {
                        output.join((part, groups), &made.bytes, made.is_written)?;
                    }
                    None => {
                        let bytes = timed(&mut encode, || encoder.add(made.bytes))?;
                        output.append(Joined::Band(bytes))?;
                    }
                }
                next += 1;
            }
        }
        output.append(Joined::Beside(timed(&mut encode, || encoder.end())?))?;
        output.to_hasher = None;
        Ok((output, encode))
    }

    /// Hashes what was written, and tells rank 0 of each band that it is through. Returns how long it
    /// hashed, too.
    fn hash(&self, written: &Receiver<Joined>) -> Result<(OutputHash, Duration), Fault> {
        let (mut hasher, mut time) = (OutputHasher::new(self.checksum), Duration::ZERO);
        for joined in written {
            let hashed = timed(&mut time, || match &joined {
                Joined::Part(_, groups, _) if hasher.add_groups(groups) => Ok(()),
                Joined::Band(bytes)
                | Joined::Beside(bytes)
                | Joined::Part(_, _, Rows::Here(bytes)) => {
                    hasher.add(bytes);
                    Ok(())
                }
                Joined::Part(part, _, Rows::There(file)) => {
                    part.read_back(file, |bytes| hasher.add(bytes))
                }
            });
            hashed.map_err(|source| cannot_write(self, source, 0))?;
            if matches!(joined, Joined::Band(_)) {
                // Its memory is free before rank 0 lets another band come.
                drop(joined);
                // Rank 0 hears of it when it is there to hear.
                let _ = self.events.send(Event::Sunk(self.image));
            }
        }
        Ok((hasher.end(), time))
    }

    /// Makes sure that the output directory is still this run's.
    fn check_lease(&self) -> Result<(), Fault> {
        match self.hold.check() {
            Err(error) if is_loss(&error) => Err(Fault::Lost(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// Bytes of the file.
enum Joined {
    /// Of the next band: the last of them.
    Band(Bytes),
    /// Before the first band, behind the last, or the first of a band.
    Beside(Bytes),
    /// Whole pages of the next band, and the hashes of their groups, if there are any.
    Part(SharedPart, GroupHashes, Rows),
}

/// Where whole pages of a band are.
enum Rows {
    /// With rank 0.
    Here(Bytes),
    /// In this file, where their rank has written them.
    There(Arc<Path>),
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
    /// Where what was written is hashed, until all is.
    to_hasher: Option<Sender<Joined>>,
    time: Duration,
}

impl<'s> Output<'s> {
    fn begin(sink: &'s Sink, to_hasher: Sender<Joined>) -> Result<Self, Fault> {
        let (root, name) = &sink.place;
        let file = NewFile::begin(root, name).map_err(|source| cannot_write(sink, source, 0))?;
        Ok(Self { sink, file, bytes: 0, to_hasher: Some(to_hasher), time: Duration::ZERO })
    }

    /// Tells rank 0 where rows go that have places in the file, the first at `rows_from`. If ranks write
    /// them, there is room for all of the file first.
    fn place(&self, rows_from: u64) -> Result<(), Fault> {
        let Self { sink, file, .. } = self;
        let pieces = sink.pieces.as_ref();
        let Some(end) = pieces.and_then(|pieces| pieces.place(sink.shape.1, rows_from)) else {
            return Ok(());
        };
        if sink.is_shared {
            file.make_room(end).map_err(|source| cannot_write(sink, source, end))?;
        }
        let beside = file.temporary().file_name().unwrap_or_default();
        let place = OutputPlace { name: sink.place.1.with_file_name(beside), rows_from };
        // Rank 0 hears of it when it is there to hear.
        let _ = sink.events.send(Event::Begun(sink.image, place));
        Ok(())
    }

    /// Takes the next band, a part of which is whole pages. `bytes` are all of it, or its edges, if its
    /// rank has written that part.
    fn join(
        &mut self,
        (part, groups): (SharedPart, GroupHashes),
        bytes: &Bytes,
        is_written: bool,
    ) -> Result<(), Fault> {
        let [above, below] = part.edges().map(|edge| usize::try_from(edge).unwrap_or(usize::MAX));
        let (above, below) = (above.min(bytes.len()), bytes.len().saturating_sub(below));
        let rows = if is_written {
            Rows::There(self.file.temporary().into())
        } else {
            Rows::Here(bytes.slice(above..below))
        };
        self.append(Joined::Beside(bytes.slice(..above)))?;
        self.append(Joined::Part(part, groups, rows))?;
        self.append(Joined::Band(bytes.slice(below..)))
    }

    fn append(&mut self, joined: Joined) -> Result<(), Fault> {
        let Self { file, time, .. } = self;
        let (length, written) = match &joined {
            Joined::Band(bytes) | Joined::Beside(bytes) | Joined::Part(_, _, Rows::Here(bytes)) => {
                (bytes.len() as u64, timed(time, || file.append(bytes)))
            }
            Joined::Part(part, _, Rows::There(_)) => {
                (part.length(), timed(time, || file.leave(part.length())))
            }
        };
        self.bytes += length;
        written.map_err(|source| cannot_write(self.sink, source, self.bytes))?;
        if let Some(to_hasher) = &self.to_hasher {
            // A hasher that has ended says why.
            to_hasher.send(joined).map_err(|_| Fault::Abandoned)?;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Fault> {
        let Self { sink, file, bytes, time, .. } = self;
        timed(time, || file.sync()).map_err(|source| cannot_write(sink, source, *bytes))
    }

    /// Gives the file, which was synced, its name.
    fn appear(
        self,
        hash: OutputHash,
        encode: Duration,
        hashing: Duration,
    ) -> Result<Written, Fault> {
        let Self { sink, file, bytes, mut time, .. } = self;
        sink.check_lease()?;
        timed(&mut time, || file.appear()).map_err(|source| cannot_write(sink, source, bytes))?;
        let (width, height, _) = sink.shape;
        let pixels = width as u64 * height as u64;
        Ok(Written { pixels, bytes, hash, encode, write: time + hashing })
    }
}

fn cannot_write(sink: &Sink, source: std::io::Error, bytes: u64) -> Fault {
    let path = sink.place.0.join(&sink.place.1);
    Fault::Failed(WriteFailure { error: ImageError::CannotWrite { path, source }, bytes })
}
