//! Other programs: where they are, and what they say within a limit of time.

use std::env;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::fs::{Access, access};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use thiserror::Error;

/// Sleep between two looks whether it has ended.
const LOOK: Duration = Duration::from_millis(10);
/// Time for what it has said to arrive, once it has ended: what it has left running may hold the
/// pipe open.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Bytes of output that are read of one that says too much.
const MOST_BYTES: u64 = 1 << 20;

/// Why a program says nothing.
#[derive(Debug, Error)]
pub enum SilentError {
    /// It does not start.
    #[error("cannot be started: {0}")]
    Start(#[source] io::Error),
    /// It does not end.
    #[error("has not ended after {} s", .0.as_secs())]
    TooLong(Duration),
}

/// What a program said until it ended.
#[derive(Clone, Debug)]
pub struct Said {
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Said {
    /// The first JSON of its output that starts a line and is the one looked for: a shell's own
    /// greeting may stand before it.
    pub fn json(&self, is_it: impl Fn(&Value) -> bool) -> Option<Value> {
        let stdout = self.stdout.as_str();
        let starts = stdout.match_indices('{').map(|(start, _)| start);
        let mut lines = starts.filter(|&start| start == 0 || stdout[..start].ends_with('\n'));
        lines.find_map(|start| {
            let text = serde_json::Deserializer::from_str(&stdout[start..]);
            text.into_iter::<Value>().next()?.ok().filter(&is_it)
        })
    }

    /// The last line of its standard error that is not empty.
    #[must_use]
    pub fn last_word(&self) -> &str {
        let last = self.stderr.lines().rev().find(|line| !line.trim().is_empty());
        last.unwrap_or("nothing").trim()
    }
}

/// The program that a shell would start; `name` may be a path, too.
#[must_use]
pub fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let as_it_is = name.contains('/').then(|| PathBuf::from(name));
    let places = as_it_is.into_iter().chain(env::split_paths(&path).map(|place| place.join(name)));
    places.into_iter().find(|file| file.is_file() && access(file, Access::EXEC_OK).is_ok())
}

/// Runs a program that asks nothing, and ends it with all that it has started after `limit`.
///
/// # Errors
/// When it does not start, or does not end.
pub fn run_bounded(command: &mut Command, limit: Duration) -> Result<Said, SilentError> {
    let deadline = Instant::now() + limit;
    let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.process_group(0).spawn().map_err(SilentError::Start)?;
    let stdout = child.stdout.take().map(listen);
    let stderr = child.stderr.take().map(listen);
    let Some(status) = wait(&mut child, deadline).map_err(SilentError::Start)? else {
        // One that has ended by now is gone either way.
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
        let _ = child.wait();
        return Err(SilentError::TooLong(limit));
    };
    let deadline = Instant::now() + LAST_WORDS;
    Ok(Said {
        code: status.code(),
        stdout: heard(stdout, deadline),
        stderr: heard(stderr, deadline),
    })
}

fn wait(child: &mut Child, deadline: Instant) -> io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        std::thread::sleep(LOOK);
    }
}

/// What comes out of a pipe, piece by piece, read by a thread of its own.
fn listen(pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (pieces, heard) = channel();
    std::thread::spawn(move || {
        let mut pipe = pipe.take(MOST_BYTES);
        let mut piece = vec![0; 1 << 13];
        // Whoever does not listen any more has enough.
        while let Ok(bytes @ 1..) = pipe.read(&mut piece) {
            if pieces.send(piece[..bytes].to_vec()).is_err() {
                return;
            }
        }
    });
    heard
}

fn heard(pieces: Option<Receiver<Vec<u8>>>, deadline: Instant) -> String {
    let mut all = Vec::new();
    if let Some(pieces) = pieces {
        let left = || deadline.saturating_duration_since(Instant::now());
        while let Ok(piece) = pieces.recv_timeout(left()) {
            all.extend(piece);
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Result<Said, SilentError> {
        run_bounded(Command::new("sh").args(["-c", script]), limit)
    }

    #[test]
    fn what_a_program_says_is_heard() {
        let said = shell("echo out; echo err >&2; exit 3", Duration::from_secs(30)).unwrap();
        assert_eq!(
            (said.code, said.stdout.as_str(), said.stderr.as_str()),
            (Some(3), "out\n", "err\n")
        );
        assert!(matches!(
            run_bounded(&mut Command::new("/no/such/program"), Duration::from_secs(1)),
            Err(SilentError::Start(_))
        ));
        assert!(find("sh").is_some() && find("no such program").is_none());
    }

    #[test]
    fn one_that_hangs_is_ended_with_its_children() {
        let start = Instant::now();
        let hung = shell("sleep 60 & sleep 60", Duration::from_millis(200));
        assert!(matches!(hung, Err(SilentError::TooLong(_))));
        let left = shell("echo said; sleep 60 & exit 0", Duration::from_secs(30)).unwrap();
        assert_eq!(left.stdout, "said\n");
        assert!(start.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn one_that_says_too_much_is_cut_short() {
        let said = shell("yes", Duration::from_secs(30)).unwrap();
        assert_eq!(said.stdout.len() as u64, MOST_BYTES);
    }
}
