//! Faults that tests inject by `MPIX_FAULT`: `panic:RANK:N` and `abort:RANK:N` strike the N-th job of
//! rank RANK; `panic-image:NAME`, `abort-image:NAME` and `hang-image:NAME` any rank that has an image
//! whose name ends so; `slow:MS` makes each job take so many milliseconds longer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How long an image hangs: longer than any test waits.
const HANG: Duration = Duration::from_secs(300);

static JOBS: AtomicUsize = AtomicUsize::new(0);

/// Strikes, if this job is the one.
pub(crate) fn strike(rank: usize, work: &str) {
    let job = JOBS.fetch_add(1, Ordering::Relaxed) + 1;
    let wanted = std::env::var("MPIX_FAULT").unwrap_or_default();
    let is_meant = |fault| wanted.strip_prefix(fault).is_some_and(|name| work.ends_with(name));
    if let Some(ms) = wanted.strip_prefix("slow:").and_then(|ms| ms.parse().ok()) {
        std::thread::sleep(Duration::from_millis(ms));
    }
    if is_meant("hang-image:") {
        std::thread::sleep(HANG);
    }
    if is_meant("abort-image:") || wanted == format!("abort:{rank}:{job}") {
        std::process::abort();
    }
    let panics = is_meant("panic-image:") || wanted == format!("panic:{rank}:{job}");
    assert!(!panics, "a fault was asked for");
}
