//! All that can be found on the host of this process.

use std::env;
use std::path::Path;

use rustix::process::geteuid;

use super::mpi::{self, Family};
use super::{Check, Finding, Report, cores, disk, limits, memory, shared_memory, simd, slurm};
use crate::host::{self, Cores, Limits, Memory};
use crate::launch::agent::{Agent, INSTALL};
use crate::launch::program;
use crate::transport::{Launch, mpi_library};

/// A variable of the environment.
pub(super) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Looks at this host. `output`: where results would go. `agent`: what reaches other hosts, and
/// whether that is needed.
pub(super) fn examine(output: &Path, agent: &Agent, needs_agent: bool) -> Report {
    let version = env!("CARGO_PKG_VERSION");
    let program = env::current_exe().ok().map(|path| path.display().to_string());
    let library = mpi_library();
    let cores = Cores::of_this_process();
    let mut findings = vec![
        Finding::ok(Check::Mpix, format!("{version}, {}", program.as_deref().unwrap_or("?"))),
        mpi::library(library.as_deref()),
        mpi::launcher(library.as_deref(), program::find("mpirun")),
        cores::check(&cores, Launch::of_this_process().is_some(), &variable),
        memory::check(Memory::of_this_process()),
        disk::check(output),
        simd::check(variable("MPIX_SIMD").as_deref()),
    ];
    findings.extend(limits::check(Limits::of_this_process(), limits::has_infiniband()));
    findings.extend([
        shared_memory::check(Path::new("/dev/shm"), &host::name()),
        reaching(agent, needs_agent),
        root(geteuid().as_raw(), library.as_deref(), &variable),
        slurm::check(&cores, &variable),
    ]);
    Report {
        host: host::name(),
        version: Some(version.to_owned()),
        program,
        mpi_library: library,
        cores: Some(cores.usable),
        findings,
    }
}

fn reaching(agent: &Agent, needed: bool) -> Finding {
    let name = &agent.program;
    match program::find(name) {
        Some(path) => Finding::ok(Check::Ssh, path.display().to_string()),
        None if needed => {
            Finding::problem(Check::Ssh, format!("no `{name}` in PATH to reach hosts by"), INSTALL)
        }
        None => {
            let found = format!("no `{name}` in PATH: no other host can be used");
            Finding::warning(Check::Ssh, found, INSTALL)
        }
    }
}

/// Open MPI starts nothing for root that does not insist.
fn root(user: u32, library: Option<&str>, variable: &dyn Fn(&str) -> Option<String>) -> Finding {
    if user != 0 {
        return Finding::ok(Check::Root, format!("no: user {user}"));
    }
    let names = ["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"];
    let is_open_mpi = library.and_then(mpi::told).is_some_and(|mpi| mpi.family == Family::OpenMpi);
    if !is_open_mpi {
        return Finding::ok(Check::Root, "yes");
    }
    if names.iter().all(|name| variable(name).as_deref() == Some("1")) {
        return Finding::ok(Check::Root, "yes, and the environment allows mpirun to start");
    }
    let cure = format!("`export {}=1 {}=1`, or `mpirun --allow-run-as-root`", names[0], names[1]);
    Finding::warning(Check::Root, "yes: mpirun refuses to start for root", cure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn root_is_told_how_to_start_open_mpi() {
        let open_mpi = Some("Open MPI v4.1.4, package: Debian OpenMPI");
        let none = |_: &str| None;
        let both = |_: &str| Some("1".to_owned());
        let one = |name: &str| (!name.ends_with("CONFIRM")).then(|| "1".to_owned());
        let level = |user, library, variable| root(user, library, variable).level;
        assert_eq!(level(0, open_mpi, &none), Level::Warning);
        assert_eq!(level(0, open_mpi, &one), Level::Warning);
        assert_eq!(level(0, open_mpi, &both), Level::Ok);
        assert_eq!(level(0, Some("MPICH Version: 4.0.2"), &none), Level::Ok);
        assert_eq!(level(1000, open_mpi, &none), Level::Ok);
    }
}
