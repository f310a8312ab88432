//! What a look at a host finds.

use serde::{Deserialize, Serialize};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// A run works, but slower than it could, or it will not for long.
    Warning,
    /// A run does not work, or not on all hosts.
    Problem,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// The program itself.
    Mpix,
    /// The MPI that it is linked to.
    Mpi,
    /// The `mpirun` in `PATH`.
    Mpirun,
    /// Cores that it may use.
    Cores,
    /// Memory of the host.
    Memory,
    /// The disk of the output directory.
    Disk,
    /// Instructions that the kernels use.
    Simd,
    /// The limit of open files.
    OpenFiles,
    /// The limit of address space.
    AddressSpace,
    /// The limit of processes and threads.
    Processes,
    /// The limit of locked memory.
    LockedMemory,
    /// `/dev/shm`, by which ranks of one host talk.
    SharedMemory,
    /// The ssh client, by which `mpirun` reaches other hosts.
    Ssh,
    /// Whether the user is root.
    Root,
    /// The Slurm job that it is in.
    Slurm,
    /// The hostfile.
    Hostfile,
    /// Whether the host can be reached.
    Reach,
    /// The slots that the hostfile gives the host.
    Slots,
}

impl Check {
    /// What it is called, in text as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mpix => "mpix",
            Self::Mpi => "mpi",
            Self::Mpirun => "mpirun",
            Self::Cores => "cores",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Simd => "simd",
            Self::OpenFiles => "open-files",
            Self::AddressSpace => "address-space",
            Self::Processes => "processes",
            Self::LockedMemory => "locked-memory",
            Self::SharedMemory => "shared-memory",
            Self::Ssh => "ssh",
            Self::Root => "root",
            Self::Slurm => "slurm",
            Self::Hostfile => "hostfile",
            Self::Reach => "reach",
            Self::Slots => "slots",
        }
    }
}

/// What one check found, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// How bad it is.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// What to do; none where nothing is needed.
    pub cure: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: Check, found: impl Into<String>) -> Self {
        Self { check, level: Level::Ok, found: found.into(), cure: None }
    }

    pub(super) fn warning(check: Check, found: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { check, level: Level::Warning, found: found.into(), cure: Some(cure.into()) }
    }

    pub(super) fn problem(check: Check, found: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { check, level: Level::Problem, found: found.into(), cure: Some(cure.into()) }
    }
}

/// What was found on one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Its name: its own, or as the hostfile has it.
    pub host: String,
    /// The version of its mpix.
    pub version: Option<String>,
    /// The path of its mpix.
    pub program: Option<String>,
    /// The MPI that its mpix is linked to, in that library's words.
    pub mpi_library: Option<String>,
    /// Cores that its mpix may use.
    pub cores: Option<usize>,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl Report {
    /// A host of which nothing is known but this.
    pub(super) fn of_unknown(host: String, finding: Finding) -> Self {
        let findings = vec![finding];
        Self { host, version: None, program: None, mpi_library: None, cores: None, findings }
    }

    /// How many findings are of that level.
    #[must_use]
    pub fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_have_one_name_in_text_and_json() {
        for check in [Check::Mpix, Check::OpenFiles, Check::SharedMemory, Check::Slots] {
            assert_eq!(serde_json::to_value(check).unwrap(), check.name());
        }
    }
}
