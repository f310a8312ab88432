//! Memory that the ranks of one host share: files of Open MPI's, which stay behind where it is killed.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What their names start with; `HOST.USER.JOB.RANK` follows.
pub const START: &str = "vader_segment.";

/// Those that a process has mapped, as far as this user may know.
pub(super) fn mapped_by(pid: u32) -> Vec<PathBuf> {
    let maps = fs::read(format!("/proc/{pid}/maps")).unwrap_or_default();
    in_maps(&String::from_utf8_lossy(&maps))
}

/// Those that any process of this host has mapped, as far as this user may know.
#[must_use]
pub fn mapped() -> HashSet<PathBuf> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
    pids.flat_map(mapped_by).collect()
}

/// Those in a `/proc/…/maps`.
fn in_maps(maps: &str) -> Vec<PathBuf> {
    let paths = maps.lines().filter_map(|line| Some(Path::new(&line[line.find('/')?..])));
    let is_one = |path: &&Path| {
        path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(START.as_bytes()))
    };
    paths.filter(is_one).map(Path::to_path_buf).collect()
}

/// Removes files that processes which are gone had mapped, but those that another still has. Returns
/// those that are gone.
pub(super) fn remove_unused(files: BTreeSet<PathBuf>) -> Vec<String> {
    if files.is_empty() {
        return Vec::new();
    }
    let used = mapped();
    let gone =
        files.into_iter().filter(|file| !used.contains(file) && fs::remove_file(file).is_ok());
    gone.map(|file| file.display().to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_found_among_what_a_process_has_mapped() {
        let maps = "7f01-7f02 rw-s 00000000 00:16 7  /dev/shm/vader_segment.a.0.1.0\n\
            7f03-7f04 r--p 0 0 0\n\
            7f05-7f06 r-xp 00000000 00:16 8  /usr/lib/mca_btl_vader.so\n\
            7f07-7f08 r-xp 00000000 00:16 8  /tmp/vader_segment.d/file\n";
        assert_eq!(in_maps(maps), [Path::new("/dev/shm/vader_segment.a.0.1.0")]);
    }
}
