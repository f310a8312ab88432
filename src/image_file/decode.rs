//! From a file's bytes to its header and its pixels.

use std::borrow::Cow;
use std::io::{self, BufRead, Cursor, ErrorKind, Read, Seek, SeekFrom};

use image::metadata::Orientation;
use image::{ColorType, ImageDecoder};
use serde::{Deserialize, Serialize};

use super::bounded::Bounded;
use super::guard::guarded;
use super::jpeg_segments::{self, Head};
use super::row_reader::{RowPlan, RowReader};
use super::source::Source;
use super::{
    Format, Limits, Metadata, bmp, jpeg, memory, orientation, png, pnm, tiff, tiff_rows, webp,
};
use crate::error::ImageError;

/// Bytes that a decoder may take beside the picture: tables, profiles, lines.
pub(super) const DECODER_MEMORY: u64 = 64 << 20;

/// Bytes that PNG's decoder may take beside metadata: lines, and a profile that nobody wants.
const PNG_MEMORY: u64 = 32 << 20;
/// What PNG's decoder counts for each byte of metadata.
const PNG_METADATA_COST: u64 = 3;
/// Bytes in which a header must end, those sought over not counted, beside the metadata that it may
/// hold.
const MAX_HEADER: usize = 16 << 20;
/// Times that metadata is read: measured, then kept.
const METADATA_READS: usize = 2;
/// Copies of a block that a decoder and `decode` have at a time.
const BLOCK_COPIES: u64 = 3;

/// What may be decoded, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DecodeOptions {
    /// What is refused.
    pub limits: Limits,
    /// Whether samples of 16 bits are cut to their upper 8, rather than refused.
    pub depth_8: bool,
    /// Whether the colour profile is left in the file. EXIF is read either way: it may turn the
    /// picture.
    pub strip: bool,
}

impl DecodeOptions {
    /// What `mpix run` does without flags.
    pub const DEFAULT: Self = Self { limits: Limits::DEFAULT, depth_8: false, strip: false };

    /// Bytes in which a header must end.
    fn header_bytes(&self) -> usize {
        let metadata = usize::try_from(self.limits.metadata_bytes).unwrap_or(usize::MAX);
        metadata.saturating_mul(METADATA_READS).saturating_add(MAX_HEADER)
    }
}

/// What a file holds, as its first bytes tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Header {
    /// The format of the content.
    pub format: Format,
    /// Columns of the decoded, upright picture.
    pub width: usize,
    /// Rows of the decoded, upright picture.
    pub height: usize,
    /// Channels of the decoded picture: 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA. For GIF always 4;
    /// it is decoded to 3 if its first frame turns out opaque.
    pub channels: usize,
    /// Bits per sample in the file, where samples of fewer than 8 count as 8.
    pub bits: u32,
    /// Most memory that [`decode`] of this file takes, the picture among it, the file not.
    pub decode_bytes: u64,
    /// Most memory that a [`Reader`](super::Reader) of this file takes beside the rows that it is
    /// asked for, the file not, if it reads it by and by.
    pub reader_bytes: Option<u64>,
}

impl Header {
    /// Whether [`Reader::open_file`](super::Reader::open_file) reads the whole file into memory
    /// first.
    #[must_use]
    pub fn holds_file(&self) -> bool {
        self.format == Format::Jpeg
    }
}

/// A decoded, upright picture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Picture {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Bytes in a pixel: 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA.
    pub channels: usize,
    /// Rows x columns x channels, row-major without gaps.
    pub pixels: Vec<u8>,
    /// What the file says about the pixels; its orientation is 1.
    pub metadata: Metadata,
}

/// Reads the header of the image in `reader`, from its start, and no more of it than that needs.
///
/// Nothing that grows with the image is allocated, and of a file without an end to its header, no
/// more than some megabytes beside the metadata that the limits allow.
///
/// # Errors
/// When the content is no image, is broken, is over a limit, or has samples or pixels that mpix does
/// not filter.
pub fn read_header<R: BufRead + Seek>(
    reader: R,
    options: &DecodeOptions,
) -> Result<Header, ImageError> {
    let mut reader = Bounded::new(reader, options.header_bytes());
    let format = sniff(&mut reader)?;
    guarded_decoder(format, || {
        if format == Format::Jpeg {
            let head = jpeg_segments::read_head(&mut reader, options)?;
            let has_junk = !head.junk.is_empty();
            let (stored, mut metadata) = of_jpeg(head);
            let orientation = metadata.take_orientation();
            let stored = stored.checked(options)?.checked_upright(orientation, options)?;
            let mut header = stored.header(orientation, &metadata);
            if has_junk {
                // The file is copied without it.
                let copy = reader.seek(SeekFrom::End(0)).map_err(ImageError::Unreadable)?;
                header.decode_bytes += copy;
                header.reader_bytes = header.reader_bytes.map(|bytes| bytes + copy);
            }
            return Ok(header);
        }
        let opened = Opened::new(format, reader, options)?;
        Ok(opened.stored.header(opened.orientation, &opened.metadata))
    })
}

