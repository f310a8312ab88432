//! Limits of the shell that started it.

use std::fs;

use super::{Check, Finding};
use crate::host::{Limits, size};

/// Files, pipes and sockets that a rank may have open at a time, with room to spare.
const ENOUGH_FILES: u64 = 1024;
/// Threads of a rank on a large host, with room to spare.
const ENOUGH_PROCESSES: u64 = 512;

/// Whether the limits let a run work.
pub(super) fn check(limits: Limits, infiniband: bool) -> [Finding; 4] {
    [
        at_least(Check::OpenFiles, limits.open_files, ENOUGH_FILES, "ulimit -n 4096"),
        address_space(limits.address_space),
        at_least(Check::Processes, limits.processes, ENOUGH_PROCESSES, "ulimit -u 4096"),
        locked_memory(limits.locked_memory, infiniband),
    ]
}

fn at_least(check: Check, limit: Option<u64>, enough: u64, command: &str) -> Finding {
    let Some(limit) = limit else { return Finding::ok(check, "unlimited") };
    if limit >= enough {
        return Finding::ok(check, limit.to_string());
    }
    let cure = format!(
        "`{command}` in the shell that starts it; on other hosts, /etc/security/limits.conf"
    );
    Finding::warning(check, format!("{limit}, fewer than {enough}"), cure)
}

fn address_space(limit: Option<u64>) -> Finding {
    let Some(limit) = limit else { return Finding::ok(Check::AddressSpace, "unlimited") };
    let cure =
        "`ulimit -v unlimited` in the shell that starts it: `--memory` limits what images take";
    Finding::warning(Check::AddressSpace, format!("limited to {}", size(limit)), cure)
}

fn locked_memory(limit: Option<u64>, infiniband: bool) -> Finding {
    match limit {
        None => Finding::ok(Check::LockedMemory, "unlimited"),
        Some(limit) if infiniband => {
            let found = format!("{}, and Open MPI needs more for InfiniBand", size(limit));
            let cure = "`ulimit -l unlimited`, for all users in /etc/security/limits.conf";
            Finding::warning(Check::LockedMemory, found, cure)
        }
        Some(limit) => Finding::ok(Check::LockedMemory, size(limit)),
    }
}

/// Whether this host has an adapter that moves data out of locked memory.
pub(super) fn has_infiniband() -> bool {
    fs::read_dir("/sys/class/infiniband").is_ok_and(|mut adapters| adapters.next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn low_limits_are_told_with_the_command_that_raises_them() {
        let free =
            Limits { open_files: None, address_space: None, locked_memory: None, processes: None };
        assert!(check(free, true).iter().all(|finding| finding.level == Level::Ok));
        let low = Limits {
            open_files: Some(256),
            address_space: Some(1 << 30),
            locked_memory: Some(1 << 16),
            processes: Some(64),
        };
        let cures = check(low, true).map(|finding| finding.cure.unwrap_or_default());
        for (cure, flag) in cures.iter().zip(["-n", "-v", "-u", "-l"]) {
            assert!(cure.contains(&format!("ulimit {flag}")), "{cure}");
        }
        assert_eq!(check(low, false)[3].level, Level::Ok);
    }
}
