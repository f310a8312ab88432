//! A chain of ops, cut into rounds between which rows must be exchanged.

use std::ops::Range;

use super::alpha::{colour_channels, has_alpha};
use super::halves::{FirstHalf, SecondHalf};
use super::round_rows::RoundRows;
use super::strips::{self, Stages};
use super::{AnyGlobalPass, Op, OpSpec, Simd, Step};
use crate::band::{Band, BandMut, Rows};
use crate::error::{BugError, UsageError};

pub use super::halves::Local;

/// Times that a window is as high as the rows that are needed of it, at most.
const WINDOW_SPARE: u64 = 3;

/// Ops to be carried out one after the other. Without any it copies.
#[derive(Debug)]
pub struct Chain {
    rounds: Vec<Round>,
}

impl Chain {
    /// The chain of `specs`, with kernels that use the instructions `simd`.
    ///
    /// # Errors
    /// When an op refuses its parameters.
    pub fn build(specs: &[OpSpec], simd: Simd) -> Result<Self, UsageError> {
        let mut rounds = vec![Round::default()];
        for spec in specs {
            for step in spec.build(simd)? {
                push(&mut rounds, step);
            }
        }
        Ok(Self { rounds })
    }

    /// Its rounds, at least one. Whoever needs halo rows of a round's output must exchange them
    /// before the next.
    #[must_use]
    pub fn rounds(&self) -> &[Round] {
        &self.rounds
    }

    /// The rows of `source` as the chain filters them, made strip by strip on this thread; a global
    /// pass takes all of them in when the first is asked for.
    #[must_use]
    pub fn through<'a, F: From<BugError> + 'a>(
        &'a self,
        source: Box<dyn Rows<Fault = F> + 'a>,
    ) -> Box<dyn Rows<Fault = F> + 'a> {
        self.rounds.iter().fold(source, |source, round| Box::new(RoundRows::new(round, source)))
    }

    /// Cuts all rows of an image into strips that are best asked for one after the other.
    pub fn strips(
        &self,
        (width, height, channels): (usize, usize, usize),
    ) -> impl Iterator<Item = Range<usize>> + use<> {
        strips::strips(0..height, width * channels.max(self.output_channels(channels)))
    }

    /// The most memory that rows take on their way: that of a window over the source's rows, and all
    /// that [`through`](Self::through) makes of them. What global passes keep is not counted.
    #[must_use]
    pub fn window_bytes(&self, shape: (usize, usize, usize)) -> (u64, u64) {
        let (width, height, channels) = shape;
        let strip = self.strips(shape).next().unwrap_or(0..0).len();
        let most = channels.max(self.output_channels(channels)).max(3);
        let window = |rows: &Range<usize>| rows.len() as u64 * WINDOW_SPARE;
        // In the middle, where an op needs rows on both sides.
        let asked = (height - strip) / 2..(height + strip) / 2;
        let (mut rows, mut made) = (asked.clone(), 0);
        for round in self.rounds.iter().rev() {
            made += window(&rows);
            if round.is_global() {
                made += window(&asked) * (1 + round.after.len() as u64);
                rows = asked.clone();
            }
            for (index, op) in round.before.iter().enumerate().rev() {
                rows = op.input_rows(rows, height);
                made += if index > 0 { window(&rows) } else { 0 };
            }
        }
        let of_rows = |rows: u64| rows.saturating_mul((width * most) as u64);
        (of_rows(window(&rows)), of_rows(made))
    }

    /// Channels of the output, alpha included, for an input of `input` (1 to 4; 2 and 4 have
    /// alpha).
    #[must_use]
    pub fn output_channels(&self, input: usize) -> usize {
        self.rounds.iter().fold(input, |channels, round| round.output_channels(channels))
    }

    /// Rough cost in nanoseconds per pixel on one core, for an input of `channels` channels.
    #[must_use]
    pub fn cost(&self, channels: usize) -> f32 {
        let cost = self.rounds.iter().fold((0.0, channels), |(sum, channels), round| {
            (sum + round.cost(channels), round.output_channels(channels))
        });
        cost.0
    }
}

