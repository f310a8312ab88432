//! Where a TIFF file's colour profile stands. `tiff` would take 32 bytes of memory for each of its.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

/// The field that holds the profile.
const ICC_PROFILE: u64 = 34_675;
/// The kinds of field that hold bytes: `BYTE` and `UNDEFINED`.
const BYTES: [u64; 2] = [1, 7];
/// Fields of a directory that are looked at: as many as there are tags.
const MAX_FIELDS: u64 = 1 << 16;

/// A piece of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    start: u64,
    pub(super) bytes: u64,
}

impl Place {
    /// The bytes, if the file has them all.
    pub(super) fn read<R: BufRead + Seek>(&self, reader: &mut R) -> io::Result<Option<Vec<u8>>> {
        reader.seek(SeekFrom::Start(self.start))?;
        let mut content = Vec::new();
        reader.take(self.bytes).read_to_end(&mut content)?;
        Ok((content.len() as u64 == self.bytes).then_some(content))
    }
}

/// Finds the profile of the first image, and leaves `reader` anywhere.
pub(super) fn profile<R: BufRead + Seek>(reader: &mut R) -> io::Result<Option<Place>> {
    match find(reader) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        outcome => outcome,
    }
}

fn find<R: BufRead + Seek>(reader: &mut R) -> io::Result<Option<Place>> {
    let mut head = [0; 4];
    reader.rewind()?;
    reader.read_exact(&mut head)?;
    let is_little = head[0] == b'I';
    let is_big = head[2..].contains(&43);
    let number = |reader: &mut R, bytes: usize| read_number(reader, bytes, is_little);
    let (word, count_bytes) = if is_big { (8, 8) } else { (4, 2) };
    if is_big {
        number(reader, 4)?;
    }
    let directory = number(reader, word)?;
    reader.seek(SeekFrom::Start(directory))?;
    let fields = number(reader, count_bytes)?;
    for _ in 0..fields.min(MAX_FIELDS) {
        let (tag, kind) = (number(reader, 2)?, number(reader, 2)?);
        let (bytes, start) = (number(reader, word)?, number(reader, word)?);
        if tag == ICC_PROFILE {
            let is_elsewhere = BYTES.contains(&kind) && bytes > word as u64;
            return Ok(is_elsewhere.then_some(Place { start, bytes }));
        }
    }
    Ok(None)
}

fn read_number(reader: &mut impl Read, bytes: usize, is_little: bool) -> io::Result<u64> {
    let mut number = [0; 8];
    let used = if is_little { &mut number[..bytes] } else { &mut number[8 - bytes..] };
    reader.read_exact(used)?;
    Ok(if is_little { u64::from_le_bytes(number) } else { u64::from_be_bytes(number) })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const SMALL: &[u8] = b"MM\0*\0\0\0\x08\0\x02\
        \x01\0\0\x03\0\0\0\x01\0\x05\0\0\
        \x87\x73\0\x07\0\0\0\x06\0\0\0\x24\0\0prof!?";
    const BIG: &[u8] = b"II\x2B\0\x08\0\0\0\x10\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\
        \x73\x87\x07\0\x09\0\0\0\0\0\0\0\x2C\0\0\0\0\0\0\0nine_byte";

    fn profile_of(file: &[u8]) -> Option<Vec<u8>> {
        let mut reader = Cursor::new(file);
        profile(&mut reader).unwrap().and_then(|place| place.read(&mut reader).unwrap())
    }

    #[test]
    fn a_profile_is_found_in_either_kind_of_file() {
        assert_eq!(profile_of(SMALL).unwrap(), b"prof!?");
        assert_eq!(profile_of(BIG).unwrap(), b"nine_byte");
    }

    #[test]
    fn a_file_that_is_cut_off_or_lies_has_none() {
        for file in [SMALL, BIG] {
            assert!((4..file.len()).all(|cut| profile_of(&file[..cut]).is_none()));
        }
        let mut lying = SMALL.to_vec();
        lying[26..30].copy_from_slice(&[0xFF; 4]);
        assert_eq!(profile_of(&lying), None);
        lying[26..30].copy_from_slice(&[0, 0, 0, 4]);
        assert_eq!(profile_of(&lying), None, "no profile is so short");
    }
}
