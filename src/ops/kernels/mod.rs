//! Loops over rows of values ([`crate::simd`] compiles them for each level).

#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "calls of functions for instructions that were detected")
)]

pub(super) mod blur;
pub(super) mod canny;
pub(super) mod convolve;
pub(super) mod gray;
pub(super) mod hsv;
pub(super) mod point;
pub(super) mod stencil;
