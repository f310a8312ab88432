//! A journal of many records: how long it takes, and how much memory.

use std::time::Instant;

use mpix::journal::*;

use crate::records::*;

/// Set `MPIX_JOURNAL_RECORDS` for another number than 100,000.
#[test]
fn many_records_open_soon() {
    let records = std::env::var("MPIX_JOURNAL_RECORDS");
    let images = records.map_or(50_000, |records| records.parse::<u64>().unwrap() / 2);
    let dir = directory();
    let (mut journal, _) = Journal::open(dir.path()).unwrap();
    let began = Instant::now();
    for image in 0..images {
        let input = format!("/data/photographs/2024/shoot-{}/image-{image:07}.jpg", image / 1000);
        let output = format!("shoot-{}/image-{image:07}.jpg", image / 1000);
        journal.append(&given(input.as_bytes())).unwrap();
        journal.append(&done(input.as_bytes(), output.as_bytes())).unwrap();
    }
    journal.sync().unwrap();
    let written = began.elapsed();
    drop(journal);
    let bytes = std::fs::metadata(journal_of(dir.path())).unwrap().len();
    let before = memory("VmRSS:");
    let began = Instant::now();
    let (_, state) = Journal::open(dir.path()).unwrap();
    let opened = began.elapsed();
    let after = memory("VmRSS:");
    assert_eq!(state.counts().done as u64, images);
    assert_eq!(state.records(), 2 * images);
    println!(
        "{} records, {bytes} bytes: written in {written:.2?}, opened in {opened:.2?}, {} MiB more, \
         {} MiB at most",
        2 * images,
        after.saturating_sub(before) >> 10,
        memory("VmHWM:") >> 10,
    );
    // Damage makes opening write it all anew.
    let mut file = std::fs::read(journal_of(dir.path())).unwrap();
    file.extend(b"rubbish");
    put(&journal_of(dir.path()), &file);
    drop((file, state));
    let began = Instant::now();
    let (_, state) = Journal::open(dir.path()).unwrap();
    println!("written anew in {:.2?}", began.elapsed());
    assert_eq!(state.counts().done as u64, images);
}

/// Damage where the reader passes from one piece of the file to the next, and all over.
#[test]
fn many_records_with_damage_all_over() {
    let dir = directory();
    let records: Vec<_> = (0..60_000)
        .map(|image| format!("{image}.png").into_bytes())
        .map(|name| done(&name, &name))
        .collect();
    let (mut journal, _) = Journal::open(dir.path()).unwrap();
    records.iter().for_each(|record| journal.append(record).unwrap());
    journal.sync().unwrap();
    let mut bytes = std::fs::read(journal_of(dir.path())).unwrap();
    let piece = 4 << 20;
    let borders = (piece..bytes.len()).step_by(piece).flat_map(|border| border - 40..border + 40);
    let flips: Vec<_> = (1000..bytes.len()).step_by(77_777).chain(borders).collect();
    assert!(flips.len() > 200);
    flips.iter().for_each(|&at| bytes[at] ^= 0x10);
    let state = state_of(&bytes);
    let hit = |damage: &Damage| {
        let range = damage.offset..damage.offset + damage.bytes;
        flips.iter().any(|&at| range.contains(&(at as u64)))
    };
    assert!(state.damage().iter().all(hit));
    let bad: u64 = state.damage().iter().map(|damage| damage.bytes).sum();
    let whole = records.iter().filter(|record| match record {
        Record::Done(done) => state.done(&done.input.path) == Some(done),
        _ => false,
    });
    assert_eq!(whole.count() as u64, state.records());
    let each = (bytes.len() as u64 - 40) / records.len() as u64;
    assert!(records.len() as u64 - state.records() <= bad / each + 1);
}

/// Bytes that look like the start of a long record, over and over, behind a header that is lost.
#[test]
fn bytes_made_to_cost_time_do_not() {
    let start = b"\xF8mp\x01\xF0\x3F\0\0saltsalt";
    let began = Instant::now();
    assert_eq!(state_of(&start.repeat(1 << 16)).records(), 0);
    println!("1 MiB of starts: {:.2?}", began.elapsed());
}

/// How often a record can be made to last, on the disk that holds the temporary files.
#[test]
fn records_made_to_last_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(dir.path()).unwrap();
    let began = Instant::now();
    for image in 0..200 {
        let name = format!("image-{image:07}.jpg");
        journal.append(&done(name.as_bytes(), name.as_bytes())).unwrap();
        journal.sync().unwrap();
    }
    println!("{:.0} syncs a second", 200.0 / began.elapsed().as_secs_f64());
    assert_eq!(read(dir.path()).unwrap().counts().done, 200);
}

/// A line of `/proc/self/status`, in KiB.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0");
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}
