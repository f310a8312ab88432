//! Who may write an output directory: one run at a time, and a dead one not for long.
//!
//! A lease is a row of files `lease-1`, `lease-2`, …, of which the one with the highest number holds.
//! A file is made once (`O_EXCL`, which just one of any number of contenders gets, over NFS too) and
//! never changed. Whoever takes, renews or gives up the lease makes the next number: so each of these
//! is a compare-and-swap, and an owner that slept through its time finds its next number taken.
//! Replacing one file by renaming could not do that: an owner that looks, sleeps, and then renames
//! would push another out unawares. Numbers are never given twice: the file of a lease that was given
//! up stays, and says that it is free. The last file but one is left, too, so that whoever lists the
//! directory at a bad moment misses no two at once.
//!
//! A contender trusts no clock but its own steady one: an owner whose process cannot be asked after
//! is dead when its number has stood still for its time to live under the contender's eyes.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::error::LeaseError;
use super::process::Process;
use super::{directory_of, durable, frame};

/// How long a lease must stand still until a contender takes it. Its owner renews it several times
/// in that span.
pub const TIME_TO_LIVE: Duration = Duration::from_secs(15);

/// How often a contender looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a file that says nothing yet is given to be written.
const WRITTEN_WITHIN: Duration = Duration::from_millis(200);
/// Bytes of a file that are read at most.
const MOST_BYTES: u64 = 1 << 16;
/// Numbers above are nobody's.
const LAST: u64 = u64::MAX / 2;

/// Who holds a lease, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The host.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// A random number that no other run has.
    pub run_id: u64,
    /// The command line.
    pub command: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "`{}` (process {} on `{}`)", self.command, self.pid, self.host)
    }
}

/// The right to write an output directory, as long as it is renewed.
///
/// Dropping it does not give it up: a run that ends without [`release`](Self::release) has crashed.
#[derive(Debug)]
pub struct Lease {
    output: PathBuf,
    number: u64,
    claim: Claim,
}

/// A lease as an onlooker sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Who holds it.
    pub holder: Holder,
    /// Since when, by the holder's clock, in nanoseconds since 1970.
    pub since_ns: i64,
    /// When it was last renewed, by the holder's clock, in nanoseconds since 1970.
    pub renewed_ns: i64,
    /// Whether the holder's process is surely gone.
    pub is_dead: bool,
}

/// What a file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Claim {
    Free,
    Held { token: u64, holder: Holder, process: Process, since_ns: i64, renewed_ns: i64 },
}

/// The file with the highest number. What it says may be nonsense.
#[derive(Debug)]
struct Newest {
    number: u64,
    claim: Option<Claim>,
}

/// How long a contender has watched a number stand still.
#[derive(Debug)]
struct Watch {
    number: u64,
    still_for: Duration,
    last_look: Instant,
}

impl Watch {
    fn new(number: u64) -> Self {
        Self { number, still_for: Duration::ZERO, last_look: Instant::now() }
    }

    /// Counts the time since the last look, but no long gap in full: what kept this process from
    /// looking, such as a paused machine or a file server that hung, may have kept the owner, too.
    fn look(&mut self) {
        let now = Instant::now();
        self.still_for += (now - self.last_look).min(3 * LOOK_EVERY);
        self.last_look = now;
    }
}

impl Lease {
    /// Takes the lease of `output` for `holder`, once [`TIME_TO_LIVE`] shows its owner dead, or at
    /// once if that is certain or nobody has it.
    ///
    /// # Errors
    /// When another holds it, or the system refuses.
    pub fn take(output: &Path, holder: Holder) -> Result<Self, LeaseError> {
        Self::take_after(output, holder, TIME_TO_LIVE)
    }

    /// As [`take`](Self::take), with another time to live.
    ///
    /// # Errors
    /// When another holds it, or the system refuses.
    pub fn take_after(
        output: &Path,
        holder: Holder,
        time_to_live: Duration,
    ) -> Result<Self, LeaseError> {
        let directory = directory_of(output);
        durable::make_directory(&directory, output).map_err(LeaseError::io("make", &directory))?;
        let token = u64::from_le_bytes(
            frame::random_salt().map_err(LeaseError::io("draw a number for", &directory))?,
        );
        let process = Process::new(&holder.host, holder.pid);
        let now = now_ns();
        let claim = Claim::Held { token, holder, process, since_ns: now, renewed_ns: now };
        let lease = Self { output: output.to_path_buf(), number: 0, claim };
        lease.contend(time_to_live)
    }

