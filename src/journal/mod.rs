//! What is done: an append-only journal beside the outputs, who may write it, and a manifest.
//!
//! Everything lies in `OUT/.mpix/`:
//!
//! | file | what it is |
//! |---|---|
//! | `journal` | one record per event, each with its checksum; see [`Record`] |
//! | `journal.damaged-HASH` | bytes of a journal that were no records |
//! | `lease-N`, `launch-N` | who may write here, who may start runs; see [`Lease`] |
//! | `SHA256SUMS` | the manifest that `sha256sum -c` reads; see [`manifest`] |
//!
//! # The file, version 1
//!
//! ```text
//! header  magic 8 | version u32 | 0 u32 | salt 8 | checksum 16
//! record  mark 4  | length u32  | salt 8 | payload (postcard, `length` bytes) | checksum 16
//! ```
//!
//! Numbers are little-endian, a checksum is the first 16 bytes of the BLAKE3 hash of all bytes of its
//! header or record before it. The salt is drawn at random for each file. It keeps records apart
//! that have no business here: those of an older journal in blocks that a crash left behind, and
//! those that somebody hid in a file name, to be found by a reader that looks for the next record
//! after a garbled one. Later versions keep the header, so that any mpix can name the one it meets.

mod append;
mod compact;
mod durable;
mod error;
mod frame;
mod launch_id;
mod lease;
pub mod manifest;
mod process;
mod read;
mod record;
mod state;

use std::path::{Path, PathBuf};

pub use crate::hash::{Checksum, ContentHash, OutputHash, SettingsHash};
pub use append::{Journal, Syncer};
pub use error::{JournalError, LeaseError};
pub use frame::{MOST_PAYLOAD, VERSION};
pub use launch_id::{LAUNCH_VARIABLE, LaunchId, NoLaunchId};
pub use lease::{Holder, Lease, LeaseName, Seen, TIME_TO_LIVE};
pub use process::start_of;
pub use read::{Damage, DamageKind, read, read_from};
pub use record::{
    Done, Failed, Identity, Record, RunEnded, RunOutcome, RunStarted, SetAside, Suspected,
};
pub use state::{Counts, LastRun, State};

/// The directory below the output directory that holds all of this.
pub const DIRECTORY: &str = ".mpix";

/// `OUT/.mpix`.
#[must_use]
pub fn directory_of(output: &Path) -> PathBuf {
    output.join(DIRECTORY)
}

/// `OUT/.mpix/journal`.
fn journal_path(output: &Path) -> PathBuf {
    directory_of(output).join("journal")
}

/// Makes `OUT/.mpix`.
fn make_directory(output: &Path) -> Result<(), JournalError> {
    let directory = directory_of(output);
    durable::make_directory(&directory, output).map_err(JournalError::io("make", &directory))
}
