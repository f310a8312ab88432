//! Where a file's bytes are: in memory, or on a disk from which they are read when they are needed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Seek};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Bytes that are read from a disk at a time, where not more are asked for.
const BUFFER: usize = 1 << 17;

/// A reader that may go back.
pub(super) trait ReadSeek: BufRead + Seek {}

impl<R: BufRead + Seek> ReadSeek for R {}

/// A file's bytes.
#[derive(Clone, Debug)]
pub(super) enum Source<'f> {
    Memory(&'f [u8]),
    /// Of its readers, only the one that was made last may be used: they share a position.
    Disk(Arc<File>),
}

impl<'f> Source<'f> {
    /// A reader that stands at the start.
    pub(super) fn reader(&self) -> io::Result<Box<dyn ReadSeek + 'f>> {
        Ok(match self {
            Self::Memory(bytes) => Box::new(Cursor::new(*bytes)),
            Self::Disk(file) => {
                let mut reader = BufReader::with_capacity(BUFFER, file.clone());
                reader.rewind()?;
                Box::new(reader)
            }
        })
    }

    /// Reads the bytes from `start` on, as many as `out` holds.
    pub(super) fn read_at(&self, start: u64, out: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Memory(bytes) => {
                let start = usize::try_from(start).unwrap_or(usize::MAX).min(bytes.len());
                let found = &bytes[start..];
                let found = found.get(..out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
                out.copy_from_slice(found);
                Ok(())
            }
            Self::Disk(file) => file.read_exact_at(out, start).map_err(|error| {
                // No file is as long as that.
                let is_beyond = error.kind() == io::ErrorKind::InvalidInput;
                if is_beyond { io::ErrorKind::UnexpectedEof.into() } else { error }
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn memory_and_disk_give_the_same() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        for source in [Source::Memory(&bytes), Source::Disk(Arc::new(file))] {
            for _ in 0..2 {
                let mut all = Vec::new();
                source.reader().unwrap().read_to_end(&mut all).unwrap();
                assert_eq!(all, bytes);
            }
            let mut some = [0; 6];
            source.read_at(250, &mut some).unwrap();
            assert_eq!(some, [250, 251, 252, 253, 254, 255]);
            for start in [251, 1000, u64::MAX >> 1] {
                let error = source.read_at(start, &mut some).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
            }
        }
    }
}
