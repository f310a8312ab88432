//! A job over test hosts, and a launch of it under way.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use mpix::events::{Entry, LaunchEvent, RunEvent};

use crate::hosts::Hosts;
use crate::launch::{PROGRAM, assert_same, files, finish, have, mpix};
use crate::pictures;

/// No step of a test takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
/// Pictures of a job: enough that it is still under way when a fault comes.
pub(crate) const PICTURES: usize = 48;

/// Hosts with pictures on them, and what the results must be.
pub(crate) struct Job {
    pub(crate) hosts: Hosts,
    pub(crate) expected: BTreeMap<PathBuf, Vec<u8>>,
    pub(crate) longer_ms: u64,
}

impl Job {
    /// Ranks take 150 ms longer for each of the pictures.
    pub(crate) fn on(count: usize) -> Option<Self> {
        Self::of(count, PICTURES, 150)
    }

    /// A job of so many pictures, for each of which ranks take so many milliseconds longer: the time
    /// that it takes depends on no kernel and no CPU.
    pub(crate) fn of(count: usize, pictures: usize, longer_ms: u64) -> Option<Self> {
        if !have("mpirun") {
            return None;
        }
        let hosts = Hosts::up(count)?;
        let input = hosts.shared_dir().join("in");
        fs::create_dir_all(&input).unwrap();
        let (width, height) = (320, 240);
        for number in 0..u32::try_from(pictures).unwrap() {
            let pixels = pictures::landscape(width, height, number);
            let path = input.join(format!("{number:04}.png"));
            pictures::files::write(&path, &pixels, width, height, 3);
        }
        let alone = hosts.shared_dir().join("alone");
        mpix(run_words(&input, &alone)).expect_code(0);
        let expected = files(&alone);
        Some(Self { hosts, expected, longer_ms })
    }

    pub(crate) fn output(&self) -> PathBuf {
        self.hosts.shared_dir().join("out")
    }

    pub(crate) fn words(&self, options: &[&str]) -> Vec<String> {
        let hostfile = self.hosts.hostfile().display().to_string();
        self.words_without_hosts(&[&["--hostfile", &hostfile], options].concat())
    }

    pub(crate) fn words_without_hosts(&self, options: &[&str]) -> Vec<String> {
        let mut words = vec![PROGRAM.to_owned(), "launch".into(), "--json".into()];
        words.extend(options.iter().map(|&option| option.to_owned()));
        words.push("--".into());
        words.extend(run_words(&self.hosts.shared_dir().join("in"), &self.output()));
        words
    }

    pub(crate) fn start(&self, options: &[&str]) -> Launch {
        self.start_on(0, options)
    }

    pub(crate) fn start_on(&self, host: usize, options: &[&str]) -> Launch {
        Launch::start(self.exec(host, self.words(options)))
    }

    /// Runs a command on a host whose ranks, if it starts any, are slow.
    pub(crate) fn exec(&self, host: usize, words: impl IntoIterator<Item = String>) -> Command {
        let mut command = self.hosts.exec(host, words);
        command.env("MPIX_FAULT", format!("slow:{}", self.longer_ms));
        command
    }

    /// Ends processes of that name on a host.
    pub(crate) fn signal(&self, host: usize, signal: &str, name: &str) {
        let script = format!("kill -{signal} $(pgrep -x {name} | head -n 1)");
        finish(self.hosts.exec(host, ["sh", "-c", &script])).expect_code(0);
    }

    /// The same, where the process may be gone already.
    pub(crate) fn try_signal(&self, host: usize, signal: &str, name: &str) {
        let script = format!("kill -{signal} $(pgrep -x {name} | head -n 1)");
        finish(self.hosts.exec(host, ["sh", "-c", &script]));
    }

    /// Fails unless every image is done once and as expected, and nothing is left on any host that is
    /// up.
    #[track_caller]
    pub(crate) fn assert_done(&self, hosts: &[usize]) {
        let images = assert_same(&self.expected, &self.output(), "launched");
        let state = mpix::journal::read(&self.output()).unwrap();
        assert_eq!((state.counts().done, state.counts().failed), (images, 0));
        for &host in hosts {
            self.assert_nothing_left(host);
        }
    }

