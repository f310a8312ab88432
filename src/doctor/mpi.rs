//! The MPI that mpix is linked to, and the `mpirun` that would start it.
//!
//! A binary of one MPI that the other's `mpirun` starts becomes as many runs of one rank each.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::{Check, Finding, Level};
use crate::launch::program::{self, Said};

/// `mpirun --version` takes a moment.
const LIMIT: Duration = Duration::from_secs(10);

/// Implementations whose launchers and libraries know each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Open MPI: PMIx.
    OpenMpi,
    /// MPICH and those made from it: PMI.
    Mpich,
}

/// An MPI, as a library or a launcher tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mpi {
    pub(super) family: Family,
    name: &'static str,
    version: String,
}

impl std::fmt::Display for Mpi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// What speaks: `Open MPI v4.1.4, package: …`, `mpirun (Open MPI) 4.1.4`, `MPICH Version: 4.0.2`,
/// `HYDRA build details: Version: 4.0.2`.
pub(super) fn told(text: &str) -> Option<Mpi> {
    let names = [
        ("Open MPI", "Open MPI", Family::OpenMpi),
        ("Intel(R) MPI", "Intel MPI", Family::Mpich),
        ("MVAPICH2", "MVAPICH", Family::Mpich),
        ("MVAPICH", "MVAPICH", Family::Mpich),
        ("MPICH", "MPICH", Family::Mpich),
        ("HYDRA", "MPICH", Family::Mpich),
    ];
    let (start, name, family) = names
        .iter()
        .find_map(|&(sign, name, family)| Some((text.find(sign)? + sign.len(), name, family)))?;
    let words = text[start..].split(|c: char| c.is_whitespace() || c == ',');
    let numbers = words.map(|word| word.trim_start_matches('v'));
    let version =
        numbers.into_iter().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    Some(Mpi { family, name, version: version.to_owned() })
}

/// How well two of them go together.
pub(super) fn fit(one: &Mpi, other: &Mpi) -> Level {
    let major = |mpi: &Mpi| mpi.version.split('.').next().unwrap_or_default().to_owned();
    if one.family != other.family {
        return Level::Problem;
    }
    if one == other || one.name != other.name {
        return Level::Ok;
    }
    let same_major = one.family == Family::Mpich || major(one) == major(other);
    if same_major { Level::Warning } else { Level::Problem }
}

/// The library that mpix is linked to.
pub(super) fn library(text: Option<&str>) -> Finding {
    let Some(text) = text else {
        let cure = "build it with its default features";
        let found = "built without MPI: it runs on this host alone";
        return Finding::warning(Check::Mpi, found, cure);
    };
    // An unknown one tells its whole story; the first line names it.
    let first_line = text.lines().next().unwrap_or_default();
    Finding::ok(Check::Mpi, told(text).map_or_else(|| first_line.to_owned(), |mpi| mpi.to_string()))
}

/// The `mpirun` in `PATH`, against the library.
pub(super) fn launcher(library: Option<&str>, path: Option<PathBuf>) -> Finding {
    let Some(path) = path else { return no_launcher(library.is_some()) };
    let said = program::run_bounded(Command::new(&path).arg("--version"), LIMIT);
    let path = path.display();
    let text = match said {
        Ok(Said { stdout, stderr, .. }) => stdout + &stderr,
        Err(error) => {
            let found = format!("`{path} --version` {error}");
            return Finding::problem(Check::Mpirun, found, "install it anew, or mend PATH");
        }
    };
    let Some(own) = library.and_then(told) else {
        return Finding::ok(Check::Mpirun, path.to_string());
    };
    let Some(mpi) = told(&text) else {
        let found = format!("{path} does not tell what MPI it is of");
        let cure = format!("see that `{path} --version` works and is of {own}");
        return Finding::warning(Check::Mpirun, found, cure);
    };
    judge(&format!("{path}, {mpi}"), &mpi, &own)
}

fn no_launcher(needed: bool) -> Finding {
    if !needed {
        return Finding::ok(Check::Mpirun, "none, and none is needed");
    }
    let cure = "install it, on Debian `apt-get install openmpi-bin`, or load its module; \
                without it mpix runs on this host alone";
    Finding::problem(Check::Mpirun, "no `mpirun` in PATH", cure)
}

fn judge(found: &str, mpi: &Mpi, own: &Mpi) -> Finding {
    match fit(mpi, own) {
        Level::Ok => Finding::ok(Check::Mpirun, found),
        Level::Warning => {
            let found = format!("{found}, but mpix is linked to {own}");
            Finding::warning(
                Check::Mpirun,
                found,
                "put the mpirun of the same version first in PATH",
            )
        }
        Level::Problem => {
            let found = format!(
                "{found}, but mpix is linked to {own}: each rank would take itself for the only one"
            );
            let cure = format!(
                "put the mpirun of {own} first in PATH (`ls /usr/bin/mpirun.*`), or build mpix with \
                 `MPICC` set to the compiler of {mpi}"
            );
            Finding::problem(Check::Mpirun, found, cure)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Mpi {
        told(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn libraries_and_launchers_are_known_by_their_words() {
        let known = [
            ("Open MPI v4.1.4, package: Debian OpenMPI, ident: 4.1.4", "Open MPI 4.1.4"),
            (
                "mpirun (Open MPI) 4.1.4\n\nReport bugs to http://www.open-mpi.org/",
                "Open MPI 4.1.4",
            ),
            ("MPICH Version:      4.0.2\nMPICH Release date: Thu", "MPICH 4.0.2"),
            (
                "HYDRA build details:\n    Version:                                 4.0.2\n",
                "MPICH 4.0.2",
            ),
            ("Intel(R) MPI Library for Linux* OS, Version 2021.8 Build 2022", "Intel MPI 2021.8"),
            ("MVAPICH2 Version:  2.3.7\nMVAPICH2 Release date:", "MVAPICH 2.3.7"),
        ];
        for (text, mpi) in known {
            assert_eq!(of(text).to_string(), mpi);
        }
        assert_eq!(told("LAM 7.1"), None);
        assert_eq!(told("Open MPI"), None);
    }

    #[test]
    fn another_family_and_another_major_version_do_not_fit() {
        let fits = |one, other| fit(&of(one), &of(other));
        assert_eq!(fits("Open MPI 4.1.4", "Open MPI 4.1.4"), Level::Ok);
        assert_eq!(fits("Open MPI 4.1.4", "Open MPI 4.0.3"), Level::Warning);
        assert_eq!(fits("Open MPI 4.1.4", "Open MPI 5.0.1"), Level::Problem);
        assert_eq!(fits("HYDRA 4.0.2", "Open MPI 4.0.2"), Level::Problem);
        assert_eq!(fits("HYDRA 4.0.2", "MVAPICH2 Version: 2.3"), Level::Ok);
    }

    #[test]
    fn a_build_without_mpi_needs_no_mpirun() {
        assert_eq!(library(None).level, Level::Warning);
        assert_eq!(launcher(None, None).level, Level::Ok);
        assert_eq!(launcher(Some("Open MPI v4.1.4"), None).level, Level::Problem);
    }
}
