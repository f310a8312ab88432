//! The hash of a content whose parts are hashed by many, in any order.
//!
//! Whoever has the bytes of a group hashes it, and whoever knows all groups joins them.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};

use super::ContentHash;
use super::subtrees::{GROUP, GROUP_BYTES, Subtrees, hash_of_group};

/// Hashes of groups that follow each other.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupHashes(pub(super) Vec<[u8; 32]>);

impl fmt::Debug for GroupHashes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} groups", self.0.len())
    }
}

/// The groups that begin within `bytes` of a content.
#[must_use]
pub fn groups_within(bytes: &Range<u64>) -> Range<u64> {
    bytes.start.div_ceil(GROUP_BYTES)..bytes.end.div_ceil(GROUP_BYTES)
}

impl GroupHashes {
    /// Those of `content`, which is whole groups from number `first` on, of several.
    #[must_use]
    pub fn of(first: u64, content: &[u8]) -> Self {
        let groups = (first..).zip(content.chunks(GROUP));
        Self(groups.map(|(group, bytes)| hash_of_group(bytes, group * GROUP_BYTES)).collect())
    }

    /// Those of `groups` of a file of `file_bytes` bytes. The bytes from `held.0` on are in `held.1`;
    /// the others are read.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(
        (file, file_bytes): (&File, u64),
        groups: Range<u64>,
        held: (u64, &[u8]),
    ) -> io::Result<Self> {
        let mut unheld = Vec::new();
        let hash = |group: u64| {
            let start = group * GROUP_BYTES;
            let end = start.saturating_add(GROUP_BYTES).min(file_bytes);
            let content = match part_of(held, &(start..end)) {
                Some(content) => content,
                None => {
                    fill(file, start..end, held, &mut unheld)?;
                    &unheld
                }
            };
            Ok(if file_bytes <= GROUP_BYTES {
                ContentHash::of(content).0 // the only one
            } else {
                hash_of_group(content, start)
            })
        };
        groups.map(hash).collect::<io::Result<Vec<_>>>().map(Self)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

/// The bytes `wanted` of a content, if all of them are held: those from `from` on are.
fn part_of<'h>((from, held): (u64, &'h [u8]), wanted: &Range<u64>) -> Option<&'h [u8]> {
    let start = usize::try_from(wanted.start.checked_sub(from)?).ok()?;
    let end = usize::try_from(wanted.end.checked_sub(from)?).ok()?;
    held.get(start..end)
}

/// Takes the bytes `wanted` of a file into `out`: from those that are held, and the others from the
/// file.
fn fill(
    file: &File,
    wanted: Range<u64>,
    (from, held): (u64, &[u8]),
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let length =
        |bytes: &Range<u64>| usize::try_from(bytes.end - bytes.start).unwrap_or(usize::MAX);
    out.resize(length(&wanted), 0);
    let held_end = from.saturating_add(held.len() as u64);
    let middle = from.clamp(wanted.start, wanted.end)..held_end.clamp(wanted.start, wanted.end);
    if middle.is_empty() {
        return file.read_exact_at(out, wanted.start);
    }
    let (before, rest) = out.split_at_mut(length(&(wanted.start..middle.start)));
    let (own, behind) = rest.split_at_mut(length(&middle));
    let skipped = length(&(from..middle.start));
    own.copy_from_slice(&held[skipped..skipped + own.len()]);
    file.read_exact_at(before, wanted.start)?;
    file.read_exact_at(behind, middle.end)
}

/// Joins the groups of a content to its hash.
#[derive(Debug)]
pub struct GroupJoiner {
    content_bytes: u64,
    subtrees: Subtrees,
    /// Groups behind the next one that have come.
    waiting: BTreeMap<u64, GroupHashes>,
}

impl GroupJoiner {
    /// A joiner of the groups of `content_bytes` bytes.
    #[must_use]
    pub fn new(content_bytes: u64) -> Self {
        Self { content_bytes, subtrees: Subtrees::default(), waiting: BTreeMap::new() }
    }

