//! Tells gray bitmaps, which BMP holds as a palette of grays, from coloured ones.

use std::io::{self, Read, Seek, SeekFrom};

/// Bytes of the file header and of the fields of the info header that are needed.
const HEADERS: usize = 50;
/// Shortest info header with a palette of four bytes a colour.
const INFO_HEADER: u32 = 40;

/// Whether all colours of the bitmap's palette are grays; false without a palette.
///
/// Reads from the start of `reader` and leaves it anywhere.
pub(super) fn has_gray_palette<R: Read + Seek>(reader: &mut R) -> io::Result<bool> {
    let mut head = [0; HEADERS];
    reader.seek(SeekFrom::Start(0))?;
    reader.read_exact(&mut head)?;
    let field =
        |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let (info_size, bits, used) = (field(14), head[28], field(46));
    if info_size < INFO_HEADER || !matches!(bits, 1 | 2 | 4 | 8) {
        return Ok(false);
    }
    let all = 1_u32 << bits;
    let colours = if used == 0 { all } else { used.min(all) };
    let mut palette = [0; 4 * 256];
    let palette = &mut palette[..4 * colours as usize];
    reader.seek(SeekFrom::Start(14 + u64::from(info_size)))?;
    reader.read_exact(palette)?;
    let (entries, _) = palette.as_chunks::<4>();
    Ok(entries.iter().all(|[blue, green, red, _]| blue == green && green == red))
}
