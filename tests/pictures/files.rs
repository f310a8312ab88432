//! Picture files of many formats and shapes.
#![expect(clippy::expect_used, reason = "a test that cannot go on panics")]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use mpix::image_file::{EncodeOptions, Format, Metadata, encode};

use super::landscape;

/// Writes a file, and the directories above it.
pub(crate) fn put(path: &Path, bytes: &[u8]) {
    let parent = path.parent().expect("a file in a directory");
    fs::create_dir_all(parent).expect("a directory");
    File::create(path).and_then(|mut file| file.write_all(bytes)).expect("a file");
}

/// Writes pixels as a file of the format that the name says.
pub(crate) fn write(path: &Path, pixels: &[u8], width: usize, height: usize, channels: usize) {
    let extension = path.extension().and_then(|extension| extension.to_str()).expect("a name");
    let format = Format::of_extension(extension).expect("a known extension");
    let options = EncodeOptions { format, quality: 90, strip: false };
    let file = encode(pixels, width, height, channels, &Metadata::default(), &options);
    put(path, &file.expect("a picture that fits"));
}

/// The channels 0, 1, … of RGB pixels; a fourth is a slope.
pub(crate) fn with_channels(rgb: &[u8], channels: usize) -> Vec<u8> {
    rgb.chunks_exact(3)
        .enumerate()
        .flat_map(|(index, pixel)| {
            let alpha = (index * 7 % 256) as u8;
            match channels {
                1 => vec![pixel[1]],
                2 => vec![pixel[1], alpha],
                3 => pixel.to_vec(),
                _ => vec![pixel[0], pixel[1], pixel[2], alpha],
            }
        })
        .collect()
}

/// A tree of small pictures: every writable format, 1 to 4 channels, odd sizes, single rows,
/// columns and pixels.
pub(crate) fn write_tree(directory: &Path) -> usize {
    let list: &[(&str, usize, usize, usize)] = &[
        ("beach.jpg", 320, 213, 3),
        ("gray.jpg", 101, 67, 1),
        ("tall.jpeg", 31, 257, 3),
        ("below/clear.png", 113, 97, 4),
        ("below/gray.png", 64, 64, 1),
        ("below/veil.png", 33, 51, 2),
        ("below/deeper/scan.tif", 127, 131, 3),
        ("below/deeper/web.webp", 90, 61, 3),
        ("below/deeper/bits.bmp", 59, 83, 3),
        ("plain.ppm", 73, 41, 3),
        ("plain.pgm", 41, 73, 1),
        ("row.png", 200, 1, 3),
        ("column.png", 1, 200, 3),
        ("pixel.png", 1, 1, 3),
        ("pair.ppm", 2, 3, 3),
        ("thin.ppm", 5, 2, 3),
    ];
    for (seed, (name, width, height, channels)) in list.iter().enumerate() {
        let rgb = landscape(*width, *height, seed as u32);
        write(&directory.join(name), &with_channels(&rgb, *channels), *width, *height, *channels);
    }
    list.len()
}
