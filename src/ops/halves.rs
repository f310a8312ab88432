//! The two halves of a round with a global pass, strip by strip.

use std::ops::Range;

use super::alpha::{alpha_rows, colour_channels, has_alpha};
use super::strips::Stages;
use super::{AnyCut, AnyGlobalPass, Op};
use crate::band::{Band, BandMut};
use crate::error::BugError;

/// What a cut keeps of its rows between the halves.
#[derive(Debug)]
pub struct Local {
    cut: Box<dyn AnyCut>,
    alpha: Option<Vec<u8>>,
    width: usize,
    /// Of the rows that the pass makes.
    channels: usize,
    rows: Range<usize>,
    height: usize,
}

impl Local {
    /// The image rows it stands for.
    #[must_use]
    pub fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// Columns and rows of the image.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }
}

/// Makes the rows that a pass looks at, and has it look.
pub(super) struct FirstHalf<'r> {
    stages: Stages<'r>,
    /// Where they are made.
    seen: Vec<u8>,
    local: Local,
}

impl<'r> FirstHalf<'r> {
    /// For a cut from row `first_row` on of an image of `width`, `height` and `channels`.
    pub(super) fn new(
        before: &'r [Box<dyn Op>],
        pass: &dyn AnyGlobalPass,
        (width, height, channels): (usize, usize, usize),
        first_row: usize,
    ) -> Self {
        let seen = before.iter().fold(colour_channels(channels), |made, op| op.channels(made));
        let local = Local {
            cut: pass.begin_any(),
            alpha: has_alpha(channels).then(Vec::new),
            width,
            channels: seen,
            rows: first_row..first_row,
            height,
        };
        let stages = Stages::new(before, (width, height, channels));
        Self { stages, seen: Vec::new(), local }
    }

    /// Cuts rows into strips that stay in cache.
    pub(super) fn strips(&self, rows: Range<usize>) -> impl Iterator<Item = Range<usize>> + use<> {
        self.stages.strips(rows)
    }

    /// Input rows that the rows `rows` need.
    pub(super) fn input_rows(&self, rows: Range<usize>) -> Range<usize> {
        self.stages.input_rows(rows, self.local.height)
    }

    /// Takes the next rows, `rows`, of which `input` holds what they need.
    pub(super) fn take(&mut self, input: Band<'_>, rows: Range<usize>) {
        let Local { cut, alpha, width, channels, rows: taken, height } = &mut self.local;
        taken.end = rows.end;
        self.seen.resize(rows.len() * *width * *channels, 0);
        let mut seen = BandMut::new(&mut self.seen, *width, *channels, rows.start, *height);
        self.stages.write(input, None, &mut seen);
        cut.take_any(seen.as_band());
        if let Some(alpha) = alpha {
            alpha.extend(alpha_rows(input.slice(rows)));
        }
    }

    /// Bytes to be combined with those of the other cuts, and what is kept.
    pub(super) fn end(mut self) -> (Vec<u8>, Local) {
        (self.local.cut.summarize_any(), self.local)
    }
}

/// Makes the rows of a pass that knows the whole image.
pub(super) struct SecondHalf<'r> {
    stages: Stages<'r>,
    /// Where rows of the pass are made for the ops behind it.
    made: Vec<u8>,
    local: Local,
}

impl<'r> SecondHalf<'r> {
    /// For the cut of `local`, which gets the bytes `share`.
    pub(super) fn new(
        after: &'r [Box<dyn Op>],
        mut local: Local,
        share: &[u8],
    ) -> Result<Self, BugError> {
        local.cut.settle_any(share)?;
        let stages = Stages::new(after, (local.width, local.height, local.channels));
        Ok(Self { stages, made: Vec::new(), local })
    }

    /// Cuts rows into strips that stay in cache.
    pub(super) fn strips(&self, rows: Range<usize>) -> impl Iterator<Item = Range<usize>> + use<> {
        self.stages.strips(rows)
    }

    /// Writes rows of the cut.
    pub(super) fn write(&mut self, out: &mut BandMut<'_>) {
        let Local { cut, alpha, width, channels, rows: own, height } = &self.local;
        if self.stages.is_empty() && alpha.is_none() {
            return cut.write_rows_any(out);
        }
        let rows = out.rows();
        self.made.resize(rows.len() * width * channels, 0);
        let mut made = BandMut::new(&mut self.made, *width, *channels, rows.start, *height);
        cut.write_rows_any(&mut made);
        let alpha = alpha.as_deref().map(|bytes| Band::new(bytes, *width, 1, own.start, *height));
        self.stages.write(made.as_band(), alpha, out);
    }
}
