//! Runs ops over a band strip by strip, so that the rows between two ops stay in cache.

use std::convert::Infallible;
use std::ops::Range;

use super::Op;
use super::alpha::{DropAlpha, has_alpha, join};
use crate::band::{Band, BandMut, Window};

/// Bytes of the rows that one strip of one op should hold: a part of a core's L2 cache.
const STRIP_BYTES: usize = 160 * 1024;
/// A strip has a multiple of so many: fewer would spend too much on what each call of an op sets up, and
/// blur makes four at once.
const STRIP_ROWS: usize = 8;

/// Cuts rows that have at most `row_bytes` bytes on their way into strips that stay in cache.
pub(super) fn strips(
    rows: Range<usize>,
    row_bytes: usize,
) -> impl Iterator<Item = Range<usize>> + use<> {
    let strip = (STRIP_BYTES / row_bytes.max(1)).max(1).next_multiple_of(STRIP_ROWS);
    rows.clone().step_by(strip).map(move |start| start..(start + strip).min(rows.end))
}

/// Ops, each with the rows it has made and the next one still needs.
pub(super) struct Stages<'o> {
    stages: Vec<Stage<'o>>,
    /// The most bytes that a row has on its way.
    row_bytes: usize,
    /// Where rows are made that alpha is to be joined to.
    colour: Vec<u8>,
}

struct Stage<'o> {
    op: &'o dyn Op,
    window: Window,
}

impl<'o> Stages<'o> {
    /// `ops` for an image of `width`, `height` and `channels`.
    pub(super) fn new(
        ops: &'o [Box<dyn Op>],
        (width, height, mut channels): (usize, usize, usize),
    ) -> Self {
        let mut most = channels;
        let drop_alpha = has_alpha(channels).then_some(&DropAlpha as &dyn Op);
        let ops = drop_alpha.into_iter().chain(ops.iter().map(|op| &**op));
        let stages = ops.map(|op| {
            channels = op.channels(channels);
            most = most.max(channels);
            Stage { op, window: Window::new(width, channels, height) }
        });
        let stages = stages.collect();
        Self { stages, row_bytes: width * most, colour: Vec::new() }
    }

    /// Whether the rows stay as they are.
    pub(super) fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// Cuts rows into strips that stay in cache.
    pub(super) fn strips(&self, rows: Range<usize>) -> impl Iterator<Item = Range<usize>> + use<> {
        strips(rows, self.row_bytes)
    }

    /// Input rows needed to make the rows `rows` of an image `height` rows high.
    pub(super) fn input_rows(&self, rows: Range<usize>, height: usize) -> Range<usize> {
        self.stages.iter().rev().fold(rows, |rows, stage| stage.op.input_rows(rows, height))
    }

    /// Writes the rows of `out`, which must not lie above those written before, from `input`; the
    /// last channel of `alpha` becomes that of `out`.
    pub(super) fn write(
        &mut self,
        input: Band<'_>,
        alpha: Option<Band<'_>>,
        out: &mut BandMut<'_>,
    ) {
        let Some(alpha) = alpha else { return self.write_colour(input, out) };
        let (rows, channels) = (out.rows(), out.channels());
        let mut colour = std::mem::take(&mut self.colour);
        colour.resize(rows.len() * out.width() * (channels - 1), 0);
        let (width, height) = (out.width(), out.height());
        self.write_colour(
            input,
            &mut BandMut::new(&mut colour, width, channels - 1, rows.start, height),
        );
        join(&colour, alpha.slice(rows), out.bytes_mut(), channels);
        self.colour = colour;
    }

    fn write_colour(&mut self, input: Band<'_>, out: &mut BandMut<'_>) {
        let height = out.height();
        let mut needs = vec![out.rows()];
        for stage in self.stages.iter().skip(1).rev() {
            let need = stage.op.input_rows(needs[needs.len() - 1].clone(), height);
            needs.push(need);
        }
        for (index, need) in needs.into_iter().rev().enumerate() {
            let (before, rest) = self.stages.split_at_mut(index);
            let input = before.last().map_or(input, |stage| stage.window.band());
            match rest {
                [last] => last.op.write_rows(input, need, out),
                [stage, ..] => stage.advance(input, need),
                [] => out.bytes_mut().copy_from_slice(input.slice(need).bytes()),
            }
        }
    }
}

impl Stage<'_> {
    /// Drops the rows above `need` and makes those below what it holds.
    fn advance(&mut self, input: Band<'_>, need: Range<usize>) {
        let op = self.op;
        let Ok(()) = self.window.advance(need, |out| {
            op.write_rows(input, out.rows(), out);
            Ok::<(), Infallible>(())
        });
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
        let mut stages = Stages::new(&ops, (width, height, 1));
        for strip in stages.strips(30..80) {
            let (start, end) = ((strip.start - 30) * width, (strip.end - 30) * width);
            let mut out = BandMut::new(&mut out[start..end], width, 1, strip.start, height);
            stages.write(Band::new(&bytes, width, 1, 0, height), None, &mut out);
        }
        assert_eq!(out, bytes[width * 30..width * 80]);
        let expected = [15..95, 15..95, 30..80];
        for (made, expected) in made.iter().zip(expected) {
            assert_eq!(*made.lock().unwrap(), expected.collect::<Vec<_>>());
        }
    }
}