    fn contend(mut self, time_to_live: Duration) -> Result<Self, LeaseError> {
        let mut watched: Option<Watch> = None;
        loop {
            let newest = self.newest()?;
            let number = newest.as_ref().map_or(0, |newest| newest.number);
            let watch = watched.get_or_insert_with(|| Watch::new(number));
            watch.look();
            let is_over = newest.as_ref().is_none_or(|newest| self.is_over(newest));
            if is_over || (watch.number == number && watch.still_for >= time_to_live) {
                if self.make(number + 1)? {
                    return Ok(self);
                }
                watch.number = number; // another was faster, so the next look finds it alive
            } else if watch.number != number {
                return Err(self.held_by(newest));
            } else {
                thread::sleep(LOOK_EVERY.min(time_to_live / 4));
            }
        }
    }

    /// Says that the holder lives. To be called several times within the time to live, and before
    /// anything that must not happen twice.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] when another has taken it: then nothing more may be written. When the
    /// system refuses, the lease is not lost yet; it is to be renewed again soon.
    pub fn renew(&mut self) -> Result<(), LeaseError> {
        if let Claim::Held { renewed_ns, .. } = &mut self.claim {
            *renewed_ns = now_ns();
        }
        self.make_or_lose()
    }

    /// Gives the lease up: the next one has it at once.
    ///
    /// # Errors
    /// When another has taken it, or the system refuses.
    pub fn release(mut self) -> Result<(), LeaseError> {
        self.claim = Claim::Free;
        self.make_or_lose()
    }

    /// Who holds the lease of `output`, without taking it.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn look(output: &Path, host: &str) -> Result<Option<Seen>, LeaseError> {
        let process = Process::new(host, std::process::id());
        Ok(match newest_in(output)?.and_then(|newest| newest.claim) {
            Some(Claim::Held { holder, process: owner, since_ns, renewed_ns, .. }) => {
                Some(Seen { holder, since_ns, renewed_ns, is_dead: owner.is_gone(&process) })
            }
            Some(Claim::Free) | None => None,
        })
    }

    fn make_or_lose(&mut self) -> Result<(), LeaseError> {
        if self.make(self.number + 1)? {
            return Ok(());
        }
        let by = match self.newest()?.and_then(|newest| newest.claim) {
            Some(Claim::Held { holder, .. }) => Some(Box::new(holder)),
            Some(Claim::Free) | None => None,
        };
        Err(LeaseError::Lost { output: self.output.clone(), by })
    }

    /// Makes file `number`, unless there is one, or a later one. Returns whether it did.
    fn make(&mut self, number: u64) -> Result<bool, LeaseError> {
        let path = path_of(&self.output, number);
        let failed = || LeaseError::io("write the lease", &path);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            // The number is what counts. Where the disk is too full for the words, it holds without.
            Ok(mut file) => drop(file.write_all(&text_of(&self.claim).map_err(failed())?)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if !self.has_made(&path) {
                    return Ok(false);
                }
            }
            Err(error) => return Err(failed()(error)),
        }
        let numbers = numbers_in(&self.output)?;
        if numbers.iter().any(|&other| other > number) {
            let _ = fs::remove_file(&path); // a number of the past; nobody heeds it
            return Ok(false);
        }
        for old in numbers.into_iter().filter(|&old| old + 1 < number) {
            let _ = fs::remove_file(path_of(&self.output, old)); // nobody heeds it either
        }
        self.number = number;
        Ok(true)
    }

    /// Whether a file that is there already is our own: made by an attempt that ended in an error, or
    /// whose answer was lost between this host and a file server.
    fn has_made(&self, path: &Path) -> bool {
        match (read_claim(path), &self.claim) {
            (Some(Claim::Held { token, .. }), Claim::Held { token: own, .. }) => token == *own,
            (Some(_) | None, _) => false,
        }
    }

    fn newest(&self) -> Result<Option<Newest>, LeaseError> {
        newest_in(&self.output)
    }

    /// Whether it is certain that nobody holds `newest` any more.
    fn is_over(&self, newest: &Newest) -> bool {
        match (&newest.claim, &self.claim) {
            (Some(Claim::Free), _) => true,
            (Some(Claim::Held { process, .. }), Claim::Held { process: own, .. }) => {
                process.is_gone(own)
            }
            (Some(Claim::Held { .. }), Claim::Free) | (None, _) => false,
        }
    }

    fn held_by(self, newest: Option<Newest>) -> LeaseError {
        match newest.and_then(|newest| newest.claim) {
            Some(Claim::Held { holder, since_ns, renewed_ns, .. }) => {
                LeaseError::Held { output: self.output, by: Box::new(holder), since_ns, renewed_ns }
            }
            Some(Claim::Free) | None => LeaseError::HeldByUnknown { output: self.output },
        }
    }
}

