//! Hosts to kill, cut off and slow down, made by `scripts/testhosts.sh`: `host0`, the head, and
//! `host1` to `hostN`. Users have `mod launch;` as well.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![expect(clippy::expect_used, reason = "a test that cannot go on panics")]

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};

use crate::launch::{command, finish};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/testhosts.sh");

/// The script's exit code where programs, privileges or features of the kernel are missing.
const LACKING: i32 = 2;

/// A set of hosts, of this test alone; dropping it ends them all. Files outside of `/tmp`, and those
/// in [`Hosts::shared_dir`], are the same on each host.
#[derive(Debug)]
pub(crate) struct Hosts {
    /// Where the set lives.
    directory: PathBuf,
    /// The hosts end when this closes, so that they do not outlive a test that is killed.
    _lifeline: ChildStdin,
    _parent: tempfile::TempDir,
}

impl Hosts {
    /// A head and `count` hosts. `None` where they cannot be made, which fails in CI.
    pub(crate) fn up(count: usize) -> Option<Self> {
        let parent = tempfile::tempdir().expect("a temporary directory");
        let directory = parent.path().join("hosts");
        let count = count.to_string();
        let mut up = command(&[SCRIPT, "up", &count, "--until-eof"], [""; 0])
            .env("TESTHOSTS_DIR", &directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("`timeout` of coreutils runs");
        let lifeline = up.stdin.take().expect("it is piped");
        let output = up.wait_with_output().expect("it ends");
        let told = String::from_utf8_lossy(&output.stderr);
        if output.status.code() == Some(LACKING) {
            assert!(std::env::var_os("CI").is_none(), "no test hosts: {told}");
            eprintln!("\n*** SKIPPED: no test hosts: {told} ***\n");
            return None;
        }
        assert!(output.status.success(), "no test hosts, {}: {told}", output.status);
        Some(Self { directory, _lifeline: lifeline, _parent: parent })
    }

    /// Where the set lives.
    pub(crate) fn dir(&self) -> &Path {
        &self.directory
    }

    /// Names `host1` to `hostN`, one slot each.
    pub(crate) fn hostfile(&self) -> PathBuf {
        self.directory.join("hostfile")
    }

    /// The same directory on all hosts and outside.
    pub(crate) fn shared_dir(&self) -> PathBuf {
        self.directory.join("shared")
    }

    /// A path that is another directory on each host; see [`Hosts::local_dir_of`].
    pub(crate) fn local_dir(&self) -> PathBuf {
        self.directory.join("local")
    }

    /// What that host finds in [`Hosts::local_dir`], as it is seen from outside.
    pub(crate) fn local_dir_of(&self, host: usize) -> PathBuf {
        self.directory.join(format!("host{host}")).join("local")
    }

    /// The command that runs `arguments` on a host, with its exit code; signals are passed on.
    pub(crate) fn exec<S: AsRef<OsStr>>(
        &self,
        host: usize,
        arguments: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut command = command(&[SCRIPT, "exec", &host.to_string()], arguments);
        command.env("TESTHOSTS_DIR", &self.directory);
        command
    }

    /// `mpirun --hostfile HOSTFILE ARGUMENTS` on the head: a rank on each host but the head.
    pub(crate) fn mpirun<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Command {
        let mpirun = [OsString::from("mpirun"), "--hostfile".into(), self.hostfile().into()];
        let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned());
        self.exec(0, mpirun.into_iter().chain(arguments))
    }

    /// Kills all processes of a host at once, sshd as well. Their sockets close.
    #[track_caller]
    pub(crate) fn kill(&self, host: usize) {
        self.act(&["kill", &host.to_string()]);
    }

    /// Switches a host off: the others hear nothing from it.
    #[track_caller]
    pub(crate) fn powerfail(&self, host: usize) {
        self.act(&["powerfail", &host.to_string()]);
    }

    /// Brings a host back after [`Hosts::kill`] and [`Hosts::powerfail`]; returns when its sshd answers.
    #[track_caller]
    pub(crate) fn revive(&self, host: usize) {
        self.act(&["revive", &host.to_string()]);
    }

    /// Pulls a host's cable.
    #[track_caller]
    pub(crate) fn linkdown(&self, host: usize) {
        self.act(&["linkdown", &host.to_string()]);
    }

    /// Plugs a host's cable in again.
    #[track_caller]
    pub(crate) fn linkup(&self, host: usize) {
        self.act(&["linkup", &host.to_string()]);
    }

    /// Limits what goes to a host, and what comes from it, to so many Mbit/s; 0 lifts the limit.
    #[track_caller]
    pub(crate) fn rate(&self, host: usize, mbit: u32) {
        self.act(&["rate", &host.to_string(), &mbit.to_string()]);
    }

    /// Limits the CPU time of a host to so many cores, such as `0.5`; `0` lifts the limit. `false`
    /// where the machine offers no control groups for that, which fails in CI.
    #[track_caller]
    pub(crate) fn cores(&self, host: usize, cores: &str) -> bool {
        let mut command = command(&[SCRIPT, "cores", &host.to_string(), cores], [""; 0]);
        command.env("TESTHOSTS_DIR", &self.directory);
        let run = finish(command);
        if run.code == Some(LACKING) {
            assert!(std::env::var_os("CI").is_none(), "no limit of cores: {}", run.stderr);
            eprintln!("\n*** SKIPPED: no limit of cores: {} ***\n", run.stderr);
            return false;
        }
        run.expect_code(0);
        true
    }

    /// A line for each host: up or down, its link, its processes.
    #[track_caller]
    pub(crate) fn status(&self) -> String {
        self.act(&["status"])
    }

    #[track_caller]
    fn act(&self, arguments: &[&str]) -> String {
        let mut command = command(&[SCRIPT], arguments);
        command.env("TESTHOSTS_DIR", &self.directory);
        finish(command).expect_code(0).stdout
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        let mut down = command(&[SCRIPT, "down"], [""; 0]);
        down.env("TESTHOSTS_DIR", &self.directory);
        let run = finish(down);
        // A second panic would hide the first.
        if !std::thread::panicking() {
            run.expect_code(0);
        }
    }
}
