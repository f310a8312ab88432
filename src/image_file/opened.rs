//! A file whose header was read and found fit: what is in it, and what gives its pixels.

use std::borrow::Cow;
use std::io::{BufRead, Cursor, Seek};

use image::metadata::Orientation;
use image::{ColorType, ImageDecoder};

use super::decode::{broken, from_image, from_io, recycle};
use super::jpeg_segments::{self, Head};
use super::libjpeg::Shape;
use super::row_reader::{RowPlan, RowReader};
use super::samples::{drop_fourth_bytes, keep_first_of_three, keep_upper_bytes};
use super::source::Source;
use super::tiff_rows::Chunks;
use super::{
    DecodeOptions, Format, Header, Metadata, Picture, bmp, jpeg, memory, orientation, png, pnm,
    tiff, tiff_rows, webp,
};
use crate::error::ImageError;

/// Bytes that a decoder may take beside the picture: tables, profiles, lines.
pub(super) const DECODER_MEMORY: u64 = 64 << 20;

/// Bytes that PNG's decoder may take beside metadata: lines, and a profile that nobody wants.
const PNG_MEMORY: u64 = 32 << 20;
/// What PNG's decoder counts for each byte of metadata.
const PNG_METADATA_COST: u64 = 3;
/// Copies of a block that a decoder and `decode` have at a time.
const BLOCK_COPIES: u64 = 3;

/// A picture as the file holds it, before it is turned upright.
#[derive(Clone, Copy)]
pub(super) struct Stored {
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
    pub(super) fn checked(self, options: &DecodeOptions) -> Result<Self, ImageError> {
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

    pub(super) fn checked_upright(
        self,
        orientation: Orientation,
        options: &DecodeOptions,
    ) -> Result<Self, ImageError> {
        options.limits.check_sides(self.upright_size(orientation))?;
        Ok(self)
    }

    /// Columns, rows, channels.
    fn shape(&self) -> Shape {
        (self.width, self.height, self.channels)
    }

    /// Bytes of a row in memory.
    fn row_bytes(&self) -> usize {
        self.width * self.channels
    }

    fn upright_size(self, orientation: Orientation) -> (usize, usize) {
        let Self { width, height, .. } = self;
        if orientation::swaps_sides(orientation) { (height, width) } else { (width, height) }
    }

    pub(super) fn header(self, orientation: Orientation, metadata: &Metadata) -> Header {
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
        Self::at_least(file, options, usize::MAX)
    }

    /// The picture, or a smaller one whose longer side has `side` pixels or more.
    pub(super) fn at_least(
        file: Cow<'f, [u8]>,
        options: &DecodeOptions,
        side: usize,
    ) -> Result<Self, ImageError> {
        let mut head = jpeg_segments::read_head(Cursor::new(&file[..]), options)?;
        let junk = std::mem::take(&mut head.junk);
        let (stored, orientation, metadata) = checked_jpeg(head, options)?;
        let size = (stored.width, stored.height);
        let longer = stored.width.max(stored.height);
        let shrink = [8, 4, 2].into_iter().find(|&by| longer / usize::from(by) >= side);
        let rows = jpeg::Reader::new(file, size, &junk, shrink.unwrap_or(1))?;
        let (width, height) = rows.size();
        let stored = Stored { width, height, ..stored };
        Ok(Self { rows, stored, orientation, metadata })
    }

    /// A reader of the rows, unless they must be turned.
    pub(super) fn read(self, recycled: Vec<u8>) -> Result<Opening<'f>, ImageError> {
        if self.orientation != Orientation::NoTransforms {
            return Ok(Opening::Picture(self.decode(recycled)?));
        }
        let (rows, shape) = (Box::new(self.rows), self.stored.shape());
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

/// What the header of a JPEG tells, found fit.
pub(super) fn checked_jpeg(
    head: Head,
    options: &DecodeOptions,
) -> Result<(Stored, Orientation, Metadata), ImageError> {
    let (stored, mut metadata) = of_jpeg(head);
    let orientation = metadata.take_orientation();
    let stored = stored.checked(options)?.checked_upright(orientation, options)?;
    Ok((stored, orientation, metadata))
}

/// Columns, rows, channels, and metadata of a JPEG, unless it must be turned.
pub(super) fn upright_jpeg(
    head: Head,
    options: &DecodeOptions,
) -> Result<Option<(Shape, Metadata)>, ImageError> {
    let (stored, orientation, metadata) = checked_jpeg(head, options)?;
    Ok((orientation == Orientation::NoTransforms).then(|| (stored.shape(), metadata)))
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
        let (rows, shape) =
            (plan.open(self.stored.format, source, self.stored.row_bytes())?, self.stored.shape());
        Ok(Opening::Rows { rows, shape, metadata: self.metadata, recycled })
    }

    /// Columns, rows and channels, metadata and chunks of a TIFF, if it is made of such and need not be
    /// turned.
    pub(super) fn into_chunks(self) -> Option<(Shape, Metadata, Chunks)> {
        match self.rows {
            Some(RowPlan::Tiff(chunks)) if self.orientation == Orientation::NoTransforms => {
                Some((self.stored.shape(), self.metadata, chunks))
            }
            Some(RowPlan::Tiff(_) | RowPlan::Raw(_) | RowPlan::Png(_)) | None => None,
        }
    }

    /// What the header tells.
    pub(super) fn header(&self) -> Header {
        self.stored.header(self.orientation, &self.metadata)
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
        shape: Shape,
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
