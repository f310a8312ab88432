//! Any function of one value, as a table.

use std::fmt;
use std::ops::Range;

use super::{Op, Simd, kernels};
use crate::band::{Band, BandMut};

/// Replaces each value by what a table holds for it.
#[derive(Clone)]
pub struct Table {
    values: [u8; 256],
    simd: Simd,
}

impl Table {
    /// The table of `function`.
    pub(super) fn of(function: impl Fn(u8) -> u8, simd: Simd) -> Self {
        let mut values = [0; 256];
        for (value, entry) in (0..=255).zip(&mut values) {
            *entry = function(value);
        }
        Self { values, simd }
    }

    /// This one, then `next`.
    pub(super) fn then(&self, next: &Self) -> Self {
        Self::of(|value| next.at(self.at(value)), self.simd)
    }

    /// What it holds, by value.
    pub(super) fn values(&self) -> &[u8; 256] {
        &self.values
    }

    fn at(&self, value: u8) -> u8 {
        self.values[usize::from(value)]
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").finish_non_exhaustive()
    }
}

impl Op for Table {
    fn cost(&self) -> f32 {
        0.1
    }

    fn as_table(&self) -> Option<Table> {
        Some(self.clone())
    }

    fn write_rows(&self, input: Band<'_>, rows: Range<usize>, out: &mut BandMut<'_>) {
        let bytes = input.slice(rows).bytes();
        kernels::point::look_up_row(self.simd, bytes, &self.values, out.bytes_mut());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_tables_are_one() {
        let double = Table::of(|value| value.saturating_mul(2), Simd::scalar());
        let invert = Table::of(|value| !value, Simd::scalar());
        let both = double.then(&invert);
        assert_eq!([0, 1, 127, 200].map(|value| both.at(value)), [255, 253, 1, 0]);
    }
}
