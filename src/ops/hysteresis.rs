//! Keeps weak edges that hang on a strong one, however far away and across however many cuts.

use serde::{Deserialize, Serialize};

use super::components::{Components, DisjointSets, Run, Runs, for_touching, narrow};
use super::global_pass::{Cut, GlobalPass};
use super::marks::Marks;
use crate::band::{Band, BandMut};

/// A pixel that is an edge if it hangs on a strong one.
pub(super) const WEAK: u8 = 1;
/// A pixel that is an edge.
pub(super) const STRONG: u8 = 2;

/// Turns a map of 0, [`WEAK`] and [`STRONG`] into 0 and 255: every 8-connected component of weak
/// and strong pixels that holds a strong one is kept whole.
///
/// Each cut labels the components of its own rows; only those that touch its first or last row
/// matter to others.
#[derive(Debug)]
pub(super) struct Hysteresis;

/// The components that touch the first or the last row of a cut.
#[derive(Debug, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub(super) struct Partial {
    first: EdgeRow,
    last: EdgeRow,
    /// For each of these components, whether it holds a strong pixel.
    strong: Vec<bool>,
}

/// Runs of a row from left to right, and for each its component.
#[derive(Debug, Serialize, Deserialize)]
struct EdgeRow {
    runs: Vec<Run>,
    components: Vec<u32>,
}

/// A [`Partial`] as it comes from another rank.
#[derive(Deserialize)]
struct Unchecked {
    first: EdgeRow,
    last: EdgeRow,
    strong: Vec<bool>,
}

impl TryFrom<Unchecked> for Partial {
    type Error = &'static str;

    fn try_from(unchecked: Unchecked) -> Result<Self, Self::Error> {
        let Unchecked { first, last, strong } = unchecked;
        for row in [&first, &last] {
            if row.runs.len() != row.components.len() {
                return Err("runs without a component");
            }
            if row.components.iter().any(|component| *component as usize >= strong.len()) {
                return Err("a component that does not exist");
            }
            let in_order = row.runs.windows(2).all(|pair| pair[0].end < pair[1].start);
            if !in_order || row.runs.iter().any(|run| run.start >= run.end) {
                return Err("runs out of order");
            }
        }
        Ok(Self { first, last, strong })
    }
}

/// The runs of a cut, from which its rows can be made again.
#[derive(Debug, Default)]
pub(super) struct Edges {
    first_row: Option<usize>,
    /// Of the last row.
    marks: Marks,
    /// As long as rows come.
    runs: Runs,
    /// Behind the last row.
    components: Components,
    /// By run, whether it holds a strong pixel; by root, whether its component does.
    strong: Vec<bool>,
    /// Roots of the components in the [`Partial`], in its order.
    touching: Vec<u32>,
}

impl GlobalPass for Hysteresis {
    type Partial = Partial;
    /// For each component of the [`Partial`], whether it is kept.
    type Share = Vec<bool>;
    type Cut = Edges;

    fn cost(&self) -> f32 {
        0.25
    }

    fn begin(&self) -> Edges {
        Edges::default()
    }

    fn combine(&self, top_to_bottom: Vec<Partial>) -> Vec<Vec<bool>> {
        let mut sets = DisjointSets::default();
        let mut offsets = vec![0];
        for partial in &top_to_bottom {
            offsets.push(offsets[offsets.len() - 1] + partial.strong.len());
        }
        sets.grow(offsets[top_to_bottom.len()]);
        for (pair, offsets) in top_to_bottom.windows(2).zip(offsets.windows(2)) {
            let (upper, lower) = (&pair[0].last, &pair[1].first);
            for_touching(&upper.runs, &lower.runs, |above, below| {
                let above = narrow(offsets[0]) + upper.components[above];
                sets.join(above, narrow(offsets[1]) + lower.components[below]);
            });
        }
        let roots = sets.into_roots();
        let mut kept = vec![false; roots.len()];
        let strong = top_to_bottom.iter().flat_map(|partial| &partial.strong);
        for (root, strong) in roots.iter().zip(strong) {
            kept[*root as usize] |= strong;
        }
        let kept = |root: &u32| kept[*root as usize];
        offsets.windows(2).map(|ends| roots[ends[0]..ends[1]].iter().map(kept).collect()).collect()
    }
}

impl Cut for Edges {
    type Partial = Partial;
    type Share = Vec<bool>;

    fn take(&mut self, rows: Band<'_>) {
        self.first_row.get_or_insert(rows.rows().start);
        for row in rows.rows() {
            self.marks.read(rows.row(row));
            let own = self.runs.add_row(self.marks.runs()).iter();
            self.strong.extend(own.map(|run| self.marks.is_strong(*run)));
        }
    }

