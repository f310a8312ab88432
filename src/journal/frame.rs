//! Bytes of a header, bytes of a record. Nothing here trusts what it reads.

use std::fs::File;
use std::io::{self, Read};

use super::error::JournalError;
use super::record::Record;

/// The version of the format that this mpix writes, and the newest that it reads.
pub const VERSION: u32 = 1;
/// Bytes that a record's payload may have at most.
pub const MOST_PAYLOAD: usize = 1 << 20;

/// Bytes of a payload at most, while the salt is unknown: else bytes that are made to look like many
/// long records would each be hashed over.
const MOST_UNSALTED: usize = 1 << 14;
/// Bytes of a header.
pub(super) const HEADER: usize = 40;
/// Bytes of the largest record, with all that is around its payload.
pub(super) const MOST_FRAME: usize = AROUND + MOST_PAYLOAD;
/// Start of each record. The first byte is none of UTF-8, the last is the version.
pub(super) const MARK: [u8; 4] = [0xF8, b'm', b'p', 1];

const MAGIC: [u8; 8] = *b"\xF8mpix\r\n\0";
const CHECKSUM: usize = 16;
const BEFORE: usize = 16;
const AROUND: usize = BEFORE + CHECKSUM;

/// What tells the records of one file from any others.
pub(super) type Salt = [u8; 8];

/// A salt that nobody can foresee.
pub(super) fn random_salt() -> io::Result<Salt> {
    let mut salt = Salt::default();
    File::open("/dev/urandom")?.read_exact(&mut salt)?;
    Ok(salt)
}

/// What the first bytes of a file say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// A journal of this version.
    Own(Salt),
    /// A journal of a later version.
    Newer(u32),
    /// No whole header.
    Damaged,
}

pub(super) fn write_header(salt: Salt) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    header.extend(VERSION.to_le_bytes());
    header.extend([0; 4]);
    header.extend(salt);
    header.extend(checksum(&header));
    header
}

pub(super) fn read_header(bytes: &[u8]) -> Header {
    let Some(header) = bytes.get(..HEADER) else { return Header::Damaged };
    let (said, sum) = header.split_at(HEADER - CHECKSUM);
    if !said.starts_with(&MAGIC) || checksum(said) != sum {
        return Header::Damaged;
    }
    let version = number(said, 8);
    let mut salt = Salt::default();
    salt.copy_from_slice(&said[16..]);
    match version {
        VERSION => Header::Own(salt),
        newer if newer > VERSION => Header::Newer(newer),
        _ => Header::Damaged,
    }
}

/// Appends `record` to `out`.
///
/// # Errors
/// When it is too long; `out` is then as it was.
pub(super) fn write_record(
    salt: Salt,
    record: &Record,
    out: &mut Vec<u8>,
) -> Result<(), JournalError> {
    let payload = postcard::to_stdvec(record).map_err(JournalError::Encode)?;
    let too_long = || JournalError::TooLong { bytes: payload.len() };
    let length = u32::try_from(payload.len()).map_err(|_| too_long())?;
    if payload.len() > MOST_PAYLOAD {
        return Err(too_long());
    }
    let start = out.len();
    out.extend(MARK);
    out.extend(length.to_le_bytes());
    out.extend(salt);
    out.extend(&payload);
    out.extend(checksum(&out[start..]));
    Ok(())
}

/// A record as it stands, not yet understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) salt: Salt,
    pub(super) payload: &'a [u8],
    /// Bytes of the whole frame.
    pub(super) length: usize,
}

/// Why no record starts here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// These are other bytes.
    NoRecord,
    /// The bytes end before the record does.
    CutOff,
}

/// The record at the start of `bytes`, if it is whole, and has this `salt` where one is known.
pub(super) fn read_frame(bytes: &[u8], salt: Option<Salt>) -> Result<Frame<'_>, Flaw> {
    let Some(before) = bytes.get(..BEFORE) else {
        let starts_like_one =
            MARK.starts_with(&bytes[..bytes.len().min(MARK.len())]) || bytes.starts_with(&MARK);
        return Err(if starts_like_one { Flaw::CutOff } else { Flaw::NoRecord });
    };
    let mut own = Salt::default();
    own.copy_from_slice(&before[8..]);
    let payload = usize::try_from(number(before, 4)).unwrap_or(usize::MAX);
    let plausible = before.starts_with(&MARK)
        && payload <= if salt.is_some() { MOST_PAYLOAD } else { MOST_UNSALTED }
        && salt.is_none_or(|expected| expected == own);
    if !plausible {
        return Err(Flaw::NoRecord);
    }
    let Some(frame) = bytes.get(..AROUND + payload) else { return Err(Flaw::CutOff) };
    let (said, sum) = frame.split_at(BEFORE + payload);
    if checksum(said) != sum {
        return Err(Flaw::NoRecord);
    }
    Ok(Frame { salt: own, payload: &said[BEFORE..], length: frame.len() })
}

/// What a payload says, if it says one whole thing and no more.
pub(super) fn read_payload(payload: &[u8]) -> Option<Record> {
    match postcard::take_from_bytes(payload) {
        Ok((record, [])) => Some(record),
        Ok(_) | Err(_) => None,
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let mut sum = [0; CHECKSUM];
    sum.copy_from_slice(&blake3::hash(bytes).as_bytes()[..CHECKSUM]);
    sum
}

fn number(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(four)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_header_is_named_and_a_changed_one_is_not_believed() {
        let mut header = write_header([7; 8]);
        assert_eq!(read_header(&header), Header::Own([7; 8]));
        header[8] = 9;
        assert_eq!(read_header(&header), Header::Damaged);
        let sum = checksum(&header[..HEADER - CHECKSUM]);
        header[HEADER - CHECKSUM..].copy_from_slice(&sum);
        assert_eq!(read_header(&header), Header::Newer(9));
    }

    #[test]
    fn a_length_is_checked_before_it_is_used() {
        let mut bytes = Vec::new();
        let record = Record::Returned { input: "a".into() };
        write_record([1; 8], &record, &mut bytes).unwrap();
        let frame = read_frame(&bytes, Some([1; 8])).unwrap();
        assert_eq!(read_payload(frame.payload), Some(record));
        assert_eq!(read_frame(&bytes, Some([2; 8])), Err(Flaw::NoRecord));
        assert_eq!(read_frame(&bytes[..20], None), Err(Flaw::CutOff));
        bytes[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(read_frame(&bytes, None), Err(Flaw::NoRecord));
    }

    #[test]
    fn a_record_over_the_limit_is_refused_and_leaves_nothing() {
        let mut bytes = Vec::new();
        let input = "a".repeat(MOST_PAYLOAD).into();
        let refused = write_record([1; 8], &Record::Returned { input }, &mut bytes);
        assert!(matches!(refused, Err(JournalError::TooLong { .. })));
        assert!(bytes.is_empty());
    }
}
