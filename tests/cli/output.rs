//! What is written: formats, metadata, depth, limits of memory.

use std::fs;
use std::io::Cursor;

use mpix::image_file::{EncodeOptions, Format, Metadata, encode};

use crate::launch::{assert_same, files, have};
use crate::made::{file, gif, pixels, png_of_16_bits};
use crate::place::Place;

#[test]
fn without_ops_pictures_are_converted() {
    let place = Place::with(&["in/a.png", "in/b.bmp", "in/c.PPM"]);
    place.put("in/d.gif", &gif(30, 20, true));
    for (format, names) in [
        ("png", ["a.png", "b.png", "c.png", "d.png"]),
        ("tiff", ["a.tif", "b.tif", "c.tif", "d.tif"]),
        ("webp", ["a.webp", "b.webp", "c.webp", "d.webp"]),
        ("bmp", ["a.bmp", "b.bmp", "c.bmp", "d.bmp"]),
        ("pnm", ["a.pnm", "b.pnm", "c.PPM", "d.pnm"]),
    ] {
        place.mpix(&format!("run -q --format {format} -o {format} in")).expect_code(0);
        assert_eq!(place.names(format), names);
        for (name, input) in names.iter().zip(["a.png", "b.bmp", "c.PPM", "d.gif"]) {
            let result = place.picture(&format!("{format}/{name}"));
            let original = place.picture(&format!("in/{input}"));
            assert_eq!(
                Format::of_content(&place.bytes(&format!("{format}/{name}"))),
                Format::of_extension(format)
            );
            assert!(result.pixels == original.pixels, "{format}/{name}");
        }
    }
    place.mpix("run -q --format jpg --quality 100 -o jpg in").expect_code(0);
    assert_eq!(place.names("jpg"), ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]);
    place.mpix("run -q -o own in").expect_code(0);
    assert_eq!(place.names("own"), ["a.png", "b.bmp", "c.PPM", "d.png"]);
}

#[test]
fn quality_counts() {
    let place = Place::with(&["in/a.png"]);
    for quality in ["20", "95"] {
        place
            .mpix(&format!("run -q --format jpeg --quality {quality} -o q{quality} in"))
            .expect_code(0);
    }
    place.mpix("run -q --format jpeg -o usual in").expect_code(0);
    assert!(place.bytes("q20/a.jpg").len() < place.bytes("q95/a.jpg").len());
    assert!(place.bytes("usual/a.jpg") == place.bytes("q95/a.jpg"));
}

/// An EXIF block that holds an orientation.
fn exif(orientation: u8) -> Vec<u8> {
    let entry = [0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0];
    [b"II*\0\x08\0\0\0\x01\0".as_slice(), &entry, &[0; 4]].concat()
}

#[test]
fn metadata_is_kept_unless_stripped_and_the_orientation_applied() {
    let place = Place::new();
    let mut icc = vec![7; 300];
    icc[16..20].copy_from_slice(b"RGB ");
    let metadata = Metadata { icc: Some(icc.clone()), exif: Some(exif(6)) };
    let names = ["a.jpg", "a.png", "a.webp"];
    for name in names {
        let format = Format::of_extension(name.rsplit('.').next().unwrap()).unwrap();
        let options = EncodeOptions { format, quality: 95, strip: false };
        let bytes = encode(&pixels(40, 30, 3), 40, 30, 3, &metadata, &options).unwrap();
        place.put(&format!("in/{name}"), &bytes);
        place.put(&format!("{name}.in/{name}"), &bytes);
    }
    place.mpix("run -q --op invert -o kept in").expect_code(0);
    place.mpix("run -q --op invert --strip -o stripped in").expect_code(0);
    place.mpix("run -q --op invert --distribute bands -o bands in").expect_code(0);
    for name in names {
        let kept = place.picture(&format!("kept/{name}"));
        assert_eq!((kept.width, kept.height), (30, 40), "{name}");
        assert_eq!(kept.metadata.exif, Some(exif(1)), "{name}");
        assert!(kept.metadata.icc.as_ref() == Some(&icc), "{name}");
        let stripped = place.picture(&format!("stripped/{name}"));
        assert_eq!(stripped.metadata, Metadata::default(), "{name}");
        assert!(stripped.pixels == kept.pixels, "{name}");
    }
    assert_same(&files(&place.path("kept")), &place.path("bands"), "bands");
}

