//! Rank 0's files, for a rank that sees them: it reads inputs itself, and writes results beside their
//! place.

use std::fs::File;
use std::io::{self, Read};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Instant;

use rayon::{ThreadPool, ThreadPoolBuilder};
use rustix::fs::Mode;

use super::Event;
use super::jobs::Jobs;
use crate::buffers::Buffers;
use crate::error::{BugError, panic_text};
use crate::hash::GroupHashes;
use crate::host::Disk;
use crate::plan::WRITES_AT_ONCE;
use crate::source::{SharedPart, sees_token, write_beside};
use crate::transport::message::{
    FileSeen, Filtered, ImageResult, Message, RankTimes, SharedFiles, SharedOutput, ToRank0, Token,
    microseconds,
};

/// The output directory, and threads that wait for its disk, so that those that filter do not.
#[derive(Debug)]
pub(crate) struct Files {
    directory: PathBuf,
    /// Whether this rank may write a part of a file there, and rank 0 the rest.
    keeps_parts: bool,
    writers: ThreadPool,
}

/// A result, or rows of one, on its way to the disk.
#[derive(Debug)]
pub struct Unwritten {
    pub(super) image: usize,
    /// The file, below the output directory.
    pub(super) name: PathBuf,
    pub(super) bytes: Vec<u8>,
    pub(super) content: Content,
}

/// What is on its way, and what is told of it.
#[derive(Debug)]
pub(super) enum Content {
    /// All of a result.
    Image(Filtered),
    /// Rows of one, encoded, of which a part is written.
    Band { band: usize, part: SharedPart, times: RankTimes, groups: GroupHashes, made: GroupHashes },
}

impl Unwritten {
    /// What rank 0 hears at once: nobody works on it any more.
    pub(super) fn announcement(&self) -> ToRank0 {
        let image = self.image;
        match self.content {
            Content::Image(_) => ToRank0::Filtered { image },
            Content::Band { band, .. } => ToRank0::BandFiltered { image, band },
        }
    }

    /// What it is, for people.
    fn work(&self) -> String {
        match self.content {
            Content::Image(_) => self.name.display().to_string(),
            Content::Band { band, .. } => format!("band {band} of image {}", self.image),
        }
    }
}

impl Files {
    /// Looks whether this rank sees rank 0's output directory.
    pub(crate) fn look(shared: SharedOutput) -> Result<Option<Self>, BugError> {
        let sees = |token: &Token| sees_token(&token.path, token.content);
        if !shared.token.as_ref().is_none_or(sees) {
            return Ok(None);
        }
        // What it makes looks like what rank 0 makes.
        rustix::process::umask(Mode::from_raw_mode(shared.umask));
        let writers = ThreadPoolBuilder::new()
            .num_threads(WRITES_AT_ONCE)
            .thread_name(|index| format!("write-{index}"))
            .build()
            .map_err(|source| BugError::Threads { threads: WRITES_AT_ONCE, source })?;
        let file_system = Disk::of(&shared.directory).ok().and_then(|disk| disk.file_system);
        let keeps_parts = file_system.is_some_and(|file_system| file_system.keeps_parts);
        Ok(Some(Self { directory: shared.directory, keeps_parts, writers }))
    }

    /// Has a thread write something and tell rank 0.
    pub(crate) fn write(
        self: &Arc<Self>,
        unwritten: Unwritten,
        jobs: &Arc<Jobs>,
        (rank, answers): (usize, &Sender<Event>),
    ) {
        let (own, jobs, answers) = (Arc::clone(self), Arc::clone(jobs), answers.clone());
        self.writers.spawn_fifo(move || {
            let work = unwritten.work();
            let write = AssertUnwindSafe(|| own.answer(unwritten, &jobs));
            let event = std::panic::catch_unwind(write).map_or_else(
                |panic| {
                    let panic = panic_text(panic.as_ref());
                    Event::Broken(BugError::Panic { rank, work, panic })
                },
                Event::Answer,
            );
            // The rank may have ended, and with it the run.
            let _ = answers.send(event);
        });
    }

