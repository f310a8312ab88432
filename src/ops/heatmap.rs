//! False colours.

use std::fmt;
use std::ops::Range;

use super::gray::Gray;
use super::{Op, OpEntry, Simd, Step, kernels};
use crate::band::{Band, BandMut};

pub(super) const OP: OpEntry = OpEntry {
    name: "heatmap",
    summary: "Gray in false colours from blue to red, as OpenCV's COLORMAP_JET",
    parameters: &[],
    samples: &[""],
    build: |params| {
        let simd = params.simd();
        Ok(vec![Step::rows(Gray::new(simd)), Step::rows(Jet::new(simd))])
    },
};

/// Gray to R, G, B by tables.
struct Jet {
    tables: [[u8; 256]; 3],
    simd: Simd,
}

impl Jet {
    fn new(simd: Simd) -> Self {
        let mut tables = [[0; 256]; 3];
        for gray in 0..=255 {
            for (table, value) in tables.iter_mut().zip(jet(gray)) {
                table[usize::from(gray)] = value;
            }
        }
        Self { tables, simd }
    }
}

/// R, G, B of one gray value: three trapezoids, each a third of the range further on.
fn jet(gray: u8) -> [u8; 3] {
    let red = match gray {
        0..96 => 0,
        96..160 => 2 + 4 * (gray - 96),
        160..224 => 255,
        224.. => 252 - 4 * (gray - 224),
    };
    let green = match gray {
        0..33 | 223.. => 0,
        33..96 => 4 * (gray - 32),
        96..160 => 255,
        160..223 => 252 - 4 * (gray - 160),
    };
    let blue = match gray {
        0..32 => 128 + 4 * gray,
        32..96 => 255,
        96..159 => 254 - 4 * (gray - 96),
        159 => 1,
        160.. => 0,
    };
    [red, green, blue]
}

impl fmt::Debug for Jet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jet").finish_non_exhaustive()
    }
}

impl Op for Jet {
    fn channels(&self, _input: usize) -> usize {
        3
    }

    fn cost(&self) -> f32 {
        0.1
    }

    fn write_rows(&self, input: Band<'_>, rows: Range<usize>, out: &mut BandMut<'_>) {
        let bytes = input.slice(rows).bytes();
        kernels::point::look_up_triples_row(self.simd, bytes, &self.tables, out.bytes_mut());
    }
}
