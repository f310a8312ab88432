//! Writes PNG in pieces: each is filtered and compressed alone, to a chunk of its own.

use std::io::{self, Write};

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

use super::bits::Bits;
use super::deflate;
use super::kernels::png_filter::filter;
use crate::simd::Simd;

/// Bytes of pixels in a piece, about: the first row of each is filtered without the row above.
const PIECE_BYTES: usize = 1 << 20;
/// Bytes of filtered rows that share a code, about: few enough to stay in the cache.
const BLOCK_BYTES: usize = 1 << 17;
/// Bytes of a chunk beside its content: length, name, checksum.
const CHUNK_BYTES: usize = 12;
/// The start of compressed data, which says that it was made fast.
const ZLIB_START: [u8; 2] = [0x78, 0x01];
/// The last block of compressed data, which is empty.
const LAST_BLOCK: [u8; 2] = [3, 0];
/// The name that a profile must have.
const PROFILE_NAME: &[u8] = b"_";
/// Longest chunk.
const MOST_CHUNK: usize = i32::MAX as usize;

/// The sum that ends compressed data, of some of them, and how many bytes these are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sum {
    adler: u32,
    bytes: u64,
}

impl Sum {
    /// Of no bytes.
    pub(super) const START: Self = Self { adler: 1, bytes: 0 };
    const MODULUS: u64 = 65_521;
    /// Bytes of [`to_bytes`](Self::to_bytes).
    pub(super) const BYTES: usize = 12;

    /// Of `data`.
    fn of(data: &[u8]) -> Self {
        Self { adler: simd_adler32::adler32(&data), bytes: data.len() as u64 }
    }

    /// Of these bytes and those of `next` behind them.
    pub(super) fn then(self, next: Self) -> Self {
        let halves = |adler: u32| (u64::from(adler & 0xFFFF), u64::from(adler >> 16));
        let ((low, high), (next_low, next_high)) = (halves(self.adler), halves(next.adler));
        // Both begin with one.
        let before = low + Self::MODULUS - 1;
        let high = high + next_high + next.bytes % Self::MODULUS * before;
        let adler = ((high % Self::MODULUS) << 16) | ((before + next_low) % Self::MODULUS);
        Self { adler: u32::try_from(adler).unwrap_or_default(), bytes: self.bytes + next.bytes }
    }

    pub(super) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&self.adler.to_le_bytes());
        bytes[4..].copy_from_slice(&self.bytes.to_le_bytes());
        bytes
    }

    pub(super) fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let [a, b, c, d, bytes @ ..] = bytes;
        Self { adler: u32::from_le_bytes([a, b, c, d]), bytes: u64::from_le_bytes(bytes) }
    }
}

/// Rows of a piece.
pub(super) fn piece_rows(row_bytes: usize) -> usize {
    (PIECE_BYTES / row_bytes).max(1)
}

/// Rows of a block.
fn block_rows(row_bytes: usize) -> usize {
    (BLOCK_BYTES / row_bytes).max(1)
}

/// The most bytes that pieces of so many rows have, encoded.
pub(super) fn most_bytes(rows: usize, row_bytes: usize) -> usize {
    let (pieces, blocks) = (rows / piece_rows(row_bytes) + 1, rows / block_rows(row_bytes) + 1);
    deflate::most_bytes(rows.saturating_mul(row_bytes + 1), blocks + pieces)
        .saturating_add(pieces.saturating_mul(CHUNK_BYTES))
}

/// Bytes that encoding so many rows takes beside pixels and pieces: two rows, a block, and what it is
/// compressed to.
pub(super) fn working_bytes(rows: usize, row_bytes: usize) -> usize {
    let block = block_rows(row_bytes).min(rows).saturating_mul(row_bytes + 1);
    block.saturating_mul(3).saturating_add(row_bytes + 1)
}

/// The file up to the pixels, which have this shape: columns, rows, channels.
pub(super) fn header(
    (width, height, channels): (usize, usize, usize),
    icc: Option<&[u8]>,
    exif: Option<&[u8]>,
) -> io::Result<Vec<u8>> {
    let mut file = b"\x89PNG\r\n\x1A\n".to_vec();
    let color = [0, 4, 2, 6][channels - 1];
    append_chunk(&mut file, *b"IHDR", |header| {
        for side in [width, height] {
            header.extend(u32::try_from(side).map_err(io::Error::other)?.to_be_bytes());
        }
        // Bits of a sample, its meaning, and that compression, filters and order are the usual ones.
        header.extend([8, color, 0, 0, 0]);
        Ok(())
    })?;
    if let Some(icc) = icc {
        append_chunk(&mut file, *b"iCCP", |chunk| {
            chunk.extend_from_slice(PROFILE_NAME);
            chunk.extend([0, 0]);
            let mut zlib = ZlibEncoder::new(chunk, Compression::default());
            zlib.write_all(icc)?;
            zlib.finish().map(|_| ())
        })?;
    }
    if let Some(exif) = exif {
        append_chunk(&mut file, *b"eXIf", |chunk| {
            chunk.extend_from_slice(exif);
            Ok(())
        })?;
    }
    Ok(file)
}

