//! What a PNG file holds beside the pixels, measured before its decoder keeps any of it.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use flate2::bufread::ZlibDecoder;

/// Longest name of a profile, with the zero byte at its end.
const MOST_NAME: u64 = 81;

/// Bytes of metadata in front of the pixels.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(super) struct Blocks {
    /// As they stand in the file: EXIF, the compressed profile, texts.
    pub(super) stored: u64,
    /// By which the profile is longer than it stands in the file.
    pub(super) inflated: u64,
    /// Whether rows follow each other from the top: no interlacing, no animation.
    pub(super) is_in_order: bool,
}

/// Walks the chunks from the start of `reader` to the pixels, and leaves it anywhere.
///
/// A profile is inflated into nothing, and counted, until it is longer than `most_profile`.
pub(super) fn blocks<R: BufRead + Seek>(reader: &mut R, most_profile: u64) -> io::Result<Blocks> {
    let mut found = Blocks::default();
    let outcome = walk(reader, most_profile, &mut found);
    match outcome {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        Ok(()) | Err(_) => Ok(found),
    }
}

fn walk<R: BufRead + Seek>(
    reader: &mut R,
    most_profile: u64,
    found: &mut Blocks,
) -> io::Result<()> {
    let mut has_profile = false;
    reader.seek(SeekFrom::Start(8))?;
    loop {
        let mut head = [0; 8];
        reader.read_exact(&mut head)?;
        let [a, b, c, d, name @ ..] = head;
        let length = u32::from_be_bytes([a, b, c, d]);
        match &name {
            b"IHDR" => {
                let mut header = [0; 13];
                reader.read_exact(&mut header)?;
                reader.seek_relative(-13)?;
                found.is_in_order = header[12] == 0;
            }
            b"acTL" | b"fcTL" => found.is_in_order = false,
            b"IDAT" | b"IEND" => return Ok(()),
            b"eXIf" | b"tEXt" | b"zTXt" | b"iTXt" => found.stored += u64::from(length),
            b"iCCP" if !has_profile => {
                has_profile = true;
                found.stored += u64::from(length);
                let start = reader.stream_position()?;
                let profile = profile_bytes(reader.take(length.into()), most_profile)?;
                found.inflated = profile.saturating_sub(length.into());
                reader.seek(SeekFrom::Start(start))?;
            }
            _ => {}
        }
        // The chunk and its checksum.
        reader.seek_relative(i64::from(length) + 4)?;
    }
}

/// Length of the profile in a chunk, at most one more than `most`. One that is damaged counts as
/// far as it can be read.
fn profile_bytes(mut chunk: impl BufRead, most: u64) -> io::Result<u64> {
    let mut name = Vec::new();
    chunk.by_ref().take(MOST_NAME).read_until(0, &mut name)?;
    chunk.read_exact(&mut [0])?;
    let mut profile = ZlibDecoder::new(chunk).take(most.saturating_add(1));
    let (mut bytes, mut piece) = (0, [0; 1 << 12]);
    loop {
        match profile.read(&mut piece) {
            Ok(0) => return Ok(bytes),
            Ok(count) => bytes += count as u64,
            Err(error) if error.raw_os_error().is_some() => return Err(error),
            Err(_) => return Ok(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use flate2::Compression;
    use flate2::write::ZlibEncoder;

    use super::*;

    fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [length.as_slice(), name, content, &[0; 4]].concat()
    }

    fn profile(bytes: usize) -> Vec<u8> {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(&vec![7; bytes]).unwrap();
        [b"name\0\0".as_slice(), &zlib.finish().unwrap()].concat()
    }

    fn found(chunks: &[Vec<u8>]) -> Blocks {
        let file = [b"\x89PNG\r\n\x1A\n".to_vec(), chunks.concat()].concat();
        blocks(&mut Cursor::new(file), 100_000).unwrap()
    }

    #[test]
    fn what_stands_before_the_pixels_counts() {
        let profile = profile(50_000);
        let stored = profile.len() as u64;
        let chunks = [
            chunk(b"IHDR", &[0; 13]),
            chunk(b"iCCP", &profile),
            chunk(b"eXIf", &[0; 9]),
            chunk(b"tEXt", &[0; 20]),
            chunk(b"IDAT", &[0; 30]),
            chunk(b"tEXt", &[0; 40]),
        ];
        let whole = Blocks { stored: stored + 29, inflated: 50_000 - stored, is_in_order: true };
        assert_eq!(found(&chunks), whole);
        assert_eq!(found(&chunks[..4]), whole, "cut off");
        assert_eq!(found(&[]), Blocks::default());
    }

    #[test]
    fn a_bomb_is_counted_no_further_than_asked() {
        let bomb = profile(3_000_000);
        let stored = bomb.len() as u64;
        let twice = [chunk(b"iCCP", &bomb), chunk(b"iCCP", &bomb)];
        assert_eq!(
            found(&twice),
            Blocks { stored, inflated: 100_001 - stored, is_in_order: false }
        );
    }

    #[test]
    fn a_damaged_profile_counts_as_far_as_it_goes() {
        for content in [&b""[..], b"name", b"name\0\0nonsense", &profile(9)[..8]] {
            let next = [chunk(b"iCCP", content), chunk(b"eXIf", &[0; 9])];
            let Blocks { stored, inflated, .. } = found(&next);
            assert!(stored >= content.len() as u64 && inflated == 0, "{content:?}");
        }
    }
}
