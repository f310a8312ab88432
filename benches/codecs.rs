//! Decoding and encoding of each format that is written, one thread, pictures of 12 and of half a
//! megapixel: `cargo bench --bench codecs -- jpeg`.
//!
//! Bytes per second are those of the pixels. `rows` is how a rank takes a file: strip by strip.

#![expect(clippy::expect_used, reason = "a bench that cannot go on panics")]

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use mpix::band::Rows;
use mpix::image_file::{DecodeOptions, EncodeOptions, Format, Metadata, Reader, Writer};
use mpix::image_file::{decode, encode};

#[path = "../tests/pictures/mod.rs"]
mod pictures;

const SIZES: [(usize, usize); 2] = [(816, 612), (4000, 3000)];
/// Rows that are asked for at a time.
const STRIP: usize = 16;

/// A landscape.
struct Picture {
    pixels: Vec<u8>,
    width: usize,
    height: usize,
}

impl Picture {
    fn encode(&self, options: &EncodeOptions) -> Vec<u8> {
        encode(&self.pixels, self.width, self.height, 3, &Metadata::default(), options)
            .expect("a picture that fits")
    }

    fn encode_by_rows(&self, options: &EncodeOptions, recycled: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
        let (shape, metadata) = ((self.width, self.height, 3), Metadata::default());
        let mut writer =
            Writer::new(shape, &metadata, options, recycled).expect("a picture that fits");
        for strip in self.pixels.chunks(self.width * 3 * STRIP) {
            writer.write(strip).expect("rows that can be encoded");
        }
        writer.end().expect("all rows")
    }
}

/// The memory to read into again.
fn decode_by_rows(file: &[u8], recycled: Vec<u8>) -> Vec<u8> {
    let mut reader =
        Reader::open(file, &DecodeOptions::DEFAULT, recycled).expect("a header of our own");
    let height = reader.height();
    for start in (0..height).step_by(STRIP) {
        let rows = reader.rows(start..height.min(start + STRIP)).expect("rows of our own");
        std::hint::black_box(rows);
    }
    reader.end().expect("the end of the file")
}

fn codecs(criterion: &mut Criterion) {
    for (width, height) in SIZES {
        let picture = Picture { pixels: pictures::landscape(width, height, 1), width, height };
        for &format in Format::WRITABLE {
            let mut group = criterion.benchmark_group(format.name());
            group.sample_size(10).measurement_time(Duration::from_secs(1));
            group.warm_up_time(Duration::from_millis(200));
            group.throughput(Throughput::Bytes(picture.pixels.len() as u64));
            one_format(&mut group, &picture, format);
        }
    }
}

fn one_format(group: &mut BenchmarkGroup<'_, WallTime>, picture: &Picture, format: Format) {
    let size = format!("{}x{}", picture.width, picture.height);
    let options = EncodeOptions { format, quality: 95, strip: true };
    let file = picture.encode(&options);
    // Memory goes from turn to turn, as on a rank from image to image.
    let mut memory = Vec::new();
    group.bench_function(BenchmarkId::new("decode", &size), |bencher| {
        bencher.iter(|| {
            let recycled = std::mem::take(&mut memory);
            memory = decode(&file, &DecodeOptions::DEFAULT, recycled).expect("our own file").pixels;
        });
    });
    group.bench_function(BenchmarkId::new("decode rows", &size), |bencher| {
        bencher.iter(|| memory = decode_by_rows(&file, std::mem::take(&mut memory)));
    });
    group.bench_function(BenchmarkId::new("encode", &size), |bencher| {
        bencher.iter(|| picture.encode(&options));
    });
    group.bench_function(BenchmarkId::new("encode rows", &size), |bencher| {
        bencher.iter(|| {
            let recycled = std::mem::take(&mut memory);
            memory = picture.encode_by_rows(&options, recycled).1;
        });
    });
}

criterion_group!(benches, codecs);
criterion_main!(benches);