#[test]
fn deep_pictures_are_cut_to_8_bits_where_asked() {
    let place = Place::new();
    place.put("in/deep.png", &png_of_16_bits(30, 20, image::ColorType::Rgb16));
    let run = place.mpix("run -o out in").expect_code(1);
    assert!(run.tells(&["deep.png", "16 bits", "--depth 8"]), "{}", run.stderr);
    place.mpix("run -q --depth 8 -o out in").expect_code(0);
    let deep = image::load_from_memory(&place.bytes("in/deep.png")).unwrap().into_rgb16();
    let upper: Vec<u8> = deep.into_raw().iter().map(|sample| sample.to_be_bytes()[0]).collect();
    assert!(place.picture("out/deep.png").pixels == upper);
}

#[test]
fn running_again_gives_the_same_bytes() {
    let place = Place::with(&["in/a.png", "in/b.jpg", "in/below/c.tif"]);
    place.mpix("run -q -r --op canny -o out in").expect_code(0);
    let first = files(&place.path("out"));
    place.put("out/a.png", b"something older");
    for threads in ["1", "3"] {
        place.mpix(&format!("run -q -r --op canny --threads {threads} -o out in")).expect_code(0);
        assert_same(&first, &place.path("out"), "again");
    }
}

#[test]
fn memory_that_is_too_small_fails_the_large_picture_only() {
    let place = Place::with(&["in/small.png"]);
    place.put("in/large.png", &file(Format::Png, 1000, 700, 3));
    for ranks in if have("mpirun") { 0..3 } else { 0..1 } {
        let start = |memory: &str| {
            let line = format!("run --memory {memory} --op blur -o out in");
            if ranks == 0 { place.mpix(&line) } else { place.mpirun(ranks, &line) }
        };
        let run = start("5M").expect_code(1);
        let limit = "bytes of memory, over the limit of";
        assert!(run.tells(&["in/large.png", "needs ", limit, "for one image"]), "{}", run.stderr);
        assert_eq!(place.names("out"), ["small.png"]);
        let (_, enough) = run.stderr.split_once("`--memory ").unwrap();
        let (enough, _) = enough.split_once("` allows it").unwrap();
        start(enough).expect_code(0);
        assert_eq!(place.names("out"), ["large.png", "small.png"]);
        fs::remove_dir_all(place.path("out")).unwrap();
    }
}

#[test]
fn many_pictures_go_through_little_memory() {
    let place = Place::new();
    let mut bytes = Cursor::new(Vec::new());
    image::write_buffer_with_format(
        &mut bytes,
        &pixels(300, 200, 3),
        300,
        200,
        image::ColorType::Rgb8,
        image::ImageFormat::Png,
    )
    .unwrap();
    for number in 0..64 {
        place.put(&format!("in/{number}.png"), bytes.get_ref());
    }
    // Two or three at a time fit.
    for distribute in ["images", "bands", "auto"] {
        let flags = format!("--op blur --op canny --distribute {distribute} -o {distribute} in");
        place.mpix(&format!("run -q --memory 12M {flags}")).expect_code(0);
        assert_eq!(place.names(distribute).len(), 64);
        if have("mpirun") {
            place.mpirun(2, &format!("run -q --memory 24M {flags}")).expect_code(0);
            assert_eq!(place.names(distribute).len(), 64);
        }
    }
    assert_same(&files(&place.path("images")), &place.path("bands"), "bands");
}
