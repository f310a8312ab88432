//! The state against a model so simple that one sees it is right.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use mpix::journal::*;
use proptest::prelude::*;

use crate::records::*;

/// All records of one journal, asked anew for each question.
#[derive(Default)]
struct Model {
    records: Vec<Record>,
}

fn ends(record: &Record) -> Option<PathBuf> {
    match record {
        Record::Done(done) => Some(done.input.path.clone()),
        Record::Failed(failed) => Some(failed.input.clone()),
        Record::SetAside(aside) => Some(aside.input.clone()),
        _ => None,
    }
}

impl Model {
    /// The last end of each input, unless another input was written to its output since.
    fn ends(&self) -> BTreeMap<PathBuf, &Record> {
        let mut found = BTreeMap::new();
        for (at, record) in self.records.iter().enumerate() {
            let Some(input) = ends(record) else { continue };
            let overwritten = self.records[at + 1..].iter().any(|later| match (record, later) {
                (Record::Done(done), Record::Done(later)) => later.output == done.output,
                _ => false,
            });
            let ended_later =
                self.records[at + 1..].iter().any(|r| ends(r).as_ref() == Some(&input));
            if !overwritten && !ended_later {
                found.insert(input, record);
            }
        }
        found
    }

    /// For each input, the runs since its last end that broke off with it in hand.
    fn suspects(&self) -> BTreeMap<PathBuf, u32> {
        let given = self.records.iter().filter_map(|record| match record {
            Record::Given { input, .. } => Some(input.clone()),
            _ => None,
        });
        let mut suspects = BTreeMap::new();
        for input in given.collect::<BTreeSet<_>>() {
            let (mut in_hand, mut crashes) = (false, 0);
            for record in &self.records {
                match record {
                    Record::RunStarted(_) => {
                        crashes += u32::from(in_hand);
                        in_hand = false;
                    }
                    Record::Given { input: given, .. } if *given == input => in_hand = true,
                    Record::Returned { input: back } if *back == input => in_hand = false,
                    other if ends(other).as_ref() == Some(&input) => {
                        (in_hand, crashes) = (false, 0)
                    }
                    _ => {}
                }
            }
            if crashes + u32::from(in_hand) > 0 {
                suspects.insert(input, crashes + u32::from(in_hand));
            }
        }
        suspects
    }

    fn last_run(&self) -> Option<LastRun> {
        let at = self.records.iter().rposition(|r| matches!(r, Record::RunStarted(_)))?;
        let Record::RunStarted(started) = &self.records[at] else { return None };
        let ended = self.records[at..].iter().rev().find_map(|record| match record {
            Record::RunEnded(ended) if ended.run == started.run => Some(ended.clone()),
            _ => None,
        });
        Some(LastRun { started: started.clone(), ended })
    }

    fn check(&self, state: &State) {
        let ends = self.ends();
        let mut counts = Counts::default();
        for (input, record) in &ends {
            match record {
                Record::Done(done) => {
                    counts.done += 1;
                    assert_eq!(state.done(input), Some(done));
                }
                Record::Failed(failed) => {
                    counts.failed += 1;
                    assert_eq!(state.failed(input), Some(failed));
                }
                Record::SetAside(aside) => {
                    counts.set_aside += 1;
                    assert_eq!(state.set_aside(input), Some(aside));
                }
                _ => unreachable!(),
            }
        }
        assert_eq!(state.counts(), counts);
        let suspects = state.suspects();
        let suspects: BTreeMap<_, _> =
            suspects.into_iter().map(|(input, crashes)| (input.to_path_buf(), crashes)).collect();
        assert_eq!(suspects, self.suspects());
        assert_eq!(state.last_run().cloned(), self.last_run());
    }
}

fn any_record() -> impl Strategy<Value = Record> {
    let name = || prop::sample::select(vec![&b"a"[..], b"b", b"c", b"\xff", b"e"]);
    prop_oneof![
        2 => (1u64..4).prop_map(started),
        6 => name().prop_map(given),
        2 => name().prop_map(returned),
        4 => (name(), name()).prop_map(|(input, output)| done(input, output)),
        1 => name().prop_map(failed),
        1 => (name(), 1u32..4).prop_map(|(input, crashes)| set_aside(input, crashes)),
        1 => (1u64..4).prop_map(ended),
    ]
}

proptest! {
    #![proptest_config(cases(300))]

    /// Whatever is written, in however many sittings, damaged at the end or not, rewritten or not.
    #[test]
    fn a_state_is_what_the_model_says(
        sittings in prop::collection::vec(
            (prop::collection::vec(any_record(), 0..40), any::<bool>()), 1..6),
    ) {
        let dir = directory();
        let mut model = Model::default();
        for (records, torn) in sittings {
            let (mut journal, mut state) = Journal::open(dir.path()).unwrap();
            model.check(&state);
            for record in records {
                journal.append(&record).unwrap();
                state.apply(record.clone());
                model.records.push(record);
            }
            journal.sync().unwrap();
            model.check(&state);
            if torn {
                let mut bytes = std::fs::read(journal_of(dir.path())).unwrap();
                bytes.extend(b"\xF8mp\x01\x20\0\0\0torn");
                put(&journal_of(dir.path()), &bytes);
            }
            model.check(&read(dir.path()).unwrap());
        }
    }
}

#[test]
fn records_that_count_no_more_are_dropped_at_the_next_opening() {
    let dir = directory();
    let (mut journal, mut state) = Journal::open(dir.path()).unwrap();
    for turn in 0..500u32 {
        for record in [given(b"a.png"), done(b"a.png", b"a.png"), done(b"b.png", b"b.png")] {
            journal.append(&record).unwrap();
            state.apply(record);
        }
        let record = given(format!("in hand {}", turn % 7).as_bytes());
        journal.append(&record).unwrap();
        state.apply(record);
    }
    journal.sync().unwrap();
    let before = std::fs::metadata(journal_of(dir.path())).unwrap().len();
    let (mut journal, opened) = Journal::open(dir.path()).unwrap();
    assert_eq!((opened.records(), opened.live()), (2000, 9));
    let after = std::fs::metadata(journal_of(dir.path())).unwrap().len();
    assert!(after * 100 < before, "{before} bytes became {after}");
    journal.append(&started(2)).unwrap();
    journal.sync().unwrap();
    state.apply(started(2));
    assert_eq!(said(&read(dir.path()).unwrap()), said(&state));
    assert_eq!(read(dir.path()).unwrap().records(), 10);
}
