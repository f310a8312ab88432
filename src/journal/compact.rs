//! Writing a journal anew: only what still counts, without damage.
//!
//! A crash at any step leaves the old journal or the new one: the new one is written beside it under
//! a fixed name, synced, and renamed. What a crash leaves of it, the next one writes over.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::error::JournalError;
use super::frame::{self, Salt};
use super::read::Damage;
use super::state::State;
use super::{directory_of, durable, journal_path};

/// Fewer dead records than this are not worth a rewrite.
const FEWEST_DEAD: u64 = 1000;
/// Damaged bytes that are kept at most.
const MOST_KEPT: u64 = 16 << 20;

/// Whether the journal should be written anew: there is damage in it, or the records that do not
/// count any more outnumber those that do, and are 1,000 or more.
pub(super) fn is_due(state: &State) -> bool {
    let dead = state.records().saturating_sub(state.live());
    !state.damage().is_empty() || (dead >= FEWEST_DEAD && dead > state.live())
}

/// Replaces the journal by one that adds up to `state`. Returns its salt.
pub(super) fn rewrite(output: &Path, state: &State) -> Result<Salt, JournalError> {
    let path = journal_path(output);
    let salt = write_new(&path, state)?;
    durable::put_in_place(&path).map_err(JournalError::io("replace the journal", &path))?;
    Ok(salt)
}

/// The first step of [`rewrite`]: the new journal, beside the old one.
fn write_new(path: &Path, state: &State) -> Result<Salt, JournalError> {
    let failed = |source: io::Error| JournalError::io("write the journal", path)(source);
    let salt = frame::random_salt().map_err(failed)?;
    let mut encode = Ok(());
    let written = durable::write_successor(path, |out| {
        out.write_all(&frame::write_header(salt))?;
        let mut bytes = Vec::new();
        for record in state.live_records() {
            bytes.clear();
            encode = frame::write_record(salt, &record, &mut bytes);
            if encode.is_err() {
                return Err(io::ErrorKind::InvalidData.into());
            }
            out.write_all(&bytes)?;
        }
        Ok::<_, io::Error>(())
    });
    encode?;
    written.map_err(failed)?;
    Ok(salt)
}

/// Copies the damaged bytes, the first 16 MiB of them, to a file that is named by their hash, so that
/// the same damage is kept once. Returns its name.
pub(super) fn keep_damage(output: &Path, damage: &[Damage]) -> Result<PathBuf, JournalError> {
    let path = journal_path(output);
    let bytes = read_damage(&path, damage).map_err(JournalError::io("read the journal", &path))?;
    let hash = blake3::hash(&bytes).to_hex();
    let kept = directory_of(output).join(format!("journal.damaged-{}", &hash[..16]));
    durable::write_successor(&kept, |out| out.write_all(&bytes))
        .and_then(|()| durable::put_in_place(&kept))
        .map_err(JournalError::io("keep the damaged bytes of the journal in", &kept))?;
    Ok(kept)
}

fn read_damage(path: &Path, damage: &[Damage]) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    for part in damage {
        let room = MOST_KEPT - bytes.len() as u64;
        file.seek(SeekFrom::Start(part.offset))?;
        Read::take(&file, part.bytes.min(room)).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::{Journal, Record, read};
    use super::*;

    fn given(name: &str) -> Record {
        Record::Given { input: name.into(), rank: 1 }
    }

    fn inputs(state: &State) -> Vec<PathBuf> {
        state.in_hand().keys().cloned().collect()
    }

    #[test]
    fn a_crash_between_the_steps_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, mut state) = Journal::open(dir.path()).unwrap();
        for record in [given("a"), given("b")] {
            journal.append(&record).unwrap();
            state.apply(record);
        }
        journal.sync().unwrap();
        let path = journal_path(dir.path());
        write_new(&path, &state).unwrap();
        let whole = fs::read(durable::successor(&path)).unwrap();
        for length in 0..=whole.len() {
            let mut new = File::create(durable::successor(&path)).unwrap();
            new.write_all(&whole[..length]).unwrap();
            assert_eq!(inputs(&read(dir.path()).unwrap()), ["a", "b"].map(PathBuf::from));
        }
        durable::put_in_place(&path).unwrap();
        let (mut journal, state) = Journal::open(dir.path()).unwrap();
        assert_eq!(inputs(&state), ["a", "b"].map(PathBuf::from));
        assert!(state.damage().is_empty());
        journal.append(&given("c")).unwrap();
        journal.sync().unwrap();
        assert_eq!(inputs(&read(dir.path()).unwrap()).len(), 3);
    }

    #[test]
    fn what_a_ghost_appends_to_the_old_file_is_lost_and_damages_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (mut ghost, _) = Journal::open(dir.path()).unwrap();
        ghost.append(&given("a")).unwrap();
        ghost.sync().unwrap();
        let (mut journal, state) = Journal::open_in_new_file(dir.path()).unwrap();
        assert_eq!(inputs(&state), ["a"].map(PathBuf::from));
        for (name, to_new) in [("b", false), ("c", true), ("d", false)] {
            let journal = if to_new { &mut journal } else { &mut ghost };
            journal.append(&given(name)).unwrap();
            journal.sync().unwrap();
        }
        let state = read(dir.path()).unwrap();
        assert_eq!(inputs(&state), ["a", "c"].map(PathBuf::from));
        assert!(state.damage().is_empty());
    }
}
