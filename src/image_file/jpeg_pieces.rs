//! JPEG in pieces: a restart marker stands before each row of blocks but the first, so that each can be
//! made alone.
//!
//! What is joined is what libjpeg-turbo makes of the whole picture in one go, with such markers.

use super::jpeg::{Writer, unfit};
use super::libjpeg::Shape;
use crate::error::ImageError;

/// Rows of a piece: the rows of blocks of a picture with colours, and two of one without.
pub(super) const ROWS: usize = 16;
/// Restart markers are numbered from 0 to 7.
const MARKERS: usize = 8;

const START_OF_FRAME: u8 = 0xC0;
const START_OF_SCAN: u8 = 0xDA;
const RESTART: u8 = 0xD0;
pub(super) const END_OF_IMAGE: [u8; 2] = [0xFF, 0xD9];

/// The file of a picture of `shape` up to its pixels, with `segments` of metadata in it.
pub(super) fn header(shape: Shape, quality: u8, segments: Vec<u8>) -> Result<Vec<u8>, ImageError> {
    let (width, height, channels) = shape;
    let mut writer = Writer::in_pieces((width, 1, channels), quality, segments)?;
    writer.write(&vec![0; width * channels])?;
    let mut file = writer.end()?;
    let (frame, data) = places(&file)?;
    let height = u16::try_from(height).map_err(|error| unfit(error.to_string()))?;
    file[frame + 1..frame + 3].copy_from_slice(&height.to_be_bytes());
    file.truncate(data);
    Ok(file)
}

/// What stands behind the last piece.
pub(super) fn end() -> Vec<u8> {
    END_OF_IMAGE.to_vec()
}

/// Encodes pieces: `pixels` are whole ones, those from the row `first_row` on.
pub(super) fn append_pieces(
    pixels: &[u8],
    (width, channels): (usize, usize),
    quality: u8,
    first_row: usize,
    encoded: &mut Vec<u8>,
) -> Result<(), ImageError> {
    let rows = pixels.len() / (width * channels);
    let mut writer = Writer::in_pieces((width, rows, channels), quality, Vec::new())?;
    writer.write(pixels)?;
    let file = writer.end()?;
    let (_, data) = places(&file)?;
    let data = file[data..].strip_suffix(&END_OF_IMAGE).unwrap_or_default();
    let block_rows = if channels == 1 { ROWS / 2 } else { ROWS };
    let start = encoded.len();
    let before = first_row / block_rows;
    if before > 0 {
        encoded.extend([0xFF, restart(before - 1)]);
    }
    encoded.extend_from_slice(data);
    number(&mut encoded[start + if before > 0 { 2 } else { 0 }..], before);
    Ok(())
}

/// The second byte of the marker behind a row of blocks, or an interval.
pub(super) fn restart(block_row: usize) -> u8 {
    [0, 1, 2, 3, 4, 5, 6, 7][block_row % MARKERS] + RESTART
}

/// Numbers the restart markers in `data`, the first of which stands behind the row of blocks `first`.
pub(super) fn number(mut data: &mut [u8], first: usize) {
    let mut block_row = first;
    while let Some(at) = data.iter().position(|&byte| byte == 0xFF) {
        let Some(second) = data.get_mut(at + 1) else { return };
        if (RESTART..RESTART + 8).contains(second) {
            *second = restart(block_row);
            block_row += 1;
        }
        data = &mut data[at + 2..];
    }
}

/// Where the content of the frame's header begins, and where the pixels do.
fn places(file: &[u8]) -> Result<(usize, usize), ImageError> {
    let (mut at, mut frame) = (2, None);
    while let Some(&[0xFF, marker, high, low]) = file.get(at..at + 4) {
        let end = at + 2 + usize::from(u16::from_be_bytes([high, low]));
        match marker {
            START_OF_FRAME => frame = Some(at + 4),
            START_OF_SCAN => return frame.map(|frame| (frame, end)).ok_or_else(no_header),
            _ => {}
        }
        at = end;
    }
    Err(no_header())
}

fn no_header() -> ImageError {
    unfit("libjpeg-turbo wrote no header".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slopes with some noise.
    fn pixels(shape: Shape) -> Vec<u8> {
        let count = shape.0 * shape.1 * shape.2;
        let noise = |i: usize| i.wrapping_mul(2_654_435_761).to_le_bytes()[3] / 4;
        (0..count).map(|i| noise(i).wrapping_add((i / 7).to_le_bytes()[0])).collect()
    }

    #[test]
    fn pieces_make_the_file_of_one_go() {
        for (width, height) in [(1, 1), (40, 16), (33, 17), (100, 8), (65, 300), (7, 9), (16, 48)] {
            for channels in [1, 3, 4] {
                for quality in [30, 95, 100] {
                    let shape = (width, height, channels);
                    let (pixels, segments) = (pixels(shape), b"\xFF\xE9\0\x03x".to_vec());
                    let mut whole = Writer::in_pieces(shape, quality, segments.clone()).unwrap();
                    whole.write(&pixels).unwrap();
                    let whole = whole.end().unwrap();
                    for pieces in [1, 3] {
                        let mut file = header(shape, quality, segments.clone()).unwrap();
                        let band = pieces * ROWS;
                        for (index, rows) in pixels.chunks(band * width * channels).enumerate() {
                            let size = (width, channels);
                            append_pieces(rows, size, quality, index * band, &mut file).unwrap();
                        }
                        file.extend(end());
                        assert!(file == whole, "{shape:?} q{quality}, {pieces} at a time");
                    }
                }
            }
        }
    }
}
