//! Bytes that broke mpix once, and those that fuzzing starts from: what `fuzz/targets` says of any
//! bytes holds for each file of `fuzz/corpus` and `fuzz/regressions`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

#[path = "regressions/lies.rs"]
mod lies;
#[path = "image_files/pictures.rs"]
#[expect(dead_code, reason = "a part of it is used")]
mod pictures;
#[path = "regressions/seeds.rs"]
mod seeds;
#[path = "../fuzz/targets/mod.rs"]
mod targets;

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use targets::TARGETS;
use targets::memory::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that all committed files may have together.
const MOST_BYTES: u64 = 1 << 20;

fn directory(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(kind)
}

/// The files of `kind` (corpus or regressions) for a target.
fn files(kind: &str, target: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory(kind).join(target)) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn what_must_hold_for_any_bytes_holds_for_those_that_are_kept() {
    let (mut broken, mut checked) = (Vec::new(), 0);
    for target in TARGETS {
        assert!(!files("corpus", target.name).is_empty(), "`{}` has no corpus", target.name);
        for file in ["corpus", "regressions"].into_iter().flat_map(|kind| files(kind, target.name))
        {
            let bytes = std::fs::read(&file).unwrap();
            // The panic has said by itself what is wrong.
            if catch_unwind(|| (target.check)(&bytes)).is_err() {
                broken.push(format!("{}: {}", target.name, file.display()));
            }
            checked += 1;
        }
    }
    println!("{checked} files");
    assert!(broken.is_empty(), "it does not hold for:\n{}", broken.join("\n"));
}

#[test]
fn the_kept_files_are_small_and_each_belongs_to_a_target() {
    let mut bytes = 0;
    for kind in ["corpus", "regressions"] {
        for entry in std::fs::read_dir(directory(kind)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.contains('.') {
                continue;
            }
            assert!(
                TARGETS.iter().any(|target| target.name == name),
                "no target for {kind}/{name}"
            );
            let files = files(kind, &name);
            bytes += files.iter().map(|file| file.metadata().unwrap().len()).sum::<u64>();
        }
    }
    assert!(bytes <= MOST_BYTES, "{bytes} bytes");
}

/// The measure itself: a target that counts nothing would find nothing.
#[test]
fn memory_is_counted_at_its_peak() {
    let (taken, length) = targets::memory::peak(|| {
        drop(vec![1_u8; 3 << 20]);
        vec![1_u8; 1 << 20].len()
    });
    assert_eq!((taken, length), (3 << 20, 1 << 20));
}

/// Messages and records change: what fuzzing starts from must still be well. `MPIX_WRITE_SEEDS=1`
/// writes it anew.
#[test]
fn seeds_are_what_mpix_writes_today() {
    for target in TARGETS {
        for (name, bytes) in seeds::of(target.name) {
            let directory = directory("corpus").join(target.name);
            let path = directory.join(format!("seed-{name}"));
            if std::env::var_os("MPIX_WRITE_SEEDS").is_some() {
                std::fs::create_dir_all(&directory).unwrap();
                let mut file = std::fs::File::create(&path).unwrap();
                std::io::Write::write_all(&mut file, &bytes).unwrap();
            }
            let kept = std::fs::read(&path).unwrap_or_default();
            assert!(kept == bytes, "{}: write the seeds anew (MPIX_WRITE_SEEDS=1)", path.display());
        }
    }
}
