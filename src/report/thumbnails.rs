//! The page's pictures: some results with their inputs, small, as JPEG.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{ImageBuffer, Pixel, imageops};
use rayon::prelude::*;

use crate::error::{ImageError, with_causes};
use crate::image_file::{
    DecodeOptions, EncodeOptions, Format, Limits, Metadata, Picture, decode_at_least, encode,
    read_header,
};
use crate::journal::Done;

/// Longer side of a small picture.
const SIDE: usize = 240;
/// A JPEG is decoded to so many times that at least, or whole.
const FINER: usize = 2;
/// Larger ones are not decoded for a small picture.
const MOST_PIXELS: u64 = 100_000_000;
/// Neither are those that take more memory.
const MOST_MEMORY: u64 = 1 << 30;
/// Neither are longer files.
const MOST_BYTES: u64 = 1 << 29;
/// Pictures that are decoded at a time.
const AT_A_TIME: usize = 4;
/// Those that are not transparent have this quality.
const QUALITY: u8 = 82;

/// An input and its result.
#[derive(Debug)]
pub(super) struct Pair<'a> {
    pub(super) done: &'a Done,
    pub(super) before: Side,
    pub(super) after: Side,
}

/// One of the two.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) bytes: Option<u64>,
    /// Columns and rows, where the header can be read.
    pub(super) size: Option<(usize, usize)>,
    /// A `data:` URL with its columns and rows, or why there is none.
    pub(super) image: Result<Small, String>,
}

/// A small picture.
#[derive(Debug)]
pub(super) struct Small {
    pub(super) url: String,
    pub(super) width: usize,
    pub(super) height: usize,
}

/// At most `count` of `done`, spread evenly, with their pictures.
pub(super) fn pairs<'a>(output: &Path, done: &'a [Done], count: usize) -> Vec<Pair<'a>> {
    let pair = |done: &'a Done| Pair {
        done,
        before: side(&done.input.path, Some(done.input.bytes)),
        after: side(&output.join(&done.output), Some(done.output_bytes)),
    };
    let chosen = spread(done, count);
    let threads = rayon::current_num_threads().min(AT_A_TIME);
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) => pool.install(|| chosen.par_iter().map(|done| pair(done)).collect()),
        Err(_) => chosen.into_iter().map(pair).collect(),
    }
}

/// At most `count` of `all`: one out of each of `count` parts. Not the same place in each: where
/// every tenth file is of another kind, steps of ten would miss it.
fn spread<T>(all: &[T], count: usize) -> Vec<&T> {
    let count = count.min(all.len());
    let part = |index: usize| index * all.len() / count;
    let place = |index: usize| {
        let (from, to) = (part(index), part(index + 1));
        from + index * 0x9e37_79b1 % (to - from)
    };
    (0..count).map(|index| &all[place(index)]).collect()
}

fn side(path: &Path, noted_bytes: Option<u64>) -> Side {
    let mut side = Side { bytes: noted_bytes, size: None, image: Err(String::new()) };
    side.image = small(path, &mut side);
    side
}

fn small(path: &Path, side: &mut Side) -> Result<Small, String> {
    let io = |error: std::io::Error| {
        let gone = error.kind() == std::io::ErrorKind::NotFound;
        if gone { "is no longer there".to_owned() } else { format!("cannot be read: {error}") }
    };
    let about = path.metadata().map_err(io)?;
    // A pipe would keep the reader waiting.
    if !about.is_file() {
        return Err("is no file any more".to_owned());
    }
    if side.bytes.is_some_and(|noted| noted != about.len()) {
        return Err(format!("has changed since: it has {} bytes now", about.len()));
    }
    let mut file = File::open(path).map_err(io)?;
    // No limit of pixels here: the size of a picture that is too large is told all the same.
    let limits = Limits { pixels: u64::MAX, ..Limits::DEFAULT };
    let options = DecodeOptions { limits, depth_8: true, strip: true };
    let header = read_header(BufReader::new(&mut file), &options).map_err(text_of)?;
    side.size = Some((header.width, header.height));
    let pixels = header.width as u64 * header.height as u64;
    let too_large = pixels > MOST_PIXELS || header.decode_bytes > MOST_MEMORY;
    if too_large || about.len() > MOST_BYTES {
        return Err("is too large to be shown here".to_owned());
    }
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.take(MOST_BYTES).read_to_end(&mut bytes)).map_err(io)?;
    let picture = decode_at_least(&bytes, &options, SIDE * FINER).map_err(text_of)?;
    shrunk(&picture).map_err(text_of)
}

#[expect(clippy::needless_pass_by_value, reason = "it ends here")]
fn text_of(error: ImageError) -> String {
    with_causes(&error)
}

