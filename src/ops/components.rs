//! Connected components of the marked pixels of a map, as runs along its rows.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Neighbouring marked pixels of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Run {
    /// Column of the first.
    pub(super) start: u32,
    /// Column behind the last.
    pub(super) end: u32,
}

impl Run {
    /// Its columns.
    pub(super) fn columns(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// The runs of some rows, row by row, and which of them hang together as far as is seen.
#[derive(Debug, Default)]
pub(super) struct Runs {
    runs: Vec<Run>,
    /// For each row, the number of runs down to its end.
    row_ends: Vec<usize>,
    sets: DisjointSets,
}

impl Runs {
    /// Adds the runs of the next row, which are given back. They hang together with those of the row
    /// above that touch them, corners included.
    pub(super) fn add_row(&mut self, row: impl Iterator<Item = Run>) -> &[Run] {
        let above = self.row_start(self.row_ends.len().saturating_sub(1))..self.runs.len();
        self.runs.extend(row);
        self.sets.grow(self.runs.len());
        let (upper, own) = self.runs.split_at(above.end);
        for_touching(&upper[above.start..], own, |upper, lower| {
            self.sets.join(narrow(above.start + upper), narrow(above.end + lower));
        });
        self.row_ends.push(self.runs.len());
        &self.runs[above.end..]
    }

    /// The first run of a row.
    fn row_start(&self, row: usize) -> usize {
        row.checked_sub(1).map_or(0, |above| self.row_ends[above])
    }

    /// The components, behind the last row.
    pub(super) fn into_components(self) -> Components {
        Components { runs: self.runs, row_ends: self.row_ends, roots: self.sets.into_roots() }
    }
}

/// All runs of some rows, and which of them hang together.
#[derive(Debug, Default)]
pub(super) struct Components {
    runs: Vec<Run>,
    /// For each row, the number of runs down to its end.
    row_ends: Vec<usize>,
    /// For each run, the first run of its component.
    roots: Vec<u32>,
}

impl Components {
    /// Rows of the map.
    pub(super) fn rows(&self) -> usize {
        self.row_ends.len()
    }

    /// The runs of the row `row` of the map, each with the root of its component.
    pub(super) fn row(&self, row: usize) -> impl Iterator<Item = (Run, u32)> {
        let start = row.checked_sub(1).map_or(0, |above| self.row_ends[above]);
        let own = start..self.row_ends[row];
        self.runs[own.clone()].iter().copied().zip(self.roots[own].iter().copied())
    }

    /// For each run, from the top, the first run of its component.
    pub(super) fn roots(&self) -> &[u32] {
        &self.roots
    }
}

/// Calls `found` with the indices of each run of `upper` and each of `lower`, the row below, that
/// touch, corners included. Both go from left to right.
pub(super) fn for_touching(upper: &[Run], lower: &[Run], mut found: impl FnMut(usize, usize)) {
    let (mut above, mut below) = (0, 0);
    while let (Some(one), Some(other)) = (upper.get(above), lower.get(below)) {
        if (one.end >= other.start) & (one.start <= other.end) {
            found(above, below);
        }
        // The next runs start behind the end of these: what ends first touches none of them.
        let above_ends = one.end < other.end;
        above += usize::from(above_ends);
        below += usize::from(!above_ends);
    }
}

/// Sets that can be joined; the least member stands for each.
#[derive(Debug, Default)]
pub(super) struct DisjointSets {
    parents: Vec<u32>,
}

impl DisjointSets {
    /// Adds single members until there are `len`.
    pub(super) fn grow(&mut self, len: usize) {
        self.parents.extend(narrow(self.parents.len())..narrow(len));
    }

    /// Joins the sets of two members.
    pub(super) fn join(&mut self, one: u32, other: u32) {
        let (one, other) = (self.root(one), self.root(other));
        self.parents[one.max(other) as usize] = one.min(other);
    }

    fn root(&mut self, mut member: u32) -> u32 {
        while self.parents[member as usize] != member {
            let parent = self.parents[member as usize];
            // Halves the path for those who come after.
            self.parents[member as usize] = self.parents[parent as usize];
            member = parent;
        }
        member
    }

    /// For each member the least one of its set.
    pub(super) fn into_roots(mut self) -> Vec<u32> {
        for member in 0..self.parents.len() {
            // A parent stands before its children and has its root by now.
            self.parents[member] = self.parents[self.parents[member] as usize];
        }
        self.parents
    }
}

/// Columns and runs are counted in 32 bits.
pub(super) fn narrow(count: usize) -> u32 {
    #[expect(clippy::expect_used, reason = "no band has that many columns or edges")]
    u32::try_from(count).expect("fewer than 2^32 columns and runs")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::marks::Marks;

    fn roots_of(map: &[&str]) -> Vec<Vec<u32>> {
        let (mut runs, mut marks) = (Runs::default(), Marks::default());
        for row in map {
            let pixels: Vec<u8> = row.bytes().map(|byte| u8::from(byte != b'.')).collect();
            marks.read(&pixels);
            runs.add_row(marks.runs());
        }
        let components = runs.into_components();
        (0..components.rows())
            .map(|row| components.row(row).map(|(_, root)| root).collect())
            .collect()
    }

    #[test]
    fn corners_touch_and_gaps_do_not() {
        assert_eq!(roots_of(&["#..#", ".##.", "...."]), [vec![0, 0], vec![0], vec![]]);
        assert_eq!(roots_of(&["#...#", "#.#.#", "#.#.#"])[2], [0, 3, 1]);
    }

    #[test]
    fn a_spiral_is_one_component() {
        let spiral = ["#######", "......#", "#####.#", "#...#.#", "#.###.#", "#.....#", "#######"];
        assert!(roots_of(&spiral).concat().iter().all(|root| *root == 0));
    }
}
