//! A file by which another process finds out whether it sees the same directory.

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use super::output::TEMPORARY_PREFIX;

/// A file of random content; it is removed when this is dropped, or else as what a killed run leaves.
#[derive(Debug)]
pub struct TokenFile {
    file: NamedTempFile,
    content: u128,
}

impl TokenFile {
    /// Leaves one in `directory`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn leave_in(directory: &Path) -> io::Result<Self> {
        let random = || u128::from(RandomState::new().hash_one(()));
        let content = (random() << 64) | random();
        let mut file = tempfile::Builder::new()
            .prefix(TEMPORARY_PREFIX)
            .make_in(directory, |path| File::create_new(path))?;
        file.write_all(&content.to_le_bytes())?;
        Ok(Self { file, content })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// What is in it.
    #[must_use]
    pub fn content(&self) -> u128 {
        self.content
    }
}

/// Whether this process sees such a file at `path`.
#[must_use]
pub fn sees_token(path: &Path, content: u128) -> bool {
    fs::read(path).is_ok_and(|found| found == content.to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_same_name_is_not_taken_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let token = TokenFile::leave_in(dir.path()).unwrap();
        let other = TokenFile::leave_in(dir.path()).unwrap();
        assert!(sees_token(token.path(), token.content()));
        assert!(!sees_token(other.path(), token.content()));
        let path = token.path().to_path_buf();
        drop(token);
        assert!(!path.exists());
    }
}
