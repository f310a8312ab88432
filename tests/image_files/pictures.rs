//! Pictures and files made by code.

use mpix::image_file::{
    DecodeOptions, EncodeOptions, Format, Limits, Metadata, Picture, decode, encode,
};

pub(crate) const OPTIONS: DecodeOptions = DecodeOptions {
    limits: Limits { pixels: 1 << 24, ..Limits::DEFAULT },
    ..DecodeOptions::DEFAULT
};

/// Numbers that look random and are the same in each run.
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn byte(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        self.0.to_be_bytes()[0]
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.byte()).collect()
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let bytes = [self.byte(), self.byte(), self.byte(), self.byte()];
        u32::from_be_bytes(bytes) as usize % limit
    }
}

/// Slopes with some noise and hard edges, so that every code path of a codec has work.
pub(crate) fn pixels(width: usize, height: usize, channels: usize) -> Vec<u8> {
    let mut noise = Noise(7);
    let mut pixels = Vec::with_capacity(width * height * channels);
    for y in 0..height {
        for x in 0..width {
            for channel in 0..channels {
                let slope = (x * (channel + 1) + y * (4 - channel)) / 2;
                let edge = if (x / 16 + y / 24) % 3 == channel % 3 { 90 } else { 0 };
                let value = (slope + edge) % 224 + usize::from(noise.byte() % 32);
                pixels.push(u8::try_from(value).unwrap());
            }
        }
    }
    pixels
}

pub(crate) fn options(format: Format) -> EncodeOptions {
    EncodeOptions { format, quality: 95, strip: false }
}

pub(crate) fn file(format: Format, width: usize, height: usize, channels: usize) -> Vec<u8> {
    let pixels = pixels(width, height, channels);
    encode(&pixels, width, height, channels, &Metadata::default(), &options(format)).unwrap()
}

pub(crate) fn decoded(file: &[u8]) -> Picture {
    decode(file, &OPTIONS, Vec::new()).unwrap()
}

/// Files of each format that mpix reads, of a few kinds.
pub(crate) fn files_of_all_formats() -> Vec<(Format, Vec<u8>)> {
    let mut files = Vec::new();
    for &format in Format::WRITABLE {
        for channels in 1..=4 {
            files.push((format, file(format, 61, 37, channels)));
        }
    }
    files.push((Format::Jpeg, progressive_jpeg(61, 37)));
    files.push((Format::Gif, gif(61, 37, false)));
    files.push((Format::Gif, gif(61, 37, true)));
    files.push((Format::Qoi, by_image(61, 37, 3, image::ImageFormat::Qoi)));
    files
}

pub(crate) fn progressive_jpeg(width: usize, height: usize) -> Vec<u8> {
    jpeg(width, height, |compressor| compressor.set_progressive(true))
}

/// An RGB JPEG with the settings that `set` makes.
pub(crate) fn jpeg(
    width: usize,
    height: usize,
    set: impl FnOnce(&mut turbojpeg::Compressor) -> turbojpeg::Result<()>,
) -> Vec<u8> {
    let mut compressor = turbojpeg::Compressor::new().unwrap();
    set(&mut compressor).unwrap();
    let pixels = pixels(width, height, 3);
    let format = turbojpeg::PixelFormat::RGB;
    let image = turbojpeg::Image { pixels: &pixels[..], width, pitch: width * 3, height, format };
    compressor.compress_to_vec(image).unwrap()
}

pub(crate) fn gif(width: usize, height: usize, transparent: bool) -> Vec<u8> {
    let mut pixels = pixels(width, height, 4);
    for (i, pixel) in pixels.chunks_exact_mut(4).enumerate() {
        pixel[3] = if transparent && i % 5 == 0 { 0 } else { 255 };
    }
    let (wide, high) = (u32::try_from(width).unwrap(), u32::try_from(height).unwrap());
    let mut file = Vec::new();
    image::codecs::gif::GifEncoder::new(&mut file)
        .encode(&pixels, wide, high, image::ExtendedColorType::Rgba8)
        .unwrap();
    file
}

pub(crate) fn by_image(
    width: usize,
    height: usize,
    channels: usize,
    format: image::ImageFormat,
) -> Vec<u8> {
    let color = if channels == 3 { image::ColorType::Rgb8 } else { image::ColorType::Rgba8 };
    let (wide, high) = (u32::try_from(width).unwrap(), u32::try_from(height).unwrap());
    let mut file = std::io::Cursor::new(Vec::new());
    let pixels = pixels(width, height, channels);
    image::write_buffer_with_format(&mut file, &pixels, wide, high, color, format).unwrap();
    file.into_inner()
}

/// A PNG of 16-bit samples.
pub(crate) fn png_of_16_bits(width: u32, height: u32, color: image::ColorType) -> Vec<u8> {
    let bytes = width as usize * height as usize * usize::from(color.bytes_per_pixel());
    let mut file = std::io::Cursor::new(Vec::new());
    let pixels = Noise(3).bytes(bytes);
    let format = image::ImageFormat::Png;
    image::write_buffer_with_format(&mut file, &pixels, width, height, color, format).unwrap();
    file.into_inner()
}
