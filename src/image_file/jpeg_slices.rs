//! A JPEG file with restart markers, in slices: what stands between two of them is decoded alone, so
//! that rows of blocks can be made a file of their own.

use std::ops::Range;

use super::jpeg_pieces::{END_OF_IMAGE, number, restart};

/// Rows above and below, which have a say in the colours of a row: those of the neighbouring samples
/// where there is one for each two rows.
const CONTEXT: usize = 2;

/// A file whose rows of blocks are known.
#[derive(Debug)]
pub(super) struct Cut {
    file: Vec<u8>,
    /// What the decoder must know before the first row, and where the number of rows stands in it.
    head: Vec<u8>,
    height_at: usize,
    height: usize,
    /// Rows of a unit, and where the data of each begins; at last, where the next would.
    unit_rows: usize,
    starts: Vec<usize>,
}

/// What the segments before the data tell.
struct Head {
    /// Those that the decoder needs.
    bytes: Vec<u8>,
    height_at: usize,
    /// Where the data begins.
    data: usize,
    width: usize,
    height: usize,
    /// Columns and rows of a unit of blocks.
    block: (usize, usize),
    /// Units of blocks between two restart markers.
    interval: usize,
}

impl Cut {
    /// The rows of `file`, if its markers stand where rows of blocks begin, and nothing about it is
    /// unusual.
    pub(super) fn new(file: Vec<u8>) -> Option<Self> {
        let head = Head::read(&file)?;
        let across = head.width.div_ceil(head.block.0);
        let down = head.height.div_ceil(head.block.1);
        let (unit_blocks, of_unit) = if across.is_multiple_of(head.interval) {
            (1, across / head.interval)
        } else if head.interval.is_multiple_of(across) {
            (head.interval / across, 1)
        } else {
            return None;
        };
        let intervals = (across * down).div_ceil(head.interval);
        let starts = unit_starts(&file, head.data, intervals, of_unit)?;
        let unit_rows = unit_blocks * head.block.1;
        let Head { bytes, height_at, height, .. } = head;
        Some(Self { file, head: bytes, height_at, height, unit_rows, starts })
    }

    /// Rows that a slice is made of.
    pub(super) fn unit_rows(&self) -> usize {
        self.unit_rows
    }

    /// A file of these rows and some above and below. Returns the first row in it, too.
    pub(super) fn slice(&self, rows: &Range<usize>) -> (Vec<u8>, usize) {
        let first = rows.start.saturating_sub(CONTEXT) / self.unit_rows;
        let last = (rows.end + CONTEXT).min(self.height).div_ceil(self.unit_rows);
        let (top, bottom) = (first * self.unit_rows, (last * self.unit_rows).min(self.height));
        // The marker before the next unit is not this one's.
        let data = &self.file[self.starts[first]..self.starts[last] - END_OF_IMAGE.len()];
        let length = self.head.len() + data.len() + END_OF_IMAGE.len();
        let mut slice = Vec::with_capacity(length);
        slice.extend_from_slice(&self.head);
        let [.., high, low] = (bottom - top).to_be_bytes();
        slice[self.height_at..self.height_at + 2].copy_from_slice(&[high, low]);
        slice.extend_from_slice(data);
        number(&mut slice[self.head.len()..], 0);
        slice.extend(END_OF_IMAGE);
        (slice, top)
    }
}

impl Head {
    fn read(file: &[u8]) -> Option<Self> {
        let mut bytes = file.get(..2)?.to_vec();
        let (mut at, mut frame, mut interval) = (2, None, 0);
        while let Some(&[0xFF, marker, high, low]) = file.get(at..at + 4) {
            let end = at + 2 + usize::from(u16::from_be_bytes([high, low]));
            let content = file.get(at + 4..end)?;
            match marker {
                // Of codes in one scan, without arithmetic.
                0xC0 | 0xC1 if frame.is_none() => frame = Some((bytes.len() + 5, content)),
                0xDD => interval = u16::from_be_bytes(*content.first_chunk()?).into(),
                // Tables, what tells the colours, and the scan.
                0xC4 | 0xDA | 0xDB | 0xE0 | 0xEE => {}
                0xE1..=0xEF | 0xFE => {
                    at = end;
                    continue;
                }
                _ => return None,
            }
            bytes.extend_from_slice(&file[at..end]);
            at = end;
            if marker == 0xDA {
                let (height_at, frame) = frame?;
                let &[8, h1, h0, w1, w0, components, ref sampling @ ..] = frame else {
                    return None;
                };
                let factors = sampling.as_chunks::<3>().0.iter().map(|&[_, factor, _]| factor);
                let most = |part: fn(u8) -> u8| factors.clone().map(part).max().map(usize::from);
                let block = match (components, content.first()?) {
                    (1, 1) => (1, 1),
                    (2.., all) if *all == components => (most(|f| f >> 4)?, most(|f| f & 15)?),
                    _ => return None,
                };
                let [height, width] =
                    [[h1, h0], [w1, w0]].map(|n| usize::from(u16::from_be_bytes(n)));
                let block = (8 * block.0, 8 * block.1);
                let is_fit = interval > 0 && height > 0 && width > 0 && block.0 > 0 && block.1 > 0;
                return is_fit.then_some(Self {
                    bytes,
                    height_at,
                    data: at,
                    width,
                    height,
                    block,
                    interval,
                });
            }
        }
        None
    }
}

