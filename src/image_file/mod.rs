//! Image files: what is in one, its pixels, and a file made of pixels.
//!
//! Pixels are 8-bit samples, row-major without gaps, 1 to 4 channels: gray, gray and alpha, RGB,
//! RGBA. JPEG goes through libjpeg-turbo, since decoding is part of the pixels: they are those of
//! OpenCV's `imread`, and the files those of its `imwrite`. PNG, TIFF and PNM are read by rows where
//! `png`, `tiff` or plain reading allow it, and written by mpix itself; else the formats go through
//! `image`.
//!
//! A file of PNG, TIFF or PNM, or of a very large JPEG, is made of pieces ([`Pieces`]), whoever makes
//! it: a piece is encoded alone, knowing nothing of the others, and joining them ([`Joiner`]) is no
//! work. What a piece is depends on the size of the picture alone, so that the bytes do, too.
//!
//! The EXIF orientation is applied while decoding, and the tag set to 1. Of an animation, the first
//! frame counts.
//!
//! | written as | alpha | ICC | EXIF | gray is read back as | gray and alpha as |
//! |---|---|---|---|---|---|
//! | JPEG | dropped | kept | kept up to 64 KiB | gray | gray |
//! | PNG | kept | kept | kept | gray | gray and alpha |
//! | TIFF | kept | kept | dropped | gray | RGBA |
//! | WebP (lossless) | kept | kept | kept | RGB | RGBA |
//! | BMP | kept | dropped | dropped | gray | RGBA |
//! | PNM | kept (as PAM) | dropped | dropped | gray | gray and alpha |
//!
//! A profile for grays is dropped where they are written as colours.

mod bits;
mod bmp;
mod bounded;
mod decode;
mod deflate;
mod encode;
mod format;
mod guard;
mod jpeg;
mod jpeg_pieces;
mod jpeg_planes;
mod jpeg_segments;
mod jpeg_slices;
mod kernels;
mod libjpeg;
mod libjpeg_blocks;
mod libjpeg_dct;
mod limits;
mod memory;
mod metadata;
mod opened;
mod orientation;
mod pieces;
mod plain_rows;
mod png;
mod png_rows;
mod png_writer;
mod pnm;
mod raw_rows;
mod reader;
mod row_reader;
mod samples;
mod slicer;
mod source;
mod tiff;
mod tiff_header;
mod tiff_rows;
mod tiff_slices;
mod webp;
mod writer;

pub use decode::{DecodeOptions, Header, Picture, decode, decode_at_least, read_header};
pub use encode::{EncodeOptions, encode};
pub use format::Format;
pub use limits::Limits;
pub use memory::{encode_bytes, writer_bytes};
pub use metadata::Metadata;
pub use pieces::{Joiner, Pieces};
pub use plain_rows::PlainRows;
pub use reader::Reader;
pub use slicer::{Slice, Slicer};
pub use writer::Writer;
