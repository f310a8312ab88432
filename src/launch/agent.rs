//! ssh, as `mpirun` uses it: without a question, to the user and port of the hostfile.

use std::env;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use super::hostfile::HostEntry;
use super::program::{self, SilentError};
use crate::host;

/// How the program comes to be there.
pub const INSTALL: &str = "install it, on Debian `apt-get install openssh-client`";
/// ssh's own exit code when it does not get through.
pub const NOT_REACHED: i32 = 255;
/// The exit codes of a shell that does not find the program, or may not start it; the first also
/// that of a program whose libraries are missing.
pub const NOT_THERE: [i32; 2] = [127, 126];
/// Seconds to reach a host.
const CONNECT_SECONDS: u8 = 5;

/// The program that reaches other hosts, with flags of its own: `ssh`, or what
/// `OMPI_MCA_plm_rsh_agent` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its name or path.
    pub program: String,
    flags: Vec<String>,
}

impl Agent {
    /// What `mpirun` would use in the environment of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        let named = env::var("OMPI_MCA_plm_rsh_agent").ok().filter(|value| !value.is_empty());
        Self::new(named.as_deref(), |program| program::find(program).is_some())
    }

    /// What `mpirun` would use: the first of several, parted by colons, that is `installed`.
    pub fn new(named: Option<&str>, installed: impl Fn(&str) -> bool) -> Self {
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
    #[must_use]
    pub fn is_ssh(&self) -> bool {
        Path::new(&self.program).file_name().is_some_and(|name| name == "ssh")
    }

    /// Flags that lead to the host, then its name.
    pub(super) fn destination(&self, host: &HostEntry) -> Vec<String> {
        let mut words = self.flags.clone();
        if let Some(port) = host.port {
            words.extend(["-p".to_owned(), port.to_string()]);
        }
        words.push(at(host, &host.name));
        words
    }

    /// What a user types to reach the host: `ssh -p 2222 ubuntu@node1`.
    #[must_use]
    pub fn typed(&self, host: &HostEntry) -> String {
        format!("{} {}", self.program, self.destination(host).join(" "))
    }

    /// What a user types to copy `program` to the same path there.
    #[must_use]
    pub fn copy(&self, host: &HostEntry, program: &str) -> String {
        let mut words = vec!["scp".to_owned()];
        words.extend(self.flags.iter().filter(|_| self.is_ssh()).cloned());
        words.extend(host.port.map(|port| format!("-P {port}")));
        let program = quoted(program);
        let name = if host.name.contains(':') { &format!("[{}]", host.name) } else { &host.name };
        words.extend([program.clone(), format!("{}:{program}", at(host, name))]);
        words.join(" ")
    }

    /// Runs `words` on a host, whatever the user's shell there is.
    pub fn command(&self, host: &HostEntry, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        if self.is_ssh() {
            command.args(["-o", "BatchMode=yes", "-o"]);
            command.arg(format!("ConnectTimeout={CONNECT_SECONDS}"));
        }
        // Only quotes are left to that shell.
        let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
        command.args(self.destination(host)).arg(format!("exec {}", words.join(" ")));
        command
    }

    /// Runs the mpix of a host: at the path of `program`, or else the one in its `PATH`.
    pub fn mpix(&self, host: &HostEntry, program: &str, arguments: &[&str]) -> Command {
        let program = quoted(program);
        let arguments: Vec<_> = arguments.iter().map(|word| quoted(word)).collect();
        let arguments = arguments.join(" ");
        let script = format!(
            "if [ -x {program} ]; then exec {program} {arguments}; else exec mpix {arguments}; fi"
        );
        self.command(host, &["sh", "-c", &script])
    }

    /// What helps where the agent itself said nothing.
    #[must_use]
    pub fn cure_of_silence(&self, host: &HostEntry, error: &SilentError) -> String {
        match error {
            SilentError::Start(_) => INSTALL.to_owned(),
            SilentError::TooLong(_) => {
                format!(
                    "try `{} true`; `mpix hosts --timeout SECONDS` waits longer",
                    self.typed(host)
                )
            }
        }
    }

    /// What helps where the agent did not get through; `told` is its last word.
    #[must_use]
    pub fn cure_of_failure(&self, host: &HostEntry, told: &str) -> String {
        let typed = self.typed(host);
        if told.contains("Host key verification failed") {
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
        }
    }
}

/// Whether `name` is this host for sure: its own name, or a loopback.
#[must_use]
pub fn is_this_host(name: &str) -> bool {
    is_host(name, &host::name())
}

/// Whether `name` is the host that calls itself `own`.
fn is_host(name: &str, own: &str) -> bool {
    let short = own.split('.').next().unwrap_or_default();
    let loopback = name.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    loopback || name == "localhost" || name == own || name == short
}

/// `name` with the user of the host.
fn at(host: &HostEntry, name: &str) -> String {
    host.user.as_ref().map_or_else(|| name.to_owned(), |user| format!("{user}@{name}"))
}

/// A word for any shell.
fn quoted(word: &str) -> String {
    quoted_but(word, "/._-+")
}

/// A word for a shell, as it is where it is made of letters, digits and `plain`.
pub(super) fn quoted_but(word: &str, plain: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || plain.contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
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
        let words = rsh.command(&host("a"), &["true"]);
        assert!(words.get_args().all(|word| word != "-o"), "rsh has other options");
    }

    #[test]
    fn a_path_with_quotes_survives_two_shells() {
        let place = tempfile::tempdir().unwrap();
        let program = place.path().join("it's a $(path)");
        std::os::unix::fs::symlink("/bin/echo", &program).unwrap();
        let ssh = agent(None).mpix(&host("a"), program.to_str().unwrap(), &["it's", "--json"]);
        let words: Vec<_> = ssh.get_args().map(|word| word.to_str().unwrap()).collect();
        assert_eq!(words[..4], ["-o", "BatchMode=yes", "-o", "ConnectTimeout=5"]);
        assert_eq!(words[4..7], ["-p", "7", "me@a"]);
        let said = Command::new("sh").arg("-c").arg(words[7]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&said.stdout), "it's --json\n");
    }

    #[test]
    fn known_failures_have_cures_of_their_own() {
        let cure = |told| agent(None).cure_of_failure(&host("a"), told);
        assert!(cure("Host key verification failed.").contains("accept its key"));
        assert!(cure("me@a: Permission denied (publickey).").contains("`ssh-copy-id -p 7 me@a`"));
        assert!(cure("ssh: Could not resolve hostname a").contains("getent hosts a"));
        assert!(cure("ssh: connect to host a port 7: No route to host").contains("me@a true"));
    }

    #[test]
    fn this_host_is_known_by_its_names() {
        let own = "head.example.org";
        for name in ["localhost", "127.0.0.1", "::1", "head", "head.example.org"] {
            assert!(is_host(name, own), "{name}");
        }
        for name in ["head.example.com", "head2", "10.0.0.1", "example"] {
            assert!(!is_host(name, own), "{name}");
        }
    }
}
