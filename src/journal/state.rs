//! What the records of a journal add up to.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::read::Damage;
use super::record::{Done, Failed, Record, RunEnded, RunStarted, SetAside, Suspected};

/// What the records of a journal add up to.
///
/// For each input the last of Done, Failed and `SetAside` holds. An output belongs to the last input
/// that was written to it: another that was written there before is not done any more.
#[derive(Debug, Default)]
pub struct State {
    ended: Vec<Option<Ended>>,
    by_input: HashMap<PathKey, usize>,
    by_output: HashMap<PathKey, usize>,
    in_hand: BTreeMap<PathBuf, u32>,
    suspects: BTreeMap<PathBuf, u32>,
    last_run: Option<LastRun>,
    damage: Vec<Damage>,
    damage_kept_in: Option<PathBuf>,
    records: u64,
}

/// The run that began last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastRun {
    /// How it began.
    pub started: RunStarted,
    /// How it ended, if it came to that.
    pub ended: Option<RunEnded>,
}

/// How many inputs there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Inputs with an output.
    pub done: usize,
    /// Inputs that cannot be done.
    pub failed: usize,
    /// Inputs left alone since they kill ranks.
    pub set_aside: usize,
}

/// What became of an input.
#[derive(Debug)]
enum Ended {
    Done(Done),
    Failed(Failed),
    SetAside(SetAside),
}

impl Ended {
    fn input(&self) -> &Path {
        match self {
            Self::Done(done) => &done.input.path,
            Self::Failed(failed) => &failed.input,
            Self::SetAside(aside) => &aside.input,
        }
    }

    fn output(&self) -> Option<&Path> {
        match self {
            Self::Done(done) => Some(&done.output),
            Self::Failed(_) | Self::SetAside(_) => None,
        }
    }
}

/// A path, in 16 bytes: the start of its BLAKE3 hash, which no two paths share. A million paths are
/// kept once instead of three times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct PathKey([u8; 16]);

impl PathKey {
    fn of(path: &Path) -> Self {
        let mut key = [0; 16];
        key.copy_from_slice(&blake3::hash(path.as_os_str().as_bytes()).as_bytes()[..16]);
        Self(key)
    }
}

impl State {
    /// Takes one more record into account.
    pub fn apply(&mut self, record: Record) {
        self.records += 1;
        match record {
            Record::RunStarted(started) => {
                for input in std::mem::take(&mut self.in_hand).into_keys() {
                    self.suspect(input, 1);
                }
                self.last_run = Some(LastRun { started, ended: None });
            }
            Record::Given { input, rank } => {
                self.in_hand.insert(input, rank);
            }
            Record::Returned { input } => {
                self.in_hand.remove(&input);
            }
            Record::Done(done) => self.end(Ended::Done(done)),
            Record::Failed(failed) => self.end(Ended::Failed(failed)),
            Record::SetAside(aside) => self.end(Ended::SetAside(aside)),
            Record::RunEnded(ended) => {
                let run = self.last_run.as_mut().filter(|run| run.started.run == ended.run);
                if let Some(run) = run {
                    run.ended = Some(ended);
                }
            }
            Record::Suspected(Suspected { input, crashes }) => self.suspect(input, crashes),
        }
    }

    /// The output of `input`, if that is what became of it.
    #[must_use]
    pub fn done(&self, input: &Path) -> Option<&Done> {
        match self.ended(input)? {
            Ended::Done(done) => Some(done),
            Ended::Failed(_) | Ended::SetAside(_) => None,
        }
    }

    /// The failure of `input`, if that is what became of it.
    #[must_use]
    pub fn failed(&self, input: &Path) -> Option<&Failed> {
        match self.ended(input)? {
            Ended::Failed(failed) => Some(failed),
            Ended::Done(_) | Ended::SetAside(_) => None,
        }
    }

    /// Why `input` is left alone, if that is what became of it.
    #[must_use]
    pub fn set_aside(&self, input: &Path) -> Option<&SetAside> {
        match self.ended(input)? {
            Ended::SetAside(aside) => Some(aside),
            Ended::Done(_) | Ended::Failed(_) => None,
        }
    }

    /// All outputs, in no order that means anything.
    pub fn all_done(&self) -> impl Iterator<Item = &Done> {
        self.ended.iter().flatten().filter_map(|ended| match ended {
            Ended::Done(done) => Some(done),
            Ended::Failed(_) | Ended::SetAside(_) => None,
        })
    }

    /// All failures, in no order that means anything.
    pub fn all_failed(&self) -> impl Iterator<Item = &Failed> {
        self.ended.iter().flatten().filter_map(|ended| match ended {
            Ended::Failed(failed) => Some(failed),
            Ended::Done(_) | Ended::SetAside(_) => None,
        })
    }