/// A small copy of a picture: the mean of the pixels that fall into each of its own.
fn shrunk(picture: &Picture) -> Result<Small, ImageError> {
    let (width, height) = fitting(picture.width, picture.height);
    let pixels = match picture.channels {
        1 => scaled::<image::Luma<u8>>(picture.pixels.clone(), picture, (width, height)),
        2 => {
            let rgba =
                picture.pixels.chunks_exact(2).flat_map(|p| [p[0], p[0], p[0], p[1]]).collect();
            over_squares(
                &scaled::<image::Rgba<u8>>(premultiplied(rgba), picture, (width, height)),
                width,
            )
        }
        3 => scaled::<image::Rgb<u8>>(picture.pixels.clone(), picture, (width, height)),
        _ => {
            let rgba = premultiplied(picture.pixels.clone());
            over_squares(&scaled::<image::Rgba<u8>>(rgba, picture, (width, height)), width)
        }
    };
    let channels = if picture.channels == 1 { 1 } else { 3 };
    let options = EncodeOptions { format: Format::Jpeg, quality: QUALITY, strip: true };
    let file = encode(&pixels, width, height, channels, &Metadata::default(), &options)?;
    let url = format!("data:image/jpeg;base64,{}", STANDARD.encode(file));
    Ok(Small { url, width, height })
}

/// Columns and rows of the small copy; a small picture is its own.
fn fitting(width: usize, height: usize) -> (usize, usize) {
    let longer = width.max(height);
    if longer <= SIDE {
        return (width, height);
    }
    ((width * SIDE / longer).max(1), (height * SIDE / longer).max(1))
}

fn scaled<P: Pixel<Subpixel = u8> + 'static>(
    pixels: Vec<u8>,
    picture: &Picture,
    (width, height): (usize, usize),
) -> Vec<u8> {
    let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    let buffer = ImageBuffer::<P, _>::from_raw(side(picture.width), side(picture.height), pixels);
    buffer.map_or_else(Vec::new, |buffer| {
        imageops::thumbnail(&buffer, side(width), side(height)).into_raw()
    })
}

/// Colours times alpha: what is transparent has no colour that could show.
fn premultiplied(mut rgba: Vec<u8>) -> Vec<u8> {
    for pixel in rgba.chunks_exact_mut(4) {
        let alpha = u16::from(pixel[3]);
        for sample in &mut pixel[..3] {
            *sample = of_255(u16::from(*sample) * alpha);
        }
    }
    rgba
}

/// RGB over gray squares, from premultiplied RGBA.
fn over_squares(rgba: &[u8], width: usize) -> Vec<u8> {
    const SQUARE: usize = 8;
    let mut rgb = Vec::with_capacity(rgba.len() / 4 * 3);
    for (index, pixel) in rgba.chunks_exact(4).enumerate() {
        let (row, column) = (index / width, index % width);
        let light = (row / SQUARE + column / SQUARE).is_multiple_of(2);
        let ground: u16 = if light { 244 } else { 212 };
        let through = of_255(ground * (255 - u16::from(pixel[3])));
        rgb.extend(pixel[..3].iter().map(|&sample| sample.saturating_add(through)));
    }
    rgb
}

/// A 255th, rounded, of at most 255 x 255.
fn of_255(product: u16) -> u8 {
    u8::try_from((u32::from(product) + 127) / 255).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_ones_are_spread_evenly() {
        let all: Vec<usize> = (0..100).collect();
        let chosen = spread(&all, 4);
        for (index, &&chosen) in chosen.iter().enumerate() {
            assert!((25 * index..25 * (index + 1)).contains(&chosen), "{chosen}");
        }
        let even = spread(&all, 24).into_iter().filter(|&&number| number % 2 == 0).count();
        assert!((6..=18).contains(&even), "{even} of 24");
        assert_eq!(spread(&all[..3], 24), [&0, &1, &2]);
        assert!(spread(&all, 0).is_empty() && spread::<u8>(&[], 5).is_empty());
    }

    #[test]
    fn any_shape_becomes_small() {
        for (width, height, expected) in
            [(1, 1, (1, 1)), (4000, 3000, (240, 180)), (100_000, 1, (240, 1)), (3, 9600, (1, 240))]
        {
            assert_eq!(fitting(width, height), expected);
            for channels in 1..=4 {
                let pixels = vec![200; width.min(4000) * height.min(3000) * channels];
                let (width, height) = (width.min(4000), height.min(3000));
                let metadata = Metadata::default();
                let small = shrunk(&Picture { width, height, channels, pixels, metadata }).unwrap();
                assert!(small.url.starts_with("data:image/jpeg;base64,/9j/"));
            }
        }
    }

    #[test]
    fn what_is_transparent_lets_the_squares_through() {
        let clear = over_squares(&premultiplied(vec![255, 0, 0, 0]), 1);
        assert_eq!(clear, [244, 244, 244]);
        let opaque = over_squares(&premultiplied(vec![255, 7, 0, 255]), 1);
        assert_eq!(opaque, [255, 7, 0]);
    }
}
