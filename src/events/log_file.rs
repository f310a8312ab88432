//! The log of a run: one entry a line, in files of bounded size.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::event::Entry;
use super::log_reader::files_of;

/// Bytes at which a new file is begun, at the next entry: none is split.
pub const NEW_FILE_AT: u64 = 5 << 20;

/// A log that grows: `run.jsonl`, then `run.2.jsonl`, and so on.
///
/// Files are only ever added: one that is full can be moved away at any time.
#[derive(Debug)]
pub struct LogFile {
    first: PathBuf,
    number: u32,
    file: File,
    bytes: u64,
}

impl LogFile {
    /// Opens the log of which `first` is the first file, or begins it; what is there stays.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(first: &Path) -> io::Result<Self> {
        let number = files_of(first)?.last().map_or(1, |&(number, _)| number);
        let mut file = append_to(&numbered(first, number))?;
        let bytes = file.seek(SeekFrom::End(0))?;
        Ok(Self { first: first.to_path_buf(), number, file, bytes })
    }

    /// Adds an entry, in one piece.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(&mut self, entry: &Entry) -> io::Result<()> {
        if self.bytes >= NEW_FILE_AT {
            self.file = append_to(&numbered(&self.first, self.number + 1))?;
            (self.number, self.bytes) = (self.number + 1, 0);
        }
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.bytes += line.len() as u64;
        Ok(())
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// The file `number` of the log that begins with `first`.
fn numbered(first: &Path, number: u32) -> PathBuf {
    if number == 1 {
        return first.to_path_buf();
    }
    let extension = first.extension().map(|text| format!(".{}", text.to_string_lossy()));
    let mut name = first.file_stem().unwrap_or_default().to_owned();
    name.push(format!(".{number}{}", extension.unwrap_or_default()));
    first.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::super::event::RunEvent;
    use super::super::log_reader::LogReader;
    use super::*;

    fn message(text: String) -> Entry {
        let (rank, host) = (0, "here".to_owned());
        Entry::now(RunEvent::Message { rank, host, level: None, text })
    }

    #[test]
    fn a_new_file_begins_at_5_mb_and_no_entry_is_split() {
        let root = tempfile::tempdir().unwrap();
        let first = root.path().join("run.jsonl");
        let mut log = LogFile::open(&first).unwrap();
        let entries: Vec<Entry> =
            (0..1200).map(|number| message(format!("{number} {}", "x".repeat(10_000)))).collect();
        for (index, entry) in entries.iter().enumerate() {
            if index == 700 {
                log = LogFile::open(&first).unwrap(); // the run was begun again
            }
            log.append(entry).unwrap();
        }
        let files: Vec<_> = files_of(&first).unwrap().into_iter().map(|(_, path)| path).collect();
        let names: Vec<_> = files.iter().map(|path| path.file_name().unwrap()).collect();
        assert_eq!(names, ["run.jsonl", "run.2.jsonl", "run.3.jsonl"]);
        for path in &files {
            let bytes = std::fs::read(path).unwrap();
            assert!(bytes.len() as u64 <= NEW_FILE_AT + 11_000 && bytes.ends_with(b"}\n"));
        }
        let read: Vec<Entry> = LogReader::open(&first).unwrap().map(Result::unwrap).collect();
        assert_eq!(read, entries);
    }
}
