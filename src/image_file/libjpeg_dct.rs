//! Coefficients of blocks that are made for libjpeg-turbo, whose own way takes three times as long where
//! there is AVX-512.

#![expect(unsafe_code, reason = "called by C, and calls of C")]

use std::ffi::{c_int, c_void};
use std::ptr;
use std::slice;

use super::kernels::dct::{Dividers, forward};
use super::kernels::huffman::Block;
use super::libjpeg::Opaque;
use crate::simd::Simd;

/// Components of a file.
const MOST: usize = 10;

/// The steps of the coefficients of a block.
type Steps = [u16; 64];

/// An `mpix_forward`.
type Forward = unsafe extern "C" fn(
    steps: *const c_void,
    component: c_int,
    samples: *const u8,
    stride: usize,
    blocks: *mut Block,
    count: usize,
);

unsafe extern "C" {
    fn mpix_jpeg_steps(jpeg: *mut Opaque, steps: *mut [*const Steps; MOST]) -> c_int;
    fn mpix_jpeg_make_by(jpeg: *mut Opaque, forward: Forward, steps: *const c_void);
}

/// How the coefficients of each component of a file are made.
pub(super) struct Cosines {
    simd: Simd,
    components: Vec<Dividers>,
}

impl Cosines {
    /// Has the coefficients of a file made here from now on, if it is of the kind that can be.
    ///
    /// # Safety
    /// The codec is one that is ready to write rows, and has written none yet; it is called only while
    /// the result is there.
    pub(super) unsafe fn take_over(simd: Simd, codec: *mut Opaque) -> Option<Box<Self>> {
        let mut steps = [ptr::null(); MOST];
        // SAFETY: the codec is as the caller says, and `steps` as large as C takes it to be.
        let count = unsafe { mpix_jpeg_steps(codec, &raw mut steps) };
        let steps = steps.get(..usize::try_from(count).ok()?).filter(|all| !all.is_empty())?;
        // SAFETY: C has told of these steps, which are the codec's.
        let components = steps.iter().map(|steps| Dividers::new(unsafe { &**steps })).collect();
        let cosines = Box::new(Self { simd, components });
        // SAFETY: the codec is as the caller says, and the dividers stay where they are.
        unsafe { mpix_jpeg_make_by(codec, make, (&raw const *cosines).cast()) };
        Some(cosines)
    }
}

/// An [`mpix_forward`](Forward).
///
/// # Safety
/// C calls it, with what that says.
unsafe extern "C" fn make(
    cosines: *const c_void,
    component: c_int,
    samples: *const u8,
    stride: usize,
    blocks: *mut Block,
    count: usize,
) {
    // SAFETY: whoever gave the cosines to C keeps them while C is called.
    let Cosines { simd, components } = unsafe { &*cosines.cast::<Cosines>() };
    let dividers = &components[usize::try_from(component).unwrap_or(usize::MAX)];
    // SAFETY: there are 8 rows so far apart, and 16 bytes of the last one: planes have more room than they
    // need. Nobody writes to them.
    let samples = unsafe { slice::from_raw_parts(samples, 7 * stride + 16) };
    // SAFETY: there are as many, and nobody else has them now.
    let blocks = unsafe { slice::from_raw_parts_mut(blocks, count) };
    forward(*simd, samples, stride, dividers, blocks);
}
