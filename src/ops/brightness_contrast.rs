//! Brightness and contrast.

use super::table::Table;
use super::{Kind, OpEntry, Parameter, Step};

pub(super) const OP: OpEntry = OpEntry {
    name: "brightness-contrast",
    summary: "|alpha · p + beta|, rounded and clamped, as OpenCV's convertScaleAbs",
    parameters: &[
        Parameter {
            name: "alpha",
            summary: "contrast: factor of each value",
            kind: Kind::Number { min: -100.0, max: 100.0 },
            default: Some("1.5"),
        },
        Parameter {
            name: "beta",
            summary: "brightness: added to each value",
            kind: Kind::Number { min: -25500.0, max: 25500.0 },
            default: Some("40"),
        },
    ],
    samples: &["", "alpha=0.7,beta=-33.3", "alpha=-1,beta=255"],
    build: |params| {
        #[expect(clippy::cast_possible_truncation, reason = "OpenCV computes in single precision")]
        let (alpha, beta) = (params.number("alpha") as f32, params.number("beta") as f32);
        let table = Table::of(|value| scaled(value, alpha, beta), params.simd());
        Ok(vec![Step::rows(table)])
    },
};

/// `|alpha · value + beta|` with one rounding, then to the nearest whole number, half to even.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
fn scaled(value: u8, alpha: f32, beta: f32) -> u8 {
    let scaled = f32::from(value).mul_add(alpha, beta).abs();
    scaled.round_ties_even().clamp(0.0, 255.0) as u8
}
