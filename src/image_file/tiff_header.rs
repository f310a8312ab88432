//! What stands before the pixels of a TIFF file: its header, its one directory, and the colour profile.
//!
//! The pixels follow uncompressed, so that the place of each row is known beforehand. A file that
//! classic TIFF cannot count is a BigTIFF.

/// Bytes of a strip, about: most readers hold one.
const STRIP_BYTES: usize = 1 << 20;
/// Strips of a file at the most; some readers refuse longer lists.
const MOST_STRIPS: usize = 1 << 16;

/// Kinds of field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Short = 3,
    Long = 4,
    Rational = 5,
    Undefined = 7,
    Long8 = 16,
}

/// A field of the directory: its tag, kind, number of values, and their bytes.
pub(super) struct Field(pub(super) u16, Kind, usize, Vec<u8>);

/// Header, directory and profile of a file of this shape: columns, rows, and channels, which are 1, 3
/// or 4. The pixels begin behind the last byte.
pub(super) fn header(shape: (usize, usize, usize), icc: Option<&[u8]>) -> Vec<u8> {
    let small = laid_out(|first| fields(shape, icc, false, first), false);
    let pixels = shape.0.saturating_mul(shape.1).saturating_mul(shape.2);
    let fits = u32::try_from(pixels.saturating_add(small.len())).is_ok();
    if fits { small } else { laid_out(|first| fields(shape, icc, true, first), true) }
}

/// Header and directory of a file. `fields` are those of a file whose pixels begin at a place: behind
/// the last byte.
pub(super) fn laid_out(fields: impl Fn(u64) -> Vec<Field>, is_big: bool) -> Vec<u8> {
    let word = if is_big { 8 } else { 4 };
    // The same fields with other places of strips have the same length.
    let length = behind_directory(&fields(0), word).1;
    let fields = fields(length as u64);
    let (mut elsewhere, _) = behind_directory(&fields, word);
    let mut file = if is_big {
        b"II\x2B\0\x08\0\0\0\x10\0\0\0\0\0\0\0".to_vec()
    } else {
        b"II\x2A\0\x08\0\0\0".to_vec()
    };
    push(&mut file, fields.len() as u64, if is_big { 8 } else { 2 });
    let mut behind = Vec::new();
    for Field(tag, kind, count, values) in fields {
        push(&mut file, tag.into(), 2);
        push(&mut file, kind as u64, 2);
        push(&mut file, count as u64, word);
        if values.len() <= word {
            file.extend(&values);
            file.resize(file.len() + word - values.len(), 0);
        } else {
            push(&mut file, elsewhere as u64, word);
            elsewhere += values.len().next_multiple_of(2);
            behind.extend(values);
            behind.resize(behind.len().next_multiple_of(2), 0);
        }
    }
    // No directory follows.
    push(&mut file, 0, word);
    file.extend(behind);
    file
}

/// Where a directory of these fields ends, and where the values end that follow it.
fn behind_directory(fields: &[Field], word: usize) -> (usize, usize) {
    let (header, count) = if word == 8 { (16, 8) } else { (8, 2) };
    let directory = header + count + fields.len() * (4 + 2 * word) + word;
    let values = fields.iter().map(|Field(.., values)| values.len()).filter(|&bytes| bytes > word);
    (directory, directory + values.map(|bytes| bytes.next_multiple_of(2)).sum::<usize>())
}

