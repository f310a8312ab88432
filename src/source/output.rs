//! Results that appear whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Start of the names of files that are being written; listing skips them.
const TEMPORARY_PREFIX: &str = ".mpix-";

/// Writes `bytes` to `root/name` and makes it last: temporary file, fsync, rename, fsync of the
/// directory.
///
/// The directories below `root` are made, `root` itself is not: one that has gone was perhaps
/// unmounted. Whoever reads the file sees the old one or the new one.
///
/// # Errors
/// When any of it fails; the temporary file is removed, and the file is as it was.
pub fn write_whole(root: &Path, name: &Path, bytes: &[u8]) -> io::Result<()> {
    if !root.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the output directory is gone"));
    }
    let path = root.join(name);
    let directory = path.parent().unwrap_or(root);
    fs::create_dir_all(directory)?;
    let mut file = tempfile::Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .make_in(directory, |path| File::create_new(path))?;
    // Not through `file`, whose errors tell its temporary name.
    file.as_file_mut().write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error)?;
    File::open(directory)?.sync_all()
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