/// Decodes the image that `file` holds, into the memory of `recycled` if that is large enough; the
/// content of `recycled` does not matter.
///
/// # Errors
/// Those of [`read_header`], and when the file is cut off or damaged. A decoder's panic is an error
/// like any other.
pub fn decode(
    file: &[u8],
    options: &DecodeOptions,
    recycled: Vec<u8>,
) -> Result<Picture, ImageError> {
    let mut reader = Cursor::new(file);
    let format = sniff(&mut reader)?;
    guarded_decoder(format, || {
        if format == Format::Jpeg {
            OpenedJpeg::new(Cow::Borrowed(file), options)?.decode(recycled)
        } else {
            Opened::new(format, reader, options)?.decode(recycled)
        }
    })
}

/// `len` bytes in the memory of `recycled` if that is large enough; their content is arbitrary.
pub(super) fn recycle(mut recycled: Vec<u8>, len: usize) -> Vec<u8> {
    if recycled.capacity() < len {
        // First, so that the two are never there at a time.
        drop(recycled);
        return vec![0; len];
    }
    recycled.resize(len, 0);
    recycled
}

/// The format of the content; leaves `reader` at its start.
pub(super) fn sniff<R: BufRead + Seek>(reader: &mut R) -> Result<Format, ImageError> {
    const START: u64 = 12;
    let mut start = Vec::new();
    reader.by_ref().take(START).read_to_end(&mut start).map_err(ImageError::Unreadable)?;
    if let Some(format) = Format::of_content(&start) {
        reader.rewind().map_err(ImageError::Unreadable)?;
        return Ok(format);
    }
    if start.is_empty() {
        return Err(ImageError::Empty);
    }
    let size = reader.seek(SeekFrom::End(0)).map_err(ImageError::Unreadable)?;
    let start = start.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    Err(ImageError::NotAnImage { size, start })
}

/// Runs the decoder of a format: its panic is an error like any other.
pub(super) fn guarded_decoder<T>(
    format: Format,
    work: impl FnOnce() -> Result<T, ImageError>,
) -> Result<T, ImageError> {
    guarded(work, |text| broken(format, format!("its decoder panicked: {text}")))
}

/// A picture as the file holds it, before it is turned upright.
#[derive(Clone, Copy)]
struct Stored {
    format: Format,
    width: usize,
    height: usize,
    channels: usize,
    bits: u32,
    /// What its decoder takes, its output among it.
    decoder_bytes: u64,
    /// What it takes beside its output, if it gives that row by row.
    beside_rows: Option<u64>,
}

impl Stored {
    fn checked(self, options: &DecodeOptions) -> Result<Self, ImageError> {
        let (width, height) = (self.width as u64, self.height as u64);
        let pixels = width.saturating_mul(height);
        if pixels == 0 {
            return Err(broken(self.format, format!("it has {width} x {height} pixels")));
        }
        let pixel_bytes = self.channels as u64 * u64::from(self.bits.div_ceil(8));
        options.limits.check_pixels((width, height), pixel_bytes)?;
        if self.format == Format::Jpeg && self.bits != 8 {
            let feature = format!("{} bits per sample", self.bits);
            return Err(ImageError::Feature { format: self.format.name(), feature });
        }
        if self.bits > 8 && !options.depth_8 {
            return Err(ImageError::Depth { bits: self.bits });
        }
        Ok(self)
    }

    fn checked_upright(
        self,
        orientation: Orientation,
        options: &DecodeOptions,
    ) -> Result<Self, ImageError> {
        options.limits.check_sides(self.upright_size(orientation))?;
        Ok(self)
    }

    /// Bytes of a row in memory.
    fn row_bytes(&self) -> usize {
        self.width * self.channels
    }

