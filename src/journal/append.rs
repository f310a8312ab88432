//! Writing a journal.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use super::error::JournalError;
use super::frame::{self, Header, Salt};
use super::record::Record;
use super::state::State;
use super::{compact, durable, journal_path, make_directory, read};

/// Bytes that wait for [`Journal::flush`] at most.
const MOST_WAITING: usize = 1 << 18;

/// A journal that is open for writing. One process at a time may have it: whoever holds the
/// [`Lease`](super::Lease).
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    salt: Salt,
    waiting: Vec<u8>,
    failed: bool,
}

impl Journal {
    /// Opens the journal of `output`, or begins one, and tells what it says.
    ///
    /// Damaged bytes are kept in [`State::damage_kept_in`], and the journal is written anew without
    /// them. It is written anew, too, when records that do not count any more outnumber those that
    /// do, and are 1,000 or more.
    ///
    /// # Errors
    /// When a later mpix has written it, or the system refuses.
    pub fn open(output: &Path) -> Result<(Self, State), JournalError> {
        Self::open_and_rewrite(output, false)
    }

    /// As [`open`](Self::open), and writes the journal anew in any case, into another file: what a
    /// process appends that still has the old one open is lost, and damages nothing.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_in_new_file(output: &Path) -> Result<(Self, State), JournalError> {
        Self::open_and_rewrite(output, true)
    }

    fn open_and_rewrite(output: &Path, always: bool) -> Result<(Self, State), JournalError> {
        make_directory(output)?;
        let mut state = read(output)?;
        if !state.damage().is_empty() {
            let kept = compact::keep_damage(output, state.damage())?;
            state.set_damage_kept_in(kept);
        }
        let path = journal_path(output);
        if always || compact::is_due(&state) {
            compact::rewrite(output, &state)?;
        } else {
            let _ = fs::remove_file(durable::successor(&path)); // of a rewrite that was killed
        }
        let salt = match salt_of(&path).map_err(JournalError::io("read the journal", &path))? {
            Some(salt) => salt,
            None => compact::rewrite(output, &state)?, // there is none, or it is empty
        };
        Ok((Self::append_to(path, salt)?, state))
    }

    /// Begins the journal of `output` anew; what it said before is forgotten.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn begin_anew(output: &Path) -> Result<Self, JournalError> {
        make_directory(output)?;
        let salt = compact::rewrite(output, &State::default())?;
        Self::append_to(journal_path(output), salt)
    }

    fn append_to(path: PathBuf, salt: Salt) -> Result<Self, JournalError> {
        // Appending, so that a run that has lost its lease unawares writes over nothing.
        let file = OpenOptions::new()
            .append(true)
            .open(&path)
            .map_err(JournalError::io("open the journal", &path))?;
        Ok(Self { file, path, salt, waiting: Vec::new(), failed: false })
    }

    /// Appends `record`. It waits in memory until [`flush`](Self::flush) or [`sync`](Self::sync), or
    /// until there are many of them.
    ///
    /// # Errors
    /// When the record is too long or names an output outside the output directory, or when those
    /// that waited cannot be written.
    pub fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        if let Record::Done(done) = record
            && !is_below(&done.output)
        {
            return Err(JournalError::OutsideOutput { output: done.output.clone() });
        }
        frame::write_record(self.salt, record, &mut self.waiting)?;
        if self.waiting.len() >= MOST_WAITING { self.flush() } else { Ok(()) }
    }

    /// Hands what waits to the system: a crash of this process loses it no more, a loss of power may.
    ///
    /// # Errors
    /// When that fails, as with a full disk. What was not written still waits: it may be tried again.
    pub fn flush(&mut self) -> Result<(), JournalError> {
        if self.failed {
            return Err(JournalError::FailedBefore { path: self.path.clone() });
        }
        let mut written = 0;
        let mut result = Ok(());
        while written < self.waiting.len() && result.is_ok() {
            match self.file.write(&self.waiting[written..]) {
                Ok(0) => result = Err(io::ErrorKind::WriteZero.into()),
                Ok(bytes) => written += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => result = Err(error),
            }
        }
        self.waiting.drain(..written);
        result.map_err(JournalError::io("write the journal", &self.path))
    }

    /// Something that makes flushed records last while more are appended.
    ///
    /// # Errors
    /// When the system refuses another handle.
    pub fn syncer(&self) -> Result<Syncer, JournalError> {
        let file = self.file.try_clone();
        let path = self.path.clone();
        let file = file.map_err(JournalError::io("open the journal", &path))?;
        Ok(Syncer { file, path })
    }

    /// Makes all records last.
    ///
    /// # Errors
    /// When that fails. After a failed sync the system may have dropped what it had not written, so
    /// the journal takes nothing more: open it again.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.flush()?;
        self.file.sync_data().map_err(|error| {
            self.failed = true;
            JournalError::io("sync the journal", &self.path)(error)
        })
    }
}

/// Makes a journal's records last, on another thread than the one that appends them.
#[derive(Debug)]
pub struct Syncer {
    file: File,
    path: PathBuf,
}

impl Syncer {
    /// Makes all records last that were flushed before.
    ///
    /// # Errors
    /// When that fails: what became of those records is unknown.
    pub fn sync(&self) -> Result<(), JournalError> {
        self.file.sync_data().map_err(JournalError::io("sync the journal", &self.path))
    }
}

/// The salt in the header, if there is a whole one.
fn salt_of(path: &Path) -> io::Result<Option<Salt>> {
    let mut first = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(frame::HEADER as u64).read_to_end(&mut first)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(match frame::read_header(&first) {
        Header::Own(salt) => Some(salt),
        Header::Newer(_) | Header::Damaged => None,
    })
}

/// Whether `path` leads nowhere but down.
fn is_below(path: &Path) -> bool {
    let mut parts = path.components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
}
