//! The file system that a directory is on.

use std::io;
use std::path::Path;

use rustix::fs::{Access, access, statfs, statvfs};

/// A file system, as one of its directories shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Bytes that this user may still write.
    pub free_bytes: u64,
    /// Files that may still be made; none where the file system does not count them.
    pub free_files: Option<u64>,
    /// Whether this user may make files in the directory.
    pub writable: bool,
    /// What kind it is, if it is a known one.
    pub file_system: Option<FileSystem>,
}

/// A kind of file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// Its name, as `mount` tells it.
    pub name: &'static str,
    /// Whether its files are on other hosts.
    pub network: bool,
    /// Whether what two hosts write to pages of their own of one file stays there.
    pub keeps_parts: bool,
}

const fn local(name: &'static str) -> FileSystem {
    FileSystem { name, network: false, keeps_parts: true }
}

const fn network(name: &'static str) -> FileSystem {
    FileSystem { name, network: true, keeps_parts: true }
}

/// One that may hold a file of its own, and put it back whole.
const fn of_whole_files(name: &'static str) -> FileSystem {
    FileSystem { name, network: true, keeps_parts: false }
}

/// Kinds by the number that `statfs` knows them by (statfs(2), linux/magic.h, and Lustre's, GPFS's
/// and `BeeGFS`'s own headers).
const KINDS: [(u64, FileSystem); 16] = [
    (0xEF53, local("ext4")),
    (0x5846_5342, local("xfs")),
    (0x9123_683E, local("btrfs")),
    (0x2FC1_2FC1, local("zfs")),
    (0xF2F5_2010, local("f2fs")),
    (0x0102_1994, local("tmpfs")),
    (0x794C_7630, local("overlay")),
    (0x6969, network("nfs")),
    (0xFE53_4D42, network("smb")),
    (0xFF53_4D42, network("cifs")),
    (0x0BD0_0BD0, network("lustre")),
    (0x4750_4653, network("gpfs")),
    (0x1983_0326, network("beegfs")),
    (0x00C3_6400, network("ceph")),
    (0x0102_1997, of_whole_files("9p")),
    // Most often: sshfs, s3fs, GlusterFS.
    (0x6573_5546, of_whole_files("fuse")),
];

impl Disk {
    /// The file system of `directory`. Nothing is written to find out.
    ///
    /// # Errors
    /// When the directory is not there or may not be looked at.
    pub fn of(directory: &Path) -> io::Result<Self> {
        let space = statvfs(directory)?;
        // The type is signed on some machines: its 32 bits are what counts.
        let number = u64::try_from(statfs(directory)?.f_type & 0xFFFF_FFFF).unwrap_or_default();
        let kind = KINDS.iter().find(|(known, _)| *known == number);
        Ok(Self {
            free_bytes: space.f_bavail.saturating_mul(space.f_frsize),
            free_files: (space.f_files > 0).then_some(space.f_favail),
            writable: access(directory, Access::WRITE_OK | Access::EXEC_OK).is_ok(),
            file_system: kind.map(|(_, file_system)| *file_system),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_directory_has_room_and_may_be_written() {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::of(directory.path()).unwrap();
        assert!(disk.free_bytes > 0 && disk.writable);
        assert!(disk.free_files.is_none_or(|files| files > 0));
        assert!(Disk::of(&directory.path().join("none")).is_err());
    }

    #[test]
    fn no_two_hosts_write_to_a_file_that_one_may_put_back_whole() {
        let keeping =
            |name| KINDS.iter().find(|(_, kind)| kind.name == name).unwrap().1.keeps_parts;
        assert_eq!(
            ["ext4", "nfs", "lustre", "9p", "fuse"].map(keeping),
            [true, true, true, false, false]
        );
    }

    #[test]
    fn what_the_kernel_itself_shows_is_not_written() {
        let disk = Disk::of(Path::new("/proc")).unwrap();
        assert_eq!(disk.file_system, None);
        assert!(!disk.writable || disk.free_bytes == 0);
    }
}
