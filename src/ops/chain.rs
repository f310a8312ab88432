//! A chain of ops, cut into rounds between which rows must be exchanged.

use std::any::Any;
use std::ops::Range;

use super::alpha::{alpha_rows, colour_channels, has_alpha};
use super::{AnyGlobalPass, Op, OpSpec, Simd, Step, strips};
use crate::band::{Band, BandMut};
use crate::error::{BugError, UsageError};

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

/// What a cut keeps of its rows between [`Round::summarize`] and [`Round::finish`].
#[derive(Debug)]
pub struct Local {
    colour: Vec<u8>,
    alpha: Option<Vec<u8>>,
    width: usize,
    channels: usize,
    rows: Range<usize>,
    height: usize,
    pass: Box<dyn Any + Send>,
}

impl Local {
    /// The image rows it stands for.
    #[must_use]
    pub fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// Bytes of pixels it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.colour.len() + self.alpha.as_ref().map_or(0, Vec::len)
    }

    /// Whether it stands for no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.colour.is_empty()
    }
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
        let alpha = has_alpha(input.channels()).then_some(input);
        strips::run(&self.before, input, alpha, out);
    }

    /// Does what comes before the global pass for the rows `rows`, and looks at the result. The
    /// bytes are for [`combine`](Self::combine), the rest for [`finish`](Self::finish).
    ///
    /// # Panics
    /// When the round is not global, `rows` is empty, or `input` lacks rows.
    #[must_use]
    pub fn summarize(&self, input: Band<'_>, rows: Range<usize>) -> (Vec<u8>, Local) {
        assert!(!rows.is_empty(), "a cut without rows");
        let (width, height) = (input.width(), input.height());
        let channels = channels_after(&self.before, colour_channels(input.channels()));
        let mut colour = vec![0; rows.len() * width * channels];
        let mut out = BandMut::new(&mut colour, width, channels, rows.start, height);
        strips::run(&self.before, input, None, &mut out);
        let (partial, pass) = self.pass().summarize_any(out.as_band());
        let alpha =
            has_alpha(input.channels()).then(|| alpha_rows(input.slice(rows.clone())).collect());
        (partial, Local { colour, alpha, width, channels, rows, height, pass })
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
        let Local { mut colour, alpha, width, channels, rows, height, pass } = local;
        assert_eq!((out.rows(), out.height(), out.width()), (rows.clone(), height, width), "rows");
        let mut band = BandMut::new(&mut colour, width, channels, rows.start, height);
        self.pass().apply_any(&mut band, pass, share)?;
        let alpha = alpha.as_deref().map(|bytes| Band::new(bytes, width, 1, rows.start, height));
        strips::run(&self.after, band.as_band(), alpha, out);
        Ok(())
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
