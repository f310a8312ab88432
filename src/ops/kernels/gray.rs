//! Gray of R, G, B.

use super::kernel;

kernel! {
    /// Writes the luma of each pixel: BT.601 weights in units of 2^-15, rounded half up.
    fn gray_row(rgb: &[u8], gray: &mut [u8]) {
        for (gray, pixel) in gray.iter_mut().zip(rgb.as_chunks::<3>().0) {
            let [red, green, blue] = pixel.map(u32::from);
            let luma = (9798 * red + 19235 * green + 3735 * blue + 16384) >> 15;
            *gray = luma.to_le_bytes()[0];
        }
    }
}
