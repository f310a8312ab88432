//! Operations on rows of pixels: what an op promises, and the one list of them.
//!
//! To add an op, write one file with an [`OpEntry`] and name it in [`OPS`]; `tests/every_op.rs`
//! tests whatever is listed. An op never knows a rank, a thread or a file.

mod alpha;
mod blur;
mod brightness_contrast;
mod canny;
pub mod chain;
mod channel;
mod components;
mod convolve;
mod gamma;
mod gaussian;
mod global_pass;
mod gray;
mod halves;
mod heatmap;
mod hsv;
mod hysteresis;
mod invert;
mod kernels;
mod laplacian;
mod marks;
mod padding;
mod parameter;
mod round_rows;
mod sharpen;
pub mod spec;
mod strips;
mod table;

use std::fmt::Debug;
use std::ops::Range;

use crate::band::{Band, BandMut};
use crate::error::UsageError;

pub use crate::simd::Simd;
pub use chain::{Chain, Local, Round};
pub use global_pass::{AnyCut, AnyGlobalPass, Cut, GlobalPass};
pub use parameter::{Kind, Matrix, Parameter, Params, Value};
pub use spec::OpSpec;
pub use table::Table;

/// All ops, in the order `--help` shows them.
pub const OPS: &[&OpEntry] = &[
    &gray::OP,
    &canny::OP,
    &sharpen::OP,
    &blur::OP,
    &laplacian::OP,
    &invert::OP,
    &brightness_contrast::OP,
    &channel::RED,
    &channel::GREEN,
    &channel::BLUE,
    &hsv::OP,
    &heatmap::OP,
    &gamma::OP,
    &convolve::OP,
];

/// What an op promises, so that any cut of an image gives the same bytes.
///
/// It sees 1 (gray) or 3 (R, G, B) interleaved channels, never alpha.
pub trait Op: Send + Sync + Debug {
    /// Channels of the output for an input of `input` channels (1 or 3).
    fn channels(&self, input: usize) -> usize {
        input
    }

    /// Rough cost in nanoseconds per output pixel and channel on one core; only the plan uses it.
    fn cost(&self) -> f32;

    /// Input rows needed to make the rows `output` of an image `height` rows high.
    ///
    /// Both ends never move up when `output` moves down.
    fn input_rows(&self, output: Range<usize>, _height: usize) -> Range<usize> {
        output
    }

    /// The op as a table, if it makes each value from that value alone.
    fn as_table(&self) -> Option<Table> {
        None
    }

    /// One op that does the same as `table` and then this one, if there is one.
    fn after(&self, table: &Table) -> Option<Box<dyn Op>> {
        Some(Box::new(table.then(&self.as_table()?)))
    }

    /// Writes image rows `rows` to `out`, which holds just these; `input` holds at least
    /// `input_rows(rows)`.
    fn write_rows(&self, input: Band<'_>, rows: Range<usize>, out: &mut BandMut<'_>);
}

/// One step of a chain, as the user's ops are taken apart.
#[derive(Debug)]
pub enum Step {
    /// Makes each row from the rows around it.
    Rows(Box<dyn Op>),
    /// Needs the whole image.
    Global(Box<dyn AnyGlobalPass>),
}

impl Step {
    /// A step that makes each row from the rows around it.
    fn rows(op: impl Op + 'static) -> Self {
        Self::Rows(Box::new(op))
    }
}

/// An op as the user sees it.
#[derive(Debug)]
pub struct OpEntry {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// What it takes.
    pub parameters: &'static [Parameter],
    /// Parameters that the tests and the benches run it with; the first is the plainest.
    pub samples: &'static [&'static str],
    /// Makes the steps that carry it out.
    pub build: fn(&Params<'_>) -> Result<Vec<Step>, UsageError>,
}

impl OpEntry {
    /// The op of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static OpEntry> {
        OPS.iter().copied().find(|entry| entry.name == name)
    }

    /// The op with one of its [`samples`](Self::samples), as on the command line.
    #[must_use]
    pub fn text_of(&self, sample: &str) -> String {
        if sample.is_empty() { self.name.to_owned() } else { format!("{}:{sample}", self.name) }
    }
}
