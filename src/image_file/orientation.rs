//! Turns pixels as the EXIF orientation asks.

use image::metadata::Orientation;

/// Columns of the output written in one go, so that the input's lines stay in the cache.
const TILE: usize = 32;

/// Whether width and height change places.
pub(super) fn swaps_sides(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    )
}

/// The pixels of a `width` x `height` picture, turned upright.
pub(super) fn upright(
    pixels: Vec<u8>,
    width: usize,
    height: usize,
    channels: usize,
    orientation: Orientation,
) -> Vec<u8> {
    if orientation == Orientation::NoTransforms {
        return pixels;
    }
    let walk = Walk::new(width, height, orientation);
    match channels {
        1 => walk.gather::<1>(&pixels),
        2 => walk.gather::<2>(&pixels),
        3 => walk.gather::<3>(&pixels),
        _ => walk.gather::<4>(&pixels),
    }
}

/// How the input's pixels are met when the output is walked row by row.
struct Walk {
    /// Columns of the output.
    columns: usize,
    /// Input pixel of the output's first pixel.
    start: usize,
    /// Steps in the input for one row and one column of the output.
    row_step: isize,
    column_step: isize,
}

impl Walk {
    fn new(width: usize, height: usize, orientation: Orientation) -> Self {
        let line = width.cast_signed();
        let (right, bottom) = (width - 1, (height - 1) * width);
        let (start, row_step, column_step) = match orientation {
            Orientation::NoTransforms => (0, line, 1),
            Orientation::FlipHorizontal => (right, line, -1),
            Orientation::Rotate180 => (bottom + right, -line, -1),
            Orientation::FlipVertical => (bottom, -line, 1),
            Orientation::Rotate90FlipH => (0, 1, line),
            Orientation::Rotate90 => (bottom, 1, -line),
            Orientation::Rotate270FlipH => (bottom + right, -1, -line),
            Orientation::Rotate270 => (right, -1, line),
        };
        let columns = if swaps_sides(orientation) { height } else { width };
        Self { columns, start, row_step, column_step }
    }

    fn gather<const N: usize>(&self, pixels: &[u8]) -> Vec<u8> {
        let (source, _) = pixels.as_chunks::<N>();
        let mut turned = vec![0; pixels.len()];
        let (target, _) = turned.as_chunks_mut::<N>();
        for tile in (0..self.columns).step_by(TILE) {
            let tile = tile..self.columns.min(tile + TILE);
            for (row, line) in target.chunks_exact_mut(self.columns).enumerate() {
                let mut from = self.position(row, tile.start);
                for pixel in &mut line[tile.clone()] {
                    *pixel = source[from];
                    from = from.wrapping_add_signed(self.column_step);
                }
            }
        }
        turned
    }

    fn position(&self, row: usize, column: usize) -> usize {
        self.start
            .wrapping_add_signed(row.cast_signed() * self.row_step)
            .wrapping_add_signed(column.cast_signed() * self.column_step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pixels `a b c / d e f`, upright under each EXIF value.
    const UPRIGHT: [&[u8; 6]; 8] =
        [b"abcdef", b"cbafed", b"fedcba", b"defabc", b"adbecf", b"daebfc", b"fcebda", b"cfbead"];

    #[test]
    fn all_eight_values_turn_as_exif_says() {
        for (value, expected) in (1..).zip(UPRIGHT) {
            let orientation = Orientation::from_exif(value).unwrap();
            let turned = upright(b"abcdef".to_vec(), 3, 2, 1, orientation);
            assert_eq!(turned, expected, "orientation {value}");
        }
    }

    #[test]
    fn tiles_join_without_a_seam() {
        let (width, height) = (3 * TILE + 5, 2 * TILE + 7);
        let pixels: Vec<u8> = (0..=250_u8).cycle().take(width * height * 3).collect();
        for value in 1..=8 {
            let orientation = Orientation::from_exif(value).unwrap();
            let turned = upright(pixels.clone(), width, height, 3, orientation);
            let (wide, high) = (u32::try_from(width).unwrap(), u32::try_from(height).unwrap());
            let mut reference = image::DynamicImage::ImageRgb8(
                image::RgbImage::from_raw(wide, high, pixels.clone()).unwrap(),
            );
            reference.apply_orientation(orientation);
            assert_eq!(turned, reference.into_bytes(), "orientation {value}");
        }
    }
}
