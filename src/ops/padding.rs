//! Rows with room for the columns outside the image.

use crate::band::reflect_101;

/// A row of `width` pixels with `before` and `after` pixels of room at its ends.
#[derive(Clone, Debug)]
pub(super) struct PaddedRow<T> {
    values: Vec<T>,
    width: usize,
    channels: usize,
    before: usize,
}

impl<T: Copy + Default> PaddedRow<T> {
    pub(super) fn new(width: usize, channels: usize, before: usize, after: usize) -> Self {
        let values = vec![T::default(); (before + width + after) * channels];
        Self { values, width, channels, before }
    }

    /// The values of the image's own pixels.
    pub(super) fn own_mut(&mut self) -> &mut [T] {
        let start = self.before * self.channels;
        &mut self.values[start..start + self.width * self.channels]
    }

    /// All values, those outside included.
    pub(super) fn all(&self) -> &[T] {
        &self.values
    }

    /// Fills the room by the reflect-101 rule.
    pub(super) fn reflect(&mut self) {
        let (first, last) = (self.before, self.before + self.width - 1);
        let room = self.before.max(self.values.len() / self.channels - self.before - self.width);
        if self.channels > 1 || room >= self.width {
            return self.reflect_pixels();
        }
        for distance in 1..=first {
            self.values[first - distance] = self.values[first + distance];
        }
        for distance in 1..self.values.len() - last {
            self.values[last + distance] = self.values[last - distance];
        }
    }

    fn reflect_pixels(&mut self) {
        let pixels = self.values.len() / self.channels;
        let outside = (0..self.before).chain(self.before + self.width..pixels);
        for pixel in outside {
            let column = pixel.cast_signed() - self.before.cast_signed();
            let from = (reflect_101(column, self.width) + self.before) * self.channels;
            for channel in 0..self.channels {
                self.values[pixel * self.channels + channel] = self.values[from + channel];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_filled_by_whole_pixels() {
        let mut row = PaddedRow::new(3, 2, 2, 1);
        row.own_mut().copy_from_slice(&[1, 10, 2, 20, 3, 30]);
        row.reflect();
        assert_eq!(row.all(), [3, 30, 2, 20, 1, 10, 2, 20, 3, 30, 2, 20]);
    }
}
