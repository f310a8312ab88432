//! Hashes: of an input's content, of settings, of an output.

mod groups;
mod output;
mod subtrees;

use std::fmt;
use std::io::{self, Read};

use serde::{Deserialize, Serialize};

pub use self::groups::{GroupHashes, GroupJoiner, groups_within};
pub use self::output::{Checksum, OutputHash, OutputHasher};
pub use self::subtrees::GROUP_BYTES;

/// BLAKE3 hash of an input's content, shown in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ContentHash(#[serde(with = "as_bytes")] pub [u8; 32]);

impl ContentHash {
    /// The hash of `content`.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        Self(*blake3::hash(content).as_bytes())
    }

    /// The hash of all that `content` gives, and how many bytes that is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_all(content: impl Read) -> io::Result<(Self, u64)> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(content)?;
        Ok((Self(*hasher.finalize().as_bytes()), hasher.count()))
    }
}

/// BLAKE3 hash of the text that says how outputs are made: ops with parameters, output settings,
/// output version. Two runs with one hash make the same bytes of one input.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SettingsHash(#[serde(with = "as_bytes")] pub [u8; 32]);

impl SettingsHash {
    /// The hash of `canonical_text`.
    #[must_use]
    pub fn of(canonical_text: &str) -> Self {
        Self(*blake3::hash(canonical_text.as_bytes()).as_bytes())
    }
}

fn write_hex(bytes: &[u8; 32], out: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
}

macro_rules! shown_in_hexadecimal {
    ($($hash:ty),*) => {$(
        impl fmt::Display for $hash {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, out)
            }
        }

        impl fmt::Debug for $hash {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, out)
            }
        }
    )*};
}
shown_in_hexadecimal!(ContentHash, SettingsHash);

/// 32 bytes in one piece; serde's own way is one by one.
mod as_bytes {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
        let bytes = <&[u8]>::deserialize(from)?;
        bytes.try_into().map_err(|_| D::Error::invalid_length(bytes.len(), &"32 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that do not repeat soon.
    pub(super) fn content(length: usize) -> Vec<u8> {
        (0..length).map(|index| (index * index / 7 + index / 251).to_le_bytes()[0]).collect()
    }

    #[test]
    fn hashes_are_the_published_ones() {
        assert_eq!(
            ContentHash::of(b"").to_string(),
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
        );
        assert_eq!(ContentHash::of_all(&b"abc"[..]).unwrap(), (ContentHash::of(b"abc"), 3));
        assert_ne!(SettingsHash::of("gray"), SettingsHash::of("gray "));
    }
}
