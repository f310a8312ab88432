//! Hashes of results, of a kind that the user picks.

use std::fmt;
use std::io::{self, Read};

use serde::de::{Deserialize, Deserializer, Error};
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::groups::GroupHashes;
use super::subtrees::{GROUP, GROUP_BYTES, Subtrees, hash_of_group};
use super::{ContentHash, write_hex};

/// What results are hashed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Checksum {
    /// SHA-256, which every system has a program for. One thread hashes a file, from its first byte to
    /// its last.
    #[default]
    Sha256,
    /// BLAKE3, whose parts may be hashed by many.
    Blake3,
    /// Nothing: nobody is told of a byte that changes later.
    None,
}

impl Checksum {
    /// Whether one thread has to go through all bytes of a result, in their order.
    #[must_use]
    pub fn is_serial(self) -> bool {
        match self {
            Self::Sha256 => true,
            Self::Blake3 | Self::None => false,
        }
    }
}

/// Hash of a result, shown in hexadecimal, as `sha256sum` or `b3sum` shows it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutputHash {
    /// SHA-256.
    Sha256([u8; 32]),
    /// BLAKE3.
    Blake3([u8; 32]),
    /// It was not hashed.
    None,
}

impl OutputHash {
    /// The hash of `content`.
    #[must_use]
    pub fn of(checksum: Checksum, content: &[u8]) -> Self {
        match checksum {
            Checksum::Sha256 => Self::Sha256(Sha256::digest(content).into()),
            Checksum::Blake3 => Self::Blake3(ContentHash::of(content).0),
            Checksum::None => Self::None,
        }
    }

    /// The hash of all that `content` gives.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_all(checksum: Checksum, mut content: impl Read) -> io::Result<Self> {
        let (mut hasher, mut piece) = (OutputHasher::new(checksum), vec![0; 2 * GROUP]);
        loop {
            match content.read(&mut piece) {
                Ok(0) => return Ok(hasher.end()),
                Ok(bytes) => hasher.add(&piece[..bytes]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// What it was made with.
    #[must_use]
    pub fn checksum(&self) -> Checksum {
        match self {
            Self::Sha256(_) => Checksum::Sha256,
            Self::Blake3(_) => Checksum::Blake3,
            Self::None => Checksum::None,
        }
    }
}

impl fmt::Display for OutputHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(bytes) | Self::Blake3(bytes) => write_hex(bytes, out),
            Self::None => Ok(()),
        }
    }
}

impl fmt::Debug for OutputHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?} {self}", self.checksum())
    }
}

/// What stands before the 32 bytes of a BLAKE3 hash. Those of a SHA-256 stand alone: journals had no
/// other hash once. No byte at all says that there is none.
const BLAKE3_MARK: u8 = 3;

impl Serialize for OutputHash {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Sha256(bytes) => to.serialize_bytes(bytes),
            Self::Blake3(bytes) => {
                let mut marked = [BLAKE3_MARK; 33];
                marked[1..].copy_from_slice(bytes);
                to.serialize_bytes(&marked)
            }
            Self::None => to.serialize_bytes(&[]),
        }
    }
}

impl<'de> Deserialize<'de> for OutputHash {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let bytes = <&[u8]>::deserialize(from)?;
        match bytes {
            [] => Ok(Self::None),
            [BLAKE3_MARK, hash @ ..] if bytes.len() == 33 => hash.try_into().map(Self::Blake3),
            _ => bytes.try_into().map(Self::Sha256),
        }
        .map_err(|_| D::Error::invalid_length(bytes.len(), &"no byte, 32 bytes, or 3 and 32 more"))
    }
}

/// Makes an [`OutputHash`] of content that comes piece by piece.
#[derive(Debug)]
pub struct OutputHasher(Kind);

#[derive(Debug)]
enum Kind {
    Sha256(Sha256),
    Blake3 {
        subtrees: Subtrees,
        /// Bytes of the next group; all of them only until more come: they may be all content.
        begun: Vec<u8>,
    },
    None,
}

impl OutputHasher {
    /// One that has taken nothing yet.
    #[must_use]
    pub fn new(checksum: Checksum) -> Self {
        Self(match checksum {
            Checksum::Sha256 => Kind::Sha256(Sha256::new()),
            Checksum::Blake3 => {
                Kind::Blake3 { subtrees: Subtrees::default(), begun: Vec::with_capacity(GROUP) }
            }
            Checksum::None => Kind::None,
        })
    }

    /// Takes the next bytes.
    pub fn add(&mut self, mut bytes: &[u8]) {
        match &mut self.0 {
            Kind::Sha256(hasher) => hasher.update(bytes),
            Kind::Blake3 { subtrees, begun } => {
                while !bytes.is_empty() {
                    push_if_whole(subtrees, begun);
                    let (next, rest) = bytes.split_at(bytes.len().min(GROUP - begun.len()));
                    if next.len() == GROUP && !rest.is_empty() {
                        subtrees.push(hash_of_group(next, subtrees.groups() * GROUP_BYTES));
                    } else {
                        begun.extend_from_slice(next);
                    }
                    bytes = rest;
                }
            }
            Kind::None => {}
        }
    }