/// Where the data of each unit of so many intervals begins, from `data` on; at last, behind the end's
/// marker.
fn unit_starts(file: &[u8], data: usize, intervals: usize, of_unit: usize) -> Option<Vec<usize>> {
    let (mut starts, mut seen, mut at) = (vec![data], 0, data);
    loop {
        at += memchr::memchr(0xFF, file.get(at..)?)? + 2;
        match file.get(at - 1)? {
            0 => {}
            &marker if marker == restart(seen) && seen + 1 < intervals => {
                seen += 1;
                if seen.is_multiple_of(of_unit) {
                    starts.push(at);
                }
            }
            &marker if marker == END_OF_IMAGE[1] && seen + 1 == intervals => {
                starts.push(at);
                return Some(starts);
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::jpeg::Writer;
    use super::super::{DecodeOptions, Picture, decode};
    use super::*;

    const WIDTH: usize = 50;
    const HEIGHT: usize = 75;

    /// A file with a marker before each row of blocks.
    fn file(channels: usize) -> Vec<u8> {
        let shape = (WIDTH, HEIGHT, channels);
        let noise = |i: usize| i.wrapping_mul(2_654_435_761).to_le_bytes()[3] / 3;
        let pixels: Vec<u8> = (0..WIDTH * HEIGHT * channels)
            .map(|i| noise(i).wrapping_add((i / 9).to_le_bytes()[0]))
            .collect();
        let segments = b"\xFF\xE9\0\x03x".to_vec();
        let mut writer = Writer::in_pieces(shape, 90, segments).unwrap();
        writer.write(&pixels).unwrap();
        writer.end().unwrap()
    }

    fn picture(file: &[u8]) -> Picture {
        decode(file, &DecodeOptions::DEFAULT, Vec::new()).unwrap()
    }

    #[test]
    fn slices_have_the_pixels_of_the_whole() {
        for channels in [1, 3] {
            let file = file(channels);
            let whole = picture(&file).pixels;
            let cut = Cut::new(file).unwrap();
            assert_eq!(cut.unit_rows(), if channels == 1 { 8 } else { 16 });
            let stride = WIDTH * channels;
            for start in 0..HEIGHT {
                for end in [start + 1, (start + 20).min(HEIGHT), HEIGHT] {
                    let (slice, top) = cut.slice(&(start..end));
                    let slice = picture(&slice);
                    let rows = &slice.pixels[(start - top) * stride..(end - top) * stride];
                    assert!(rows == &whole[start * stride..end * stride], "{start}..{end}");
                    assert!(slice.height <= end - start + 2 * cut.unit_rows() + 2);
                }
            }
        }
    }

    #[test]
    fn markers_that_are_not_as_they_should_be_are_not_believed() {
        let good = file(3);
        let data = Head::read(&good).unwrap().data;
        let is_marker = |at: &usize| good[*at] == 0xFF && good[at + 1] >= 0xD0;
        let markers: Vec<usize> = (data..good.len() - 1).filter(is_marker).collect();
        let with = |at: usize, byte: u8| {
            let mut file = good.clone();
            file[at] = byte;
            file
        };
        assert!(Cut::new(good.clone()).is_some());
        for &at in &markers {
            assert!(Cut::new(with(at, 0)).is_none(), "one is not there");
            assert!(Cut::new(with(at + 1, good[at + 1] ^ 1)).is_none(), "another one");
        }
        assert!(Cut::new(good[..good.len() - 1].to_vec()).is_none(), "it is cut off");
        let interval = good.windows(2).position(|two| two == [0xFF, 0xDD]).unwrap();
        for blocks in [0, 1, 3] {
            assert!(Cut::new(with(interval + 5, blocks)).is_none(), "each {blocks}");
        }
        let frame = good.windows(2).position(|two| two == [0xFF, 0xC0]).unwrap();
        assert!(Cut::new(with(frame + 1, 0xC2)).is_none(), "progressive");
    }
}
