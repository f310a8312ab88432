//! `mpix launch` over real hosts through real failures: each time every image is done once, as if
//! nothing had happened, and nothing is left on any host.
#![cfg(feature = "faults")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![expect(clippy::print_stdout, reason = "what was measured, for those who ask by --nocapture")]

#[path = "supervised/chaos.rs"]
mod chaos;
mod hosts;
#[path = "supervised/job.rs"]
mod job;
mod launch;
#[path = "supervised/lost_hosts.rs"]
mod lost_hosts;
mod pictures;
#[path = "supervised/plain.rs"]
mod plain;
#[path = "supervised/processes.rs"]
mod processes;
