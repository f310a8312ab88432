//! Rows that come one after the other, and those of them that are still needed.

use std::ops::Range;

use super::{Band, BandMut};

/// An image whose rows are read or made from the top.
pub trait Rows {
    /// Why there is no next row.
    type Fault;

    /// Pixels in a row.
    fn width(&self) -> usize;

    /// Rows of the image.
    fn height(&self) -> usize;

    /// Bytes in a pixel.
    fn channels(&self) -> usize;

    /// The rows `rows`, perhaps among others.
    ///
    /// Neither end may lie above that of the call before: rows further up are gone.
    ///
    /// # Errors
    /// When they cannot be read or made. No more are to be asked for then.
    fn rows(&mut self, rows: Range<usize>) -> Result<Band<'_>, Self::Fault>;
}

/// A window that moves down an image: the rows that were made and are still needed.
#[derive(Debug)]
pub struct Window {
    width: usize,
    channels: usize,
    height: usize,
    rows: Range<usize>,
    /// The rows, from `start` on; behind them, room for more.
    bytes: Vec<u8>,
    start: usize,
}

impl Window {
    /// A window at the top of an image of `height` rows of `width` pixels of `channels` bytes.
    #[must_use]
    pub fn new(width: usize, channels: usize, height: usize) -> Self {
        Self { width, channels, height, rows: 0..0, bytes: Vec::new(), start: 0 }
    }

    /// Which rows are in it.
    #[must_use]
    pub fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// The rows in it.
    #[must_use]
    pub fn band(&self) -> Band<'_> {
        let bytes = &self.bytes[self.start..self.start + self.rows.len() * self.stride()];
        Band::new(bytes, self.width, self.channels, self.rows.start, self.height)
    }

    /// Moves down to the rows `need`: drops those above, and has `make` write those below that are
    /// not there.
    ///
    /// # Errors
    /// When `make` fails; the window then holds what it held of `need`.
    pub fn advance<F>(
        &mut self,
        need: Range<usize>,
        make: impl FnOnce(&mut BandMut<'_>) -> Result<(), F>,
    ) -> Result<(), F> {
        let stride = self.stride();
        let first = need.start.max(self.rows.start);
        self.start += (first - self.rows.start).min(self.rows.len()) * stride;
        self.rows = first..self.rows.end.max(first);
        let held = self.rows.len() * stride;
        let fresh = self.rows.end..need.end.max(self.rows.end);
        if fresh.is_empty() {
            return Ok(());
        }
        self.make_room(held, fresh.len() * stride);
        let from = self.start + held;
        let bytes = &mut self.bytes[from..from + fresh.len() * stride];
        let (width, channels, height) = (self.width, self.channels, self.height);
        make(&mut BandMut::new(bytes, width, channels, fresh.start, height))?;
        self.rows.end = fresh.end;
        Ok(())
    }

    /// Makes room for `more` bytes behind the `held` ones.
    fn make_room(&mut self, held: usize, more: usize) {
        if self.start + held + more <= self.bytes.len() {
            return;
        }
        self.bytes.copy_within(self.start..self.start + held, 0);
        self.start = 0;
        // Rows that are held are moved again only when as many have gone by.
        let room = if held == 0 { more } else { 2 * held + more };
        if self.bytes.len() < held + more {
            self.bytes.resize(room, 0);
        }
    }

    fn stride(&self) -> usize {
        self.width * self.channels
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    const WIDTH: usize = 3;

    /// Writes the number of each row in all of its pixels, and notes which rows were made.
    fn number(made: &mut Vec<usize>) -> impl FnOnce(&mut BandMut<'_>) -> Result<(), Infallible> {
        |out| {
            for row in out.rows() {
                out.row_mut(row).fill(u8::try_from(row).unwrap());
                made.push(row);
            }
            Ok(())
        }
    }

    #[test]
    fn every_row_is_made_once_and_kept_while_it_is_needed() {
        for (reach, step) in [(0, 1), (0, 7), (1, 3), (5, 2), (15, 1), (15, 40), (200, 9)] {
            let height = 200;
            let mut window = Window::new(WIDTH, 1, height);
            let mut made = Vec::new();
            for start in (0..height).step_by(step) {
                let need =
                    super::super::rows_around(start..(start + step).min(height), reach, height);
                window.advance(need.clone(), number(&mut made)).unwrap();
                let band = window.band().slice(need.clone());
                for row in need {
                    assert_eq!(band.row(row), [u8::try_from(row).unwrap(); WIDTH]);
                }
            }
            assert_eq!(made, (0..height).collect::<Vec<_>>(), "{reach} {step}");
            assert!(window.bytes.len() <= (6 * reach + 3 * step) * WIDTH, "{reach} {step}");
        }
    }

    #[test]
    fn rows_that_failed_are_not_there() {
        let mut window = Window::new(WIDTH, 1, 9);
        window.advance(0..4, number(&mut Vec::new())).unwrap();
        window.advance(2..9, |_| Err("no more")).unwrap_err();
        assert_eq!(window.band().rows(), 2..4);
    }
}
