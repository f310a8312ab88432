//! `/dev/shm`, by which Open MPI's ranks on one host talk; jobs that were killed leave files there.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::getuid;

use super::{Check, Finding};
use crate::host::{Disk, size};
use crate::launch::segments;

/// Space that the ranks of a large host may need; containers have 64 MiB by default.
const ENOUGH_BYTES: u64 = 64 << 20;
/// A file so young may be one that its process has not mapped yet.
const YOUNG: Duration = Duration::from_secs(10);

/// Files of dead jobs.
#[derive(Default)]
struct Leftovers {
    files: usize,
    bytes: u64,
    /// What their names start with: `vader_segment.HOST.USER`.
    starts: BTreeSet<String>,
}

/// Whether there is room in `directory`, and what dead jobs of `host` have left there.
pub(super) fn check(directory: &Path, host: &str) -> Finding {
    let Ok(disk) = Disk::of(directory) else {
        let found = format!("no `{}`: ranks of this host talk slowly", directory.display());
        return Finding::warning(Check::SharedMemory, found, "mount a tmpfs there");
    };
    let free = size(disk.free_bytes);
    let left = leftovers(directory, host, &segments::mapped());
    if left.files > 0 {
        let found = format!(
            "{free} free in {}; {} segments of dead MPI jobs hold {} there",
            directory.display(),
            left.files,
            size(left.bytes)
        );
        return Finding::warning(Check::SharedMemory, found, removal(directory, &left));
    }
    let found = format!("{free} free in {}", directory.display());
    if disk.free_bytes < ENOUGH_BYTES {
        let cure = "give the container more (`docker run --shm-size 1g`), or remove what is there";
        return Finding::warning(Check::SharedMemory, found, cure);
    }
    Finding::ok(Check::SharedMemory, found)
}

fn removal(directory: &Path, left: &Leftovers) -> String {
    let files = left.starts.iter().map(|start| format!("{}/{start}.*", directory.display()));
    let files: Vec<String> = files.collect();
    format!("when no MPI job runs on this host: `rm {}`", files.join(" "))
}

/// Segments that belong to this user, or to any for root, and are of no process that lives.
fn leftovers(directory: &Path, host: &str, mapped: &HashSet<PathBuf>) -> Leftovers {
    let mut left = Leftovers::default();
    let own = getuid().as_raw();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let (Ok(file), Ok(name)) = (entry.metadata(), entry.file_name().into_string()) else {
            continue;
        };
        let seen = own == 0 || file.uid() == own;
        let lives = mapped.contains(&entry.path());
        let Some(start) = start_of_segment(&name, host) else { continue };
        if seen && !lives && !is_young(&file) {
            left.files += 1;
            left.bytes += file.blocks() * 512;
            left.starts.insert(start.to_owned());
        }
    }
    left
}

fn is_young(file: &Metadata) -> bool {
    file.modified().is_ok_and(|time| time.elapsed().is_ok_and(|age| age < YOUNG))
}

/// The start of a name that Open MPI on `host` gives: all but the end of
/// `vader_segment.HOST.USER.JOB.RANK`.
fn start_of_segment<'a>(name: &'a str, host: &str) -> Option<&'a str> {
    let short = host.split('.').next().unwrap_or(host);
    let rest = name.strip_prefix(segments::START)?.strip_prefix(short)?;
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if !rest.starts_with('.') || !plain {
        return None;
    }
    name.rsplitn(3, '.').nth(2)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::SystemTime;

    use super::*;
    use crate::doctor::Level;

    /// A directory with files of an hour ago.
    fn directory(names: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for name in names {
            let file = File::create(directory.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
        }
        directory
    }

    #[test]
    fn segments_of_dead_jobs_are_told_with_their_removal() {
        let names = ["vader_segment.node1.0.1a.0", "vader_segment.node1.0.1a.1"];
        let place = directory(&[&names[..], &["vader_segment.node12.0.1.0", "sem.x"]].concat());
        let finding = check(place.path(), "node1.example.org");
        assert_eq!(finding.level, Level::Warning, "{finding:?}");
        assert!(finding.found.contains("2 segments"), "{finding:?}");
        assert!(finding.cure.unwrap().ends_with("/vader_segment.node1.0.*`"));
        File::create(place.path().join("vader_segment.node1.0.1b.0")).unwrap();
        assert!(check(place.path(), "node1").found.contains("2 segments"), "the third is young");
    }

    #[test]
    fn segments_in_use_are_left_alone() {
        let place = directory(&["vader_segment.a.0.1.0", "vader_segment.a.0.2.0"]);
        let used = HashSet::from([place.path().join("vader_segment.a.0.1.0")]);
        assert_eq!(leftovers(place.path(), "a", &used).files, 1);
        assert_eq!(check(&place.path().join("none"), "a").level, Level::Warning);
    }
}
