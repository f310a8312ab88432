//! Several logs as one.

use std::io;
use std::path::{Path, PathBuf};

use super::tail::Tail;
use crate::events::Entry;

/// The entries of several logs in order of time, also of logs that grow. Each log keeps its own
/// order, also where its clock was set back.
#[derive(Debug)]
pub(super) struct Merged {
    feeds: Vec<Feed>,
}

/// A log, and its next entry, whose line the tail still holds.
#[derive(Debug)]
struct Feed {
    tail: Tail,
    next: Option<Entry>,
    /// Whether all was read that was there.
    is_dry: bool,
    garbled: usize,
}

impl Merged {
    pub(super) fn open(logs: &[PathBuf]) -> io::Result<Self> {
        let feed = |log: &PathBuf| {
            Tail::open(log).map(|tail| Feed { tail, next: None, is_dry: false, garbled: 0 })
        };
        Ok(Self { feeds: logs.iter().map(feed).collect::<io::Result<_>>()? })
    }

    /// The next entry and its line, if there is one by now: no log waits for another to grow.
    pub(super) fn next(&mut self) -> io::Result<Option<(Entry, &[u8])>> {
        for feed in &mut self.feeds {
            feed.read()?;
        }
        if self.feeds.iter().all(|feed| feed.next.is_none()) {
            self.feeds.iter_mut().for_each(|feed| feed.is_dry = false);
            return Ok(None);
        }
        let waiting = self.feeds.iter_mut().filter(|feed| feed.next.is_some());
        let first = waiting.min_by_key(|feed| feed.next.as_ref().map(|entry| entry.time));
        Ok(first.and_then(|feed| Some((feed.next.take()?, feed.tail.line()))))
    }

    /// Lines that are no entries, when all is read; one that is not whole will be none.
    pub(super) fn garbled(&mut self) -> usize {
        let of = |feed: &mut Feed| feed.garbled + usize::from(!feed.tail.rest().is_empty());
        self.feeds.iter_mut().map(of).sum()
    }

    /// Logs whose first files are not there, with the number of the one that they begin with.
    pub(super) fn cut(&self) -> impl Iterator<Item = (&Path, u32)> {
        let number = |feed: &Feed| feed.tail.begins_with().filter(|&number| number > 1);
        self.feeds.iter().filter_map(move |feed| Some((feed.tail.first(), number(feed)?)))
    }
}

impl Feed {
    fn read(&mut self) -> io::Result<()> {
        while self.next.is_none() && !self.is_dry {
            match self.tail.next()?.map(serde_json::from_slice) {
                Some(Ok(entry)) => self.next = Some(entry),
                Some(Err(_)) => self.garbled += 1,
                None => self.is_dry = true,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Level, LogFile, RunEvent};

    fn put(log: &Path, second: i64) {
        let event = RunEvent::ImageDoneBefore { image: second.to_string() };
        let time = jiff::Timestamp::from_second(second).unwrap();
        let entry = Entry { time, level: Level::Info, event };
        LogFile::open(log).unwrap().append(&entry).unwrap();
    }

    fn all(merged: &mut Merged) -> Vec<i64> {
        let mut seconds = Vec::new();
        while let Some((entry, line)) = merged.next().unwrap() {
            assert_eq!(line, [serde_json::to_vec(&entry).unwrap(), b"\n".to_vec()].concat());
            seconds.push(entry.time.as_second());
        }
        seconds
    }

    #[test]
    fn entries_come_in_order_of_time_and_no_log_waits_for_another() {
        let dir = tempfile::tempdir().unwrap();
        let logs = ["a.jsonl", "b.jsonl"].map(|name| dir.path().join(name));
        for (log, second) in [(0, 1), (1, 2), (0, 3), (0, 4), (1, 9), (1, 5)] {
            put(&logs[log], second);
        }
        let mut merged = Merged::open(&logs).unwrap();
        assert_eq!(all(&mut merged), [1, 2, 3, 4, 9, 5], "each in its own order");
        put(&logs[0], 10);
        assert_eq!(all(&mut merged), [10]);
        put(&logs[1], 12);
        put(&logs[0], 11);
        assert_eq!(all(&mut merged), [11, 12]);
    }

    #[test]
    fn a_log_may_come_later_and_hold_nonsense() {
        let dir = tempfile::tempdir().unwrap();
        let logs = ["a.jsonl", "b.jsonl"].map(|name| dir.path().join(name));
        let mut merged = Merged::open(&logs).unwrap();
        assert!(all(&mut merged).is_empty());
        crate::events::replace(dir.path(), "b.jsonl", b"nonsense\n").unwrap();
        put(&logs[1], 1);
        put(&dir.path().join("a.2.jsonl"), 0);
        assert_eq!(all(&mut merged), [0, 1]);
        assert_eq!((merged.garbled(), merged.cut().count()), (1, 0));
        let again = Merged::open(&logs).unwrap();
        assert_eq!(again.cut().collect::<Vec<_>>(), [(logs[0].as_path(), 2)]);
    }
}
