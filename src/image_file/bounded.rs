//! A reader for headers, which are short: a file made to hurt may have one without end.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

/// Reads at most a number of bytes, not counting those sought over; then it fails.
///
/// It fails once, of whatever cause, and is at its end from then on: a decoder that skips faults, as
/// one of PNM does in comments, would skip them for ever.
pub(super) struct Bounded<R> {
    reader: R,
    limit: usize,
    left: usize,
    failed: bool,
}

impl<R> Bounded<R> {
    pub(super) fn new(reader: R, limit: usize) -> Self {
        Self { reader, limit, left: limit, failed: false }
    }

    /// How many bytes of `wanted` may be read; none at the end.
    fn allowed(&mut self, wanted: usize) -> io::Result<usize> {
        if self.left == 0 && !self.failed {
            self.failed = true;
            let limit = self.limit;
            let reason = format!("its header does not end within {limit} bytes");
            return Err(io::Error::other(reason));
        }
        Ok(if self.failed { 0 } else { wanted.min(self.left) })
    }
}

fn is_lasting<T>(outcome: &io::Result<T>) -> bool {
    outcome.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::Interrupted)
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let allowed = self.allowed(buffer.len())?;
        if allowed == 0 {
            return Ok(0);
        }
        let outcome = self.reader.read(&mut buffer[..allowed]);
        self.failed |= is_lasting(&outcome);
        self.left -= outcome.as_ref().map_or(0, |&count| count);
        outcome
    }
}

impl<R: BufRead> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let allowed = self.allowed(usize::MAX)?;
        if allowed == 0 {
            return Ok(&[]);
        }
        let outcome = self.reader.fill_buf();
        self.failed |= is_lasting(&outcome);
        outcome.map(|buffer| &buffer[..buffer.len().min(allowed)])
    }

    fn consume(&mut self, count: usize) {
        self.left -= count;
        self.reader.consume(count);
    }
}

impl<R: Seek> Seek for Bounded<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.reader.seek(to)
    }

    fn stream_position(&mut self) -> io::Result<u64> {
        self.reader.stream_position()
    }

    fn seek_relative(&mut self, offset: i64) -> io::Result<()> {
        self.reader.seek_relative(offset)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn what_is_read_counts_and_what_is_sought_over_does_not() {
        let mut reader = Bounded::new(Cursor::new([7; 1000]), 10);
        reader.seek_relative(900).unwrap();
        reader.read_exact(&mut [0; 6]).unwrap();
        assert_eq!(reader.fill_buf().unwrap().len(), 4);
        reader.consume(4);
        let error = reader.read(&mut [0]).unwrap_err();
        assert!(error.to_string().contains("within 10 bytes"), "{error}");
        assert_eq!(reader.stream_position().unwrap(), 910);
    }

    #[test]
    fn a_fault_is_told_once_and_then_all_is_at_its_end() {
        struct Faulty;
        impl Read for Faulty {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("a bad disk"))
            }
        }
        for limit in [10, 0] {
            let mut reader = Bounded::new(Faulty, limit);
            assert!(reader.read(&mut [0]).is_err());
            assert_eq!(reader.read(&mut [0]).unwrap(), 0);
        }
        let mut none = Bounded::new(Cursor::new([7; 10]), 0);
        assert!(none.fill_buf().is_err());
        assert!(none.fill_buf().unwrap().is_empty());
    }
}
