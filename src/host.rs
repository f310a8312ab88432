//! What the host of this process offers it: cores, memory, disks, limits.

mod cores;
mod disk;
mod facts;
mod limits;
mod load;
mod memory;

use std::path::PathBuf;
use std::{env, fs};

pub use cores::Cores;
pub use disk::{Disk, FileSystem};
pub use facts::Facts;
pub use limits::Limits;
pub use load::HostLoad;
pub use memory::{Memory, size};

use crate::plan::HostFacts;

/// What rank 0 must know of the host of this process to share work out.
#[must_use]
pub fn facts() -> HostFacts {
    let cores = Cores::of_this_process();
    HostFacts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: name(),
        cpu_list: cores.cpu_list,
        allowed_cores: cores.usable,
        host_cores: cores.host,
        memory_bytes: Memory::of_this_process().usable(),
    }
}

/// The name that the host gives itself; `localhost` where it does not tell.
#[must_use]
pub fn name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned())
}

/// The path of this program; one that has been replaced since it started is known by its old path.
#[must_use]
pub fn program() -> Option<PathBuf> {
    let path = env::current_exe().ok()?;
    let replaced = path.to_str().and_then(|path| path.strip_suffix(" (deleted)"));
    Some(replaced.map(PathBuf::from).unwrap_or(path))
}

/// What follows `name` on the line of `text` that starts with it, as files of `/proc` are written.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_has_cores_memory_and_a_name() {
        let facts = facts();
        assert!(facts.allowed_cores >= 1 && facts.host_cores >= 1);
        assert!(facts.memory_bytes > 1 << 20);
        assert!(!facts.host.is_empty());
    }
}
