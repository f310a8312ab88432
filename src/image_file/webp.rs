//! What a WebP file's chunks tell before its decoder reads them.

use std::io::{self, BufRead, Seek, SeekFrom};

/// Chunks that are looked at: a file of more is refused, or what counts could hide behind them.
const MAX_CHUNKS: usize = 100_000;
/// Bytes at the start of a frame of an animation, before its own chunks.
const FRAME_HEAD: u64 = 16;

/// What is in the file beside the pixels.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(super) struct Chunks {
    /// Whether it may hold alpha in a chunk of its own, frames and blocks.
    pub(super) extended: bool,
    /// Length of its longest EXIF block.
    pub(super) exif_bytes: u64,
    /// Length of its longest ICC block.
    pub(super) icc_bytes: u64,
    /// Whether a picture in it is compressed with losses.
    pub(super) lossy: bool,
    /// Columns of the widest compressed picture in it.
    pub(super) width: u32,
    /// Rows of the highest one.
    pub(super) height: u32,
}

/// The start of a chunk.
struct Chunk {
    name: [u8; 4],
    /// Bytes of its content, which a zero byte follows where they are odd.
    length: u64,
}

/// Walks the chunks from the start of `reader`, and leaves it anywhere.
///
/// # Errors
/// When there are too many, or the reader fails.
pub(super) fn chunks<R: BufRead + Seek>(reader: &mut R) -> io::Result<Chunks> {
    let mut found = Chunks::default();
    reader.rewind()?;
    reader.seek_relative(12)?;
    for _ in 0..MAX_CHUNKS {
        let Some(Chunk { name, length }) = next_chunk(reader)? else { return Ok(found) };
        let start = reader.stream_position()?;
        match &name {
            b"VP8X" => found.extended = true,
            b"EXIF" => found.exif_bytes = found.exif_bytes.max(length),
            b"ICCP" => found.icc_bytes = found.icc_bytes.max(length),
            b"ANMF" => frame(reader, start, &mut found)?,
            _ => picture(reader, &Chunk { name, length }, &mut found)?,
        }
        if !found.extended {
            return Ok(found);
        }
        let end = start.saturating_add(length.next_multiple_of(2));
        reader.seek(SeekFrom::Start(end))?;
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "it has too many chunks"))
}

/// The next chunk; none at the end of the file.
fn next_chunk<R: BufRead>(reader: &mut R) -> io::Result<Option<Chunk>> {
    let mut head = [0; 8];
    match reader.read_exact(&mut head) {
        Ok(()) => {
            let [name @ .., a, b, c, d] = head;
            Ok(Some(Chunk { name, length: u32::from_le_bytes([a, b, c, d]).into() }))
        }
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// Looks into a frame of an animation: its picture comes first, or behind its alpha.
fn frame<R: BufRead + Seek>(reader: &mut R, start: u64, found: &mut Chunks) -> io::Result<()> {
    reader.seek(SeekFrom::Start(start + FRAME_HEAD))?;
    let Some(mut chunk) = next_chunk(reader)? else { return Ok(()) };
    if chunk.name == *b"ALPH" {
        reader.seek_relative(chunk.length.next_multiple_of(2).cast_signed())?;
        let Some(behind) = next_chunk(reader)? else { return Ok(()) };
        chunk = behind;
    }
    picture(reader, &chunk, found)
}

/// Notes the size of a compressed picture, if `chunk` is one: its decoder makes room for it before it
/// compares it with the size that the file tells.
fn picture<R: BufRead>(reader: &mut R, chunk: &Chunk, found: &mut Chunks) -> io::Result<()> {
    let mut head = [0; 10];
    if !matches!(&chunk.name, b"VP8 " | b"VP8L") || chunk.length < head.len() as u64 {
        return Ok(());
    }
    match reader.read_exact(&mut head) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
        other => other?,
    }
    let (width, height) = if &chunk.name == b"VP8 " {
        let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3FFF);
        (side(head[6], head[7]), side(head[8], head[9]))
    } else {
        let bits = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
        ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    };
    found.lossy |= &chunk.name == b"VP8 ";
    found.width = found.width.max(width);
    found.height = found.height.max(height);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap().to_le_bytes();
        [name.as_slice(), &length, content, &[0][..content.len() % 2]].concat()
    }

    #[test]
    fn blocks_are_found_behind_other_chunks() {
        let found = |chunks_of: &[Vec<u8>]| {
            let file = [b"RIFF\0\0\0\0WEBP".to_vec(), chunks_of.concat()].concat();
            chunks(&mut Cursor::new(file)).unwrap()
        };
        let (head, frame) = (chunk(b"VP8X", &[0; 10]), chunk(b"ANMF", &[0; 33]));
        let both = found(&[head, chunk(b"ICCP", &[0; 7]), frame, chunk(b"EXIF", &[0; 9])]);
        let expected = Chunks { extended: true, exif_bytes: 9, icc_bytes: 7, ..Chunks::default() };
        assert_eq!(both, expected);
        assert_eq!(found(&[chunk(b"VP8L", &[0; 3]), chunk(b"EXIF", &[0; 9])]), Chunks::default());
        assert_eq!(found(&[]), Chunks::default());

        // 1000 x 700 in a frame behind its alpha, 9 x 800 as the picture itself.
        let lossy = chunk(b"VP8 ", &[0, 0, 0, 0x9D, 1, 0x2A, 0xE8, 3, 0xBC, 2]);
        let framed = [vec![0; 16], chunk(b"ALPH", &[0; 5]), lossy].concat();
        let bits: u32 = 8 | 799 << 14;
        let lossless = [&[0x2F], &bits.to_le_bytes()[..], &[0; 5]].concat();
        let sizes =
            found(&[chunk(b"VP8X", &[0; 10]), chunk(b"ANMF", &framed), chunk(b"VP8L", &lossless)]);
        assert_eq!((sizes.width, sizes.height, sizes.lossy), (1000, 800, true));
    }
}