fn path_of(output: &Path, number: u64) -> PathBuf {
    directory_of(output).join(format!("lease-{number}"))
}

fn text_of(claim: &Claim) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(claim).map_err(io::Error::other)?;
    text.push(b'\n');
    Ok(text)
}

/// Numbers of all lease files.
fn numbers_in(output: &Path) -> Result<Vec<u64>, LeaseError> {
    let directory = directory_of(output);
    let failed = || LeaseError::io("list", &directory);
    let mut numbers = Vec::new();
    let entries = match fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(numbers),
        Err(error) => return Err(failed()(error)),
    };
    for entry in entries {
        let name = entry.map_err(failed())?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix("lease-"));
        let number = digits.and_then(|digits| {
            digits.parse::<u64>().ok().filter(|number| number.to_string() == digits)
        });
        numbers.extend(number.filter(|&number| number <= LAST));
    }
    Ok(numbers)
}

fn newest_in(output: &Path) -> Result<Option<Newest>, LeaseError> {
    let began = Instant::now();
    loop {
        let Some(number) = numbers_in(output)?.into_iter().max() else { return Ok(None) };
        let claim = read_claim(&path_of(output, number));
        if claim.is_some() || began.elapsed() >= WRITTEN_WITHIN {
            return Ok(Some(Newest { number, claim }));
        }
        thread::sleep(WRITTEN_WITHIN / 20); // it may be just being written, or be gone by now
    }
}

