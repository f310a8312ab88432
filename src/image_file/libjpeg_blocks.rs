//! Blocks that are decoded for libjpeg-turbo, whose own way from Huffman codes to coefficients takes
//! twice as long: a third of all that a photograph takes from file to file.
//!
//! Wherever a unit of blocks (MCU) is unusual, libjpeg-turbo gets it untouched. So what is made of broken
//! files, and what is said of them, is its own. What it makes of bytes that must not stand among codes
//! (255, 255, 0) depends on how far it has read ahead, and can so differ in a block.

#![expect(unsafe_code, reason = "called by C, and calls of C")]

use std::ffi::{c_int, c_void};
use std::ptr;
use std::slice;
use std::sync::Arc;

use super::kernels::huffman::{self, Bits, Block, Codes, Counts, PairCodes, Symbols};
use super::libjpeg::Opaque;

/// Blocks of a unit.
const MOST: usize = 10;

/// A `struct mpix_table`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq)]
struct Table {
    counts: *const Counts,
    symbols: *const Symbols,
}

/// A `struct mpix_block`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Coded {
    dc: Table,
    ac: Table,
    needs_ac: c_int,
}

/// A `struct mpix_place`.
#[repr(C)]
struct Place {
    bytes: *const u8,
    bytes_left: usize,
    bits: u64,
    bits_left: c_int,
}

/// An `mpix_decode`.
type Decode = unsafe extern "C" fn(
    unit: *const c_void,
    place: *mut Place,
    blocks: *mut *mut Block,
    differences: *mut c_int,
) -> c_int;

unsafe extern "C" {
    fn mpix_jpeg_blocks(jpeg: *mut Opaque, blocks: *mut [Coded; MOST]) -> c_int;
    fn mpix_jpeg_decode_by(jpeg: *mut Opaque, decode: Decode, unit: *const c_void);
}

/// How the blocks of each unit of a file are coded.
pub(super) struct Unit(Vec<BlockCodes>);

struct BlockCodes {
    dc: Arc<Codes>,
    ac: Arc<PairCodes>,
    needs_ac: bool,
}

impl Unit {
    /// Has the units of a file decoded here from now on, if they are of the kind that can be.
    ///
    /// # Safety
    /// The codec is one that is ready to read rows, and has read none yet; it is called only while the
    /// result is there.
    pub(super) unsafe fn take_over(codec: *mut Opaque) -> Option<Box<Self>> {
        let table = Table { counts: ptr::null(), symbols: ptr::null() };
        let mut blocks = [Coded { dc: table, ac: table, needs_ac: 0 }; MOST];
        // SAFETY: the codec is as the caller says, and `blocks` as large as C takes it to be.
        let count = unsafe { mpix_jpeg_blocks(codec, &raw mut blocks) };
        let blocks = blocks.get(..usize::try_from(count).ok()?).filter(|all| !all.is_empty())?;
        // SAFETY: C has told of these blocks; their tables are the codec's.
        let unit = Box::new(unsafe { Self::new(blocks) });
        // SAFETY: the codec is as the caller says, and the unit stays where it is.
        unsafe { mpix_jpeg_decode_by(codec, decode, (&raw const *unit).cast()) };
        Some(unit)
    }

    /// # Safety
    /// The tables of `blocks` are there.
    unsafe fn new(blocks: &[Coded]) -> Self {
        let mut unit: Vec<BlockCodes> = Vec::with_capacity(blocks.len());
        for Coded { dc, ac, needs_ac } in blocks {
            let same_dc = blocks.iter().zip(&unit).find(|(other, _)| other.dc == *dc);
            let same_ac = blocks.iter().zip(&unit).find(|(other, _)| other.ac == *ac);
            // SAFETY: the caller's.
            let (dc, ac) = unsafe {
                (
                    same_dc.map_or_else(
                        || Arc::new(Codes::new(&*dc.counts, &*dc.symbols)),
                        |(_, codes)| Arc::clone(&codes.dc),
                    ),
                    same_ac.map_or_else(
                        || Arc::new(PairCodes::new(&*ac.counts, &*ac.symbols)),
                        |(_, codes)| Arc::clone(&codes.ac),
                    ),
                )
            };
            unit.push(BlockCodes { dc, ac, needs_ac: *needs_ac != 0 });
        }
        Self(unit)
    }

    /// Decodes a unit, whose blocks are zeros; their first coefficients are given as differences. None
    /// where anything is unusual.
    fn decode(
        &self,
        bits: &mut Bits<'_>,
        blocks: &mut [&mut Block],
        differences: &mut [c_int],
    ) -> Option<()> {
        let mut unwanted = [0; 64];
        for ((codes, block), difference) in self.0.iter().zip(blocks).zip(differences) {
            let block = if codes.needs_ac { block } else { &mut unwanted };
            *difference = huffman::decode(&codes.dc, &codes.ac, bits, block)?.into();
        }
        Some(())
    }
}

/// An [`mpix_decode`](Decode).
///
/// # Safety
/// C calls it, with what that says.
unsafe extern "C" fn decode(
    unit: *const c_void,
    place: *mut Place,
    blocks: *mut *mut Block,
    differences: *mut c_int,
) -> c_int {
    // SAFETY: whoever gave the unit to C keeps it while C is called; the place is C's own, and nobody
    // else has it now.
    let (unit, place) = unsafe { (&*unit.cast::<Unit>(), &mut *place) };
    // SAFETY: the bytes are of the file that the codec reads in.
    let bytes = unsafe { slice::from_raw_parts(place.bytes, place.bytes_left) };
    // SAFETY: there are as many as C has told of, each with memory of its own.
    let blocks = unsafe { slice::from_raw_parts_mut(blocks.cast::<&mut Block>(), unit.0.len()) };
    // SAFETY: there are as many.
    let differences = unsafe { slice::from_raw_parts_mut(differences, unit.0.len()) };
    let count = place.bits_left.cast_unsigned();
    // There may be 64, which are too many here.
    let Some(free @ 1..) = 64_u32.checked_sub(count) else { return 0 };
    let bits = place.bits.checked_shl(free).unwrap_or(0);
    let mut bits = Bits { bits, count, bytes };
    if unit.decode(&mut bits, blocks, differences).is_none() {
        return 0;
    }
    place.bytes = bits.bytes.as_ptr();
    place.bytes_left = bits.bytes.len();
    place.bits = bits.bits.checked_shr(64 - bits.count).unwrap_or(0);
    place.bits_left = bits.count.cast_signed();
    1
}
