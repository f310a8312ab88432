//! All 2^24 colours, for tests of kernels that look at each pixel alone.

use super::Simd;

/// Holds `kernel` at every level of this CPU against `plain`, which makes `channels` values of a pixel.
pub(crate) fn agree(
    kernel: fn(Simd, &[u8], &mut [u8]),
    plain: fn(&[u8], &mut [u8]),
    channels: usize,
) {
    for blue in 0..=255 {
        let colours = (0..=255).flat_map(|red| (0..=255).flat_map(move |green| [red, green, blue]));
        let rgb: Vec<u8> = colours.collect();
        let mut expected = vec![0; rgb.len() / 3 * channels];
        plain(&rgb, &mut expected);
        for simd in Simd::all() {
            let mut made = vec![0; expected.len()];
            kernel(simd, &rgb, &mut made);
            assert!(made == expected, "{simd}, blue {blue}");
        }
    }
}