    fn upright_size(self, orientation: Orientation) -> (usize, usize) {
        let Self { width, height, .. } = self;
        if orientation::swaps_sides(orientation) { (height, width) } else { (width, height) }
    }

    fn header(self, orientation: Orientation, metadata: &Metadata) -> Header {
        let Self { format, channels, bits, .. } = self;
        let (width, height) = self.upright_size(orientation);
        let picture = width as u64 * height as u64 * channels as u64;
        let turned = if orientation == Orientation::NoTransforms { 1 } else { 2 };
        let blocks = BLOCK_COPIES * metadata.bytes();
        let decode_bytes = self.decoder_bytes.max(turned * picture).saturating_add(blocks);
        let reader_bytes = self
            .beside_rows
            .filter(|_| orientation == Orientation::NoTransforms)
            .map(|bytes| bytes.saturating_add(blocks));
        Header { format, width, height, channels, bits, decode_bytes, reader_bytes }
    }

    fn picture(
        self,
        pixels: Vec<u8>,
        channels: usize,
        orientation: Orientation,
        metadata: Metadata,
    ) -> Picture {
        let (width, height) = self.upright_size(orientation);
        let pixels = orientation::upright(pixels, self.width, self.height, channels, orientation);
        Picture { width, height, channels, pixels, metadata }
    }
}

/// A JPEG file whose header was read and found fit.
pub(super) struct OpenedJpeg<'f> {
    rows: jpeg::Reader<'f>,
    stored: Stored,
    orientation: Orientation,
    metadata: Metadata,
}

impl<'f> OpenedJpeg<'f> {
    pub(super) fn new(file: Cow<'f, [u8]>, options: &DecodeOptions) -> Result<Self, ImageError> {
        let mut head = jpeg_segments::read_head(Cursor::new(&file[..]), options)?;
        let junk = std::mem::take(&mut head.junk);
        let (stored, mut metadata) = of_jpeg(head);
        let orientation = metadata.take_orientation();
        let stored = stored.checked(options)?.checked_upright(orientation, options)?;
        let rows = jpeg::Reader::new(file, (stored.width, stored.height), &junk)?;
        Ok(Self { rows, stored, orientation, metadata })
    }

    /// A reader of the rows, unless they must be turned.
    pub(super) fn read(self, recycled: Vec<u8>) -> Result<Opening<'f>, ImageError> {
        if self.orientation != Orientation::NoTransforms {
            return Ok(Opening::Picture(self.decode(recycled)?));
        }
        let (rows, shape) =
            (Box::new(self.rows), (self.stored.width, self.stored.height, self.stored.channels));
        Ok(Opening::Rows { rows, shape, metadata: self.metadata, recycled })
    }

    pub(super) fn decode(mut self, recycled: Vec<u8>) -> Result<Picture, ImageError> {
        let Stored { width, height, channels, .. } = self.stored;
        let mut pixels = recycle(recycled, width * height * channels);
        self.rows.read(&mut pixels)?;
        Box::new(self.rows).end()?;
        Ok(self.stored.picture(pixels, channels, self.orientation, self.metadata))
    }
}

fn of_jpeg(head: Head) -> (Stored, Metadata) {
    let Head { width, height, components, coefficient_bytes, .. } = head;
    let channels = if components == 1 { 1 } else { 3 };
    let beside_rows = memory::of_jpeg_decoder(width, coefficient_bytes) + head.app2_bytes;
    let stored = Stored {
        format: Format::Jpeg,
        width,
        height,
        channels,
        bits: head.precision.into(),
        decoder_bytes: beside_rows + width as u64 * height as u64 * channels as u64,
        beside_rows: Some(beside_rows),
    };
    (stored, Metadata::of_blocks(head.icc, head.exif))
}

/// A file of any format but JPEG, whose header was read and found fit.
pub(super) struct Opened<'r> {
    decoder: Box<dyn ImageDecoder + 'r>,
    stored: Stored,
    /// Whether its colours, which the decoder gives as RGB, are all gray.
    gray_palette: bool,
    orientation: Orientation,
    metadata: Metadata,
    /// How its rows can be read one after the other.
    rows: Option<RowPlan>,
}

