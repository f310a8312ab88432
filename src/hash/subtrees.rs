//! BLAKE3 as the tree that it is: content is cut into groups of a size that makes each a subtree.

use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

/// Bytes of a group; the last has fewer. A power of two of BLAKE3's chunks, or groups were no subtrees.
/// Who hashes the groups that begin in its bytes reads this many behind them at the most, and tells 32
/// bytes for each.
pub const GROUP_BYTES: u64 = GROUP as u64;
/// The same, of memory.
pub(super) const GROUP: usize = 1 << 16;

/// The hash of a group whose first byte is at `start`, one of several.
pub(super) fn hash_of_group(group: &[u8], start: u64) -> [u8; 32] {
    blake3::Hasher::new().set_input_offset(start).update(group).finalize_non_root()
}

/// The tree over all groups so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Subtrees {
    groups: u64,
    /// Each smaller than the one before. Two of one size are joined when another group comes: they may
    /// be the root.
    hashes: Vec<[u8; 32]>,
}

impl Subtrees {
    /// How many groups have come.
    pub(super) fn groups(&self) -> u64 {
        self.groups
    }

    /// Takes the next group.
    pub(super) fn push(&mut self, group: [u8; 32]) {
        // As many subtrees as the number of groups has bits that are set.
        while self.hashes.len() > self.groups.count_ones() as usize {
            self.join_last(merge_non_root);
        }
        self.hashes.push(group);
        self.groups += 1;
    }

    fn join_last(&mut self, merge: impl Fn(&[u8; 32], &[u8; 32]) -> [u8; 32]) {
        if let [.., left, right] = &self.hashes[..] {
            let joined = merge(left, right);
            self.hashes.truncate(self.hashes.len() - 2);
            self.hashes.push(joined);
        }
    }

    /// The hash of all content. None: no group has come.
    pub(super) fn end(mut self) -> Option<[u8; 32]> {
        while self.hashes.len() > 2 {
            self.join_last(merge_non_root);
        }
        self.join_last(merge_root);
        self.hashes.pop()
    }
}

fn merge_non_root(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    merge_subtrees_non_root(left, right, Mode::Hash)
}

fn merge_root(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    *merge_subtrees_root(left, right, Mode::Hash).as_bytes()
}
