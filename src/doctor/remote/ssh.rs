//! ssh, as `mpirun` uses it: without a question, to the user and port of the hostfile.

use std::path::Path;
use std::process::Command;

use super::super::program::SilentError;
use super::super::{Check, Finding};
use crate::launch::hostfile::HostEntry;

/// How the program comes to be there.
pub(in crate::doctor) const INSTALL: &str =
    "install it, on Debian `apt-get install openssh-client`";
/// Seconds to reach a host.
const CONNECT_SECONDS: u8 = 5;

/// The program that reaches other hosts, with flags of its own: `ssh`, or what
/// `OMPI_MCA_plm_rsh_agent` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::doctor) struct Agent {
    /// Its name or path.
    pub(in crate::doctor) program: String,
    flags: Vec<String>,
}

impl Agent {
    /// What `mpirun` would use: the first of several, parted by colons, that is `installed`.
    pub(in crate::doctor) fn new(named: Option<&str>, installed: impl Fn(&str) -> bool) -> Self {
        let agents = named.unwrap_or_default().split(':').filter_map(|agent| {
            let mut words = agent.split_whitespace().map(str::to_owned);
            Some(Self { program: words.next()?, flags: words.collect() })
        });
        let mut agents: Vec<Self> = agents.collect();
        let first = agents.iter().position(|agent| installed(&agent.program)).unwrap_or_default();
        if agents.is_empty() {
            return Self { program: "ssh".to_owned(), flags: Vec::new() };
        }
        agents.swap_remove(first)
    }

    /// Whether it takes ssh's options.
    fn is_ssh(&self) -> bool {
        Path::new(&self.program).file_name().is_some_and(|name| name == "ssh")
    }

    /// Flags that lead to the host, then its name.
    fn destination(&self, host: &HostEntry) -> Vec<String> {
        let mut words = self.flags.clone();
        if let Some(port) = host.port {
            words.extend(["-p".to_owned(), port.to_string()]);
        }
        words.push(at(host, &host.name));
        words
    }

    /// What a user types to reach the host: `ssh -p 2222 ubuntu@node1`.
    pub(super) fn typed(&self, host: &HostEntry) -> String {
        format!("{} {}", self.program, self.destination(host).join(" "))
    }

    /// What a user types to copy `program` to the same path there.
    pub(super) fn copy(&self, host: &HostEntry, program: &str) -> String {
        let mut words = vec!["scp".to_owned()];
        words.extend(self.flags.iter().filter(|_| self.is_ssh()).cloned());
        words.extend(host.port.map(|port| format!("-P {port}")));
        let program = quoted(program);
        let name = if host.name.contains(':') { &format!("[{}]", host.name) } else { &host.name };
        words.extend([program.clone(), format!("{}:{program}", at(host, name))]);
        words.join(" ")
    }

    /// Asks the mpix of a host at the path of `program`, or else the one in its `PATH`.
    pub(super) fn command(&self, host: &HostEntry, program: &str) -> Command {
        let program = quoted(program);
        let script = format!(
            "if [ -x {program} ]; then exec {program} doctor --json; else exec mpix doctor --json; fi"
        );
        let mut command = Command::new(&self.program);
        if self.is_ssh() {
            command.args(["-o", "BatchMode=yes", "-o"]);
            command.arg(format!("ConnectTimeout={CONNECT_SECONDS}"));
        }
        // The user's shell there may be any: only quotes are left to it.
        command.args(self.destination(host)).arg(format!("exec sh -c {}", quoted(&script)));
        command
    }

    /// The agent itself said nothing.
    pub(super) fn silence(&self, host: &HostEntry, error: &SilentError) -> Finding {
        let cure = match error {
            SilentError::Start(_) => INSTALL.to_owned(),
            SilentError::TooLong(_) => {
                format!("try `{} true`; `--timeout SECONDS` waits longer", self.typed(host))
            }
        };
        Finding::problem(Check::Reach, format!("`{}` {error}", self.program), cure)
    }

