//! Results that appear whole or not at all.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Start of the names of files that are being written; listing skips them.
pub(super) const TEMPORARY_PREFIX: &str = ".mpix-";

/// Writes `bytes` to `root/name` and makes it last: temporary file, fsync, rename, fsync of the
/// directory. Whoever reads the file sees the old one or the new one.
///
/// # Errors
/// When any of it fails; the temporary file is removed, and the file is as it was.
pub fn write_whole(root: &Path, name: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = write_beside(root, name, bytes)?;
    put_in_place(root, name, &temporary)
}

/// Writes `bytes` to a temporary file beside `root/name` and makes them last. Returns its name.
///
/// The directories below `root` are made, `root` itself is not: one that has gone was perhaps
/// unmounted.
///
/// # Errors
/// When any of it fails; the temporary file is removed.
pub fn write_beside(root: &Path, name: &Path, bytes: &[u8]) -> io::Result<OsString> {
    if !root.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the output directory is gone"));
    }
    let directory = directory_of(root, name);
    fs::create_dir_all(&directory)?;
    let mut file = tempfile::Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .make_in(&directory, |path| File::create_new(path))?;
    // Not through `file`, whose errors tell its temporary name.
    file.as_file_mut().write_all(bytes)?;
    file.as_file().sync_all()?;
    let path = file.into_temp_path().keep().map_err(|error| error.error)?;
    Ok(path.file_name().unwrap_or_default().to_owned())
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
        assert!(write_whole(&root.join("gone"), taken, b"bytes").is_err());
        assert!(!root.join("gone").exists());
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
