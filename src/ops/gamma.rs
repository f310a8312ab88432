//! Gamma correction.

use super::table::Table;
use super::{Kind, OpEntry, Parameter, Step};

pub(super) const OP: OpEntry = OpEntry {
    name: "gamma",
    summary: "255 (p/255)^(1/value), rounded, as ImageMagick's -gamma",
    parameters: &[Parameter {
        name: "value",
        summary: "over 1 brightens, under 1 darkens",
        kind: Kind::Number { min: 0.01, max: 100.0 },
        default: None,
    }],
    samples: &["value=2.2", "value=0.45"],
    build: |params| {
        let exponent = 1.0 / params.number("value");
        let table = Table::of(|value| corrected(value, exponent), params.simd());
        Ok(vec![Step::rows(table)])
    },
};

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
fn corrected(value: u8, exponent: f64) -> u8 {
    (255.0 * (f64::from(value) / 255.0).powf(exponent)).round() as u8
}
