//! Memory of the host, and what control groups leave of it.

use std::fs;
use std::path::{Component, Path};

use super::field;

/// Memory taken for granted where the system does not tell.
const FALLBACK_MEMORY: u64 = 2 << 30;

/// Memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// What the host has.
    pub total: u64,
    /// What it could give to programs now without swapping; none where the system does not tell.
    pub available: Option<u64>,
    /// The lowest limit of the control groups that this process is in.
    pub group_limit: Option<u64>,
}

impl Memory {
    /// What this process's host and groups tell.
    #[must_use]
    pub fn of_this_process() -> Self {
        let info = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Self {
            total: kibibytes(&info, "MemTotal:").unwrap_or(FALLBACK_MEMORY),
            available: kibibytes(&info, "MemAvailable:"),
            group_limit: group_limit(Path::new("/sys/fs/cgroup"), &groups),
        }
    }

    /// What the host could give to programs now, without asking for more.
    pub(super) fn available_now() -> Option<u64> {
        kibibytes(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")
    }

    /// What the host has, or less where a control group limits it.
    #[must_use]
    pub fn usable(&self) -> u64 {
        self.total.min(self.group_limit.unwrap_or(u64::MAX))
    }
}

/// A line of `/proc/meminfo`, in bytes.
fn kibibytes(info: &str, name: &str) -> Option<u64> {
    let kibibytes: u64 = field(info, name)?.split(' ').next()?.parse().ok()?;
    Some(kibibytes.saturating_mul(1024))
}

/// A number of bytes for people: `7.8 GiB`, rounded down.
#[must_use]
pub fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let Some(power) = (1..=units.len()).rev().find(|power| bytes >> (10 * power) > 0) else {
        return format!("{bytes} bytes");
    };
    let tenths = (u128::from(bytes) * 10) >> (10 * power);
    format!("{}.{} {}", tenths / 10, tenths % 10, units[power - 1])
}

/// The lowest limit of the control groups of `groups`, as `/proc/self/cgroup` lists them, and of
/// those above them, whose files are below `root`.
///
/// A group that is not there is one outside of a container that this process is in; those above it
/// may be.
fn group_limit(root: &Path, groups: &str) -> Option<u64> {
    let lowest = |mount: &Path, group: &str, file: &str| {
        let group: Vec<_> = Path::new(group)
            .components()
            .filter(|part| matches!(part, Component::Normal(_)))
            .collect();
        let depths = (0..=group.len()).map(|depth| group[..depth].iter().collect());
        let files = depths.map(|above: std::path::PathBuf| mount.join(above).join(file));
        files.filter_map(|file| fs::read_to_string(file).ok()?.trim().parse::<u64>().ok()).min()
    };
    let limits = groups.lines().filter_map(|line| {
        let (_, line) = line.split_once(':')?;
        let (controllers, group) = line.split_once(':')?;
        if controllers.is_empty() {
            return lowest(root, group, "memory.max");
        }
        let of_memory = controllers.split(',').any(|controller| controller == "memory");
        of_memory.then(|| lowest(&root.join("memory"), group, "memory.limit_in_bytes"))?
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// The limit that groups see whose files are these.
    fn limit(files: &[(&str, &str)], groups: &str) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::File::create(path).unwrap().write_all(content.as_bytes()).unwrap();
        }
        group_limit(root.path(), groups)
    }

    #[test]
    fn the_lowest_limit_above_a_group_counts() {
        let slurm = [
            ("memory.max", "max\n"),
            ("slurm/memory.max", "max\n"),
            ("slurm/job_7/memory.max", "4096\n"),
            ("slurm/job_7/step_0/memory.max", "8192\n"),
            ("slurm/job_8/memory.max", "1024\n"),
        ];
        assert_eq!(limit(&slurm, "0::/slurm/job_7/step_0\n"), Some(4096));
        assert_eq!(limit(&slurm, "0::/slurm/job_8"), Some(1024));
        assert_eq!(limit(&slurm, "0::/"), None);
        assert_eq!(limit(&[], "0::/x\n"), None);
        assert_eq!(limit(&slurm, "no groups"), None);
    }

    #[test]
    fn groups_of_both_versions_count() {
        let files = [
            ("memory/a/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/a/b/memory.limit_in_bytes", "2048\n"),
            ("cpu/a/b/memory.limit_in_bytes", "1\n"),
        ];
        assert_eq!(limit(&files, "5:cpu:/a/b\n4:hugetlb,memory:/a/b\n0::/a/b\n"), Some(2048));
    }

    #[test]
    fn a_container_sees_its_own_group_as_the_root() {
        let files = [("memory.max", "512\n")];
        assert_eq!(limit(&files, "0::/docker/0123\n"), Some(512));
        assert_eq!(limit(&files, "0::/../outside\n"), Some(512));
    }

    #[test]
    fn memory_is_told_in_bytes_and_bounded_by_the_group() {
        let info = "MemTotal:        8135956 kB\nMemFree: 1 kB\nMemAvailable:\t512 kB\n";
        assert_eq!(kibibytes(info, "MemTotal:"), Some(8_135_956 << 10));
        assert_eq!(kibibytes(info, "MemAvailable:"), Some(512 << 10));
        assert_eq!(kibibytes(info, "SwapTotal:"), None);
        let memory = Memory { total: 8, available: Some(4), group_limit: Some(6) };
        assert_eq!((memory.usable(), Memory { group_limit: None, ..memory }.usable()), (6, 8));
    }

    #[test]
    fn sizes_are_told_in_their_largest_unit() {
        let sizes =
            [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (1536 << 20, "1.5 GiB")];
        for (bytes, told) in sizes {
            assert_eq!(size(bytes), told);
        }
        assert_eq!(size(u64::MAX), "15.9 EiB");
    }
}
