//! What the mpix of another host answered, held against this one's.

use std::time::Duration;

use super::super::{Check, Finding, Level, Report, mpi};
use super::Head;
use crate::launch::agent::{NOT_REACHED, NOT_THERE};
use crate::launch::hostfile::HostEntry;
use crate::launch::program::Said;

/// What matters on the host of `mpirun` and rank 0 only: it starts the others and writes results.
const OF_HEAD: [Check; 4] = [Check::Disk, Check::Root, Check::Ssh, Check::Slurm];

/// What is known of a host after ssh has ended.
pub(super) fn report(host: &HostEntry, head: &Head, said: &Said, took: Duration) -> Report {
    let Some(answer) = said.json(|value| value["findings"].is_array()) else {
        let finding = no_answer(host, head, said.code, said.last_word());
        return Report::of_unknown(host.name.clone(), finding);
    };
    let version = answer["version"].as_str().unwrap_or("unknown").to_owned();
    let reached = Finding::ok(
        Check::Reach,
        format!("by {} in {:.1} s", head.agent.program, took.as_secs_f64()),
    );
    let same = version == head.version;
    let mut report = serde_json::from_value(answer).unwrap_or_else(|_| {
        Report::of_unknown(host.name.clone(), other_version(host, head, &version))
    });
    report.host.clone_from(&host.name);
    report.findings.retain(|finding| !OF_HEAD.contains(&finding.check));
    if !same {
        report.findings.retain(|finding| finding.check != Check::Mpix);
        report.findings.insert(0, other_version(host, head, &version));
    } else if let Some(elsewhere) = other_path(host, head, report.program.as_deref()) {
        report.findings.insert(0, elsewhere);
    }
    report.findings.extend(other_mpi(head, report.mpi_library.as_deref()));
    report.version = Some(version);
    report.findings.insert(0, reached);
    report
}

fn no_answer(host: &HostEntry, head: &Head, code: Option<i32>, told: &str) -> Finding {
    let Head { program, version, .. } = head;
    let copy = head.agent.copy(host, program);
    match code {
        Some(NOT_REACHED) => {
            let found = format!("`{}` does not get through: {told}", head.agent.program);
            Finding::problem(Check::Reach, found, head.agent.cure_of_failure(host, told))
        }
        Some(127) if told.contains("shared librar") => {
            let cure = "install the same MPI there, on Debian `apt-get install openmpi-bin`";
            Finding::problem(Check::Mpi, format!("its mpix does not start: {told}"), cure)
        }
        Some(code) if NOT_THERE.contains(&code) => {
            let found = format!("no mpix that can be started at {program}, nor in PATH: {told}");
            Finding::problem(Check::Mpix, found, format!("`{copy}`"))
        }
        code => {
            let code = code.map_or_else(|| "by a signal".to_owned(), |code| format!("with {code}"));
            let found = format!("its mpix does not answer; it ended {code}: {told}");
            let cure = format!(
                "install mpix {version} there: `{copy}`; try `{} mpix doctor`",
                head.agent.typed(host)
            );
            Finding::problem(Check::Mpix, found, cure)
        }
    }
}

fn other_version(host: &HostEntry, head: &Head, version: &str) -> Finding {
    let found = format!("it has mpix {version}, this host has {}", head.version);
    let copy = head.agent.copy(host, &head.program);
    Finding::problem(Check::Mpix, found, format!("install the same on all hosts: `{copy}`"))
}

/// The same version, where `mpirun` does not look for it.
fn other_path(host: &HostEntry, head: &Head, path: Option<&str>) -> Option<Finding> {
    let path = path.filter(|path| *path != head.program)?;
    let found = format!("it is at {path}, not at {} as on this host", head.program);
    let cure = format!(
        "`{}`: mpirun starts it by the path it was given",
        head.agent.copy(host, &head.program)
    );
    Some(Finding::warning(Check::Mpix, found, cure))
}

