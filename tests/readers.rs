//! What shows what runs have left: `mpix status`, `mpix logs`, `mpix report`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "readers/fixture.rs"]
mod fixture;
mod launch;
#[path = "readers/logs.rs"]
mod logs;
mod pictures;
#[path = "readers/report.rs"]
mod report;
#[path = "readers/runs.rs"]
mod runs;
#[path = "readers/status.rs"]
mod status;