/// Encodes pieces: `pixels` are whole ones, those from the first row on if `is_first`. Gives the sum of
/// what they were before compression.
pub(super) fn append_pieces(
    simd: Simd,
    pixels: &[u8],
    (width, channels): (usize, usize),
    is_first: bool,
    file: &mut Vec<u8>,
) -> io::Result<Sum> {
    let row_bytes = width * channels;
    let mut bits = Bits::default();
    let (mut block, mut other) = (Vec::new(), vec![0; row_bytes + 1]);
    let mut sum = Sum::START;
    for (index, piece) in pixels.chunks(piece_rows(row_bytes) * row_bytes).enumerate() {
        let mut above = None;
        append_chunk(file, *b"IDAT", |chunk| {
            if is_first && index == 0 {
                chunk.extend(ZLIB_START);
            }
            for rows in piece.chunks(block_rows(row_bytes) * row_bytes) {
                block.resize(rows.len() + rows.len() / row_bytes, 0);
                let filtered = block.chunks_exact_mut(row_bytes + 1);
                for (row, filtered) in rows.chunks_exact(row_bytes).zip(filtered) {
                    filter(simd, row, above, channels, filtered, &mut other);
                    above = Some(row);
                }
                sum = sum.then(Sum::of(&block));
                bits.push_block(simd, &block, chunk);
            }
            bits.end(chunk);
            Ok(())
        })?;
    }
    Ok(sum)
}

/// The rest of the file, behind pieces of this sum.
pub(super) fn end(sum: Sum) -> io::Result<Vec<u8>> {
    let mut file = Vec::new();
    append_chunk(&mut file, *b"IDAT", |chunk| {
        chunk.extend(LAST_BLOCK);
        chunk.extend(sum.adler.to_be_bytes());
        Ok(())
    })?;
    append_chunk(&mut file, *b"IEND", |_| Ok(()))?;
    Ok(file)
}

/// Appends a chunk whose content `fill` appends.
fn append_chunk(
    file: &mut Vec<u8>,
    name: [u8; 4],
    fill: impl FnOnce(&mut Vec<u8>) -> io::Result<()>,
) -> io::Result<()> {
    let start = file.len();
    file.extend([0; 4]);
    file.extend(name);
    fill(file)?;
    let length = file.len() - start - 8;
    if length > MOST_CHUNK {
        return Err(io::Error::other(format!("a chunk of {length} bytes")));
    }
    let length = u32::try_from(length).map_err(io::Error::other)?;
    file[start..start + 4].copy_from_slice(&length.to_be_bytes());
    let mut crc = Crc::new();
    crc.update(&file[start + 4..]);
    file.extend(crc.sum().to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn sums_are_joined() {
        let data: Vec<u8> =
            (0..200_000_u32).map(|i| (i.wrapping_mul(i) >> 9).to_le_bytes()[0] | 128).collect();
        for cut in [0, 1, 65_520, 65_521, 65_522, 131_042, 200_000] {
            let (before, after) = data.split_at(cut);
            assert_eq!(Sum::of(before).then(Sum::of(after)), Sum::of(&data), "{cut}");
        }
        assert_eq!(Sum::START.then(Sum::START), Sum::START);
        let sum = Sum::of(&data);
        assert_eq!(Sum::from_bytes(sum.to_bytes()), sum);
    }

    #[test]
    fn pieces_are_one_stream_with_the_right_sum() {
        let pixels: Vec<u8> = (0..3_000_000_u32).map(|i| (i / 1000).to_le_bytes()[0]).collect();
        let (width, piece) = (1000, piece_rows(1000) * 1000);
        let (mut file, mut sum) = (Vec::new(), Sum::START);
        for (index, rows) in pixels.chunks(piece).enumerate() {
            let own =
                append_pieces(Simd::detect(), rows, (width, 1), index == 0, &mut file).unwrap();
            sum = sum.then(own);
        }
        file.extend(end(sum).unwrap());
        let (mut chunks, mut stream) = (&file[..], Vec::new());
        while let Some((&[a, b, c, d, name @ ..], rest)) = chunks.split_first_chunk::<8>() {
            let (content, rest) = rest.split_at(u32::from_be_bytes([a, b, c, d]) as usize);
            let mut crc = Crc::new();
            crc.update(&name);
            crc.update(content);
            assert_eq!(rest[..4], crc.sum().to_be_bytes());
            stream.extend_from_slice(content);
            chunks = &rest[4..];
        }
        // It compares the sum.
        let mut filtered = Vec::new();
        flate2::read::ZlibDecoder::new(&stream[..]).read_to_end(&mut filtered).unwrap();
        assert_eq!(filtered.len(), 3000 * 1001);
        assert_eq!(Sum::of(&filtered), sum);
    }

    #[test]
    fn no_piece_is_longer_than_told() {
        let noise: Vec<u8> = (0..900_000_u32)
            .map(|i| i.wrapping_mul(2_654_435_761).rotate_left(i % 31).to_be_bytes()[1])
            .collect();
        for width in [1, 2, 100, 30_000, 300_000] {
            let (row, mut file) = (width * 3, Vec::new());
            let rows = noise.len() / row;
            append_pieces(Simd::detect(), &noise[..rows * row], (width, 3), true, &mut file)
                .unwrap();
            assert!(file.len() <= most_bytes(rows, row), "{width}: {}", file.len());
        }
    }
}