    /// The agent did not get through; `told` is its last word.
    pub(super) fn failure(&self, host: &HostEntry, told: &str) -> Finding {
        let typed = self.typed(host);
        let cure = if told.contains("Host key verification failed") {
            format!("`{typed}` once by hand, and accept its key")
        } else if told.contains("Permission denied") {
            let destination = self.destination(host).join(" ");
            format!("`ssh-copy-id {destination}`, until `{typed} true` asks nothing")
        } else if told.contains("Could not resolve") {
            let name = &host.name;
            format!(
                "mend the name in the hostfile, or add it to /etc/hosts; try `getent hosts {name}`"
            )
        } else {
            format!(
                "see that it is up and runs sshd, and that no firewall is between; try `{typed} true`"
            )
        };
        Finding::problem(
            Check::Reach,
            format!("`{}` does not get through: {told}", self.program),
            cure,
        )
    }
}

/// `name` with the user of the host.
fn at(host: &HostEntry, name: &str) -> String {
    host.user.as_ref().map_or_else(|| name.to_owned(), |user| format!("{user}@{name}"))
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
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

    fn agent(named: Option<&str>) -> Agent {
        Agent::new(named, |program| program.ends_with("ssh"))
    }

    #[test]
    fn commands_for_people_work_as_typed() {
        let (ssh, a) = (agent(None), host("a"));
        assert_eq!(ssh.typed(&a), "ssh -p 7 me@a");
        assert_eq!(ssh.copy(&a, "/opt/mpix"), "scp -P 7 /opt/mpix me@a:/opt/mpix");
        assert_eq!(ssh.copy(&host("fd00::1"), "/x y"), "scp -P 7 '/x y' me@[fd00::1]:'/x y'");
        let plain = HostEntry { name: "b".into(), ..HostEntry::default() };
        assert_eq!(ssh.typed(&plain), "ssh b");
        let own = agent(Some("/usr/bin/ssh -F config"));
        assert_eq!(own.typed(&a), "/usr/bin/ssh -F config -p 7 me@a");
        assert_eq!(own.copy(&a, "/m"), "scp -F config -P 7 /m me@a:/m");
    }

    #[test]
    fn the_agent_is_the_one_that_mpirun_would_take() {
        assert_eq!(agent(None), agent(Some("ssh : rsh")));
        assert_eq!(agent(Some(" : ")), agent(None));
        assert_eq!(agent(Some("blaunch : ssh -x")).typed(&host("a")), "ssh -x -p 7 me@a");
        assert_eq!(agent(Some("none : other")).program, "none", "it is told to be missing");
        let rsh = Agent::new(Some("rsh"), |_| true);
        let words = rsh.command(&host("a"), "/m");
        assert!(words.get_args().all(|word| word != "-o"), "rsh has other options");
    }

    #[test]
    fn a_path_with_quotes_survives_two_shells() {
        let place = tempfile::tempdir().unwrap();
        let program = place.path().join("it's a $(path)");
        std::os::unix::fs::symlink("/bin/echo", &program).unwrap();
        let ssh = agent(None).command(&host("a"), program.to_str().unwrap());
        let words: Vec<_> = ssh.get_args().map(|word| word.to_str().unwrap()).collect();
        assert_eq!(words[..4], ["-o", "BatchMode=yes", "-o", "ConnectTimeout=5"]);
        assert_eq!(words[4..7], ["-p", "7", "me@a"]);
        let said = Command::new("sh").arg("-c").arg(words[7]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&said.stdout), "doctor --json\n");
    }

    #[test]
    fn known_failures_have_cures_of_their_own() {
        let cure = |told| agent(None).failure(&host("a"), told).cure.unwrap();
        assert!(cure("Host key verification failed.").contains("accept its key"));
        assert!(cure("me@a: Permission denied (publickey).").contains("`ssh-copy-id -p 7 me@a`"));
        assert!(cure("ssh: Could not resolve hostname a").contains("getent hosts a"));
        assert!(cure("ssh: connect to host a port 7: No route to host").contains("me@a true"));
    }
}