/// Ranks of two MPIs, or of versions far apart, do not find each other.
fn other_mpi(head: &Head, library: Option<&str>) -> Option<Finding> {
    let own = mpi::told(head.mpi_library.as_deref()?)?;
    let Some(other) = library.and_then(mpi::told) else {
        let found = format!("its mpix is linked to no known MPI, this host's to {own}");
        return Some(Finding::problem(Check::Mpi, found, "install the same on all hosts"));
    };
    let found = format!("its mpix is linked to {other}, this host's to {own}");
    let cure = format!("install {own} there");
    match mpi::fit(&other, &own) {
        Level::Ok => None,
        Level::Warning => Some(Finding::warning(Check::Mpi, found, cure)),
        Level::Problem => Some(Finding::problem(Check::Mpi, found, cure)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::head;
    use super::*;

    fn said(code: i32, stdout: &str, stderr: &str) -> Said {
        Said { code: Some(code), stdout: stdout.into(), stderr: stderr.into() }
    }

    fn answered(said: &Said) -> Report {
        let host = HostEntry { name: "a".into(), ..HostEntry::default() };
        report(&host, &head(), said, Duration::from_millis(340))
    }

    /// A report of an mpix of that version at that path.
    fn own_words(version: &str, program: &str, library: &str) -> String {
        let mut report = Report::of_unknown("x".into(), Finding::ok(Check::Mpix, "here"));
        report.findings.push(Finding::ok(Check::Disk, "room"));
        (report.version, report.program) = (Some(version.into()), Some(program.into()));
        report.mpi_library = Some(library.into());
        serde_json::to_string_pretty(&report).unwrap()
    }

    #[test]
    fn an_answer_is_found_behind_a_greeting() {
        let json = own_words("1.0.0", "/opt/mpix", "Open MPI v4.1.4");
        let report = answered(&said(0, &format!("{{hello}}\n{{}}\n{json}\nbye\n"), "motd"));
        assert_eq!(report.host, "a");
        assert_eq!(report.count(Level::Ok), 2, "{report:?}");
        assert_eq!(report.findings[0], Finding::ok(Check::Reach, "by ssh in 0.3 s"));
        assert_eq!(report.findings.len(), 2, "the disk there does not matter");
    }

    #[test]
    fn another_version_path_or_mpi_is_told() {
        let level = |version, program, library| {
            let report = answered(&said(0, &own_words(version, program, library), ""));
            report.findings.iter().map(|finding| finding.level).max().unwrap()
        };
        assert_eq!(level("1.0.0", "/opt/mpix", "Open MPI v4.1.4"), Level::Ok);
        assert_eq!(level("1.0.0", "/usr/bin/mpix", "Open MPI v4.1.4"), Level::Warning);
        assert_eq!(level("1.0.0", "/opt/mpix", "Open MPI v4.1.5"), Level::Warning);
        assert_eq!(level("1.0.0", "/opt/mpix", "MPICH Version: 4"), Level::Problem);
        assert_eq!(level("2.0.0", "/opt/mpix", "Open MPI v4.1.4"), Level::Problem);
        let unlike = r#"{"version": "9.0", "findings": [{"check": "new"}]}"#;
        let report = answered(&said(0, unlike, ""));
        assert_eq!(report.version.as_deref(), Some("9.0"));
        assert_eq!(report.count(Level::Problem), 1 + 1, "the version and the MPI: {report:?}");
    }

    #[test]
    fn what_keeps_a_host_from_answering_is_told() {
        let found = |code, stderr| {
            let report = answered(&said(code, "", stderr));
            assert_eq!((report.findings.len(), report.count(Level::Problem)), (1, 1));
            (report.findings[0].check, report.findings[0].found.clone())
        };
        let (check, text) =
            found(255, "warning\nssh: connect to host a port 22: No route to host\n\n");
        assert!(check == Check::Reach && text.ends_with("No route to host"), "{text}");
        let (check, _) = found(127, "sh: 1: exec: mpix: not found\n");
        assert_eq!(check, Check::Mpix);
        let library = "mpix: error while loading shared libraries: libmpi.so.40: cannot open";
        assert_eq!(found(127, library).0, Check::Mpi);
        let (check, text) = found(2, "error: unrecognized subcommand 'doctor'");
        assert!(check == Check::Mpix && text.contains("with 2"), "{text}");
    }
}