/// The fields in the order of their tags, where the first strip begins at `first`.
fn fields(
    (width, height, channels): (usize, usize, usize),
    icc: Option<&[u8]>,
    is_big: bool,
    first: u64,
) -> Vec<Field> {
    let row = (width * channels) as u64;
    let strip_rows = strip_rows(width * channels, height);
    let strips = height.div_ceil(strip_rows);
    let rows_in = |strip: usize| strip_rows.min(height - strip * strip_rows) as u64;
    let offset = |strip: usize| first + (strip * strip_rows) as u64 * row;
    let color = if channels == 1 { 1 } else { 2 };
    let place = if is_big { Kind::Long8 } else { Kind::Long };
    let mut fields = vec![
        numbers(256, Kind::Long, [width as u64]),
        numbers(257, Kind::Long, [height as u64]),
        numbers(258, Kind::Short, vec![8; channels]),
        // Not compressed.
        numbers(259, Kind::Short, [1]),
        numbers(262, Kind::Short, [color]),
        numbers(273, place, (0..strips).map(offset)),
        numbers(277, Kind::Short, [channels as u64]),
        numbers(278, Kind::Long, [strip_rows as u64]),
        numbers(279, place, (0..strips).map(|strip| rows_in(strip) * row)),
        // One pixel of each unit that nobody knows.
        Field(282, Kind::Rational, 1, vec![1, 0, 0, 0, 1, 0, 0, 0]),
        Field(283, Kind::Rational, 1, vec![1, 0, 0, 0, 1, 0, 0, 0]),
        // The samples of a pixel stand together.
        numbers(284, Kind::Short, [1]),
        numbers(296, Kind::Short, [1]),
    ];
    // No field says that a fourth sample is alpha: OpenCV, which writes none either, would multiply the
    // colours with it as it reads them.
    fields.push(numbers(339, Kind::Short, vec![1; channels]));
    fields.extend(icc.map(|icc| Field(34_675, Kind::Undefined, icc.len(), icc.to_vec())));
    fields
}

fn strip_rows(row_bytes: usize, height: usize) -> usize {
    (STRIP_BYTES / row_bytes).max(height.div_ceil(MOST_STRIPS)).clamp(1, height)
}

/// A field of numbers, which fit its kind.
pub(super) fn numbers(tag: u16, kind: Kind, values: impl IntoIterator<Item = u64>) -> Field {
    let bytes = match kind {
        Kind::Undefined => 1,
        Kind::Short => 2,
        Kind::Long => 4,
        Kind::Rational | Kind::Long8 => 8,
    };
    let (mut content, mut count) = (Vec::new(), 0);
    for value in values {
        push(&mut content, value, bytes);
        count += 1;
    }
    Field(tag, kind, count, content)
}

fn push(file: &mut Vec<u8>, number: u64, bytes: usize) {
    file.extend(&number.to_le_bytes()[..bytes]);
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use tiff::decoder::Decoder;
    use tiff::tags::Tag;

    use super::*;

    fn strips(shape: (usize, usize, usize), icc: Option<&[u8]>) -> (Vec<u64>, Vec<u64>, usize) {
        let header = header(shape, icc);
        let length = header.len();
        let mut decoder = Decoder::new(Cursor::new(header)).unwrap();
        let size = decoder.dimensions().unwrap();
        assert_eq!((size.0 as usize, size.1 as usize), (shape.0, shape.1));
        if let Some(icc) = icc {
            assert_eq!(decoder.get_tag_u8_vec(Tag::IccProfile).unwrap(), icc);
        }
        let starts = decoder.get_tag_u64_vec(Tag::StripOffsets).unwrap();
        (starts, decoder.get_tag_u64_vec(Tag::StripByteCounts).unwrap(), length)
    }

    #[test]
    fn strips_follow_the_header_without_gaps() {
        for shape in [(1, 1, 1), (3000, 2000, 3), (700, 30_001, 4), (1 << 16, 1 << 16, 3)] {
            for icc in [None, Some(&b"a profile"[..]), Some(b"odd")] {
                let (starts, lengths, mut at) = strips(shape, icc);
                for (start, length) in starts.iter().zip(&lengths) {
                    assert_eq!(*start, at as u64);
                    at += usize::try_from(*length).unwrap();
                }
                assert_eq!(lengths.iter().sum::<u64>(), (shape.0 * shape.1 * shape.2) as u64);
            }
        }
    }

    #[test]
    fn a_file_of_4_gib_is_a_big_tiff() {
        let rows = (1 << 32) / (3 << 14);
        assert_eq!(header((1 << 14, rows, 3), None)[2], 0x2B);
        assert_eq!(header((1 << 14, rows - 10, 3), None)[2], 0x2A);
        assert!(strips((1, 1 << 31, 3), None).0.len() <= MOST_STRIPS);
    }
}
