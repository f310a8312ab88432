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
    /// Adds the next row of a map of one channel: runs of the bytes that are not 0, which are given
    /// back. They hang together with those of the row above that touch them, corners included.
    pub(super) fn add_row(&mut self, row: &[u8]) -> &[Run] {
        let above = self.row_start(self.row_ends.len().saturating_sub(1))..self.runs.len();
        self.runs.extend(RowRuns { row, column: 0 });
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

/// The runs of a row.
struct RowRuns<'a> {
    row: &'a [u8],
    column: usize,
}

impl Iterator for RowRuns<'_> {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        let start = self.column + first_marked(&self.row[self.column..])?;
        let length = self.row[start..].iter().position(|value| *value == 0);
        self.column = length.map_or(self.row.len(), |length| start + length);
        Some(Run { start: narrow(start), end: narrow(self.column) })
    }
}

/// Where the first byte stands that is not 0; most are, and go by eight at a time.
fn first_marked(row: &[u8]) -> Option<usize> {
    let (words, rest) = row.as_chunks::<8>();
    match words.iter().position(|word| u64::from_le_bytes(*word) != 0) {
        Some(index) => {
            let before = u64::from_le_bytes(words[index]).trailing_zeros() / 8;
            Some(index * 8 + before as usize)
        }
        None => {
            let index = rest.iter().position(|value| *value != 0)?;
            Some(words.len() * 8 + index)
        }
    }
}

/// Calls `found` with the indices of each run of `upper` and each of `lower`, the row below, that
/// touch, corners included. Both go from left to right.
pub(super) fn for_touching(upper: &[Run], lower: &[Run], mut found: impl FnMut(usize, usize)) {
    let mut first = 0;
    for (index, run) in lower.iter().enumerate() {
        first += upper[first..].iter().take_while(|above| above.end < run.start).count();
        let touching = upper[first..].iter().take_while(|above| above.start <= run.end).count();
        for above in first..first + touching {
            found(above, index);
        }
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

    fn roots_of(map: &[&str]) -> Vec<Vec<u32>> {
        let bytes: Vec<u8> = map.concat().bytes().map(|byte| u8::from(byte != b'.')).collect();
        let mut runs = Runs::default();
        for row in bytes.chunks(map[0].len()) {
            runs.add_row(row);
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

    #[test]
    fn runs_are_found_at_every_place() {
        for start in 0..20 {
            for end in start + 1..20 {
                let mut row = [0; 20];
                row[start..end].fill(2);
                let mut runs = RowRuns { row: &row, column: 0 }.map(Run::columns);
                assert_eq!((runs.next(), runs.next()), (Some(start..end), None));
            }
        }
        assert!(RowRuns { row: &[0; 20], column: 0 }.next().is_none());
    }
}
