//! Samples of blocks that become coefficients, and the other way, for libjpeg-turbo, whose own way takes
//! twice as long where there is AVX-512.

#![expect(unsafe_code, reason = "called by C, and calls of C")]

use std::ffi::{c_int, c_void};
use std::ptr;
use std::slice;

use super::kernels::dct::{self, Dividers, forward, inverse};
use super::kernels::huffman::Block;
use super::libjpeg::Opaque;
use crate::simd::Simd;

/// Components of a file.
const MOST: usize = 10;

/// The steps of the coefficients of a block.
type Steps = [u16; 64];

/// An `mpix_inverse`.
type Inverse = unsafe extern "C" fn(
    maker: *const c_void,
    component: c_int,
    block: *const Block,
    samples: *mut u8,
    stride: usize,
) -> c_int;

/// An `mpix_forward`.
type Forward = unsafe extern "C" fn(
    maker: *const c_void,
    component: c_int,
    samples: *const u8,
    stride: usize,
    blocks: *mut Block,
    count: usize,
);

unsafe extern "C" {
    fn mpix_jpeg_steps_of_read(jpeg: *mut Opaque, steps: *mut [*const Steps; MOST]) -> c_int;
    fn mpix_jpeg_inverse_by(jpeg: *mut Opaque, inverse: Inverse, maker: *const c_void);
    fn mpix_jpeg_steps_of_written(jpeg: *mut Opaque, steps: *mut [*const Steps; MOST]) -> c_int;
    fn mpix_jpeg_forward_by(jpeg: *mut Opaque, forward: Forward, maker: *const c_void);
}

/// How the coefficients of each component of a file become samples.
pub(super) struct FromBlocks {
    simd: Simd,
    components: Vec<dct::Steps>,
}

impl FromBlocks {
    /// Has the samples of a file made here from now on, if it is of the kind that can be.
    ///
    /// # Safety
    /// The codec is one that is ready to read planes, and has read none yet; it is called only while the
    /// result is there.
    pub(super) unsafe fn take_over(simd: Simd, codec: *mut Opaque) -> Option<Box<Self>> {
        let mut all = [ptr::null(); MOST];
        // SAFETY: the codec is as the caller says, and `all` as large as C takes it to be.
        let count = unsafe { mpix_jpeg_steps_of_read(codec, &raw mut all) };
        // SAFETY: C has told of these steps, which are the codec's.
        let steps = unsafe { told(&all, count) }?;
        let components = steps.map(|steps| steps.map(u16::cast_signed)).collect();
        let blocks = Box::new(Self { simd, components });
        // SAFETY: the codec is as the caller says, and the steps stay where they are.
        unsafe { mpix_jpeg_inverse_by(codec, make_samples, (&raw const *blocks).cast()) };
        Some(blocks)
    }
}

/// The steps that C has told of, if it has.
///
/// # Safety
/// They are there.
unsafe fn told(steps: &[*const Steps], count: c_int) -> Option<impl Iterator<Item = Steps>> {
    let steps = steps.get(..usize::try_from(count).ok()?).filter(|all| !all.is_empty())?;
    // SAFETY: the caller's.
    Some(steps.iter().map(|steps| unsafe { **steps }))
}

/// An [`mpix_inverse`](Inverse).
///
/// # Safety
/// C calls it, with what that says.
unsafe extern "C" fn make_samples(
    maker: *const c_void,
    component: c_int,
    block: *const Block,
    samples: *mut u8,
    stride: usize,
) -> c_int {
    // SAFETY: whoever gave the steps to C keeps them while C is called; the block is there.
    let (FromBlocks { simd, components }, block) =
        unsafe { (&*maker.cast::<FromBlocks>(), &*block) };
    // SAFETY: there are 8 rows so far apart, of 8 bytes at least, which nobody else has now.
    let samples = unsafe { slice::from_raw_parts_mut(samples, 7 * stride + 8) };
    inverse(*simd, block, &components[index(component)], samples, stride).into()
}

fn index(component: c_int) -> usize {
    usize::try_from(component).unwrap_or(usize::MAX)
}

/// How the samples of each component of a file become coefficients.
pub(super) struct ToBlocks {
    simd: Simd,
    components: Vec<Dividers>,
}

impl ToBlocks {
    /// Has the coefficients of a file made here from now on, if it is of the kind that can be.
    ///
    /// # Safety
    /// The codec is one that is ready to write planes, and has written none yet; it is called only while
    /// the result is there.
    pub(super) unsafe fn take_over(simd: Simd, codec: *mut Opaque) -> Option<Box<Self>> {
        let mut all = [ptr::null(); MOST];
        // SAFETY: the codec is as the caller says, and `all` as large as C takes it to be.
        let count = unsafe { mpix_jpeg_steps_of_written(codec, &raw mut all) };
        // SAFETY: C has told of these steps, which are the codec's.
        let steps = unsafe { told(&all, count) }?;
        let components = steps.map(|steps| Dividers::new(&steps)).collect();
        let blocks = Box::new(Self { simd, components });
        // SAFETY: the codec is as the caller says, and the dividers stay where they are.
        unsafe { mpix_jpeg_forward_by(codec, make_coefficients, (&raw const *blocks).cast()) };
        Some(blocks)
    }
}

/// An [`mpix_forward`](Forward).
///
/// # Safety
/// C calls it, with what that says.
unsafe extern "C" fn make_coefficients(
    maker: *const c_void,
    component: c_int,
    samples: *const u8,
    stride: usize,
    blocks: *mut Block,
    count: usize,
) {
    // SAFETY: whoever gave the dividers to C keeps them while C is called.
    let ToBlocks { simd, components } = unsafe { &*maker.cast::<ToBlocks>() };
    // SAFETY: there are 8 rows so far apart, and 16 bytes of the last one: planes have more room than they
    // need. Nobody writes to them.
    let samples = unsafe { slice::from_raw_parts(samples, 7 * stride + 16) };
    // SAFETY: there are one or two, which nobody else has now. Whatever is in this memory of C's, it is
    // only written to.
    let blocks = unsafe { slice::from_raw_parts_mut(blocks, count) };
    forward(*simd, samples, stride, &components[index(component)], blocks);
}
