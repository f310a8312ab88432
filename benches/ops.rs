//! Every op in one thread, at every level of SIMD, on an image that fits a core's L2 cache and on one
//! of 12 megapixels: `cargo bench --bench ops -- blur`.
//!
//! Bytes per second count what is read and what is written. The group `memcpy` tells how many there
//! can be at either size when nothing is done to them.

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use mpix::band::{Band, BandMut};
use mpix::ops::{Chain, OPS, OpEntry, OpSpec, Simd};

/// Width and height: 0.35 MB of R G B, and 36.
const SIZES: [(usize, usize); 2] = [(400, 300), (4000, 3000)];

/// R G B pixels.
struct Image {
    bytes: Vec<u8>,
    width: usize,
    height: usize,
}

impl Image {
    /// Shades with some grain and bars: about as many edges as a photograph.
    fn photograph((width, height): (usize, usize)) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let pixel = |index: usize| {
            let (x, y) = ((index % width) as f64, (index / width) as f64);
            let grain = (index.wrapping_mul(2_654_435_761) >> 13) % 6;
            let bar = if (x + 2.0 * y) % 211.0 < 40.0 { 70.0 } else { 0.0 };
            let shade = 90.0 + 40.0 * (x / 97.0).sin() + 40.0 * (y / 61.0).cos() + bar;
            [0.0, 10.0, 20.0].map(|tint| (shade - tint + grain as f64).clamp(0.0, 255.0) as u8)
        };
        Self { bytes: (0..width * height).flat_map(pixel).collect(), width, height }
    }

    /// Filters all of it into `out`.
    fn filter(&self, chain: &Chain, out: &mut [u8]) {
        let [round] = chain.rounds() else { unreachable!("each op is one round") };
        let input = Band::new(&self.bytes, self.width, 3, 0, self.height);
        let mut band = BandMut::new(out, self.width, round.output_channels(3), 0, self.height);
        if !round.is_global() {
            return round.filter(input, &mut band);
        }
        let (partial, local) = round.summarize(input, 0..self.height);
        let finished =
            round.combine(&[partial]).and_then(|shares| round.finish(local, &shares[0], &mut band));
        assert!(finished.is_ok(), "{finished:?}");
    }

    fn size(&self) -> String {
        format!("{}x{}", self.width, self.height)
    }
}

fn group<'c>(criterion: &'c mut Criterion, name: &str) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).measurement_time(Duration::from_secs(1));
    group.warm_up_time(Duration::from_millis(200));
    group
}

fn ops(criterion: &mut Criterion) {
    let [small, large] = SIZES.map(Image::photograph);
    memcpy(&mut group(criterion, "memcpy"), &[&small, &large]);
    for op in OPS {
        let mut group = group(criterion, op.name);
        for (index, sample) in op.samples.iter().enumerate() {
            op_on(&mut group, op, sample, &small);
            if index == 0 {
                op_on(&mut group, op, sample, &large);
            }
        }
    }
}

fn op_on(group: &mut BenchmarkGroup<'_, WallTime>, op: &OpEntry, sample: &str, image: &Image) {
    for simd in Simd::all() {
        let spec: Result<OpSpec, _> = op.text_of(sample).parse();
        let chain = spec.and_then(|spec| Chain::build(&[spec], simd));
        let Ok(chain) = chain else { unreachable!("samples are well-formed") };
        let mut out = vec![1; image.width * image.height * chain.output_channels(3)];
        group.throughput(Throughput::Bytes((image.bytes.len() + out.len()) as u64));
        let id = BenchmarkId::new(format!("{} {simd}", image.size()), sample);
        group.bench_function(id, |bencher| bencher.iter(|| image.filter(&chain, &mut out)));
    }
}

fn memcpy(group: &mut BenchmarkGroup<'_, WallTime>, images: &[&Image]) {
    for image in images {
        let mut out = vec![1; image.bytes.len()];
        group.throughput(Throughput::Bytes((image.bytes.len() + out.len()) as u64));
        group.bench_function(image.size(), |bencher| {
            bencher.iter(|| std::hint::black_box(&mut out[..]).copy_from_slice(&image.bytes));
        });
    }
}

criterion_group!(benches, ops);
criterion_main!(benches);
