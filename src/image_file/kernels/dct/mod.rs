//! Blocks of 8 by 8 samples as coefficients in steps, and back: libjpeg's accurate integer DCT. Its factors
//! for sums and differences of opposite values are written out as products with matrices of integers; as
//! nothing is rounded on the way, the results are the same.

mod forward;
mod inverse;

pub(in crate::image_file) use forward::{Dividers, forward};
pub(in crate::image_file) use inverse::{Steps, inverse};

/// Of the sums of the first and the last, the second and the last but one value and so on, the even
/// coefficients, in units of 2^-13; transposed, the way back.
const EVEN: [[i16; 4]; 4] = [
    [8192, 8192, 8192, 8192],
    [10_703, 4433, -4433, -10_703],
    [8192, -8192, -8192, 8192],
    [4433, -10_704, 10_704, -4433],
];
/// Of the differences, the odd ones.
const ODD: [[i16; 4]; 4] = [
    [11_363, 9633, 6437, 2260],
    [9633, -2259, -11_362, -6436],
    [6437, -11_362, 2261, 9633],
    [2260, -6436, 9633, -11_363],
];
/// Bits behind the point of the matrices, and of what rows become before columns are made of it.
const BITS: u32 = 13;
const ROW_BITS: u32 = 2;
/// Bits that are rounded away of the first and of the second of rows and columns.
const FIRST: u32 = BITS - ROW_BITS;
const SECOND: u32 = BITS + ROW_BITS;