impl<'r> Opened<'r> {
    pub(super) fn new<R: BufRead + Seek + 'r>(
        format: Format,
        mut reader: R,
        options: &DecodeOptions,
    ) -> Result<Self, ImageError> {
        let gray_palette =
            format == Format::Bmp && bmp::has_gray_palette(&mut reader).unwrap_or(false);
        let Beside { webp, png, tiff_profile, rows } = beside_pixels(format, &mut reader, options)?;
        reader.rewind().map_err(ImageError::Unreadable)?;
        let mut decoder =
            decoder(format, reader, png).map_err(|error| from_image(format, error))?;
        let (width, height) = decoder.dimensions();
        if webp.width > width || webp.height > height {
            return Err(broken(format, "a picture in it is larger than itself".to_owned()));
        }
        let decoder_bytes =
            memory::of_decoder(format, decoder.as_ref(), webp).saturating_add(png.stored);
        let stored = Stored { decoder_bytes, ..stored(format, decoder.as_ref(), gray_palette)? };
        let row_bytes = stored.row_bytes() as u64;
        let beside_rows =
            rows.as_ref().map(|plan| plan.bytes(row_bytes).saturating_add(png.stored));
        let stored = Stored { beside_rows, ..stored }.checked(options)?;
        let limits = limits(format, decoder.as_ref());
        let (orientation, metadata) = describe(format, decoder.as_mut(), tiff_profile, options)?;
        let stored = stored.checked_upright(orientation, options)?;
        decoder.set_limits(limits).map_err(|error| from_image(format, error))?;
        Ok(Self { decoder, stored, gray_palette, orientation, metadata, rows })
    }

    /// A reader of the rows, which are in `source`, with columns, rows and channels, if they can be
    /// read one after the other; otherwise the picture, decoded into the memory of `recycled`.
    pub(super) fn read<'f>(
        mut self,
        source: Source<'f>,
        recycled: Vec<u8>,
    ) -> Result<Opening<'f>, ImageError> {
        let upright = self.orientation == Orientation::NoTransforms;
        let Some(plan) = self.rows.take().filter(|_| upright) else {
            return Ok(Opening::Picture(self.decode(recycled)?));
        };
        let Stored { format, width, height, channels, .. } = self.stored;
        let rows = plan.open(format, source, self.stored.row_bytes())?;
        let shape = (width, height, channels);
        Ok(Opening::Rows { rows, shape, metadata: self.metadata, recycled })
    }

    pub(super) fn decode(self, mut recycled: Vec<u8>) -> Result<Picture, ImageError> {
        let Stored { format, bits, mut channels, .. } = self.stored;
        if format == Format::Gif {
            // Its decoder leaves pixels alone whose colour is not in the palette: what was in the
            // memory before would show.
            recycled.clear();
        }
        let Ok(len) = usize::try_from(self.decoder.total_bytes()) else {
            return Err(broken(format, "it does not fit the address space".to_owned()));
        };
        let mut pixels = recycle(recycled, len);
        self.decoder.read_image(&mut pixels).map_err(|error| from_image(format, error))?;
        if bits == 16 {
            keep_upper_bytes(&mut pixels);
        }
        if self.gray_palette {
            keep_first_of_three(&mut pixels);
        }
        if format == Format::Gif && pixels.iter().skip(3).step_by(4).all(|&alpha| alpha == 255) {
            drop_fourth_bytes(&mut pixels);
            channels = 3;
        }
        Ok(self.stored.picture(pixels, channels, self.orientation, self.metadata))
    }
}

/// What is there to give rows.
pub(super) enum Opening<'f> {
    Rows {
        rows: Box<dyn RowReader + 'f>,
        /// Columns, rows, channels.
        shape: (usize, usize, usize),
        metadata: Metadata,
        /// Memory that it does not need.
        recycled: Vec<u8>,
    },
    Picture(Picture),
}

/// What stands in a file beside its pixels.
#[derive(Default)]
struct Beside {
    webp: webp::Chunks,
    png: png::Blocks,
    tiff_profile: Option<Vec<u8>>,
    rows: Option<RowPlan>,
}

