//! What a WebP file's chunks tell before its decoder reads them.

use std::io::{self, BufRead, Seek};

/// Chunks that are looked at; the frames of an animation come before its EXIF block.
const MAX_CHUNKS: usize = 100_000;

/// What is in the file beside the pixels.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(super) struct Chunks {
    /// Whether it may hold alpha in a chunk of its own, frames and blocks.
    pub(super) extended: bool,
    /// Length of its longest EXIF block.
    pub(super) exif_bytes: u64,
    /// Length of its longest ICC block.
    pub(super) icc_bytes: u64,
}

/// Walks the chunks from the start of `reader`, and leaves it anywhere.
pub(super) fn chunks<R: BufRead + Seek>(reader: &mut R) -> io::Result<Chunks> {
    let mut found = Chunks::default();
    reader.rewind()?;
    reader.seek_relative(12)?;
    for _ in 0..MAX_CHUNKS {
        let mut head = [0; 8];
        if let Err(error) = reader.read_exact(&mut head) {
            return if error.kind() == io::ErrorKind::UnexpectedEof {
                Ok(found)
            } else {
                Err(error)
            };
        }
        let [name @ .., a, b, c, d] = head;
        let length = u64::from(u32::from_le_bytes([a, b, c, d]));
        match &name {
            b"VP8X" => found.extended = true,
            b"EXIF" => found.exif_bytes = found.exif_bytes.max(length),
            b"ICCP" => found.icc_bytes = found.icc_bytes.max(length),
            _ => {}
        }
        if !found.extended {
            return Ok(found);
        }
        reader.seek_relative(length.next_multiple_of(2).cast_signed())?;
    }
    Ok(found)
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
        assert_eq!(both, Chunks { extended: true, exif_bytes: 9, icc_bytes: 7 });
        assert_eq!(found(&[chunk(b"VP8L", &[0; 3]), chunk(b"EXIF", &[0; 9])]), Chunks::default());
        assert_eq!(found(&[]), Chunks::default());
    }
}
