//! Parts of a result that other ranks than rank 0 write to its temporary file.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::hash::{GROUP_BYTES, GroupHashes};

/// Bytes that are read back at a time.
const READ_BYTES: u64 = 1 << 18;

/// The part of some bytes of a file that another host than rank 0's may write. What stands before and
/// behind it, its edges, is rank 0's to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedPart {
    /// The bytes that it is a part of.
    bytes: Range<u64>,
    own: Range<u64>,
}

impl SharedPart {
    /// Where a part begins and ends. Over NFS a host may write back a whole page of which it has changed
    /// a part, and undo what another has written to the rest: no two may write to one page. The largest
    /// pages that Linux has are of 64 KiB. So are the groups that BLAKE3 hashes are joined of.
    pub const ALIGNMENT: u64 = GROUP_BYTES;

    /// The part of `bytes`. None: they have none, only edges.
    #[must_use]
    pub fn of(bytes: Range<u64>) -> Option<Self> {
        let start = bytes.start.checked_next_multiple_of(Self::ALIGNMENT)?;
        let end = bytes.end - bytes.end % Self::ALIGNMENT;
        (start < end).then_some(Self { bytes, own: start..end })
    }

    /// How many bytes stand before it and behind it.
    #[must_use]
    pub fn edges(&self) -> [u64; 2] {
        [self.own.start - self.bytes.start, self.bytes.end - self.own.end]
    }

    /// How many bytes it has.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.own.end - self.own.start
    }

    /// What of `content`, all the bytes that it is a part of, stands before it, is it, and stands behind it.
    ///
    /// # Panics
    /// When `content` has another length.
    #[must_use]
    pub fn split<'c>(&self, content: &'c [u8]) -> [&'c [u8]; 3] {
        assert_eq!(content.len() as u64, self.bytes.end - self.bytes.start, "other bytes");
        let [above, below] = self.edges().map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        let (head, rest) = content.split_at(above);
        let (own, tail) = rest.split_at(rest.len() - below);
        [head, own, tail]
    }

    /// The hashes of its groups, which are its pages. `content` as for [`Self::split`].
    #[must_use]
    pub fn hashes(&self, content: &[u8]) -> GroupHashes {
        GroupHashes::of(self.own.start / GROUP_BYTES, self.split(content)[1])
    }

    /// How many groups it has.
    #[must_use]
    pub fn groups(&self) -> u64 {
        self.length() / GROUP_BYTES
    }

    /// Writes it to a file that is there, and makes it last: who opens the file afterwards, on whatever
    /// host, finds it. `content` as for [`Self::split`]. Returns its edges.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path, content: &[u8]) -> io::Result<Vec<u8>> {
        let [head, own, tail] = self.split(content);
        // It is not made where it is gone: then nobody wants it any more.
        let file = File::options().write(true).open(path)?;
        file.write_all_at(own, self.own.start)?;
        file.sync_data()?;
        Ok([head, tail].concat())
    }

    /// Reads it back, piece by piece. The file is opened anew: what another host has written and closed
    /// is there for who opens it afterwards.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read_back(&self, path: &Path, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        let (file, mut place) = (File::open(path)?, self.own.start);
        let mut buffer = vec![0; usize::try_from(READ_BYTES).unwrap_or(usize::MAX)];
        while place < self.own.end {
            let left = usize::try_from(self.own.end - place).unwrap_or(usize::MAX);
            let piece = left.min(buffer.len());
            file.read_exact_at(&mut buffer[..piece], place)?;
            take(&buffer[..piece]);
            place += piece as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_whole_pages_and_the_rest_is_edges() {
        let page = SharedPart::ALIGNMENT;
        let edges = |bytes| SharedPart::of(bytes).map(|part| (part.edges(), part.length()));
        assert_eq!(edges(0..2 * page), Some(([0, 0], 2 * page)));
        assert_eq!(edges(5..3 * page + 7), Some(([page - 5, 7], 2 * page)));
        assert_eq!(edges(page..2 * page - 1), None);
        assert_eq!(edges(5..2 * page - 1), None);
        assert_eq!(edges(page + 1..page + 1), None);
        assert_eq!(edges(u64::MAX - 5..u64::MAX), None);
    }

    #[test]
    fn what_is_written_is_read_back_and_nothing_else_is_touched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let page = SharedPart::ALIGNMENT;
        let bytes = 100..9 * page + 50;
        let length = usize::try_from(bytes.end - bytes.start).unwrap();
        let content: Vec<u8> = (1..=250).cycle().take(length).collect();
        let part = SharedPart::of(bytes.clone()).unwrap();
        let missing = part.write(&path, &content).unwrap_err();
        assert_eq!((missing.kind(), path.exists()), (io::ErrorKind::NotFound, false));
        File::create_new(&path).unwrap().set_len(10 * page).unwrap();
        let edges = part.write(&path, &content).unwrap();
        let mut back = Vec::new();
        part.read_back(&path, |piece| back.extend_from_slice(piece)).unwrap();
        let head = usize::try_from(part.edges()[0]).unwrap();
        assert!([&edges[..head], &back, &edges[head..]].concat() == content);
        let file = std::fs::read(&path).unwrap();
        assert_eq!(file.len() as u64, 10 * page);
        assert_eq!(file.iter().filter(|&&byte| byte != 0).count() as u64, part.length());
        assert!(part.write(dir.path(), &content).is_err());
    }
}