/// Adds `step` to the last round, or to a new one when it needs halo rows behind a global pass.
fn push(rounds: &mut Vec<Round>, step: Step) {
    let pass_done = rounds.last().is_some_and(Round::is_global);
    let fits = match &step {
        Step::Rows(op) => !pass_done || is_point(&**op),
        Step::Global(_) => !pass_done,
    };
    let mut round = if fits { rounds.pop().unwrap_or_default() } else { Round::default() };
    match step {
        Step::Rows(op) if pass_done && fits => append(&mut round.after, op),
        Step::Rows(op) => append(&mut round.before, op),
        Step::Global(pass) => round.pass = Some(pass),
    }
    rounds.push(round);
}

/// Whether the op makes each row from that row alone.
fn is_point(op: &dyn Op) -> bool {
    op.input_rows(1..2, 3) == (1..2)
}

/// Adds `op`, as one with the last of `ops` if that is a table and the two make one op.
fn append(ops: &mut Vec<Box<dyn Op>>, op: Box<dyn Op>) {
    let table = ops.last().and_then(|last| last.as_table());
    match table.and_then(|table| op.after(&table)) {
        Some(both) => {
            ops.pop();
            ops.push(both);
        }
        None => ops.push(op),
    }
}

/// A piece of a chain that a cut can do alone: ops on rows, then perhaps a global pass and ops on
/// single rows.
#[derive(Debug, Default)]
pub struct Round {
    before: Vec<Box<dyn Op>>,
    pass: Option<Box<dyn AnyGlobalPass>>,
    after: Vec<Box<dyn Op>>,
}

impl Round {
    /// Input rows needed to make the rows `rows` of an image `height` rows high.
    #[must_use]
    pub fn input_rows(&self, rows: Range<usize>, height: usize) -> Range<usize> {
        let ops = self.before.iter().chain(&self.after);
        ops.rev().fold(rows, |rows, op| op.input_rows(rows, height))
    }

    /// Channels of the output, alpha included, for an input of `input`.
    #[must_use]
    pub fn output_channels(&self, input: usize) -> usize {
        let alpha = usize::from(has_alpha(input));
        channels_after(&self.after, channels_after(&self.before, input - alpha)) + alpha
    }

    /// Whether it needs the whole image: then `summarize`, `combine` and `finish` take the place of
    /// `filter`.
    #[must_use]
    pub fn is_global(&self) -> bool {
        self.pass.is_some()
    }

    /// Writes all rows of `out`; `input` holds at least [`input_rows`](Self::input_rows) of them.
    ///
    /// # Panics
    /// When the round is global, `input` lacks rows, or `out` is no image of its size and
    /// [`output_channels`](Self::output_channels).
    pub fn filter(&self, input: Band<'_>, out: &mut BandMut<'_>) {
        assert!(!self.is_global(), "a global round is summarized and finished");
        assert_eq!(
            out.channels(),
            self.output_channels(input.channels()),
            "channels of the output"
        );
        assert_eq!((out.width(), out.height()), (input.width(), input.height()), "size");
        let mut stages = Stages::new(&self.before, shape_of(input));
        let alpha = has_alpha(input.channels()).then_some(input);
        let strips = stages.strips(out.rows());
        for_each_strip(out, strips, |out| stages.write(input, alpha, out));
    }

    /// Does what comes before the global pass for the rows `rows`, and looks at the result. The
    /// bytes are for [`combine`](Self::combine), the rest for [`finish`](Self::finish).
    ///
    /// # Panics
    /// When the round is not global, `rows` is empty, or `input` lacks rows.
    #[must_use]
    pub fn summarize(&self, input: Band<'_>, rows: Range<usize>) -> (Vec<u8>, Local) {
        assert!(!rows.is_empty(), "a cut without rows");
        let mut half = self.first_half(shape_of(input), rows.start);
        for strip in half.strips(rows) {
            half.take(input, strip);
        }
        half.end()
    }

