//! Results that appear whole or not at all.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Start of the names of files that are being written; listing skips them.
pub(super) const TEMPORARY_PREFIX: &str = ".mpix-";

/// A file that appears whole, or not at all: what is written goes to a temporary file beside it, which
/// is removed unless it is finished.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    directory: PathBuf,
    temporary: NamedTempFile<File>,
}

impl NewFile {
    /// Begins `root/name`.
    ///
    /// The directories below `root` are made, `root` itself is not: one that has gone was perhaps
    /// unmounted.
    ///
    /// # Errors
    /// When no file can be made there.
    pub fn begin(root: &Path, name: &Path) -> io::Result<Self> {
        let directory = directory_of(root, name);
        let make = || {
            make_below(root, &directory)?;
            tempfile::Builder::new()
                .prefix(TEMPORARY_PREFIX)
                .make_in(&directory, |path| File::create_new(path))
        };
        let temporary = make().map_err(|error| match root.is_dir() {
            true => error,
            false => io::Error::new(io::ErrorKind::NotFound, "the output directory is gone"),
        })?;
        Ok(Self { path: root.join(name), directory, temporary })
    }

    /// Writes the next bytes.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        // Not through `temporary`, whose errors tell its name.
        self.temporary.as_file_mut().write_all(bytes)
    }

    /// Where it is, until it has its name.
    #[must_use]
    pub fn temporary(&self) -> &Path {
        self.temporary.path()
    }

    /// Makes room for `bytes` bytes in all, so that others may write some of them to their places.
    ///
    /// # Errors
    /// When it cannot.
    pub fn make_room(&self, bytes: u64) -> io::Result<()> {
        self.temporary.as_file().set_len(bytes)
    }

    /// Leaves the next `bytes` bytes to others.
    ///
    /// # Errors
    /// When there cannot be so many.
    pub fn leave(&mut self, bytes: u64) -> io::Result<()> {
        let bytes = i64::try_from(bytes).map_err(io::Error::other)?;
        self.temporary.as_file_mut().seek_relative(bytes)
    }

    /// Makes what was written last, and so far only that: fsync.
    ///
    /// # Errors
    /// When it cannot be.
    pub fn sync(&self) -> io::Result<()> {
        self.temporary.as_file().sync_all()
    }

    /// Leaves the file, which was synced, under its temporary name, which is given.
    fn keep(self) -> io::Result<OsString> {
        let path = self.temporary.into_temp_path().keep().map_err(|error| error.error)?;
        Ok(path.file_name().unwrap_or_default().to_owned())
    }

    /// Gives the file, which was synced, its name, and makes that last: rename, fsync of the
    /// directory. Whoever reads it sees the old one or the new one.
    ///
    /// # Errors
    /// When it cannot be; the file of that name is as it was.
    pub fn appear(self) -> io::Result<()> {
        self.temporary.persist(&self.path).map_err(|error| error.error)?;
        File::open(self.directory)?.sync_all()
    }
}

/// Writes `bytes` to `root/name` and makes it last.
///
/// # Errors
/// When any of it fails; the temporary file is removed, and the file is as it was.
pub fn write_whole(root: &Path, name: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = NewFile::begin(root, name)?;
    file.append(bytes)?;
    file.sync()?;
    file.appear()
}

/// Writes `bytes` to a temporary file beside `root/name` and makes them last. Returns its name.
///
/// # Errors
/// When any of it fails; the temporary file is removed.
pub fn write_beside(root: &Path, name: &Path, bytes: &[u8]) -> io::Result<OsString> {
    let mut file = NewFile::begin(root, name)?;
    file.append(bytes)?;
    file.sync()?;
    file.keep()
}

/// Gives the file that [`write_beside`] wrote its name, and makes that last.
///
/// # Errors
/// When any of it fails; the temporary file is removed, and the file is as it was.
pub fn put_in_place(root: &Path, name: &Path, temporary: &OsStr) -> io::Result<()> {
    let directory = directory_of(root, name);
    let temporary = directory.join(temporary);
    fs::rename(&temporary, root.join(name)).inspect_err(|_| _ = fs::remove_file(&temporary))?;
    File::open(directory)?.sync_all()
}

/// Removes what [`write_beside`] wrote: it is not wanted any more.
pub fn remove_beside(root: &Path, name: &Path, temporary: &OsStr) {
    // Whoever has the directory now may have done so.
    let _ = fs::remove_file(directory_of(root, name).join(temporary));
}

fn directory_of(root: &Path, name: &Path) -> PathBuf {
    name.parent().map_or_else(|| root.to_path_buf(), |below| root.join(below))
}

/// Makes `directory`, which is `root` or below it, and never `root`.
fn make_below(root: &Path, directory: &Path) -> io::Result<()> {
    if directory == root || directory.is_dir() {
        return Ok(());
    }
    if let Some(parent) = directory.parent() {
        make_below(root, parent)?;
    }
    match fs::create_dir(directory) {
        // Another thread, or another rank, may have made it meanwhile.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Removes what a run that was killed had begun to write below `root`. Returns how many files.
pub fn remove_temporaries(root: &Path) -> usize {
    let is_temporary = |entry: &walkdir::DirEntry| {
        entry.file_type().is_file()
            && entry.file_name().to_str().is_some_and(|name| name.starts_with(TEMPORARY_PREFIX))
    };
    let found = walkdir::WalkDir::new(root).into_iter().flatten().filter(is_temporary);
    found.filter(|entry| fs::remove_file(entry.path()).is_ok()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (root, taken) = (dir.path(), Path::new("name"));
        fs::create_dir_all(root.join(taken).join("below")).unwrap();
        assert!(write_whole(root, taken, b"bytes").is_err());
        assert_eq!(fs::read_dir(root).unwrap().count(), 1);
        write_whole(root, Path::new("a/b/c"), b"bytes").unwrap();
        assert_eq!(fs::read(root.join("a/b/c")).unwrap(), b"bytes");
        for name in ["name", "a/b/c"] {
            let error = write_whole(&root.join("gone"), Path::new(name), b"bytes").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
        }
        assert!(!root.join("gone").exists());
    }

    #[test]
    fn a_file_that_is_not_finished_is_never_there() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = NewFile::begin(dir.path(), Path::new("a/b")).unwrap();
        file.append(b"by").unwrap();
        file.append(b"tes").unwrap();
        assert!(!dir.path().join("a/b").exists());
        drop(file);
        assert_eq!(fs::read_dir(dir.path().join("a")).unwrap().count(), 0);
    }

    #[test]
    fn temporaries_are_removed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        write_whole(dir.path(), Path::new("a/b"), b"bytes").unwrap();
        write_whole(dir.path(), Path::new("a/.mpix-x"), b"bytes").unwrap();
        assert_eq!(remove_temporaries(dir.path()), 1);
        assert!(dir.path().join("a/b").exists() && !dir.path().join("a/.mpix-x").exists());
    }
}
