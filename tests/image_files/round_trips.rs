//! What is written is read back.

use std::io::{BufReader, Cursor};

use mpix::error::ImageError;
use mpix::image_file::{DecodeOptions, Format, decode, read_header};

use crate::pictures::{
    OPTIONS, by_image, decoded, file, files_of_all_formats, gif, pixels, png_of_16_bits,
};

/// The pixels that a lossless format gives back: all of them, where need be as colours.
fn expected(format: Format, channels: usize, pixels: &[u8]) -> (usize, Vec<u8>) {
    let each = pixels.chunks_exact(channels);
    match (format, channels) {
        (Format::WebP, 1) => (3, each.flat_map(|p| [p[0]; 3]).collect()),
        (Format::WebP | Format::Tiff | Format::Bmp, 2) => {
            (4, each.flat_map(|p| [p[0], p[0], p[0], p[1]]).collect())
        }
        _ => (channels, pixels.to_vec()),
    }
}

#[test]
fn lossless_formats_give_the_pixels_back() {
    for &format in Format::WRITABLE.iter().filter(|&&format| format != Format::Jpeg) {
        for (width, height) in [(1, 1), (1, 9), (9, 1), (61, 37)] {
            for channels in 1..=4 {
                let picture = decoded(&file(format, width, height, channels));
                let case = format!("{format:?} {width}x{height}x{channels}");
                assert_eq!((picture.width, picture.height), (width, height), "{case}");
                let original = pixels(width, height, channels);
                assert_eq!(
                    (picture.channels, picture.pixels),
                    expected(format, channels, &original),
                    "{case}"
                );
            }
        }
    }
}

#[test]
fn jpeg_keeps_what_it_can() {
    for channels in 1..=4 {
        let picture = decoded(&file(Format::Jpeg, 61, 37, channels));
        assert_eq!(picture.channels, if channels <= 2 { 1 } else { 3 });
        assert_eq!((picture.width, picture.height), (61, 37));
    }
    // Alpha is left out, not mixed in.
    let rgba = pixels(61, 37, 4);
    let rgb: Vec<u8> = rgba.chunks_exact(4).flat_map(|pixel| &pixel[..3]).copied().collect();
    let of = |pixels: &[u8], channels| {
        let options = crate::pictures::options(Format::Jpeg);
        mpix::image_file::encode(pixels, 61, 37, channels, &Default::default(), &options).unwrap()
    };
    assert!(of(&rgba, 4) == of(&rgb, 3));
}

#[test]
fn the_header_says_what_decoding_gives() {
    for (format, file) in files_of_all_formats() {
        let mut header = read_header(BufReader::with_capacity(7, Cursor::new(&file)), &OPTIONS)
            .unwrap_or_else(|error| panic!("{format:?}: {error}"));
        let picture = decoded(&file);
        if format == Format::Gif {
            assert_eq!(header.channels, 4);
            header.channels = picture.channels;
        }
        assert_eq!((header.format, header.bits), (format, 8));
        assert_eq!(
            (header.width, header.height, header.channels),
            (picture.width, picture.height, picture.channels),
            "{format:?}"
        );
        assert_eq!(picture.pixels.len(), picture.width * picture.height * picture.channels);
    }
}

#[test]
fn the_header_is_read_without_the_rest() {
    for format in [Format::Jpeg, Format::Png, Format::Pnm, Format::Bmp] {
        let file = file(format, 200, 150, 3);
        let header = read_header(Cursor::new(&file[..1000]), &OPTIONS).unwrap();
        assert_eq!((header.width, header.height, header.channels), (200, 150, 3), "{format:?}");
    }
}

#[test]
fn recycled_memory_changes_nothing() {
    for (format, file) in files_of_all_formats() {
        let fresh = decoded(&file);
        for len in [0, 10, 3000, 20_000] {
            let again = decode(&file, &OPTIONS, vec![0xA5; len]).unwrap();
            assert!(again == fresh, "{format:?} into {len} bytes");
        }
    }
}

#[test]
fn an_opaque_gif_is_rgb_and_a_transparent_one_rgba() {
    assert_eq!(decoded(&gif(20, 10, false)).channels, 3);
    let picture = decoded(&gif(20, 10, true));
    assert_eq!(picture.channels, 4);
    assert!(picture.pixels.chunks_exact(4).any(|pixel| pixel[3] == 0));
}

#[test]
fn qoi_gives_the_pixels_back() {
    for channels in [3, 4] {
        let picture = decoded(&by_image(30, 20, channels, image::ImageFormat::Qoi));
        assert_eq!((picture.channels, picture.pixels), (channels, pixels(30, 20, channels)));
    }
}

#[test]
fn deep_samples_are_refused_unless_they_may_be_cut() {
    let file = png_of_16_bits(20, 10, image::ColorType::Rgb16);
    let refused = decode(&file, &OPTIONS, Vec::new()).unwrap_err();
    assert!(matches!(refused, ImageError::Depth { bits: 16 }), "{refused}");
    assert!(refused.to_string().contains("--depth 8"));
    let cut = DecodeOptions { depth_8: true, ..OPTIONS };
    assert_eq!(read_header(Cursor::new(&file), &cut).unwrap().bits, 16);
    let picture = decode(&file, &cut, Vec::new()).unwrap();
    assert_eq!((picture.channels, picture.pixels.len()), (3, 20 * 10 * 3));
}

#[test]
fn float_pixels_are_refused() {
    let mut file = Cursor::new(Vec::new());
    let (color, format) = (image::ColorType::Rgb32F, image::ImageFormat::Tiff);
    image::write_buffer_with_format(&mut file, &[0; 2 * 2 * 12], 2, 2, color, format).unwrap();
    let error = decode(&file.into_inner(), &OPTIONS, Vec::new()).unwrap_err();
    assert!(matches!(error, ImageError::Pixels { .. }), "{error}");
}

#[test]
fn formats_that_mpix_only_reads_are_not_written() {
    for format in [Format::Gif, Format::Qoi] {
        let options = crate::pictures::options(format);
        let error =
            mpix::image_file::encode(&[0; 3], 1, 1, 3, &Default::default(), &options).unwrap_err();
        assert!(matches!(error, ImageError::Encode { .. }), "{error}");
    }
}