    #[track_caller]
    pub(crate) fn assert_nothing_left(&self, host: usize) {
        let limit = Instant::now() + Duration::from_secs(15);
        loop {
            let names = "mpix|orted|mpirun|ssh";
            let left = finish(self.hosts.exec(host, ["pgrep", "-l", "-x", names]));
            if left.stdout.is_empty() {
                return;
            }
            assert!(Instant::now() < limit, "left on host{host}: {}", left.stdout);
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

pub(crate) fn run_words(input: &Path, output: &Path) -> Vec<String> {
    let words = ["run", "-q", "--threads", "1", "--op", "blur:ksize=31", "-o"];
    let paths = [output, input].map(|path| path.display().to_string());
    words.iter().map(|&word| word.to_owned()).chain(paths).collect()
}

/// A launch under way.
pub(crate) struct Launch {
    pub(crate) child: Child,
    pub(crate) events: Receiver<(Instant, RunEvent)>,
    pub(crate) seen: Vec<RunEvent>,
    pub(crate) told: std::thread::JoinHandle<String>,
}

impl Launch {
    /// Starts it, and reads what it says.
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (to, events) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if let Ok(entry) = serde_json::from_str::<Entry>(&line) {
                    let _ = to.send((Instant::now(), entry.event));
                }
            }
        });
        let mut err = child.stderr.take().unwrap();
        let told = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = err.read_to_string(&mut text);
            text
        });
        Self { child, events, seen: Vec::new(), told }
    }

    /// Waits for an event; returns when it came.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, what: &str, is_it: impl Fn(&RunEvent) -> bool) -> Instant {
        let limit = Instant::now() + PATIENCE;
        loop {
            let left = limit.saturating_duration_since(Instant::now());
            let Ok((at, event)) = self.events.recv_timeout(left) else {
                panic!("no {what}: {:#?}", self.launch_events());
            };
            let found = is_it(&event);
            self.seen.push(event);
            if found {
                return at;
            }
        }
    }

    pub(crate) fn wait_for_images(&mut self, count: usize) -> Instant {
        let mut at = Instant::now();
        for _ in 0..count {
            at = self.wait_for("image", |event| matches!(event, RunEvent::ImageDone(_)));
        }
        at
    }

    /// Waits for an event of the supervisor.
    #[track_caller]
    pub(crate) fn wait_for_step(&mut self, what: &str, is_it: impl Fn(&LaunchEvent) -> bool) {
        self.wait_for(what, |event| of_launch(event).is_some_and(&is_it));
    }

    /// Waits until ranks are started on exactly these hosts.
    #[track_caller]
    pub(crate) fn wait_for_ranks_on(&mut self, names: &[&str]) {
        self.wait_for_step(
            "attempt on those hosts",
            |event| matches!(event, LaunchEvent::AttemptStarted { hosts, .. } if hosts == names),
        );
    }

    /// Images that are done within `time`.
    pub(crate) fn images_within(&mut self, time: Duration) -> usize {
        let limit = Instant::now() + time;
        let mut images = 0;
        while let Ok((_, event)) =
            self.events.recv_timeout(limit.saturating_duration_since(Instant::now()))
        {
            images += usize::from(image_done(&event).is_some());
            self.seen.push(event);
        }
        std::thread::sleep(limit.saturating_duration_since(Instant::now()));
        images
    }

    pub(crate) fn wait_for_failure(&mut self) -> Instant {
        self.wait_for("failure", |event| {
            matches!(event, RunEvent::Launch(LaunchEvent::Failed { .. }))
        })
    }

    pub(crate) fn launch_events(&self) -> Vec<&LaunchEvent> {
        self.seen.iter().filter_map(of_launch).collect()
    }

    /// Images that were done, in order.
    pub(crate) fn images(&self) -> Vec<&str> {
        self.seen.iter().filter_map(image_done).collect()
    }

    /// Hosts that were blamed, in order.
    pub(crate) fn blamed(&self) -> Vec<Option<String>> {
        let host = |event: &&LaunchEvent| {
            if let LaunchEvent::Failed { host, .. } = event { Some(host.clone()) } else { None }
        };
        self.launch_events().iter().filter_map(host).collect()
    }

    #[track_caller]
    pub(crate) fn end_with(mut self, code: i32) -> Ended {
        while let Ok((_, event)) = self.events.recv_timeout(PATIENCE) {
            self.seen.push(event);
        }
        let status = self.child.wait().unwrap();
        let blamed = self.blamed();
        let events = self.launch_events().into_iter().cloned().collect();
        let mut images = self.images();
        let count = images.len();
        images.sort_unstable();
        images.dedup();
        assert_eq!(images.len(), count, "images done twice");
        let told = self.told.join().unwrap();
        assert_eq!(status.code(), Some(code), "{told}\n{events:#?}");
        Ended { blamed, events, told }
    }
}

pub(crate) fn of_launch(event: &RunEvent) -> Option<&LaunchEvent> {
    let RunEvent::Launch(own) = event else { return None };
    Some(own)
}

pub(crate) fn image_done(event: &RunEvent) -> Option<&str> {
    let RunEvent::ImageDone(done) = event else { return None };
    Some(done.image.as_str())
}

pub(crate) struct Ended {
    pub(crate) blamed: Vec<Option<String>>,
    pub(crate) events: Vec<LaunchEvent>,
    pub(crate) told: String,
}

/// Injects a fault in mid run: the run must end well. Returns what happened.
#[track_caller]
pub(crate) fn survive(job: &Job, name: &str, options: &[&str], fault: impl FnOnce(&Job)) -> Ended {
    let mut launch = job.start(options);
    launch.wait_for_images(3);
    let struck = Instant::now();
    fault(job);
    let noticed = launch.wait_for_failure() - struck;
    let next = launch.wait_for_images(1) - struck;
    let ended = launch.end_with(0);
    println!(
        "{name}: noticed after {:.2} s, the next image after {:.2} s",
        noticed.as_secs_f64(),
        next.as_secs_f64()
    );
    ended
}

pub(crate) fn host(number: usize) -> Option<String> {
    Some(format!("host{number}"))
}

/// Writes a program of a few lines.
pub(crate) fn write_script(path: &Path, text: &str) {
    let mut file = fs::File::create(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.set_permissions(fs::Permissions::from_mode(0o755)).unwrap();
}
