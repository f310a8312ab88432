//! What a rank's host offers.

use std::fs;
use std::path::{Component, Path};

use crate::plan::HostFacts;

/// Memory taken for granted where the system does not tell.
const FALLBACK_MEMORY: u64 = 2 << 30;

/// What the host of this process offers.
pub(crate) fn facts() -> HostFacts {
    let allowed_cores = std::thread::available_parallelism().map_or(1, usize::from);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    HostFacts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: host_name(),
        cpu_list: field(&status, "Cpus_allowed_list:").unwrap_or_default().to_owned(),
        allowed_cores,
        host_cores: host_cores().unwrap_or(allowed_cores),
        memory_bytes: memory_bytes(),
    }
}

fn host_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned())
}

fn host_cores() -> Option<usize> {
    let info = fs::read_to_string("/proc/cpuinfo").ok()?;
    Some(info.lines().filter(|line| line.starts_with("processor")).count()).filter(|&n| n > 0)
}

/// Memory of the host, or less where a control group limits it.
fn memory_bytes() -> u64 {
    let info = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = field(&info, "MemTotal:").and_then(|value| value.split(' ').next()?.parse().ok());
    let host = kib.map_or(FALLBACK_MEMORY, |kib: u64| kib.saturating_mul(1024));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    host.min(group_limit(Path::new("/sys/fs/cgroup"), &groups).unwrap_or(u64::MAX))
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

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
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
    fn this_host_has_cores_memory_and_a_name() {
        let facts = facts();
        assert!(facts.allowed_cores >= 1 && facts.host_cores >= 1);
        assert!(facts.memory_bytes > 1 << 20);
        assert!(!facts.host.is_empty());
    }
}