    /// Takes the next bytes by the hashes of their groups. Returns whether it could: not with SHA-256,
    /// nor amid a group. They must not be all content.
    #[must_use]
    pub fn add_groups(&mut self, GroupHashes(groups): &GroupHashes) -> bool {
        let (subtrees, begun) = match &mut self.0 {
            Kind::Sha256(_) => return false,
            Kind::Blake3 { subtrees, begun } => (subtrees, begun),
            Kind::None => return true,
        };
        push_if_whole(subtrees, begun);
        if begun.is_empty() {
            groups.iter().for_each(|group| subtrees.push(*group));
        }
        begun.is_empty()
    }

    /// The hash of all of them.
    #[must_use]
    pub fn end(self) -> OutputHash {
        match self.0 {
            Kind::Sha256(hasher) => OutputHash::Sha256(hasher.finalize().into()),
            Kind::Blake3 { mut subtrees, begun } => {
                if subtrees.groups() > 0 && !begun.is_empty() {
                    subtrees.push(hash_of_group(&begun, subtrees.groups() * GROUP_BYTES));
                }
                OutputHash::Blake3(subtrees.end().unwrap_or_else(|| ContentHash::of(&begun).0))
            }
            Kind::None => OutputHash::None,
        }
    }
}

/// Takes the group `begun` if it is whole, since there is more behind it.
fn push_if_whole(subtrees: &mut Subtrees, begun: &mut Vec<u8>) {
    if begun.len() == GROUP {
        subtrees.push(hash_of_group(begun, subtrees.groups() * GROUP_BYTES));
        begun.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::content;
    use super::*;

    const ALL: [Checksum; 3] = [Checksum::Sha256, Checksum::Blake3, Checksum::None];

    #[test]
    fn hashes_are_the_published_ones() {
        let published = [
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
        ];
        for (checksum, published) in ALL.into_iter().zip(published) {
            let hash = OutputHash::of(checksum, b"abc");
            assert_eq!((hash.to_string(), hash.checksum()), (published.into(), checksum));
        }
    }

    #[test]
    fn pieces_make_the_hash_of_the_whole() {
        for length in [0, 1, GROUP - 1, GROUP, GROUP + 1, 2 * GROUP, 5 * GROUP + 77] {
            let content = content(length);
            for checksum in ALL {
                let whole = OutputHash::of(checksum, &content);
                assert_eq!(OutputHash::of_all(checksum, &content[..]).unwrap(), whole);
                for piece in [999, GROUP - 1, GROUP, GROUP + 1, 2 * GROUP, 9 * GROUP] {
                    let mut hasher = OutputHasher::new(checksum);
                    content.chunks(piece).for_each(|piece| hasher.add(piece));
                    assert_eq!(hasher.end(), whole, "{checksum:?} {length} {piece}");
                }
            }
        }
    }

    #[test]
    fn groups_stand_for_their_bytes() {
        let content = content(6 * GROUP + 5);
        for (from, to) in [(1, 2), (1, 6), (2, 5), (5, 6)] {
            let groups = GroupHashes::of(from as u64, &content[from * GROUP..to * GROUP]);
            let mut hasher = OutputHasher::new(Checksum::Blake3);
            hasher.add(&content[..from * GROUP]);
            assert!(hasher.add_groups(&groups));
            hasher.add(&content[to * GROUP..]);
            assert_eq!(hasher.end(), OutputHash::of(Checksum::Blake3, &content), "{from}..{to}");
        }
        let groups = GroupHashes::of(1, &content[GROUP..2 * GROUP]);
        let mut amid = OutputHasher::new(Checksum::Blake3);
        amid.add(&content[..GROUP - 1]);
        assert!(!amid.add_groups(&groups));
        let by_parts = |checksum| OutputHasher::new(checksum).add_groups(&GroupHashes::default());
        assert_eq!(ALL.map(by_parts), ALL.map(|checksum| !checksum.is_serial()));
    }

    #[test]
    fn all_kinds_return_from_a_journal() {
        for (checksum, length) in ALL.into_iter().zip([33, 34, 1]) {
            let hash = OutputHash::of(checksum, b"abc");
            let mut bytes = postcard::to_stdvec(&hash).unwrap();
            assert_eq!((bytes.len(), hash.checksum()), (length, checksum));
            assert_eq!(postcard::from_bytes::<OutputHash>(&bytes).unwrap(), hash);
            bytes.extend([0; 2]);
            bytes[0] += 2; // the length
            assert!(postcard::from_bytes::<OutputHash>(&bytes).is_err());
        }
        let mut unknown = postcard::to_stdvec(&OutputHash::of(Checksum::Blake3, b"")).unwrap();
        unknown[1] = 4;
        assert!(postcard::from_bytes::<OutputHash>(&unknown).is_err());
    }
}