    /// Takes groups, the first of which is number `first`.
    pub fn add(&mut self, first: u64, groups: GroupHashes) {
        if groups.count() > 0 {
            self.waiting.insert(first, groups);
        }
        while let Some(GroupHashes(groups)) = self.waiting.remove(&self.subtrees.groups()) {
            groups.into_iter().for_each(|group| self.subtrees.push(group));
        }
    }

    /// The hash. None: groups are missing.
    #[must_use]
    pub fn end(self) -> Option<ContentHash> {
        let groups = groups_within(&(0..self.content_bytes)).end;
        if groups == 0 {
            return Some(ContentHash::of(b""));
        }
        if self.subtrees.groups() != groups || !self.waiting.is_empty() {
            return None;
        }
        self.subtrees.end().map(ContentHash)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::tests::content;
    use super::*;

    fn file_of(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file
    }

    /// The hash of `content` by parts of `part` bytes that hold `halo` bytes more on both sides, which
    /// come in an order that `turn` decides.
    fn by_parts(content: &[u8], (part, halo, turn): (usize, usize, usize)) -> Option<ContentHash> {
        let file = file_of(content);
        let length = content.len() as u64;
        let mut parts: Vec<Range<usize>> = (0..content.len())
            .step_by(part)
            .map(|start| start..(start + part).min(content.len()))
            .collect();
        let middle = turn.min(parts.len());
        parts.rotate_left(middle);
        let mut joiner = GroupJoiner::new(length);
        for Range { start, end } in parts {
            let held = start.saturating_sub(halo)..(end + halo).min(content.len());
            let groups = groups_within(&(start as u64..end as u64));
            let held = (held.start as u64, &content[held]);
            joiner.add(groups.start, GroupHashes::read((&file, length), groups, held).unwrap());
        }
        joiner.end()
    }

    #[test]
    fn groups_join_to_the_hash_of_the_whole() {
        let groups = (1..=9).chain([15, 16, 17, 31, 33]);
        let around = groups.flat_map(|groups| {
            [-1025_isize, -1, 0, 1, 1024, 3000]
                .map(|more| (groups * GROUP).saturating_add_signed(more))
        });
        for length in [0, 1, 1023, 1024, 1025].into_iter().chain(around) {
            let content = content(length);
            for way in [
                (7 * GROUP / 2, 100, 1),
                (GROUP / 3, 0, 4),
                (GROUP, 5, 0),
                (3 * GROUP, 2 * GROUP, 2),
            ] {
                assert_eq!(
                    by_parts(&content, way),
                    Some(ContentHash::of(&content)),
                    "{length} {way:?}"
                );
            }
        }
    }

    #[test]
    fn each_byte_and_each_group_has_a_say() {
        let mut changed = content(5 * GROUP + 9);
        let whole = ContentHash::of(&changed);
        for place in [0, GROUP - 1, GROUP, 4 * GROUP + 3, 5 * GROUP + 8] {
            changed[place] ^= 1;
            assert_ne!(by_parts(&changed, (GROUP, 0, 0)), Some(whole));
            changed[place] ^= 1;
        }
        let file = file_of(&changed);
        let length = changed.len() as u64;
        let read =
            |groups: Range<u64>| GroupHashes::read((&file, length), groups, (0, &[])).unwrap();
        let joined = |parts: &[Range<u64>]| {
            let mut joiner = GroupJoiner::new(length);
            for groups in parts {
                joiner.add(groups.start, read(groups.clone()));
            }
            joiner.end()
        };
        assert_eq!(joined(&[3..6, 0..1, 1..3]), Some(whole));
        assert_eq!([joined(&[0..3, 3..5]), joined(&[0..2, 3..6]), joined(&[])], [None; 3]);
        assert_eq!(groups_within(&(0..length)), 0..6);
        assert!(GroupHashes::read((&file, length + 1), 5..6, (0, &[])).is_err());
    }
}
