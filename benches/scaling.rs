//! The same directory of photographs on 1, 2 and 4 ranks of one thread each: `cargo bench --bench
//! scaling`. Ranks beyond the cores of the machine show what sharing them costs.

#![expect(clippy::expect_used, reason = "a bench that cannot go on panics")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

#[path = "../tests/pictures/mod.rs"]
mod pictures;

const PICTURES: u32 = 16;
const WIDTH: usize = 2000;
const HEIGHT: usize = 1500;

fn run(ranks: u32, op: &str, distribute: &str, input: &Path, output: &Path) {
    let mut command = Command::new("mpirun");
    command
        .args(["-n", &ranks.to_string(), "--oversubscribe", "--bind-to", "none"])
        .arg(env!("CARGO_BIN_EXE_mpix"))
        .args(["run", "-q", "--threads", "1", "--op", op, "--distribute", distribute, "-o"])
        .args([output, input])
        .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
        .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    let status = command.status().expect("`mpirun` runs: scripts/setup.sh installs it");
    assert!(status.success(), "{status}");
}

/// Lets the next run begin anew: it would only find in the journal that all is done.
fn forget(output: &Path) {
    if output.exists() {
        std::fs::remove_dir_all(output).expect("a directory of this bench");
    }
}

fn scaling(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory");
    let (input, output) = (directory.path().join("in"), directory.path().join("out"));
    for number in 0..PICTURES {
        let pixels = pictures::landscape(WIDTH, HEIGHT, number);
        pictures::files::write(&input.join(format!("{number}.jpg")), &pixels, WIDTH, HEIGHT, 3);
    }
    let mut group = criterion.benchmark_group("directory");
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    group.throughput(Throughput::Elements(u64::from(PICTURES)));
    for (op, distribute) in [("invert", "images"), ("canny", "images"), ("blur", "bands")] {
        for ranks in [1, 2, 4] {
            let name = format!("{op}-{distribute}");
            group.bench_with_input(BenchmarkId::new(name, ranks), &ranks, |bencher, &ranks| {
                bencher.iter_batched(
                    || forget(&output),
                    |()| run(ranks, op, distribute, &input, &output),
                    BatchSize::PerIteration,
                );
            });
        }
    }
    group.finish();
}

criterion_group!(benches, scaling);
criterion_main!(benches);
