//! Any function of one value, as a table.

use std::fmt;
use std::ops::Range;

use super::{Op, kernels};
use crate::band::{Band, BandMut};

/// Replaces each value by what a table holds for it.
pub(super) struct Table {
    values: [u8; 256],
}

impl Table {
    /// The table of `function`.
    pub(super) fn of(function: impl Fn(u8) -> u8) -> Self {
        let mut values = [0; 256];
        for (value, entry) in (0..=255).zip(&mut values) {
            *entry = function(value);
        }
        Self { values }
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").finish_non_exhaustive()
    }
}

impl Op for Table {
    fn cost(&self) -> f32 {
        0.4
    }

    fn write_rows(&self, input: Band<'_>, rows: Range<usize>, out: &mut BandMut<'_>) {
        let bytes = input.slice(rows).bytes();
        kernels::point::look_up_row(bytes, &self.values, out.bytes_mut());
    }
}
