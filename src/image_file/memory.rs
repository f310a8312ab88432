//! How much memory decoding and encoding take, told before any of it is taken.
//!
//! What is allocated but never written, such as the rest of a buffer that was made as long as a file
//! can be at most, does not count: the system gives it no memory.

use image::ImageDecoder;

use super::Format;
use super::{png_writer, webp};

/// Tables, blocks of compressed bytes and what else does not grow with the picture.
const FIXED: u64 = 1 << 20;
/// The longest part of a lossy WebP picture, by the bits that its length has.
const WEBP_PART: u64 = 1 << 24;
/// Lines that libjpeg-turbo works on at a time, in pixels of three bytes; the planes that are made for it
/// have less.
const JPEG_LINES: u64 = 16;
/// Lines that other codecs work on at a time.
const LINES: u64 = 4;

/// What `image`'s decoder of a file takes, its output among it.
pub(super) fn of_decoder(format: Format, decoder: &dyn ImageDecoder, webp: webp::Chunks) -> u64 {
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    let output = decoder.total_bytes();
    let line = output / u64::from(height.max(1));
    let more = match format {
        // The same picture in the decoder's own memory, with all inks.
        Format::Tiff => {
            let bits = decoder.original_color_type().bits_per_pixel();
            output.max(pixels.saturating_mul(bits.into()) / 8)
        }
        // A first frame that does not fill the picture.
        Format::Gif => gif_frame_bytes(output),
        // Lossless: RGBA first. Lossy: planes, and the compressed file once more, a part of it at a
        // time as long as the file says. An extended file may have alpha in a file of its own,
        // decoded to RGBA beside the planes, or frames.
        Format::WebP => {
            let part = if webp.lossy { WEBP_PART } else { 0 };
            pixels.saturating_mul(if webp.extended { 8 } else { 4 }).saturating_add(part)
        }
        Format::Jpeg | Format::Png | Format::Bmp | Format::Pnm | Format::Qoi => 0,
    };
    output.saturating_add(more).saturating_add(line.saturating_mul(LINES)).saturating_add(FIXED)
}

/// What the first frame of a GIF may take beside a picture of `output` bytes.
pub(super) fn gif_frame_bytes(output: u64) -> u64 {
    output.max(FIXED)
}

/// What libjpeg-turbo takes to decode beside its output.
pub(super) fn of_jpeg_decoder(width: usize, coefficient_bytes: u64) -> u64 {
    coefficient_bytes + jpeg_lines(width as u64)
}

/// What reading rows that stand in the file as they are takes: where its `strips` begin, and how long
/// they are, noted by two decoders.
pub(super) fn of_raw_rows(strips: u64) -> u64 {
    strips.saturating_mul(2 * 2 * 8).saturating_add(FIXED)
}

/// What reading a PNG by rows takes: lines as the file holds them, of at most twice the bytes.
pub(super) fn of_png_rows(row_bytes: u64) -> u64 {
    row_bytes.saturating_mul(2 * LINES).saturating_add(FIXED)
}

fn jpeg_lines(width: u64) -> u64 {
    width * 3 * JPEG_LINES + FIXED
}

/// The most memory that [`encode`](super::encode) takes beside the pixels and metadata, its result
/// among it, whatever the pixels are; photographs take about half of it.
#[must_use]
pub fn encode_bytes(width: usize, height: usize, channels: usize, format: Format) -> u64 {
    let (rows, row_bytes) = (height, width.saturating_mul(channels));
    let (width, height) = (width as u64, height as u64);
    let pixels = width.saturating_mul(height);
    let held = format.held_channels(channels) as u64;
    let raw = pixels.saturating_mul(held);
    let lines = width.saturating_mul(held * LINES);
    // Gray and alpha, made gray or RGBA first.
    let converted = match (format, channels) {
        (Format::Jpeg | Format::Tiff | Format::Bmp, 2) => raw,
        _ => 0,
    };
    let file = match format {
        Format::Jpeg => {
            let side = |length: u64| length.next_multiple_of(16);
            let most = if held == 1 { 2 } else { 3 };
            side(width).saturating_mul(side(height)).saturating_mul(most) + jpeg_lines(width)
        }
        Format::Png => (png_writer::most_bytes(rows, row_bytes) as u64)
            .saturating_add(png_writer::working_bytes(rows, row_bytes) as u64),
        // RGBA and the compressed pixels; or these, and the file that they are copied to.
        Format::WebP => pixels.saturating_mul(4).saturating_add(raw),
        Format::Bmp => (width * held).next_multiple_of(4).saturating_mul(height),
        Format::Tiff | Format::Pnm | Format::Gif | Format::Qoi => raw,
    };
    // Nothing is in them that is not counted, but for tables of codes.
    let is_own = matches!(format, Format::Png | Format::Tiff | Format::Pnm);
    let fixed = if is_own { FIXED / 8 } else { FIXED };
    file.saturating_add(converted).saturating_add(lines).saturating_add(fixed)
}

/// The most memory that a [`Writer`](super::Writer) takes while it takes rows: what [`encode_bytes`]
/// says if it writes them by and by, otherwise all pixels.
#[must_use]
pub fn writer_bytes(width: usize, height: usize, channels: usize, format: Format) -> u64 {
    if matches!(format, Format::Jpeg | Format::Png | Format::Tiff | Format::Pnm) {
        return encode_bytes(width, height, channels, format);
    }
    (width as u64).saturating_mul(height as u64).saturating_mul(channels as u64)
}
