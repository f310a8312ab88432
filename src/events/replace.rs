//! Files beside the results that are replaced while others read them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

/// Replaces `name` in `directory`: who reads it sees the old one or the new one, whole. A loss of
/// power may take it back.
///
/// The new one is written under `NAME.new`, always the same, so that a process that is killed leaves
/// one at most, and the next takes it.
///
/// # Errors
/// When it cannot be written.
pub fn replace(directory: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let new = directory.join(format!("{name}.new"));
    File::create(&new)?.write_all(content)?;
    fs::rename(new, directory.join(name))
}

/// The same of a value, as JSON for programs and people.
///
/// # Errors
/// When it cannot be written.
pub(super) fn replace_json(directory: &Path, name: &str, value: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    replace(directory, name, &text)
}
