//! The manifests that `sha256sum -c` and `b3sum -c` read, and reading every output again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use walkdir::WalkDir;

use super::error::JournalError;
use super::record::Done;
use super::state::State;
use super::{DIRECTORY, directory_of, durable, make_directory};
use crate::hash::{Checksum, OutputHash};

/// Start of the names of outputs that are being written.
const TEMPORARY_PREFIX: &[u8] = b".mpix-";

/// The manifests, in `OUT/.mpix/`, and of which hashes.
pub const NAMES: [(Checksum, &str); 2] =
    [(Checksum::Sha256, "SHA256SUMS"), (Checksum::Blake3, "B3SUMS")];

/// Writes `OUT/.mpix/SHA256SUMS` and `OUT/.mpix/B3SUMS` for the outputs in `state` that were hashed so,
/// sorted by name; one that would be empty is not there. In `OUT`, `sha256sum -c .mpix/SHA256SUMS` and
/// `b3sum -c .mpix/B3SUMS` check them.
///
/// # Errors
/// When the system refuses; the manifest is then as it was.
pub fn write(output: &Path, state: &State) -> Result<(), JournalError> {
    make_directory(output)?;
    let sorted = by_output(state);
    NAMES.into_iter().try_for_each(|(checksum, name)| {
        let path = directory_of(output).join(name);
        let mut listed = sorted
            .iter()
            .filter(|(_, done)| done.output_hash.checksum() == checksum)
            .map(|(name, done)| line(name, &done.output_hash))
            .peekable();
        if listed.peek().is_none() {
            durable::remove(&path)
        } else {
            durable::write_successor(&path, |out| listed.try_for_each(|line| out.write_all(&line)))
                .and_then(|()| durable::put_in_place(&path))
        }
        .map_err(JournalError::io("write the manifest", &path))
    })
}

/// What reading every output again has shown. Paths are below the output directory, sorted.
#[derive(Debug, Default)]
pub struct Verification {
    /// Outputs as they were written.
    pub ok: usize,
    /// Those of them that were not hashed: their length is all that is known.
    pub unhashed: usize,
    /// Outputs that are not there.
    pub missing: Vec<PathBuf>,
    /// Outputs with other content, or that are no files.
    pub changed: Vec<PathBuf>,
    /// Outputs that cannot be read, and why.
    pub unreadable: Vec<(PathBuf, io::Error)>,
    /// Files that are nobody's output.
    pub extra: Vec<PathBuf>,
    /// Files that were being written when a run was killed.
    pub leftovers: Vec<PathBuf>,
    /// Directories that cannot be listed, and why.
    pub unlisted: Vec<(PathBuf, io::Error)>,
}

impl Verification {
    /// Whether every output is as it was written, and nothing else is there. Leftovers do no harm.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.missing.is_empty()
            && self.changed.is_empty()
            && self.unreadable.is_empty()
            && self.extra.is_empty()
            && self.unlisted.is_empty()
    }
}

/// Reads every output in `state` again, many at a time, and looks for files that are none.
#[must_use]
pub fn verify(output: &Path, state: &State) -> Verification {
    let sorted = by_output(state);
    let found: Vec<_> =
        sorted.par_iter().map(|(name, done)| check(&output.join(name), done)).collect();
    let mut verification = Verification::default();
    for (name, found) in sorted.keys().zip(found) {
        match found {
            Ok(Found::AsWritten) => verification.ok += 1,
            Ok(Found::OfItsLength) => {
                verification.ok += 1;
                verification.unhashed += 1;
            }
            Ok(Found::Missing) => verification.missing.push(name.to_path_buf()),
            Ok(Found::Changed) => verification.changed.push(name.to_path_buf()),
            Err(error) => verification.unreadable.push((name.to_path_buf(), error)),
        }
    }
    look_for_others(output, &sorted, &mut verification);
    verification
}

fn by_output(state: &State) -> BTreeMap<&Path, &Done> {
    state.all_done().map(|done| (done.output.as_path(), done)).collect()
}

/// A line as `sha256sum` writes it: names that would break a line are escaped, and a backslash before
/// the hash says so.
fn line(name: &Path, hash: &OutputHash) -> Vec<u8> {
    let name = name.as_os_str().as_bytes();
    let name = if name == b"-" { b"./-" } else { name }; // `-` is standard input
    let mut escaped = Vec::with_capacity(name.len());
    for &byte in name {
        match byte {
            b'\\' => escaped.extend(b"\\\\"),
            b'\n' => escaped.extend(b"\\n"),
            b'\r' => escaped.extend(b"\\r"),
            _ => escaped.push(byte),
        }
    }
    let start = if escaped.len() > name.len() { "\\" } else { "" };
    let mut line = format!("{start}{hash}  ").into_bytes();
    line.extend(escaped);
    line.push(b'\n');
    line
}

enum Found {
    AsWritten,
    /// It was not hashed: more is not known.
    OfItsLength,
    Missing,
    Changed,
}

fn check(path: &Path, done: &Done) -> io::Result<Found> {
    let missing = |error: &io::Error| {
        matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
    };
    match fs::metadata(path) {
        // A pipe would keep the reader waiting.
        Ok(file) if !file.is_file() || file.len() != done.output_bytes => Ok(Found::Changed),
        Ok(_) if done.output_hash == OutputHash::None => Ok(Found::OfItsLength),
        Ok(_)
            if OutputHash::of_all(done.output_hash.checksum(), File::open(path)?)?
                == done.output_hash =>
        {
            Ok(Found::AsWritten)
        }
        Ok(_) => Ok(Found::Changed),
        Err(error) if missing(&error) => Ok(Found::Missing),
        Err(error) => Err(error),
    }
}

fn look_for_others(output: &Path, known: &BTreeMap<&Path, &Done>, found: &mut Verification) {
    let own = output.join(DIRECTORY);
    let walk = WalkDir::new(output).min_depth(1).sort_by_file_name().into_iter();
    for entry in walk.filter_entry(|entry| entry.path() != own) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = error.path().unwrap_or(output);
                let path = path.strip_prefix(output).unwrap_or(path).to_path_buf();
                found.unlisted.push((path, error.into()));
                continue;
            }
        };
        let name = entry.path().strip_prefix(output).unwrap_or(entry.path());
        if entry.file_type().is_dir() || known.contains_key(name) {
            continue;
        }
        if entry.file_name().as_bytes().starts_with(TEMPORARY_PREFIX) {
            found.leftovers.push(name.to_path_buf());
        } else {
            found.extra.push(name.to_path_buf());
        }
    }
}
