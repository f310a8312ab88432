//! What earlier runs did, as the journal tells it.

use std::fs::{self, Metadata};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::error::{FailureKind, ImageError};
use crate::journal::{Done, Identity, SettingsHash, State};
use crate::plan::Job;
use crate::source::Entry;

/// The journal of earlier runs, and how this one makes its outputs.
#[derive(Debug)]
pub(crate) struct Earlier {
    pub(crate) state: State,
    pub(crate) settings: SettingsHash,
}

/// What is to become of a file.
#[derive(Debug)]
pub enum Verdict {
    /// It is to be done.
    New,
    /// An earlier run did it.
    Done,
    /// It was in hand at that many crashes.
    Suspect(u32),
    /// It has failed, here or in an earlier run, and would again.
    Failed(ImageError),
}

impl Earlier {
    /// What is to become of each of some files.
    pub(crate) fn look(&self, files: Range<usize>, entries: &[Entry], job: &Job) -> Vec<Verdict> {
        let suspects = self.state.suspects();
        let look = |entry: &Entry| {
            let key = entry.key();
            let verdict = self.look_at(&key, entry, job);
            match suspects.get(key.as_path()) {
                Some(&crashes) if matches!(verdict, Verdict::New) => {
                    Verdict::Suspect(if job.settings.retry_failed { 0 } else { crashes })
                }
                Some(_) | None => verdict,
            }
        };
        entries[files].iter().map(look).collect()
    }

    fn look_at(&self, key: &Path, entry: &Entry, job: &Job) -> Verdict {
        let Ok(found) = fs::metadata(&entry.input) else { return Verdict::New };
        let (bytes, modified) = (found.len(), modified_ns(&found));
        if let Some(done) = self.state.done(key) {
            let same = done.is_of(bytes, modified, &self.settings);
            return if same && is_there(done, entry, job) { Verdict::Done } else { Verdict::New };
        }
        if job.settings.retry_failed {
            return Verdict::New;
        }
        if let Some(failed) = self.state.failed(key) {
            let same = (failed.bytes, failed.modified_ns) == (bytes, modified)
                && failed.settings == self.settings;
            if same && lies_in_the_file(failed.kind) {
                let (kind, reason) = (failed.kind, failed.reason.clone());
                return Verdict::Failed(ImageError::Before { kind, reason });
            }
        }
        match self.state.set_aside(key) {
            Some(aside)
                if (aside.bytes, aside.modified_ns) == (bytes, modified)
                    && aside.settings == self.settings =>
            {
                Verdict::Failed(ImageError::Crashes { crashes: aside.crashes })
            }
            Some(_) | None => Verdict::New,
        }
    }

    /// Whether an earlier run may have made the result of the same `bytes` bytes.
    pub(crate) fn may_have_done(&self, entry: &Entry, bytes: u64, job: &Job) -> bool {
        self.state.done(&entry.key()).is_some_and(|done| {
            done.input.bytes == bytes
                && done.settings == self.settings
                && is_there(done, entry, job)
        })
    }

    /// The earlier result for the same bytes, whatever the file's time says now.
    pub(crate) fn same_content(
        &self,
        identity: &Identity,
        entry: &Entry,
        job: &Job,
    ) -> Option<Done> {
        let done = self.state.done(&identity.path)?;
        let same = done.input.content == identity.content
            && done.input.bytes == identity.bytes
            && done.settings == self.settings;
        (same && is_there(done, entry, job))
            .then(|| Done { input: identity.clone(), ..done.clone() })
    }
}

/// Whether a result still lies where this run would put it.
fn is_there(done: &Done, entry: &Entry, job: &Job) -> bool {
    let path = job.settings.output.join(&entry.output);
    done.output == entry.output
        && fs::symlink_metadata(path)
            .is_ok_and(|found| found.is_file() && found.len() == done.output_bytes)
}

/// Whether another try with the same settings must fail again.
fn lies_in_the_file(kind: FailureKind) -> bool {
    match kind {
        FailureKind::NotAnImage | FailureKind::Unsupported | FailureKind::SetAside => true,
        FailureKind::Unreadable | FailureKind::OverLimit | FailureKind::CannotWrite => false,
    }
}

/// When a file was changed, in nanoseconds since 1970.
pub(crate) fn modified_ns(file: &Metadata) -> i64 {
    file.mtime().saturating_mul(1_000_000_000).saturating_add(file.mtime_nsec())
}
