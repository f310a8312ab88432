//! The rows that a round makes of rows that come one after the other.

use std::ops::Range;

use super::alpha::has_alpha;
use super::chain::Round;
use super::halves::SecondHalf;
use super::strips::Stages;
use crate::band::{Band, Rows, Window};
use crate::error::BugError;

/// A round and where its rows come from.
pub(super) struct RoundRows<'a, F> {
    round: &'a Round,
    source: Box<dyn Rows<Fault = F> + 'a>,
    maker: Maker<'a>,
    /// The rows that were made and may be asked for again.
    made: Window,
}

/// What makes the rows.
enum Maker<'a> {
    /// Ops, from the source's rows.
    Ops(Stages<'a>),
    /// A global pass that has not begun.
    Unread,
    /// A global pass that has seen all rows.
    Pass(SecondHalf<'a>),
}

impl<'a, F: From<BugError>> RoundRows<'a, F> {
    pub(super) fn new(round: &'a Round, source: Box<dyn Rows<Fault = F> + 'a>) -> Self {
        let shape = (source.width(), source.height(), source.channels());
        let maker = match round.stages(shape) {
            Some(stages) => Maker::Ops(stages),
            None => Maker::Unread,
        };
        let channels = round.output_channels(source.channels());
        let made = Window::new(source.width(), channels, source.height());
        Self { round, source, maker, made }
    }

    /// Has the pass look at the whole image.
    fn read_all(&mut self) -> Result<SecondHalf<'a>, F> {
        let shape = (self.source.width(), self.source.height(), self.source.channels());
        let mut half = self.round.first_half(shape, 0);
        for strip in half.strips(0..shape.1) {
            let input = self.source.rows(half.input_rows(strip.clone()))?;
            half.take(input, strip);
        }
        let (partial, local) = half.end();
        let shares = self.round.combine(&[partial])?;
        let share = shares.first().map_or(&[][..], Vec::as_slice);
        Ok(self.round.second_half(local, share)?)
    }
}

impl<F: From<BugError>> Rows for RoundRows<'_, F> {
    type Fault = F;

    fn width(&self) -> usize {
        self.source.width()
    }

    fn height(&self) -> usize {
        self.source.height()
    }

    fn channels(&self) -> usize {
        self.round.output_channels(self.source.channels())
    }

    fn rows(&mut self, rows: Range<usize>) -> Result<Band<'_>, F> {
        if matches!(self.maker, Maker::Unread) {
            self.maker = Maker::Pass(self.read_all()?);
        }
        let (source, maker) = (&mut self.source, &mut self.maker);
        self.made.advance(rows, |out| {
            match maker {
                Maker::Ops(stages) => {
                    let input = source.rows(stages.input_rows(out.rows(), out.height()))?;
                    let alpha = has_alpha(input.channels()).then_some(input);
                    stages.write(input, alpha, out);
                }
                Maker::Pass(half) => half.write(out),
                Maker::Unread => unreachable!("all rows were read above"),
            }
            Ok::<(), F>(())
        })?;
        Ok(self.made.band())
    }
}
