//! A TIFF file in slices: rows of its strips or tiles, still compressed, as a file of their own.

use std::io::{Seek, SeekFrom};
use std::ops::Range;

use tiff::decoder::{ChunkType, Decoder};
use tiff::tags::{ByteOrder, Tag};

use super::Format;
use super::decode::from_io;
use super::source::Source;
use super::tiff_header::{Field, Kind, laid_out, numbers};
use super::tiff_rows::Chunks;
use crate::error::ImageError;

/// What tells how samples are stored, of numbers of 16 bits.
const SHORTS: [Tag; 9] = [
    Tag::BitsPerSample,
    Tag::Compression,
    Tag::PhotometricInterpretation,
    Tag::FillOrder,
    Tag::SamplesPerPixel,
    Tag::PlanarConfiguration,
    Tag::Predictor,
    Tag::ExtraSamples,
    Tag::SampleFormat,
];
/// Bytes that compressing a chunk may add to twice as many as it had.
const ROOM: u64 = 1 << 10;
/// Ways to compress: none, and those of zlib.
const PLAIN: u64 = 1;
const DEFLATE: [u64; 2] = [8, 32_946];
const JPEG_TABLES: Tag = Tag::Unknown(347);

/// A file whose chunks are known.
#[derive(Debug)]
pub(super) struct Cut {
    source: Source<'static>,
    chunks: Chunks,
    /// What is the same in a slice as in the file.
    fields: Vec<(Tag, Kind, Vec<u64>)>,
    is_tiles: bool,
    /// Chunks side by side, and where each begins and how long it is.
    across: usize,
    places: Vec<(u64, u64)>,
}

impl Cut {
    /// The chunks of the file in `source`, if none is far longer compressed than not.
    pub(super) fn new(source: Source<'static>, chunks: Chunks) -> Option<Self> {
        let mut reader = source.reader().ok()?;
        let file_bytes = reader.seek(SeekFrom::End(0)).ok()?;
        reader.rewind().ok()?;
        let mut decoder = Decoder::new(reader).ok()?;
        // In a slice, samples of 16 bits have the lower byte first.
        if chunks.is_deep && decoder.byte_order() != ByteOrder::LittleEndian {
            return None;
        }
        let is_tiles = decoder.get_chunk_type() == ChunkType::Tile;
        let mut fields = Vec::new();
        for tag in SHORTS {
            if let Some(values) = decoder.find_tag_unsigned_vec::<u16>(tag).ok()? {
                let values: Vec<u64> = values.into_iter().map(u64::from).collect();
                fields.push((tag, Kind::Short, values));
            }
        }
        if let Some(tables) = decoder.find_tag(JPEG_TABLES).ok()? {
            let bytes = tables.into_u8_vec().ok()?.into_iter().map(u64::from);
            fields.push((JPEG_TABLES, Kind::Undefined, bytes.collect()));
        }
        let (wide, high) = chunks.chunk;
        let sides: &[_] = if is_tiles {
            &[(Tag::TileWidth, wide), (Tag::TileLength, high)]
        } else {
            &[(Tag::RowsPerStrip, high)]
        };
        fields.push((Tag::ImageWidth, Kind::Long, vec![chunks.picture.0.into()]));
        fields.extend(sides.iter().map(|&(tag, side)| (tag, Kind::Long, vec![side.into()])));
        let (offsets, lengths) = place_tags(is_tiles);
        let offsets = decoder.get_tag_u64_vec(offsets).ok()?;
        let lengths = decoder.get_tag_u64_vec(lengths).ok()?;
        let across = chunks.picture.0.div_ceil(wide) as usize;
        let down = chunks.picture.1.div_ceil(high) as usize;
        if offsets.len() != across * down || lengths.len() != offsets.len() {
            return None;
        }
        let number = |tag| fields.iter().find(|field| field.0 == tag)?.2.first().copied();
        let samples = number(Tag::SamplesPerPixel).unwrap_or(1);
        let sample_bytes = if chunks.is_deep { 2 } else { 1 };
        let area = u64::from(wide).saturating_mul(high.into());
        let bytes = area.saturating_mul(samples * sample_bytes);
        let most = bytes.saturating_mul(2).saturating_add(ROOM);
        if lengths.iter().any(|&length| length > most) {
            return None;
        }
        let lengths = match number(Tag::Compression).unwrap_or(PLAIN) {
            PLAIN => plain_lengths(bytes, &chunks, is_tiles, lengths.len()),
            method if DEFLATE.contains(&method) => {
                let up_to_the_next = up_to_the_next(&offsets, file_bytes);
                up_to_the_next.into_iter().map(|length| length.min(most)).collect()
            }
            // One that the file says ends behind its own end is read up to that.
            _ => {
                let left = offsets.iter().map(|start| file_bytes.saturating_sub(*start));
                lengths.into_iter().zip(left).map(|(length, left)| length.min(left)).collect()
            }
        };
        let places = offsets.into_iter().zip(lengths).collect();
        Some(Self { source, chunks, fields, is_tiles, across, places })
    }

