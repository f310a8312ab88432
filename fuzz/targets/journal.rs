//! The journal, whatever has become of it.

use std::io::Cursor;
use std::ops::Range;
use std::path::Path;
use std::sync::LazyLock;

use mpix::journal::{Damage, DamageKind, Record, State, read_from};

use super::memory;

/// A journal with a record of each kind.
const WHOLE: &[u8] = include_bytes!("../../tests/journal/version_1.journal");
const HEADER: usize = 40;
const MARK: [u8; 4] = [0xF8, b'm', b'p', 1];
const BEFORE: usize = 16;
const CHECKSUM: usize = 16;
/// Edits of one journal.
const MAX_EDITS: usize = 16;
/// The reader's window, and what is kept of each record and each piece of damage.
const WINDOW: u64 = 1 << 14;
const MEMORY_PER_BYTE: u64 = 64;

/// Where each record of [`WHOLE`] stands.
static FRAMES: LazyLock<Vec<Range<usize>>> = LazyLock::new(|| {
    let mut frames = Vec::new();
    let mut at = HEADER;
    while let Some(frame) = frame_at(WHOLE, at) {
        frames.push(frame.clone());
        at = frame.end;
    }
    assert_eq!((frames.len() as u64, at), (state_of(WHOLE).records(), WHOLE.len()));
    frames
});

fn frame_at(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let before = bytes.get(at..at + BEFORE).filter(|before| before.starts_with(&MARK))?;
    let payload = u32::from_le_bytes([before[4], before[5], before[6], before[7]]) as usize;
    let sum = at + BEFORE + payload;
    let is_whole = checksum(bytes.get(at..sum)?) == bytes.get(sum..sum + CHECKSUM)?;
    is_whole.then_some(at..sum + CHECKSUM)
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    *blake3::hash(bytes).as_bytes().first_chunk().expect("32 bytes")
}

fn record_of(frame: &[u8]) -> Option<Record> {
    let payload = &frame[BEFORE..frame.len() - CHECKSUM];
    postcard::take_from_bytes(payload)
        .ok()
        .filter(|(_, rest)| rest.is_empty())
        .map(|(record, _)| record)
}

fn state_of(bytes: &[u8]) -> State {
    let read = || read_from(&mut Cursor::new(bytes), Path::new("journal"));
    let (taken, state) = memory::peak(read);
    assert!(taken <= MEMORY_PER_BYTE * bytes.len() as u64 + WINDOW, "{taken} bytes of memory");
    let state = state.expect("nothing but a later version is refused");
    let mut end = 0;
    for Damage { offset, bytes: length, .. } in state.damage() {
        assert!(*offset >= end && *length > 0, "damage in order");
        end = offset + length;
    }
    assert!(end <= bytes.len() as u64, "damage behind the end");
    state
}

/// What a state says, without order.
fn said(state: &State) -> Vec<String> {
    let mut said: Vec<_> = state.live_records().map(|record| format!("{record:?}")).collect();
    said.sort();
    said
}

fn assert_says(state: &State, records: impl IntoIterator<Item = Record>) {
    let mut expected = State::default();
    records.into_iter().for_each(|record| expected.apply(record));
    assert_eq!(state.records(), expected.records());
    assert_eq!(said(state), said(&expected));
}

/// Any bytes: a result counts as done only if a whole record, checksum and all, says so.
pub(super) fn any_bytes(bytes: &[u8]) {
    if is_later_version(bytes) {
        return;
    }
    let state = state_of(bytes);
    let whole: Vec<Record> =
        (0..bytes.len()).filter_map(|at| record_of(&bytes[frame_at(bytes, at)?])).collect();
    for done in state.all_done() {
        assert!(whole.contains(&Record::Done(done.clone())), "{done:?} stands nowhere");
    }
    assert!(state.records() <= whole.len() as u64);
}

fn is_later_version(bytes: &[u8]) -> bool {
    bytes.get(8..12).is_some_and(|version| version != 1_u32.to_le_bytes())
        && bytes.starts_with(&WHOLE[..8])
        && bytes.get(..HEADER).is_some_and(|header| {
            let (said, sum) = header.split_at(HEADER - CHECKSUM);
            checksum(said) == sum
        })
}

/// A journal that is cut, overwritten and grown at places that the bytes tell: the records that are
/// still whole are read, in their order, and no other.
pub(super) fn damaged(edits: &[u8]) {
    let journal = edited(edits);
    let whole = (0..journal.len()).filter_map(|at| {
        let frame = FRAMES.iter().find(|frame| journal[at..].starts_with(&WHOLE[(*frame).clone()]));
        record_of(&WHOLE[frame?.clone()])
    });
    assert_says(&state_of(&journal), whole);
}

/// Each edit: what to do, at which place, how many bytes (three numbers), and the bytes if it needs
/// some.
fn edited(edits: &[u8]) -> Vec<u8> {
    let mut journal = WHOLE.to_vec();
    let mut rest = edits;
    for _ in 0..MAX_EDITS {
        let [what, high, low, length, behind @ ..] = rest else { break };
        let at = usize::from(u16::from_be_bytes([*high, *low])) % (journal.len() + 1);
        let length = usize::from(*length);
        let own = &behind[..length.min(behind.len())];
        rest = behind;
        match what % 4 {
            0 => drop(journal.drain(at..journal.len().min(at + length))),
            1 => {
                rest = &behind[own.len()..];
                let end = journal.len().min(at + own.len());
                journal.splice(at..end, own.iter().copied());
            }
            2 => {
                rest = &behind[own.len()..];
                journal.splice(at..at, own.iter().copied());
            }
            _ => journal.truncate(at),
        }
    }
    journal
}

/// Whole records, whose payloads are the pieces of `bytes` between bytes 0xF8: each is understood or
/// told as damage, and a journal that is written anew says the same.
pub(super) fn any_payloads(bytes: &[u8]) {
    let mut journal = WHOLE[..HEADER].to_vec();
    let salt = &WHOLE[BEFORE..BEFORE + 8];
    let payloads = || bytes.split(|&byte| byte == MARK[0]);
    for payload in payloads() {
        let Ok(length) = u32::try_from(payload.len()) else { return };
        let start = journal.len();
        journal.extend([&MARK, &length.to_le_bytes()[..], salt, payload].concat());
        journal.extend(checksum(&journal[start..]));
    }
    let state = state_of(&journal);
    let unknown = state.damage().iter().filter(|damage| damage.kind == DamageKind::Unknown).count();
    assert_eq!(unknown, state.damage().len(), "whole records are no other damage");
    assert_eq!(state.records() + unknown as u64, payloads().count() as u64);
    let mut anew = State::default();
    state.live_records().for_each(|record| anew.apply(record));
    assert_eq!(said(&anew), said(&state));
}