    /// All inputs that are left alone, in no order that means anything.
    pub fn all_set_aside(&self) -> impl Iterator<Item = &SetAside> {
        self.ended.iter().flatten().filter_map(|ended| match ended {
            Ended::SetAside(aside) => Some(aside),
            Ended::Done(_) | Ended::Failed(_) => None,
        })
    }

    /// How many inputs there are of each kind.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            done: self.all_done().count(),
            failed: self.all_failed().count(),
            set_aside: self.all_set_aside().count(),
        }
    }

    /// Inputs that were in hand when a run broke off, by path, with the number of such runs. Those in
    /// hand where the journal ends count, too: its run is over, or else they are just being done.
    #[must_use]
    pub fn suspects(&self) -> BTreeMap<&Path, u32> {
        let mut suspects: BTreeMap<_, _> =
            self.suspects.iter().map(|(input, &crashes)| (input.as_path(), crashes)).collect();
        for input in self.in_hand.keys() {
            let crashes = suspects.entry(input).or_default();
            *crashes = crashes.saturating_add(1);
        }
        suspects
    }

    /// Inputs in hand where the journal ends, with the rank that has them.
    #[must_use]
    pub fn in_hand(&self) -> &BTreeMap<PathBuf, u32> {
        &self.in_hand
    }

    /// The run that began last.
    #[must_use]
    pub fn last_run(&self) -> Option<&LastRun> {
        self.last_run.as_ref()
    }

    /// What of the journal could not be read.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// The file that keeps the damaged bytes, after [`Journal::open`](super::Journal::open).
    #[must_use]
    pub fn damage_kept_in(&self) -> Option<&Path> {
        self.damage_kept_in.as_deref()
    }

    /// Records that were read.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The fewest records that add up to this state, in an order that does.
    pub fn live_records(&self) -> impl Iterator<Item = Record> {
        let started = self.last_run.iter().map(|run| Record::RunStarted(run.started.clone()));
        let ended = self.ended.iter().flatten().map(|ended| match ended {
            Ended::Done(done) => Record::Done(done.clone()),
            Ended::Failed(failed) => Record::Failed(failed.clone()),
            Ended::SetAside(aside) => Record::SetAside(aside.clone()),
        });
        let suspects = self.suspects.iter().map(|(input, &crashes)| {
            Record::Suspected(Suspected { input: input.clone(), crashes })
        });
        let in_hand = self.in_hand.iter();
        let in_hand = in_hand.map(|(input, &rank)| Record::Given { input: input.clone(), rank });
        let run_ended = self.last_run.iter().filter_map(|run| run.ended.clone());
        started.chain(ended).chain(suspects).chain(in_hand).chain(run_ended.map(Record::RunEnded))
    }

    /// Number of [`live_records`](Self::live_records).
    #[must_use]
    pub fn live(&self) -> u64 {
        let runs = self.last_run.as_ref().map_or(0, |run| 1 + usize::from(run.ended.is_some()));
        (self.by_input.len() + self.suspects.len() + self.in_hand.len() + runs) as u64
    }

    pub(super) fn set_damage(&mut self, damage: Vec<Damage>) {
        self.damage = damage;
    }

    pub(super) fn set_damage_kept_in(&mut self, path: PathBuf) {
        self.damage_kept_in = Some(path);
    }

    fn ended(&self, input: &Path) -> Option<&Ended> {
        self.ended[*self.by_input.get(&PathKey::of(input))?].as_ref()
    }

    fn suspect(&mut self, input: PathBuf, crashes: u32) {
        let count = self.suspects.entry(input).or_default();
        *count = count.saturating_add(crashes);
    }

    fn end(&mut self, ended: Ended) {
        self.in_hand.remove(ended.input());
        self.suspects.remove(ended.input());
        let input = PathKey::of(ended.input());
        if let Some(&before) = self.by_input.get(&input) {
            self.forget(before);
        }
        let output = ended.output().map(PathKey::of);
        if let Some(&other) = output.and_then(|output| self.by_output.get(&output)) {
            self.forget(other);
        }
        let index = self.ended.len();
        self.by_input.insert(input, index);
        self.by_output.extend(output.map(|output| (output, index)));
        self.ended.push(Some(ended));
    }

    fn forget(&mut self, index: usize) {
        if let Some(ended) = self.ended[index].take() {
            self.by_input.remove(&PathKey::of(ended.input()));
            if let Some(output) = ended.output() {
                self.by_output.remove(&PathKey::of(output));
            }
        }
    }
}