    /// Takes the bytes of every cut of the image, top to bottom, and gives bytes back for each.
    ///
    /// # Errors
    /// When some bytes are not those of this pass.
    ///
    /// # Panics
    /// When the round is not global.
    pub fn combine(&self, top_to_bottom: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, BugError> {
        self.pass().combine_any(top_to_bottom)
    }

    /// Writes the rows of `local`, which must be those of `out`, with the bytes `share` for this
    /// cut.
    ///
    /// # Errors
    /// When `share` is not the answer to this cut's bytes.
    ///
    /// # Panics
    /// When the round is not global, or `out` is not for the rows of `local`.
    pub fn finish(
        &self,
        local: Local,
        share: &[u8],
        out: &mut BandMut<'_>,
    ) -> Result<(), BugError> {
        let size = (out.width(), out.height());
        assert_eq!((out.rows(), size), (local.rows(), local.size()), "rows");
        let mut half = self.second_half(local, share)?;
        let strips = half.strips(out.rows());
        for_each_strip(out, strips, |out| half.write(out));
        Ok(())
    }

    /// Its ops for an image of `shape` (width, height, channels), unless it has a global pass.
    pub(super) fn stages(&self, shape: (usize, usize, usize)) -> Option<Stages<'_>> {
        (!self.is_global()).then(|| Stages::new(&self.before, shape))
    }

    /// Its first half for a cut of an image of `shape`, from row `first_row` on.
    pub(super) fn first_half(
        &self,
        shape: (usize, usize, usize),
        first_row: usize,
    ) -> FirstHalf<'_> {
        FirstHalf::new(&self.before, self.pass(), shape, first_row)
    }

    /// Its second half for the cut of `local`.
    pub(super) fn second_half(
        &self,
        local: Local,
        share: &[u8],
    ) -> Result<SecondHalf<'_>, BugError> {
        SecondHalf::new(&self.after, local, share)
    }

    fn pass(&self) -> &dyn AnyGlobalPass {
        match &self.pass {
            Some(pass) => &**pass,
            None => unreachable!("a round without a global pass is filtered"),
        }
    }

    fn cost(&self, channels: usize) -> f32 {
        let colour = colour_channels(channels);
        let pass = self.pass.as_ref().map_or(0.0, |pass| pass.cost());
        let before = cost_of(&self.before, colour);
        before + pass + cost_of(&self.after, channels_after(&self.before, colour))
    }
}

fn shape_of(image: Band<'_>) -> (usize, usize, usize) {
    (image.width(), image.height(), image.channels())
}

/// Calls `write` for each of the strips that `out` is cut into.
fn for_each_strip(
    out: &mut BandMut<'_>,
    strips: impl Iterator<Item = Range<usize>>,
    mut write: impl FnMut(&mut BandMut<'_>),
) {
    let (width, channels, height) = (out.width(), out.channels(), out.height());
    let (first_row, stride) = (out.rows().start, out.stride());
    for strip in strips {
        let bytes = (strip.start - first_row) * stride..(strip.end - first_row) * stride;
        let strip_bytes = &mut out.bytes_mut()[bytes];
        write(&mut BandMut::new(strip_bytes, width, channels, strip.start, height));
    }
}

fn channels_after(ops: &[Box<dyn Op>], channels: usize) -> usize {
    ops.iter().fold(channels, |channels, op| op.channels(channels))
}

#[expect(clippy::cast_precision_loss, reason = "at most 3 channels")]
fn cost_of(ops: &[Box<dyn Op>], channels: usize) -> f32 {
    let cost = ops.iter().fold((0.0, channels), |(sum, channels), op| {
        let made = op.channels(channels);
        (sum + op.cost() * made as f32, made)
    });
    cost.0
}