    fn summarize(&mut self) -> Partial {
        let components = std::mem::take(&mut self.runs).into_components();
        for (run, root) in components.roots().iter().enumerate() {
            self.strong[*root as usize] |= self.strong[run];
        }
        let edges = [0, components.rows() - 1];
        let mut touching: Vec<u32> =
            edges.iter().flat_map(|row| components.row(*row)).map(|(_, root)| root).collect();
        touching.sort_unstable();
        touching.dedup();
        let [first, last] = edges.map(|row| EdgeRow::of(&components, row, &touching));
        let strong = touching.iter().map(|root| self.strong[*root as usize]).collect();
        (self.components, self.touching) = (components, touching);
        Partial { first, last, strong }
    }

    fn settle(&mut self, share: &Vec<bool>) -> bool {
        for (root, kept) in self.touching.iter().zip(share) {
            self.strong[*root as usize] = *kept;
        }
        self.touching.len() == share.len()
    }

    fn write_rows(&self, out: &mut BandMut<'_>) {
        let first_row = self.first_row.unwrap_or(0);
        for row in out.rows() {
            let line = out.row_mut(row);
            line.fill(0);
            for (run, root) in self.components.row(row - first_row) {
                if self.strong[root as usize] {
                    line[run.columns()].fill(255);
                }
            }
        }
    }
}

impl EdgeRow {
    /// A row of `components`; `touching` lists the roots in order.
    fn of(components: &Components, row: usize, touching: &[u32]) -> Self {
        let number = |root| narrow(touching.partition_point(|other| *other < root));
        let (runs, components) = components.row(row).map(|(run, root)| (run, number(root))).unzip();
        Self { runs, components }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::AnyGlobalPass;

    /// Runs the pass over a map cut behind the rows `cuts`.
    fn run(map: &[u8], width: usize, cuts: &[usize]) -> Vec<u8> {
        let height = map.len() / width;
        let mut out = map.to_vec();
        let ends = || cuts.iter().copied().chain([height]);
        let starts = [0].into_iter().chain(cuts.iter().copied());
        let cut =
            |bytes: &[u8], start: usize, end: usize| bytes[start * width..end * width].to_vec();
        let (partials, cuts): (Vec<_>, Vec<_>) = starts
            .clone()
            .zip(ends())
            .map(|(start, end)| {
                let bytes = cut(map, start, end);
                let mut cut = Hysteresis.begin_any();
                for (row, bytes) in (start..end).zip(bytes.chunks(width)) {
                    cut.take_any(Band::new(bytes, width, 1, row, height));
                }
                (cut.summarize_any(), cut)
            })
            .unzip();
        let shares = Hysteresis.combine_any(&partials).unwrap();
        for (((start, end), mut cut), share) in starts.zip(ends()).zip(cuts).zip(shares) {
            cut.settle_any(&share).unwrap();
            let bytes = &mut out[start * width..end * width];
            cut.write_rows_any(&mut BandMut::new(bytes, width, 1, start, height));
        }
        out
    }

    /// One weak line that winds down and up through all rows, and one strong pixel at its end.
    fn serpentine(width: usize, height: usize, end: u8) -> Vec<u8> {
        let mut map = vec![0; width * height];
        for column in 0..width {
            for row in 0..height {
                let turn = if column % 4 == 1 { height - 1 } else { 0 };
                if column % 2 == 0 || row == turn {
                    map[row * width + column] = WEAK;
                }
            }
        }
        map[0] = end;
        map
    }

    #[test]
    fn one_strong_pixel_keeps_a_serpentine_over_any_cuts() {
        let (width, height) = (41, 30);
        let every: Vec<usize> = (1..height).collect();
        for cuts in [&[][..], &[15], &[1, 29], &[3, 4, 5, 20], &every] {
            let map = serpentine(width, height, STRONG);
            let whole: Vec<u8> = map.iter().map(|value| if *value > 0 { 255 } else { 0 }).collect();
            assert_eq!(run(&map, width, cuts), whole, "{cuts:?}");
            let weak = serpentine(width, height, WEAK);
            assert_eq!(run(&weak, width, cuts), vec![0; map.len()], "{cuts:?}");
        }
    }

    #[test]
    fn broken_partials_and_shares_are_errors() {
        let map = serpentine(9, 6, STRONG);
        let mut cut = Hysteresis.begin_any();
        cut.take_any(Band::new(&map, 9, 1, 0, 6));
        let partial = cut.summarize_any();
        for length in 0..partial.len() {
            assert!(Hysteresis.combine_any(&[partial[..length].to_vec()]).is_err(), "{length}");
        }
        let longer = [&partial[..], &[0]].concat();
        assert!(Hysteresis.combine_any(&[longer]).is_err());
        for index in 0..partial.len() {
            for value in [0, 1, 2, 127, 128, 255] {
                let mut broken = partial.clone();
                broken[index] = value;
                // An error or a wrong answer, but no panic.
                let _ = Hysteresis.combine_any(&[partial.clone(), broken, partial.clone()]);
            }
        }
        for share in [&[2, 1, 1][..], &[3, 1, 1, 1], &[1]] {
            assert!(cut.settle_any(share).is_err(), "{share:?}");
        }
    }
}