/// Measures metadata before a decoder reads it, and holds it against its limit.
fn beside_pixels<R: BufRead + Seek>(
    format: Format,
    reader: &mut R,
    options: &DecodeOptions,
) -> Result<Beside, ImageError> {
    let (limits, strip) = (&options.limits, options.strip);
    let unread = |error| from_io(format, error);
    let mut beside = Beside::default();
    match format {
        Format::WebP => {
            let webp = webp::chunks(reader).map_err(unread)?;
            limits.check_metadata(webp.exif_bytes, webp.icc_bytes, strip)?;
            beside.webp = webp;
        }
        Format::Png => {
            let most_profile = if strip { 0 } else { limits.metadata_bytes };
            let png = png::blocks(reader, most_profile).map_err(unread)?;
            limits.check_metadata(png.stored, png.inflated, strip)?;
            beside.rows = png.is_in_order.then(|| RowPlan::Png(png_memory(png)));
            beside.png = png;
        }
        Format::Tiff => {
            let profile = if strip { None } else { tiff::profile(reader).map_err(unread)? };
            if let Some(place) = profile {
                limits.check_metadata(0, place.bytes, strip)?;
                beside.tiff_profile = place.read(reader).map_err(unread)?;
            }
            reader.rewind().map_err(ImageError::Unreadable)?;
            beside.rows = tiff_rows::plan(reader);
        }
        Format::Pnm => {
            reader.rewind().map_err(ImageError::Unreadable)?;
            beside.rows = pnm::places(reader).map(RowPlan::Raw);
        }
        Format::Jpeg | Format::Bmp | Format::Gif | Format::Qoi => {}
    }
    Ok(beside)
}

fn decoder<'r, R: BufRead + Seek + 'r>(
    format: Format,
    reader: R,
    png: png::Blocks,
) -> image::ImageResult<Box<dyn ImageDecoder + 'r>> {
    use image::codecs;
    let mut limits = image::Limits::no_limits();
    limits.max_alloc = Some(png_memory(png));
    Ok(match format {
        Format::Jpeg => unreachable!("JPEG has its own decoder"),
        Format::Png => Box::new(codecs::png::PngDecoder::with_limits(reader, limits)?),
        Format::Tiff => Box::new(codecs::tiff::TiffDecoder::new(reader)?),
        Format::WebP => Box::new(codecs::webp::WebPDecoder::new(reader)?),
        Format::Bmp => Box::new(codecs::bmp::BmpDecoder::new(reader)?),
        Format::Pnm => Box::new(codecs::pnm::PnmDecoder::new(reader)?),
        Format::Gif => Box::new(codecs::gif::GifDecoder::new(reader)?),
        Format::Qoi => Box::new(codecs::qoi::QoiDecoder::new(reader)?),
    })
}

/// Bytes that PNG's decoder may take beside the picture.
fn png_memory(png: png::Blocks) -> u64 {
    let metadata = png.stored.saturating_add(png.inflated).saturating_mul(PNG_METADATA_COST);
    PNG_MEMORY.saturating_add(metadata)
}

/// The picture, twice (decoders of TIFF keep a copy), and something for tables.
fn limits(format: Format, decoder: &dyn ImageDecoder) -> image::Limits {
    let (width, height) = decoder.dimensions();
    let output = decoder.total_bytes();
    let mut limits = image::Limits::no_limits();
    limits.max_image_width = Some(width);
    limits.max_image_height = Some(height);
    limits.max_alloc = Some(if format == Format::Gif {
        memory::gif_frame_bytes(output)
    } else {
        output.saturating_mul(2).saturating_add(DECODER_MEMORY)
    });
    limits
}

fn stored(
    format: Format,
    decoder: &dyn ImageDecoder,
    gray_palette: bool,
) -> Result<Stored, ImageError> {
    let (width, height) = decoder.dimensions();
    let color = decoder.color_type();
    let channels = usize::from(color.channel_count());
    let bits = u32::from(color.bits_per_pixel()) / u32::from(color.channel_count());
    if bits > 16 || matches!(color, ColorType::Rgb32F | ColorType::Rgba32F) {
        return Err(ImageError::Pixels { pixels: format!("{color:?}") });
    }
    Ok(Stored {
        format,
        width: width as usize,
        height: height as usize,
        channels: if gray_palette { 1 } else { channels },
        bits,
        decoder_bytes: 0,
        beside_rows: None,
    })
}

/// Orientation and metadata. A block that cannot be read is as good as none: the pixels can be.
///
/// # Errors
/// When they are over their limit.
fn describe(
    format: Format,
    decoder: &mut dyn ImageDecoder,
    tiff_profile: Option<Vec<u8>>,
    options: &DecodeOptions,
) -> Result<(Orientation, Metadata), ImageError> {
    let icc = if options.strip || format == Format::Tiff {
        tiff_profile
    } else {
        decoder.icc_profile().ok().flatten()
    };
    let exif = decoder.exif_metadata().ok().flatten();
    let mut metadata = Metadata::of_blocks(icc, exif);
    let bytes = |block: &Option<Vec<u8>>| block.as_ref().map_or(0, |block| block.len() as u64);
    let (exif, icc) = (bytes(&metadata.exif), bytes(&metadata.icc));
    options.limits.check_metadata(exif, icc, options.strip)?;
    let orientation = if format == Format::Tiff {
        decoder.orientation().unwrap_or(Orientation::NoTransforms)
    } else {
        metadata.take_orientation()
    };
    Ok((orientation, metadata))
}

