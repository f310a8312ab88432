//! The journal after anything that can become of a file; the lease; the manifest.

#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "free in tests; the model names only the records that it is about"
)]

#[path = "journal/damage.rs"]
mod damage;
#[path = "journal/kill.rs"]
mod kill;
#[path = "journal/lease.rs"]
mod lease;
#[path = "journal/manifest.rs"]
mod manifest;
#[path = "journal/model.rs"]
mod model;
#[path = "journal/records.rs"]
mod records;
#[path = "journal/size.rs"]
mod size;
