//! Cores of the host, and those that this process may use.

use std::fs;

use super::field;

/// Cores, as Linux counts them: hardware threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cores {
    /// The cores that the process is bound to, as the kernel lists them: `0-3,8`.
    pub cpu_list: String,
    /// How many those are.
    pub bound: usize,
    /// How many threads may run at a time: those, or fewer where a control group has a quota.
    pub usable: usize,
    /// What the host has.
    pub host: usize,
}

impl Cores {
    /// What the kernel tells of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        let usable = std::thread::available_parallelism().map_or(1, usize::from);
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let cpu_list = field(&status, "Cpus_allowed_list:").unwrap_or_default().to_owned();
        Self {
            bound: count(&cpu_list).unwrap_or(usable),
            cpu_list,
            usable,
            host: host_cores().unwrap_or(usable),
        }
    }
}

fn host_cores() -> Option<usize> {
    let info = fs::read_to_string("/proc/cpuinfo").ok()?;
    Some(info.lines().filter(|line| line.starts_with("processor")).count()).filter(|&n| n > 0)
}

/// How many cores a list of the kernel's names; none if it is no such list.
fn count(list: &str) -> Option<usize> {
    let cores = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        last.checked_sub(first)?.checked_add(1)
    };
    list.trim().split(',').map(cores).try_fold(0_usize, |sum, cores| sum.checked_add(cores?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_of_a_list_are_counted() {
        let lists = [("0", 1), ("0-3", 4), ("0-3,8", 5), ("1,3,5-6\n", 4)];
        for (list, cores) in lists {
            assert_eq!(count(list), Some(cores), "{list}");
        }
        for none in ["", "x", "3-1", "0-18446744073709551615", "0,,1"] {
            assert_eq!(count(none), None, "{none}");
        }
    }

    #[test]
    fn no_more_cores_are_usable_than_bound() {
        let cores = Cores::of_this_process();
        assert!(cores.usable >= 1 && cores.usable <= cores.bound && cores.bound <= cores.host);
    }
}
