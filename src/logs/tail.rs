//! The lines of a log, file after file, also of one that grows.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::events::files_of;

/// Reads lines as they come. One that is not whole yet is kept until it is.
#[derive(Debug)]
pub(super) struct Tail {
    first: PathBuf,
    file: Option<BufReader<File>>,
    number: u32,
    begins_with: Option<u32>,
    line: Vec<u8>,
    is_given: bool,
}

impl Tail {
    /// Begins with the lowest file of the log that is still there.
    pub(super) fn open(first: &Path) -> io::Result<Self> {
        let mut tail = Self {
            first: first.to_path_buf(),
            file: None,
            number: 0,
            begins_with: None,
            line: Vec::new(),
            is_given: false,
        };
        tail.go_on()?;
        tail.begins_with = tail.file.is_some().then_some(tail.number);
        Ok(tail)
    }

    /// The first file of the log, there or not.
    pub(super) fn first(&self) -> &Path {
        &self.first
    }

    /// The line that was given last.
    pub(super) fn line(&self) -> &[u8] {
        &self.line
    }

    /// The number of the first file that was there.
    pub(super) fn begins_with(&self) -> Option<u32> {
        self.begins_with
    }

    /// The next whole line, if there is one by now.
    pub(super) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        if std::mem::take(&mut self.is_given) {
            self.line.clear();
        }
        while !self.fill()? {
            let Some(next) = self.next_file()? else { return Ok(None) };
            // What was written to the one before while its successor was made.
            if self.fill()? {
                break;
            }
            if !self.line.is_empty() {
                // Nobody will finish it: the run went on in another file.
                self.is_given = true;
                return Ok(Some(&self.line));
            }
            self.open_file(next)?;
        }
        self.is_given = true;
        Ok(Some(&self.line))
    }

    /// What stands after the last whole line.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        if std::mem::take(&mut self.is_given) {
            self.line.clear();
        }
        std::mem::take(&mut self.line)
    }

    /// Reads on in this file. Whether a line is whole.
    fn fill(&mut self) -> io::Result<bool> {
        if let Some(file) = &mut self.file {
            file.read_until(b'\n', &mut self.line)?;
        }
        Ok(self.line.ends_with(b"\n"))
    }

    fn next_file(&self) -> io::Result<Option<(u32, PathBuf)>> {
        Ok(files_of(&self.first)?.into_iter().find(|&(number, _)| number > self.number))
    }

    fn open_file(&mut self, (number, path): (u32, PathBuf)) -> io::Result<()> {
        self.file = Some(BufReader::new(File::open(path)?));
        self.number = number;
        Ok(())
    }

    fn go_on(&mut self) -> io::Result<()> {
        match self.next_file()? {
            Some(next) => self.open_file(next),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn put(path: &Path, text: &str) {
        let mut file = File::options().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn all(tail: &mut Tail) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(line) = tail.next().unwrap() {
            lines.push(String::from_utf8_lossy(line).into_owned());
        }
        lines
    }

    #[test]
    fn lines_are_whole_and_files_follow_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (dir.path().join("log.jsonl"), dir.path().join("log.2.jsonl"));
        put(&first, "a\nb");
        let mut tail = Tail::open(&first).unwrap();
        assert_eq!(all(&mut tail), ["a\n"]);
        put(&first, "c\n");
        assert_eq!(all(&mut tail), ["bc\n"]);
        put(&first, "d\n");
        put(&second, "e\nf");
        assert_eq!(all(&mut tail), ["d\n", "e\n"]);
        assert_eq!((tail.rest(), tail.begins_with()), (b"f".to_vec(), Some(1)));
    }

    #[test]
    fn a_line_that_was_torn_stands_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (dir.path().join("log.jsonl"), dir.path().join("log.2.jsonl"));
        put(&first, "a\nto");
        put(&second, "b\n");
        let mut tail = Tail::open(&first).unwrap();
        assert_eq!(all(&mut tail), ["a\n", "to", "b\n"]);
        assert!(tail.rest().is_empty());
    }

    #[test]
    fn a_log_whose_first_file_is_gone_begins_with_the_next() {
        let dir = tempfile::tempdir().unwrap();
        put(&dir.path().join("log.3.jsonl"), "a\n");
        let mut tail = Tail::open(&dir.path().join("log.jsonl")).unwrap();
        assert_eq!(all(&mut tail), ["a\n"]);
        assert_eq!(tail.begins_with(), Some(3));
    }
}