    /// Writes a result, or its part of some rows. Where it cannot, rank 0 gets all bytes, and tries and
    /// tells it itself.
    fn answer(&self, unwritten: Unwritten, jobs: &Jobs) -> Message<ToRank0> {
        let Unwritten { image, name, bytes, content } = unwritten;
        let began = Instant::now();
        match content {
            Content::Image(mut filtered) => {
                let written = write_beside(&self.directory, &name, &bytes);
                filtered.times.write_us += microseconds(began.elapsed());
                let payload = match written.map(|name| name.into_string()) {
                    Ok(Ok(temporary)) => {
                        filtered.temporary = Some(temporary);
                        jobs.buffers().give(bytes);
                        Vec::new()
                    }
                    Ok(Err(_)) | Err(_) => bytes,
                };
                Message::new(ToRank0::Image { image, result: ImageResult::Done(filtered) }, payload)
            }
            Content::Band { band, part, mut times, groups, made } => {
                let written = if self.keeps_parts {
                    part.write(&self.directory.join(name), &bytes)
                } else {
                    Err(io::ErrorKind::Unsupported.into())
                };
                times.write_us += microseconds(began.elapsed());
                let is_written = written.is_ok();
                let header = ToRank0::Band { image, band, times, groups, made, is_written };
                match written {
                    Ok(edges) => {
                        jobs.buffers().give(bytes);
                        Message::new(header, edges)
                    }
                    Err(error) => {
                        log::debug!("rank 0 is to write band {band} of image {image}: {error}");
                        Message::new(header, jobs.buffers().lend(bytes))
                    }
                }
            }
        }
    }
}

/// Reads an input. None: it is not what rank 0 saw.
///
/// # Errors
/// When it cannot be read.
pub(super) fn read(files: &SharedFiles, buffers: &Buffers) -> io::Result<Option<Vec<u8>>> {
    let mut file = File::open(&files.input)?;
    if FileSeen::of(&file.metadata()?) != files.seen {
        return Ok(None);
    }
    let length = usize::try_from(files.seen.bytes).unwrap_or(usize::MAX);
    // One buffer then serves all files of about this length.
    let mut buffer = buffers.take_any(length.next_power_of_two());
    buffer.clear();
    buffer.try_reserve_exact(length.next_power_of_two())?;
    file.by_ref().take(files.seen.bytes).read_to_end(&mut buffer)?;
    // It may have changed meanwhile.
    let is_same = buffer.len() == length && FileSeen::of(&file.metadata()?) == files.seen;
    Ok(is_same.then_some(buffer))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn a_file_is_read_only_while_it_is_the_one_that_rank_0_saw() {
        let (dir, buffers) = (tempfile::tempdir().unwrap(), Buffers::new(1 << 20));
        let (input, other) = (dir.path().join("a"), dir.path().join("b"));
        let now = SystemTime::now();
        let put = |path: &Path, bytes: &[u8], time| {
            let mut file = File::options().create(true).append(true).open(path).unwrap();
            io::Write::write_all(&mut file, bytes).unwrap();
            file.set_modified(time).unwrap();
            FileSeen::of(&file.metadata().unwrap())
        };
        let found = |input: &Path, seen| {
            let files = SharedFiles { input: input.into(), seen, output: "a".into() };
            read(&files, &buffers).ok().flatten()
        };
        let seen = put(&input, b"content", now);
        assert_eq!(found(&input, seen).unwrap(), b"content");
        put(&other, b"another", now);
        assert_eq!(found(&other, seen), None, "of the same length and time");
        put(&input, b"", now + Duration::from_nanos(1));
        assert_eq!(found(&input, seen), None, "changed");
        let longer = put(&input, b" more", now);
        assert_eq!((found(&input, seen), found(&dir.path().join("c"), seen)), (None, None));
        assert_eq!(found(&input, longer).unwrap(), b"content more");
    }
}
