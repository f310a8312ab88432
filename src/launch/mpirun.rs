//! The `mpirun` of one attempt: its command, and its process.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Sender;
use std::thread;

use rustix::process::{Pid, Signal, geteuid, kill_process, kill_process_group};

use super::agent::quoted_but;
use super::hostfile::HostEntry;
use super::sweep::PARAMETER;
use crate::journal::{LAUNCH_VARIABLE, LaunchId};
use crate::settings::LaunchSettings;

/// Settings of Open MPI, each measured: a run whose rank dies ends at once, one whose host is cut off
/// ends after about five seconds, and ranks of one host share its cores.
const SETTINGS: &[(&str, &str)] = &[
    ("odls_base_sigkill_timeout", "0"),
    ("oob_tcp_keepalive_time", "2"),
    ("oob_tcp_keepalive_intvl", "1"),
    ("oob_tcp_keepalive_probes", "3"),
    ("hwloc_base_binding_policy", "none"),
    ("rmaps_base_oversubscribe", "1"),
    ("pml", "ob1"),
    ("btl", "self,vader,tcp"),
];
/// The same inside a Slurm job, of which a second `mpirun` would hang.
const IN_SLURM: &[(&str, &str)] = &[("ras", "^slurm"), ("plm", "rsh")];
/// Hosts fail more often than images kill ranks: an image that was in hand at so many failures, all but
/// the first of them alone, is set aside.
const CRASH_LIMIT: &str = "4";

/// The hostfile of an attempt: each host with as many slots as it gets ranks.
#[must_use]
pub fn hostfile_of(hosts: &[HostEntry], ranks_per_host: usize) -> String {
    let line = |host: &HostEntry| {
        let slots = Some(ranks_per_host);
        HostEntry { slots, max_slots: None, ..host.clone() }.to_string() + "\n"
    };
    hosts.iter().map(line).collect()
}

/// The words of the command that starts ranks on `hosts` hosts of `hostfile`.
#[must_use]
pub fn words(
    settings: &LaunchSettings,
    (program, hostfile): (&Path, &Path),
    hosts: usize,
    attempt: Option<LaunchId>,
) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["mpirun".into(), "--hostfile".into(), hostfile.into()];
    let ranks_per_host = settings.ranks_per_host;
    words.extend(["-n".into(), (hosts * ranks_per_host).to_string().into()]);
    words.extend(["--map-by".into(), format!("ppr:{ranks_per_host}:node").into()]);
    let slurm = std::env::var_os("SLURM_JOB_ID").is_some();
    for (name, value) in SETTINGS.iter().chain(IN_SLURM.iter().filter(|_| slurm)) {
        words.extend(["--mca", name, value].map(OsString::from));
    }
    if let Some(attempt) = attempt {
        let mark = attempt.to_string();
        words.extend(["--mca", PARAMETER, &mark].map(OsString::from));
        words.extend(["-x", LAUNCH_VARIABLE].map(OsString::from));
    }
    // Settings by variables are those of this host: `mpirun` passes none on by itself.
    for name in own_variables() {
        words.extend(["-x".into(), name.into()]);
    }
    if geteuid().is_root() {
        words.push("--allow-run-as-root".into());
    }
    words.push(program.into());
    words.extend(run_words(settings, attempt));
    words
}

/// `run` and its arguments, as an attempt has them.
fn run_words(settings: &LaunchSettings, attempt: Option<LaunchId>) -> Vec<OsString> {
    let end = settings.command.iter().position(|word| word == "--");
    let (flags, files) = settings.command.split_at(end.unwrap_or(settings.command.len()));
    // What the first attempt forgets or tries again, the next ones keep.
    let is_later = attempt.is_some_and(|id| id.attempt > 1);
    let once = |word: &&OsString| is_later && (*word == "--fresh" || *word == "--retry-failed");
    let mut words: Vec<OsString> = flags.iter().filter(|word| !once(word)).cloned().collect();
    let is_given = |flag: &str| {
        let with_value = format!("{flag}=");
        flags.iter().any(|word| *word == flag || word.to_string_lossy().starts_with(&with_value))
    };
    if attempt.is_some() && !settings.run.json {
        words.push("--json".into());
    }
    if !is_given("--stall-timeout") {
        let seconds = settings.stall_timeout.as_secs().to_string();
        words.extend(["--stall-timeout".into(), seconds.into()]);
    }
    if !is_given("--crash-limit") {
        words.extend(["--crash-limit", CRASH_LIMIT].map(OsString::from));
    }
    words.extend(files.iter().cloned());
    words
}

/// Variables that set something for `mpix run`.
fn own_variables() -> Vec<String> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut names: Vec<String> =
        names.filter(|name| name.starts_with("MPIX_") && name != LAUNCH_VARIABLE).collect();
    names.sort();
    names
}

/// Words as a user would type them.
#[must_use]
pub fn typed(words: &[OsString]) -> String {
    let quoted = |word: &OsString| quoted_but(&word.to_string_lossy(), "-_./:=,^@%+");
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// What an attempt says.
#[derive(Debug)]
pub enum Said {
    /// A line on standard output.
    Out(String),
    /// A line on standard error.
    Err(String),
    /// Both are closed.
    Closed,
}

/// A running `mpirun`, in a process group of its own, so that Ctrl-C reaches the supervisor alone. It
/// ends with the thread that started it.
#[derive(Debug)]
pub struct Attempt {
    child: Child,
}

impl Attempt {
    /// Starts `words` as attempt `id`; what it says goes to `to`, with the number of the attempt.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start<E: From<(u32, Said)> + Send + 'static>(
        own_program: &Path,
        words: &[OsString],
        id: LaunchId,
        to: &Sender<E>,
    ) -> io::Result<Self> {
        let mut child = Command::new(own_program)
            .args(["tied", &std::process::id().to_string(), "--"])
            .args(words)
            .env(LAUNCH_VARIABLE, id.to_string())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let (out_to, err_to, closed_to) = (to.clone(), to.clone(), to.clone());
        let number = id.attempt;
        let said_out = move |line| E::from((number, Said::Out(line)));
        let said_err = move |line| E::from((number, Said::Err(line)));
        let out = out.map(|pipe| thread::spawn(move || lines(pipe, &out_to, said_out)));
        let err = err.map(|pipe| thread::spawn(move || lines(pipe, &err_to, said_err)));
        thread::spawn(move || {
            for reader in [out, err].into_iter().flatten() {
                let _ = reader.join();
            }
            let _ = closed_to.send(E::from((number, Said::Closed)));
        });
        Ok(Self { child })
    }

    /// Its exit code, if it has ended; 128 and the signal where one ended it.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn code(&mut self) -> io::Result<Option<i32>> {
        use std::os::unix::process::ExitStatusExt;
        let status = self.child.try_wait()?;
        Ok(status.map(|status| status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))))
    }

    /// Asks its ranks to finish what is in hand: `mpirun` passes this signal on.
    pub fn ask_to_stop(&self) {
        if let Some(pid) = self.pid() {
            let _ = kill_process(pid, Signal::USR1);
        }
    }

    /// Ends it at once, and with it the `ssh` that it runs.
    pub fn kill(&mut self) {
        if let Some(pid) = self.pid() {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }
}

fn lines<E>(pipe: impl Read, to: &Sender<E>, event: impl Fn(String) -> E) {
    for line in BufReader::new(pipe).split(b'\n') {
        let Ok(line) = line else { return };
        if to.send(event(String::from_utf8_lossy(&line).into_owned())).is_err() {
            return;
        }
    }
}
