//! The disk that results go to.

use std::io;
use std::path::{Path, PathBuf};

use super::{Check, Finding};
use crate::error::on_one_line;
use crate::host::{Disk, size};

/// A disk with less is nearly full.
const LOW_BYTES: u64 = 1 << 30;

/// Whether results can be written to `output`, which need not be there yet.
pub(super) fn check(output: &Path) -> Finding {
    let place = match existing(output) {
        Ok(place) => place,
        Err(error) => return unusable(output, &format!("cannot be looked at: {error}")),
    };
    if !place.is_dir() {
        return unusable(&place, "is no directory");
    }
    match Disk::of(&place) {
        Ok(disk) => judge(&place, disk),
        Err(error) => unusable(&place, &format!("cannot be looked at: {error}")),
    }
}

fn unusable(place: &Path, why: &str) -> Finding {
    let found = on_one_line(&format!("`{}` {why}", place.display()));
    Finding::problem(Check::Disk, found, "choose another directory (`-o DIR`)")
}

/// `output`, or the directory above it that is there: the others are made.
fn existing(output: &Path) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(output)?;
    for place in absolute.ancestors() {
        match place.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            outcome => return outcome.map(|_| place.to_path_buf()),
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

fn judge(place: &Path, disk: Disk) -> Finding {
    let mut found =
        on_one_line(&format!("{} free in `{}`", size(disk.free_bytes), place.display()));
    if let Some(kind) = disk.file_system {
        found += &format!(" ({}", kind.name);
        found += if kind.network { ", over the network: runs can go on there, too)" } else { ")" };
    }
    if !disk.writable {
        let cure = "make it writable, or choose another directory (`-o DIR`)";
        return Finding::problem(Check::Disk, format!("{found}, but not writable"), cure);
    }
    if disk.free_bytes == 0 || disk.free_files == Some(0) {
        let what = if disk.free_bytes == 0 { "" } else { ", but no file can be made" };
        let cure = "free some space, or choose another directory (`-o DIR`)";
        return Finding::problem(Check::Disk, format!("{found}{what}"), cure);
    }
    if disk.free_bytes < LOW_BYTES {
        let cure =
            "see that results fit; a run that fills the disk stops, and goes on when started again";
        return Finding::warning(Check::Disk, found, cure);
    }
    Finding::ok(Check::Disk, found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;
    use crate::host::FileSystem;

    fn judged(change: impl FnOnce(&mut Disk)) -> Finding {
        let file_system = Some(FileSystem { name: "nfs", network: true, keeps_parts: true });
        let mut disk =
            Disk { free_bytes: 9 << 30, free_files: Some(7), writable: true, file_system };
        change(&mut disk);
        judge(Path::new("/data"), disk)
    }

    #[test]
    fn a_disk_is_judged_by_room_and_permission() {
        let fine = judged(|_| {});
        assert!(fine.level == Level::Ok && fine.found.contains("nfs, over the network"));
        assert_eq!(judged(|disk| disk.free_files = None).level, Level::Ok);
        assert_eq!(judged(|disk| disk.free_bytes = 1 << 20).level, Level::Warning);
        assert_eq!(judged(|disk| disk.free_bytes = 0).level, Level::Problem);
        assert_eq!(judged(|disk| disk.free_files = Some(0)).level, Level::Problem);
        assert_eq!(judged(|disk| disk.writable = false).level, Level::Problem);
    }

    #[test]
    fn a_directory_that_a_run_would_make_is_judged_by_the_one_above() {
        let above = tempfile::tempdir().unwrap();
        let finding = check(&above.path().join("a/b/c"));
        assert_eq!(finding.cure.is_none(), finding.level == Level::Ok);
        assert!(finding.found.contains(above.path().to_str().unwrap()), "{}", finding.found);
        let file = tempfile::NamedTempFile::new_in(above.path()).unwrap();
        assert!(check(file.path()).found.ends_with("is no directory"));
        assert_eq!(check(&file.path().join("x")).level, Level::Problem);
    }
}
