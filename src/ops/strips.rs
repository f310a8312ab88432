//! Runs ops over a band strip by strip, so that the rows between two ops stay in cache.

use std::ops::Range;

use super::Op;
use super::alpha::{DropAlpha, has_alpha, join};
use crate::band::{Band, BandMut};

/// Bytes of the rows that one strip of one op should hold: a part of a core's L2 cache.
const STRIP_BYTES: usize = 160 * 1024;
/// Fewer rows would spend too much on what each call of an op sets up.
const STRIP_ROWS: usize = 8;

/// Writes all rows of `out` by `ops`, from the colours of `input`; the last channel of `alpha`
/// becomes that of `out`.
pub(super) fn run(
    ops: &[Box<dyn Op>],
    input: Band<'_>,
    alpha: Option<Band<'_>>,
    out: &mut BandMut<'_>,
) {
    if ops.is_empty() && input.channels() == out.channels() {
        copy(input, out);
        return;
    }
    let (all, width, channels, height) = (out.rows(), out.width(), out.channels(), out.height());
    let mut stages = Stages::new(ops, input);
    let strip_rows = stages.strip_rows();
    let mut colour = Vec::new();
    for start in all.clone().step_by(strip_rows) {
        let rows = start..(start + strip_rows).min(all.end);
        let stride = width * channels;
        let bytes = (rows.start - all.start) * stride..(rows.end - all.start) * stride;
        let strip = &mut out.bytes_mut()[bytes];
        if let Some(alpha) = alpha {
            colour.resize(rows.len() * width * (channels - 1), 0);
            let mut apart = BandMut::new(&mut colour, width, channels - 1, rows.start, height);
            stages.write(&mut apart);
            join(&colour, alpha.slice(rows), strip, channels);
        } else {
            stages.write(&mut BandMut::new(strip, width, channels, rows.start, height));
        }
    }
}

/// Ops, each with the rows it has made and the next one still needs.
struct Stages<'o, 'i> {
    input: Band<'i>,
    stages: Vec<Stage<'o>>,
}

struct Stage<'o> {
    op: &'o dyn Op,
    channels: usize,
    bytes: Vec<u8>,
    rows: Range<usize>,
}

impl<'o, 'i> Stages<'o, 'i> {
    fn new(ops: &'o [Box<dyn Op>], input: Band<'i>) -> Self {
        let drop_alpha = has_alpha(input.channels()).then_some(&DropAlpha as &dyn Op);
        let mut channels = input.channels();
        let ops = drop_alpha.into_iter().chain(ops.iter().map(|op| &**op));
        let stages = ops.map(|op| {
            channels = op.channels(channels);
            Stage { op, channels, bytes: Vec::new(), rows: 0..0 }
        });
        Self { input, stages: stages.collect() }
    }

    fn strip_rows(&self) -> usize {
        let most = self.stages.iter().map(|stage| stage.channels).max().unwrap_or(1);
        (STRIP_BYTES / (self.input.width() * most)).max(STRIP_ROWS)
    }

    /// Writes the rows of `out`, which must not lie above those written before.
    fn write(&mut self, out: &mut BandMut<'_>) {
        let height = out.height();
        let mut needs = vec![out.rows()];
        for stage in self.stages.iter().skip(1).rev() {
            let need = stage.op.input_rows(needs[needs.len() - 1].clone(), height);
            needs.push(need);
        }
        for (index, need) in needs.into_iter().rev().enumerate() {
            let (before, rest) = self.stages.split_at_mut(index);
            let input = match before.last() {
                Some(stage) => stage.band(self.input),
                None => self.input,
            };
            match rest {
                [last] => last.op.write_rows(input, need, out),
                [stage, ..] => stage.advance(input, need),
                [] => copy(input, out),
            }
        }
    }
}

/// Without any op the rows are the input's own.
fn copy(input: Band<'_>, out: &mut BandMut<'_>) {
    let rows = input.slice(out.rows());
    out.bytes_mut().copy_from_slice(rows.bytes());
}

impl Stage<'_> {
    /// The rows it holds, of an image of the size of `like`.
    fn band(&self, like: Band<'_>) -> Band<'_> {
        Band::new(&self.bytes, like.width(), self.channels, self.rows.start, like.height())
    }

    /// Drops the rows above `need` and makes those below what it holds.
    fn advance(&mut self, input: Band<'_>, need: Range<usize>) {
        let stride = input.width() * self.channels;
        let kept = self.rows.start.max(need.start)..self.rows.end.max(need.start);
        let dropped = (kept.start - self.rows.start).min(self.rows.len());
        self.bytes.copy_within(dropped * stride.., 0);
        let held = self.rows.len() - dropped;
        self.rows = need.start..need.start + held;
        let fresh = self.rows.end..need.end.max(self.rows.end);
        self.bytes.resize((held + fresh.len()) * stride, 0);
        self.rows.end = fresh.end;
        if fresh.is_empty() {
            return;
        }
        let bytes = &mut self.bytes[held * stride..];
        let mut out =
            BandMut::new(bytes, input.width(), self.channels, fresh.start, input.height());
        self.op.write_rows(input, fresh, &mut out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    use crate::band::rows_around;

    /// Copies rows and notes which it was asked for.
    #[derive(Debug)]
    struct Recorder {
        radius: usize,
        made: Arc<Mutex<Vec<usize>>>,
    }

    impl Op for Recorder {
        fn cost(&self) -> f32 {
            0.0
        }

        fn input_rows(&self, output: Range<usize>, height: usize) -> Range<usize> {
            rows_around(output, self.radius, height)
        }

        fn write_rows(&self, input: Band<'_>, rows: Range<usize>, out: &mut BandMut<'_>) {
            for row in self.input_rows(rows.clone(), input.height()) {
                let _ = input.row(row);
            }
            self.made.lock().unwrap().extend(rows.clone());
            out.bytes_mut().copy_from_slice(input.slice(rows).bytes());
        }
    }

    #[test]
    fn every_stage_makes_every_row_once() {
        let (width, height) = (STRIP_BYTES / 9, 100);
        let bytes: Vec<u8> = (0..width * height).map(|i| (i % 251).to_le_bytes()[0]).collect();
        let made: Vec<_> = (0..3).map(|_| Arc::new(Mutex::new(Vec::new()))).collect();
        let ops: Vec<Box<dyn Op>> = [3, 0, 15]
            .into_iter()
            .zip(&made)
            .map(|(radius, made)| Box::new(Recorder { radius, made: made.clone() }) as Box<dyn Op>)
            .collect();
        let mut out = vec![0; width * 50];
        let mut band = BandMut::new(&mut out, width, 1, 30, height);
        run(&ops, Band::new(&bytes, width, 1, 0, height), None, &mut band);
        assert_eq!(out, bytes[width * 30..width * 80]);
        let expected = [15..95, 15..95, 30..80];
        for (made, expected) in made.iter().zip(expected) {
            assert_eq!(*made.lock().unwrap(), expected.collect::<Vec<_>>());
        }
    }
}
