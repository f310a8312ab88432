//! The target that `FUZZ_TARGET` names, for libFuzzer.
#![no_main]

#[path = "../targets/mod.rs"]
mod targets;

use std::panic;
use std::sync::{LazyLock, Mutex};

use targets::memory::Counting;
use targets::{TARGETS, Target};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What the last panic said.
static LAST: Mutex<String> = Mutex::new(String::new());

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let named = TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        panic!("set FUZZ_TARGET to one of: {}", names.join(" "))
    });
    // Instead of libFuzzer's hook, which ends the process: a decoder may panic, mpix goes on.
    panic::set_hook(Box::new(|panic| {
        if let Ok(mut last) = LAST.lock() {
            *last = panic.to_string();
        }
    }));
    named
});

libfuzzer_sys::fuzz_target!(init: { LazyLock::force(&TARGET); }, |bytes: &[u8]| {
    if let Err(panic) = panic::catch_unwind(|| (TARGET.check)(bytes)) {
        eprintln!("{}: {}", TARGET.name, LAST.lock().map(|last| last.clone()).unwrap_or_default());
        panic::resume_unwind(panic);
    }
});
