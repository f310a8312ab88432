//! Reads the log of a run, file after file.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::event::Entry;

/// The entries of a log in the order they were written. Lines that are none are counted and left
/// out: the last one may have been torn by a loss of power.
#[derive(Debug)]
pub struct LogReader {
    /// Files still to be read, the next one last.
    files: Vec<PathBuf>,
    lines: Option<BufReader<File>>,
    garbled: usize,
}

impl LogReader {
    /// Begins with the file `first` of a log, or with the lowest of its files that is still there.
    ///
    /// # Errors
    /// When there is none, or its directory cannot be read.
    pub fn open(first: &Path) -> io::Result<Self> {
        let mut files: Vec<PathBuf> = files_of(first)?.into_iter().map(|(_, path)| path).collect();
        if files.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        files.reverse();
        Ok(Self { files, lines: None, garbled: 0 })
    }

    /// Lines that were no entries.
    #[must_use]
    pub fn garbled(&self) -> usize {
        self.garbled
    }

    fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(lines) = &mut self.lines {
                let mut line = Vec::new();
                if lines.read_until(b'\n', &mut line)? > 0 {
                    return Ok(Some(line));
                }
            }
            let Some(next) = self.files.pop() else { return Ok(None) };
            self.lines = Some(BufReader::new(File::open(next)?));
        }
    }
}

impl Iterator for LogReader {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.next_line().transpose()? {
                Err(error) => return Some(Err(error)),
                Ok(line) => match serde_json::from_slice(&line) {
                    Ok(entry) => return Some(Ok(entry)),
                    Err(_) => self.garbled += 1,
                },
            }
        }
    }
}

/// The files of the log that begins with `first`, with their numbers, in order; those that were
/// moved away are not among them.
///
/// # Errors
/// When the directory cannot be read.
pub fn files_of(first: &Path) -> io::Result<Vec<(u32, PathBuf)>> {
    let directory = match first.parent() {
        Some(directory) if directory != Path::new("") => directory,
        Some(_) | None => Path::new("."),
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        if let Some(number) = number_of(&name, first) {
            files.push((number, first.with_file_name(name)));
        }
    }
    files.sort();
    Ok(files)
}

/// The number of the file `name` in the log that begins with `first`, if it is one of its files.
fn number_of(name: &OsStr, first: &Path) -> Option<u32> {
    if Some(name) == first.file_name() {
        return Some(1);
    }
    let name = Path::new(name);
    if name.extension() != first.extension() && first.extension().is_some() {
        return None;
    }
    let stem = if first.extension().is_some() { name.file_stem()? } else { name.as_os_str() };
    let number = Path::new(stem).extension()?.to_str()?.parse().ok()?;
    (Path::new(stem).file_stem() == first.file_stem() && number > 1).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_logs_are_left_alone() {
        let number = |name: &str, first: &str| number_of(OsStr::new(name), Path::new(first));
        assert_eq!(number("run.jsonl", "/x/run.jsonl"), Some(1));
        assert_eq!(number("run.12.jsonl", "/x/run.jsonl"), Some(12));
        assert_eq!(number("run.7", "run"), Some(7));
        for other in
            ["run.1.jsonl", "run.x.jsonl", "run2.jsonl", "ran.2.jsonl", "run.2.json", "run.2"]
        {
            assert_eq!(number(other, "run.jsonl"), None, "{other}");
        }
    }
}
