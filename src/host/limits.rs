//! What the shell's `ulimit` allows this process.

use rustix::process::{Resource, getrlimit};

/// Soft limits; none: unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open files (`ulimit -n`).
    pub open_files: Option<u64>,
    /// Bytes of address space (`ulimit -v`).
    pub address_space: Option<u64>,
    /// Bytes locked in memory, as `InfiniBand` does (`ulimit -l`).
    pub locked_memory: Option<u64>,
    /// Processes and threads of the user (`ulimit -u`).
    pub processes: Option<u64>,
}

impl Limits {
    /// Those of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        let soft = |resource| getrlimit(resource).current;
        Self {
            open_files: soft(Resource::Nofile),
            address_space: soft(Resource::As),
            locked_memory: soft(Resource::Memlock),
            processes: soft(Resource::Nproc),
        }
    }
}
