//! Every op in one thread, at every level of SIMD: `cargo bench --bench ops -- blur`.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mpix::band::{Band, BandMut};
use mpix::ops::{Chain, OPS, OpSpec, Simd};

const WIDTH: usize = 2000;
const HEIGHT: usize = 1500;

/// Shades with some grain and bars, R G B: about as many edges as a photograph.
fn photograph() -> Vec<u8> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let pixel = |index: usize| {
        let (x, y) = ((index % WIDTH) as f64, (index / WIDTH) as f64);
        let grain = (index.wrapping_mul(2_654_435_761) >> 13) % 6;
        let bar = if (x + 2.0 * y) % 211.0 < 40.0 { 70.0 } else { 0.0 };
        let shade = 90.0 + 40.0 * (x / 97.0).sin() + 40.0 * (y / 61.0).cos() + bar;
        [0.0, 10.0, 20.0].map(|tint| (shade - tint + grain as f64).clamp(0.0, 255.0) as u8)
    };
    (0..WIDTH * HEIGHT).flat_map(pixel).collect()
}

/// Filters the whole image into `out`.
fn filter(chain: &Chain, image: &[u8], out: &mut [u8]) {
    let [round] = chain.rounds() else { unreachable!("each op is one round") };
    let input = Band::new(image, WIDTH, 3, 0, HEIGHT);
    let mut band = BandMut::new(out, WIDTH, round.output_channels(3), 0, HEIGHT);
    if !round.is_global() {
        return round.filter(input, &mut band);
    }
    let (partial, local) = round.summarize(input, 0..HEIGHT);
    let finished =
        round.combine(&[partial]).and_then(|shares| round.finish(local, &shares[0], &mut band));
    assert!(finished.is_ok(), "{finished:?}");
}

fn ops(criterion: &mut Criterion) {
    let image = photograph();
    for op in OPS {
        let mut group = criterion.benchmark_group(op.name);
        group.throughput(Throughput::Bytes(image.len() as u64));
        group.sample_size(10).measurement_time(Duration::from_secs(1));
        group.warm_up_time(Duration::from_millis(200));
        for sample in op.samples {
            for simd in Simd::all() {
                let spec: Result<OpSpec, _> = op.text_of(sample).parse();
                let chain = spec.and_then(|spec| Chain::build(&[spec], simd));
                let Ok(chain) = chain else { unreachable!("samples are well-formed") };
                let mut out = vec![0; WIDTH * HEIGHT * chain.output_channels(3)];
                let id = BenchmarkId::new(simd.to_string(), sample);
                group.bench_function(id, |bencher| {
                    bencher.iter(|| filter(&chain, &image, &mut out));
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, ops);
criterion_main!(benches);
