//! Loops over the bytes of files ([`crate::simd`] compiles them for each level).

#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "calls of functions for instructions that were detected")
)]

pub(super) mod dct;
pub(super) mod deflate;
pub(super) mod huffman;
pub(super) mod png_filter;
pub(super) mod rgb;
#[cfg(target_arch = "x86_64")]
mod staged;
pub(super) mod ycc;

/// Bytes that look random and are the same in every test run.
#[cfg(test)]
fn noise(count: u32) -> Vec<u8> {
    (0..count)
        .map(|at| at.wrapping_mul(2_654_435_761).rotate_left(at % 31).to_be_bytes()[1])
        .collect()
}