/// Keeps the upper byte of each sample of 16 bits, in place; the rest of the memory is given back.
fn keep_upper_bytes(pixels: &mut Vec<u8>) {
    gather_upper_bytes(pixels);
    pixels.truncate(pixels.len() / 2);
    pixels.shrink_to_fit();
}

/// Puts the upper byte of each sample of 16 bits to the front.
pub(super) fn gather_upper_bytes(pixels: &mut [u8]) {
    for sample in 0..pixels.len() / 2 {
        let value = u16::from_ne_bytes([pixels[2 * sample], pixels[2 * sample + 1]]);
        let [upper, _] = value.to_be_bytes();
        pixels[sample] = upper;
    }
}

/// Turns RGB of three equal bytes into gray, in place; the rest of the memory is given back.
fn keep_first_of_three(pixels: &mut Vec<u8>) {
    let count = pixels.len() / 3;
    for pixel in 0..count {
        pixels[pixel] = pixels[3 * pixel];
    }
    pixels.truncate(count);
    pixels.shrink_to_fit();
}

/// Turns RGBA into RGB, in place; the rest of the memory is given back.
fn drop_fourth_bytes(pixels: &mut Vec<u8>) {
    let count = pixels.len() / 4;
    for pixel in 0..count {
        pixels.copy_within(4 * pixel..4 * pixel + 3, 3 * pixel);
    }
    pixels.truncate(3 * count);
    pixels.shrink_to_fit();
}

pub(super) fn from_image(format: Format, error: image::ImageError) -> ImageError {
    use image::error::{ImageError as Fault, UnsupportedErrorKind};
    match error {
        Fault::IoError(error) => from_io(format, error),
        Fault::Unsupported(error) => {
            if let UnsupportedErrorKind::Color(color) = error.kind() {
                return ImageError::Pixels { pixels: format!("{color:?}") };
            }
            ImageError::Feature { format: format.name(), feature: error.to_string() }
        }
        Fault::Limits(_) => {
            broken(format, "it asks for far more memory than its pixels need".to_owned())
        }
        Fault::Decoding(_) | Fault::Encoding(_) | Fault::Parameter(_) => {
            broken(format, error.to_string())
        }
    }
}

/// A fault of the reader, if the system named it; otherwise one of the content.
pub(super) fn from_io(format: Format, error: io::Error) -> ImageError {
    if error.raw_os_error().is_some() {
        return ImageError::Unreadable(error);
    }
    if error.kind() == ErrorKind::UnexpectedEof {
        return broken(format, "it ends early".to_owned());
    }
    broken(format, error.to_string())
}

fn broken(format: Format, reason: String) -> ImageError {
    ImageError::Broken { format: format.name(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_text() {
        let error =
            guarded_decoder::<()>(Format::Png, || panic!("row {} is missing", 7)).unwrap_err();
        assert!(error.to_string().ends_with("its decoder panicked: row 7 is missing"), "{error}");
    }

    #[test]
    fn recycled_memory_is_used_again_when_it_is_large_enough() {
        let old = vec![7; 100];
        let at = old.as_ptr();
        let reused = recycle(old, 60);
        assert_eq!((reused.as_ptr(), reused.len()), (at, 60));
        assert_eq!(recycle(reused, 101).len(), 101);
    }

    #[test]
    fn samples_and_pixels_shrink_in_place() {
        let mut samples: Vec<u8> =
            [0x1234_u16, 0xFF00].iter().flat_map(|v| v.to_ne_bytes()).collect();
        keep_upper_bytes(&mut samples);
        assert_eq!(samples, [0x12, 0xFF]);
        let mut pixels = vec![1, 2, 3, 255, 4, 5, 6, 255];
        drop_fourth_bytes(&mut pixels);
        assert_eq!(pixels, [1, 2, 3, 4, 5, 6]);
        let mut pixels = vec![7, 7, 7, 9, 9, 9];
        keep_first_of_three(&mut pixels);
        assert_eq!((pixels.capacity(), pixels), (2, vec![7, 9]));
    }
}