    /// Rows that a slice is made of.
    pub(super) fn unit_rows(&self) -> usize {
        self.chunks.chunk.1 as usize
    }

    /// A file of these rows and some above and below. Returns the first row in it, too.
    pub(super) fn slice(&self, rows: &Range<usize>) -> Result<(Vec<u8>, usize), ImageError> {
        let unit = self.unit_rows();
        let (first, last) = (rows.start / unit, rows.end.div_ceil(unit));
        let (top, bottom) = (first * unit, (last * unit).min(self.chunks.picture.1 as usize));
        let places = &self.places[first * self.across..last * self.across];
        let mut slice = laid_out(|at| self.fields_of(places, bottom - top, at), false);
        let mut at = slice.len();
        let length = places.iter().map(|&(_, bytes)| bytes).sum::<u64>();
        slice.resize(at + usize::try_from(length).unwrap_or(usize::MAX), 0);
        for &(start, bytes) in places {
            let end = at + usize::try_from(bytes).unwrap_or(usize::MAX);
            let read = self.source.read_at(start, &mut slice[at..end]);
            read.map_err(|error| from_io(Format::Tiff, error))?;
            at = end;
        }
        Ok((slice, top))
    }

    /// The directory of a slice of so many rows of chunks that begin at `at`.
    fn fields_of(&self, places: &[(u64, u64)], height: usize, at: u64) -> Vec<Field> {
        let (offsets, lengths) = place_tags(self.is_tiles);
        let begin = places.iter().scan(at, |next, &(_, bytes)| {
            let own = *next;
            *next += bytes;
            Some(own)
        });
        let own = [
            (Tag::ImageLength, Kind::Long, vec![height as u64]),
            (offsets, Kind::Long, begin.collect()),
            (lengths, Kind::Long, places.iter().map(|&(_, bytes)| bytes).collect()),
        ];
        let all = self.fields.iter().cloned().chain(own);
        let mut fields: Vec<Field> =
            all.map(|(tag, kind, values)| numbers(tag.to_u16(), kind, values)).collect();
        fields.sort_by_key(|field| field.0);
        fields
    }
}

/// How long chunks are whose data tells where it ends. The decoder does not ask the file for that, so
/// that a file that says too little is read all the same.
fn up_to_the_next(offsets: &[u64], file_bytes: u64) -> Vec<u64> {
    let mut ends = [offsets, &[file_bytes]].concat();
    ends.sort_unstable();
    let length = |&start: &u64| {
        let next = ends.get(ends.partition_point(|&end| end <= start));
        next.map_or(0, |end| end - start)
    };
    offsets.iter().map(length).collect()
}

/// How long so many chunks of `bytes` are that are not compressed.
fn plain_lengths(bytes: u64, chunks: &Chunks, is_tiles: bool, count: usize) -> Vec<u64> {
    let mut lengths = vec![bytes; count];
    let (strip_rows, height) = (u64::from(chunks.chunk.1), u64::from(chunks.picture.1));
    if let Some(last) = lengths.last_mut().filter(|_| !is_tiles && height % strip_rows > 0) {
        *last = *last / strip_rows * (height % strip_rows);
    }
    lengths
}

/// What tells where chunks begin, and how long they are.
fn place_tags(is_tiles: bool) -> (Tag, Tag) {
    if is_tiles {
        (Tag::TileOffsets, Tag::TileByteCounts)
    } else {
        (Tag::StripOffsets, Tag::StripByteCounts)
    }
}
