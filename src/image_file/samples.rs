//! Samples and pixels made smaller in the memory that they have.

/// Keeps the upper byte of each sample of 16 bits, in place; the rest of the memory is given back.
pub(super) fn keep_upper_bytes(pixels: &mut Vec<u8>) {
    gather_upper_bytes(pixels);
    pixels.truncate(pixels.len() / 2);
    pixels.shrink_to_fit();
}

/// Puts the upper byte of each sample of 16 bits to the front.
pub(super) fn gather_upper_bytes(pixels: &mut [u8]) {
    for sample in 0..pixels.len() / 2 {
        let value = u16::from_ne_bytes([pixels[2 * sample], pixels[2 * sample + 1]]);
        let [upper, _] = value.to_be_bytes();
        pixels[sample] = upper;
    }
}

/// Turns RGB of three equal bytes into gray, in place; the rest of the memory is given back.
pub(super) fn keep_first_of_three(pixels: &mut Vec<u8>) {
    let count = pixels.len() / 3;
    for pixel in 0..count {
        pixels[pixel] = pixels[3 * pixel];
    }
    pixels.truncate(count);
    pixels.shrink_to_fit();
}

/// Turns RGBA into RGB, in place; the rest of the memory is given back.
pub(super) fn drop_fourth_bytes(pixels: &mut Vec<u8>) {
    let count = pixels.len() / 4;
    for pixel in 0..count {
        pixels.copy_within(4 * pixel..4 * pixel + 3, 3 * pixel);
    }
    pixels.truncate(3 * count);
    pixels.shrink_to_fit();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_and_pixels_shrink_in_place() {
        let mut samples: Vec<u8> =
            [0x1234_u16, 0xFF00].iter().flat_map(|v| v.to_ne_bytes()).collect();
        keep_upper_bytes(&mut samples);
        assert_eq!(samples, [0x12, 0xFF]);
        let mut pixels = vec![1, 2, 3, 255, 4, 5, 6, 255];
        drop_fourth_bytes(&mut pixels);
        assert_eq!(pixels, [1, 2, 3, 4, 5, 6]);
        let mut pixels = vec![7, 7, 7, 9, 9, 9];
        keep_first_of_three(&mut pixels);
        assert_eq!((pixels.capacity(), pixels), (2, vec![7, 9]));
    }
}
