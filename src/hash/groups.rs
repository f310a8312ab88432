//! The hash of a content whose parts are hashed by many, in any order.
//!
//! BLAKE3 is a tree. Content is cut into groups of a size that makes each a subtree; whoever has the
//! bytes of a group hashes it, and whoever knows all groups joins them.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use serde::{Deserialize, Serialize};

use super::ContentHash;

/// Bytes of a group; the last has fewer. A power of two of BLAKE3's chunks, or groups were no subtrees.
/// Who hashes the groups that begin in its bytes reads this many behind them at the most, and tells 32
/// bytes for each.
const GROUP_BYTES: u64 = 1 << 16;

/// Hashes of groups that follow each other.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupHashes(Vec<[u8; 32]>);

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
            Ok(hash_of_group(content, start, file_bytes))
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

/// The hash of a group whose first byte is at `start`; the only one is hashed as all of the content.
fn hash_of_group(group: &[u8], start: u64, content_bytes: u64) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    if content_bytes <= GROUP_BYTES {
        return *hasher.update(group).finalize().as_bytes();
    }
    hasher.set_input_offset(start).update(group).finalize_non_root()
}

/// Joins the groups of a content to its hash.
#[derive(Debug)]
pub struct GroupJoiner {
    content_bytes: u64,
    /// The group that is joined next, and those behind it that have come.
    next: u64,
    waiting: BTreeMap<u64, GroupHashes>,
    /// Subtrees of the groups so far, each smaller than the one before. Two of one size are joined when
    /// another group comes: they may be the root.
    subtrees: Vec<[u8; 32]>,
}

impl GroupJoiner {
    /// A joiner of the groups of `content_bytes` bytes.
    #[must_use]
    pub fn new(content_bytes: u64) -> Self {
        Self { content_bytes, next: 0, waiting: BTreeMap::new(), subtrees: Vec::new() }
    }

    /// Takes groups, the first of which is number `first`.
    pub fn add(&mut self, first: u64, groups: GroupHashes) {
        if groups.count() > 0 {
            self.waiting.insert(first, groups);
        }
        while let Some(GroupHashes(groups)) = self.waiting.remove(&self.next) {
            for group in groups {
                self.push(group);
            }
        }
    }

    fn push(&mut self, group: [u8; 32]) {
        // As many subtrees as the number of groups has bits that are set.
        while self.subtrees.len() > self.next.count_ones() as usize {
            self.join_last(merge_non_root);
        }
        self.subtrees.push(group);
        self.next += 1;
    }

    fn join_last(&mut self, merge: impl Fn(&[u8; 32], &[u8; 32]) -> [u8; 32]) {
        if let [.., left, right] = &self.subtrees[..] {
            let joined = merge(left, right);
            self.subtrees.truncate(self.subtrees.len() - 2);
            self.subtrees.push(joined);
        }
    }

    /// The hash. None: groups are missing.
    #[must_use]
    pub fn end(mut self) -> Option<ContentHash> {
        let groups = groups_within(&(0..self.content_bytes)).end;
        if groups == 0 {
            return Some(ContentHash::of(b""));
        }
        if self.next != groups || !self.waiting.is_empty() {
            return None;
        }
        while self.subtrees.len() > 2 {
            self.join_last(merge_non_root);
        }
        self.join_last(merge_root);
        self.subtrees.pop().map(ContentHash)
    }
}

fn merge_non_root(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    merge_subtrees_non_root(left, right, Mode::Hash)
}

fn merge_root(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    *merge_subtrees_root(left, right, Mode::Hash).as_bytes()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const GROUP: usize = 1 << 16;

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|index| (index * index / 7 + index / 251).to_le_bytes()[0]).collect()
    }

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
