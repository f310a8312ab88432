//! ssh, as `mpirun` uses it: without a question, to the user and port of the hostfile.

use std::process::Command;

use super::super::program::SilentError;
use super::super::{Check, Finding};
use crate::launch::hostfile::HostEntry;

/// Seconds to reach a host.
const CONNECT_SECONDS: u8 = 5;

/// Flags that lead to the host, then its name.
fn destination(host: &HostEntry) -> Vec<String> {
    let mut words = Vec::new();
    if let Some(port) = host.port {
        words.extend(["-p".to_owned(), port.to_string()]);
    }
    words.push(match &host.user {
        Some(user) => format!("{user}@{}", host.name),
        None => host.name.clone(),
    });
    words
}

/// What a user types to reach the host: `ssh -p 2222 ubuntu@node1`.
pub(super) fn typed(host: &HostEntry) -> String {
    format!("ssh {}", destination(host).join(" "))
}

/// What a user types to copy `program` to the same path there.
pub(super) fn copy(host: &HostEntry, program: &str) -> String {
    let program = quoted(program);
    let to = destination(host);
    let (port, place) =
        (host.port.map(|port| format!("-P {port} ")).unwrap_or_default(), &to[to.len() - 1]);
    let place = if host.name.contains(':') {
        place.replace(&host.name, &format!("[{}]", host.name))
    } else {
        place.clone()
    };
    format!("scp {port}{program} {place}:{program}")
}

/// Asks the mpix of a host at the path of `program`, or else the one in its `PATH`.
pub(super) fn command(host: &HostEntry, program: &str) -> Command {
    let program = quoted(program);
    let script = format!(
        "if [ -x {program} ]; then exec {program} doctor --json; else exec mpix doctor --json; fi"
    );
    let mut command = Command::new("ssh");
    command.args(["-o", "BatchMode=yes", "-o"]).arg(format!("ConnectTimeout={CONNECT_SECONDS}"));
    // The user's shell there may be any: only quotes are left to it.
    command.args(destination(host)).arg(format!("exec sh -c {}", quoted(&script)));
    command
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// ssh itself said nothing.
pub(super) fn silence(host: &HostEntry, error: &SilentError) -> Finding {
    let cure = match error {
        SilentError::Start(_) => {
            "install it, on Debian `apt-get install openssh-client`".to_owned()
        }
        SilentError::TooLong(_) => {
            format!("try `{} true`; `--timeout SECONDS` waits longer", typed(host))
        }
    };
    Finding::problem(Check::Reach, format!("ssh {error}"), cure)
}

/// ssh did not get through; `told` is its last word.
pub(super) fn failure(host: &HostEntry, told: &str) -> Finding {
    let typed = typed(host);
    let cure = if told.contains("Host key verification failed") {
        format!("`{typed}` once by hand, and accept its key")
    } else if told.contains("Permission denied") {
        format!("`ssh-copy-id{}`, until `{typed} true` asks nothing", &typed["ssh".len()..])
    } else if told.contains("Could not resolve") {
        format!(
            "mend the name in the hostfile, or add it to /etc/hosts; try `getent hosts {}`",
            host.name
        )
    } else {
        format!(
            "see that it is up and runs sshd, and that no firewall is between; try `{typed} true`"
        )
    };
    Finding::problem(Check::Reach, format!("ssh does not get through: {told}"), cure)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str) -> HostEntry {
        HostEntry {
            name: name.into(),
            user: Some("me".into()),
            port: Some(7),
            ..HostEntry::default()
        }
    }

    #[test]
    fn commands_for_people_work_as_typed() {
        assert_eq!(typed(&host("a")), "ssh -p 7 me@a");
        assert_eq!(copy(&host("a"), "/opt/mpix"), "scp -P 7 /opt/mpix me@a:/opt/mpix");
        assert_eq!(copy(&host("fd00::1"), "/x y"), "scp -P 7 '/x y' me@[fd00::1]:'/x y'");
        let plain = HostEntry { name: "b".into(), ..HostEntry::default() };
        assert_eq!(typed(&plain), "ssh b");
    }

    #[test]
    fn a_path_with_quotes_survives_two_shells() {
        let place = tempfile::tempdir().unwrap();
        let program = place.path().join("it's a $(path)");
        std::os::unix::fs::symlink("/bin/echo", &program).unwrap();
        let ssh = command(&host("a"), program.to_str().unwrap());
        let words: Vec<_> = ssh.get_args().map(|word| word.to_str().unwrap()).collect();
        assert_eq!(words[..4], ["-o", "BatchMode=yes", "-o", "ConnectTimeout=5"]);
        assert_eq!(words[4..7], ["-p", "7", "me@a"]);
        let said = Command::new("sh").arg("-c").arg(words[7]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&said.stdout), "doctor --json\n");
    }

    #[test]
    fn known_failures_have_cures_of_their_own() {
        let cure = |told| failure(&host("a"), told).cure.unwrap();
        assert!(cure("Host key verification failed.").contains("accept its key"));
        assert!(cure("me@a: Permission denied (publickey).").contains("`ssh-copy-id -p 7 me@a`"));
        assert!(cure("ssh: Could not resolve hostname a").contains("getent hosts a"));
        assert!(cure("ssh: connect to host a port 7: No route to host").contains("me@a true"));
    }
}
