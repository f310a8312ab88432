//! Reading a journal, whatever has become of it.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::error::JournalError;
use super::frame::{self, Flaw, HEADER, Header, MARK, MOST_FRAME, Salt};
use super::journal_path;
use super::state::State;

/// Bytes read at once.
const PIECE: u64 = 4 << 20;

/// Bytes of a journal that are no record of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where they start in the file.
    pub offset: u64,
    /// How many they are.
    pub bytes: u64,
    /// What they look like.
    pub kind: DamageKind,
}

/// What damage looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// The header is not whole; the records after it are read all the same.
    Header,
    /// The file ends inside a record, as after a crash, or while a run is writing it.
    CutOff,
    /// All bytes are zero, as after a loss of power.
    Zeroed,
    /// Anything else.
    Garbled,
    /// A whole record that this mpix does not understand.
    Unknown,
}

impl fmt::Display for Damage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            DamageKind::Header => "a header that is not whole",
            DamageKind::CutOff => "a record that is cut off",
            DamageKind::Zeroed => "zeros",
            DamageKind::Garbled => "no record",
            DamageKind::Unknown => "a record that this mpix does not understand",
        };
        write!(out, "{} bytes at offset {} are {what}", self.bytes, self.offset)
    }
}

/// Reads the journal of `output` and changes nothing. Without a journal, nothing is done yet.
///
/// Damage is told by [`State::damage`]. At the end of a journal that a run is writing just now, it
/// may be a record that is half written.
///
/// # Errors
/// When a later mpix has written the journal, or the system refuses.
pub fn read(output: &Path) -> Result<State, JournalError> {
    let path = journal_path(output);
    match File::open(&path) {
        Ok(mut file) => read_from(&mut file, &path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::default()),
        Err(error) => Err(JournalError::io("open the journal", &path)(error)),
    }
}

/// Reads a journal from `source`, which errors call `name`.
///
/// # Errors
/// When a later mpix has written it, or `source` fails.
pub fn read_from(source: &mut (impl Read + Seek), name: &Path) -> Result<State, JournalError> {
    let failed = || JournalError::io("read the journal", name);
    let mut first = Vec::with_capacity(HEADER);
    source.rewind().map_err(failed())?;
    source.by_ref().take(HEADER as u64).read_to_end(&mut first).map_err(failed())?;
    let (start, salt) = match frame::read_header(&first) {
        Header::Own(salt) => (HEADER as u64, Some(salt)),
        Header::Newer(version) => {
            return Err(JournalError::NewerVersion { path: name.to_path_buf(), version });
        }
        Header::Damaged => (0, commonest_salt(source).map_err(failed())?),
    };
    source.seek(SeekFrom::Start(start)).map_err(failed())?;
    let mut state = State::default();
    let damage = scan(source, start, salt, |frame| {
        frame::read_payload(frame.payload).map(|record| state.apply(record)).is_some()
    });
    state.set_damage(damage.map_err(failed())?);
    Ok(state)
}

/// The salt of most records, for a file whose header is lost. A record that somebody hid in a name
/// would have to come more often than all others to be believed.
fn commonest_salt(source: &mut (impl Read + Seek)) -> io::Result<Option<Salt>> {
    source.rewind()?;
    let mut counts = HashMap::<Salt, u64>::new();
    scan(source, 0, None, |frame| {
        *counts.entry(frame.salt).or_default() += 1;
        true
    })?;
    Ok(counts.into_iter().max_by_key(|&(salt, count)| (count, salt)).map(|(salt, _)| salt))
}

/// Calls `take` with each whole record from here on; `take` says whether it understood. Returns the
/// bytes between them. `offset` is where `source` stands.
fn scan(
    source: &mut impl Read,
    offset: u64,
    salt: Option<Salt>,
    mut take: impl FnMut(&frame::Frame<'_>) -> bool,
) -> io::Result<Vec<Damage>> {
    let mut window = Window { source, bytes: Vec::new(), start: 0, offset, ended: false };
    let mut damage = Vec::new();
    let mut open: Option<OpenDamage> = None;
    loop {
        window.fill()?;
        if window.bytes().is_empty() {
            damage.extend(open.map(|open| open.close(window.offset, true)));
            return Ok(damage);
        }
        match frame::read_frame(window.bytes(), salt) {
            Ok(frame) => {
                damage.extend(open.take().map(|open| open.close(window.offset, false)));
                let (length, offset) = (frame.length, window.offset);
                if !take(&frame) {
                    let bytes = length as u64;
                    damage.push(Damage { offset, bytes, kind: DamageKind::Unknown });
                }
                window.skip(length);
            }
            Err(flaw) => {
                let skipped = to_next_mark(window.bytes());
                open.get_or_insert(OpenDamage { offset: window.offset, flaw, zeroed: true })
                    .extend(&window.bytes()[..skipped]);
                window.skip(skipped);
            }
        }
    }
}

/// Bytes before the next place where a record may start, at least one.
fn to_next_mark(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(found) = bytes[at..].iter().position(|&byte| byte == MARK[0]) {
        at += found;
        let rest = &bytes[at..];
        if rest.starts_with(&MARK) || MARK.starts_with(rest) {
            return at;
        }
        at += 1;
    }
    bytes.len()
}

/// Damage whose end is not yet known.
struct OpenDamage {
    offset: u64,
    flaw: Flaw,
    zeroed: bool,
}

impl OpenDamage {
    fn extend(&mut self, bytes: &[u8]) {
        self.zeroed &= bytes.iter().all(|&byte| byte == 0);
    }

    fn close(self, end: u64, at_end_of_file: bool) -> Damage {
        let kind = match self.flaw {
            _ if self.zeroed => DamageKind::Zeroed,
            _ if self.offset == 0 => DamageKind::Header,
            Flaw::CutOff if at_end_of_file => DamageKind::CutOff,
            Flaw::CutOff | Flaw::NoRecord => DamageKind::Garbled,
        };
        Damage { offset: self.offset, bytes: end - self.offset, kind }
    }
}

/// A view of the file that always holds a whole record, if the file does.
struct Window<'a, R> {
    source: &'a mut R,
    bytes: Vec<u8>,
    start: usize,
    offset: u64,
    ended: bool,
}

impl<R: Read> Window<'_, R> {
    fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    fn fill(&mut self) -> io::Result<()> {
        while !self.ended && self.bytes().len() < MOST_FRAME {
            self.bytes.drain(..self.start);
            self.start = 0;
            self.ended = self.source.by_ref().take(PIECE).read_to_end(&mut self.bytes)? == 0;
        }
        Ok(())
    }

    fn skip(&mut self, bytes: usize) {
        self.start += bytes;
        self.offset += bytes as u64;
    }
}
