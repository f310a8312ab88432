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
use mpix::ops::{Chain, OPS, OpEntry, OpSpec, Simd};

mod images;

use images::Image;

/// Width and height: 0.35 MB of R G B, and 36.
const SIZES: [(usize, usize); 2] = [(400, 300), (4000, 3000)];

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