/// What a file says, if it says anything that mpix writes.
fn read_claim(path: &Path) -> Option<Claim> {
    let mut text = Vec::new();
    fs::File::open(path).ok()?.take(MOST_BYTES).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

fn now_ns() -> i64 {
    let since_1970 = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => i128::try_from(after.as_nanos()).unwrap_or(i128::MAX),
        Err(before) => i128::try_from(before.duration().as_nanos()).map_or(i128::MIN, |ns| -ns),
    };
    i64::try_from(since_1970).unwrap_or(if since_1970 < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const SHORT: Duration = Duration::from_millis(400);

    fn holder(host: &str, run_id: u64) -> Holder {
        Holder {
            host: host.to_owned(),
            pid: std::process::id(),
            run_id,
            command: "mpix run".into(),
        }
    }

    fn put(output: &Path, number: u64, text: &[u8]) {
        fs::create_dir_all(directory_of(output)).unwrap();
        fs::File::create(path_of(output, number)).unwrap().write_all(text).unwrap();
    }

    #[test]
    fn a_second_is_refused_and_told_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = Lease::take(dir.path(), holder("a", 1)).unwrap();
        let refused = thread::scope(|scope| {
            let second = scope.spawn(|| Lease::take(dir.path(), holder("b", 2)));
            while !second.is_finished() {
                thread::sleep(Duration::from_millis(50));
                first.renew().unwrap();
            }
            second.join().unwrap()
        });
        let Err(LeaseError::Held { by, since_ns, renewed_ns, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(*by, holder("a", 1));
        assert!(renewed_ns > since_ns);
        first.release().unwrap();
        assert_eq!(Lease::look(dir.path(), "a").unwrap(), None);
        Lease::take(dir.path(), holder("b", 2)).unwrap();
        assert_eq!(Lease::look(dir.path(), "a").unwrap().unwrap().holder, holder("b", 2));
    }

    #[test]
    fn who_does_not_renew_loses_it_and_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = Lease::take(dir.path(), holder("a", 1)).unwrap();
        let began = Instant::now();
        let mut second = Lease::take_after(dir.path(), holder("b", 2), SHORT).unwrap();
        assert!(began.elapsed() >= SHORT);
        let lost = first.renew();
        assert!(matches!(lost, Err(LeaseError::Lost { by: Some(by), .. }) if by.run_id == 2));
        for _ in 0..5 {
            second.renew().unwrap();
        }
        assert!(matches!(first.renew(), Err(LeaseError::Lost { .. })));
        second.release().unwrap();
        assert!(matches!(first.renew(), Err(LeaseError::Lost { by: None, .. })));
        assert!(matches!(first.release(), Err(LeaseError::Lost { by: None, .. })));
    }

    #[test]
    fn an_attempt_whose_answer_was_lost_is_no_loss() {
        let dir = tempfile::tempdir().unwrap();
        let mut lease = Lease::take(dir.path(), holder("a", 1)).unwrap();
        put(dir.path(), 2, &text_of(&lease.claim).unwrap());
        lease.renew().unwrap();
        assert_eq!(lease.number, 2);
        let other = Lease::take_after(&dir.path().join("b"), holder("a", 1), SHORT).unwrap();
        put(dir.path(), 3, &text_of(&other.claim).unwrap());
        assert!(matches!(lease.renew(), Err(LeaseError::Lost { .. })));
    }

    #[test]
    fn a_directory_that_is_gone_is_an_error_and_no_loss() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("out");
        let mut lease = Lease::take(&output, holder("a", 1)).unwrap();
        fs::remove_dir_all(&output).unwrap();
        assert!(matches!(lease.renew(), Err(LeaseError::Io { .. })));
        fs::create_dir_all(directory_of(&output)).unwrap();
        lease.renew().unwrap();
    }

    #[test]
    fn a_gap_between_looks_does_not_count_in_full() {
        let mut watch = Watch::new(1);
        watch.last_look -= Duration::from_secs(60);
        watch.look();
        assert_eq!(watch.still_for, 3 * LOOK_EVERY);
    }

    #[test]
    fn clocks_have_no_say() {
        let dir = tempfile::tempdir().unwrap();
        for (number, skewed) in [(10, i64::MIN), (20, 0), (30, i64::MAX)] {
            let own = Process::new("elsewhere", 1);
            let claim = Claim::Held {
                token: number,
                holder: holder("elsewhere", number),
                process: own,
                since_ns: skewed,
                renewed_ns: skewed,
            };
            put(dir.path(), number, &text_of(&claim).unwrap());
            let file = fs::File::open(path_of(dir.path(), number)).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(number << 28)).unwrap();
            let began = Instant::now();
            Lease::take_after(dir.path(), holder("here", 1), SHORT).unwrap().release().unwrap();
            assert!(began.elapsed() >= SHORT);
        }
    }

    #[test]
    fn nonsense_is_somebody_until_it_has_stood_still() {
        let dir = tempfile::tempdir().unwrap();
        let nonsense: [&[u8]; 5] =
            [b"", b"\0\0\0\0", b"{\"Held\":{}}", b"\xff\xfe", &[b'['; 70_000]];
        for (number, text) in (7..).step_by(10).zip(nonsense) {
            put(dir.path(), number, text);
            put(dir.path(), u64::MAX, b"no number of ours");
            let began = Instant::now();
            Lease::take_after(dir.path(), holder("here", 1), SHORT).unwrap();
            assert!(began.elapsed() >= SHORT);
        }
    }

    #[test]
    fn just_one_of_many_wins_at_the_same_moment() {
        for round in 0..5 {
            let dir = tempfile::tempdir().unwrap();
            if round % 2 == 1 {
                Lease::take(dir.path(), holder("elsewhere", 99)).unwrap();
            }
            let held = AtomicUsize::new(0);
            let ended = AtomicUsize::new(0);
            thread::scope(|scope| {
                for id in 0..8 {
                    let (held, ended, dir) = (&held, &ended, dir.path());
                    scope.spawn(move || {
                        let taken = Lease::take_after(dir, holder("here", id), SHORT);
                        if let Ok(mut lease) = taken {
                            held.fetch_add(1, Ordering::SeqCst);
                            while ended.load(Ordering::SeqCst) < 7 {
                                lease.renew().unwrap();
                                thread::sleep(SHORT / 10);
                            }
                        } else {
                            ended.fetch_add(1, Ordering::SeqCst);
                        }
                    });
                }
            });
            assert_eq!(held.load(Ordering::SeqCst), 1);
        }
    }

    #[test]
    fn taken_and_given_up_by_turns_never_by_two() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, turns) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for id in 0..4 {
                let (inside, turns, dir) = (&inside, &turns, dir.path());
                scope.spawn(move || {
                    while turns.load(Ordering::SeqCst) < 200 {
                        let taken = Lease::take(dir, holder("here", id));
                        let Ok(mut lease) = taken else { continue };
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        lease.renew().unwrap();
                        turns.fetch_add(1, Ordering::SeqCst);
                        assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1);
                        lease.release().unwrap();
                    }
                });
            }
        });
        assert!(numbers_in(dir.path()).unwrap().len() <= 2);
    }
}
