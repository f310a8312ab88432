//! A file that was begun: who works on it, and what its time goes to.

use std::time::{Duration, Instant};

use super::Written;
use crate::error::FailureKind;
use crate::events::{Distribution, Stages, milliseconds};
use crate::hash::ContentHash;
use crate::transport::message::{FileSeen, Filtered, RankTimes};

/// A file that was begun.
#[derive(Debug)]
pub(super) struct UnderWay {
    pub(super) begun: Instant,
    /// Since when somebody works on it; what `--image-timeout` counts from.
    worked_on: Option<Instant>,
    /// Threads of ranks that have it, or bands of it.
    in_work: usize,
    pub(super) given: Instant,
    pub(super) rank: usize,
    pub(super) distribution: Distribution,
    pub(super) seen: Option<FileSeen>,
    pub(super) content: Option<ContentHash>,
    pub(super) stages: Stages,
    /// What ranks took for its bands, all threads together.
    pub(super) bands: RankTimes,
    /// What is told once the journal's record lasts.
    ending: Option<(Ending, Instant)>,
}

/// How a file ends.
#[derive(Debug)]
pub(super) enum Ending {
    Done { pixels: u64, output_bytes: u64 },
    DoneBefore,
    Failed { kind: FailureKind, reason: String },
}

impl UnderWay {
    /// A file that is begun now.
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            begun: now,
            worked_on: None,
            in_work: 0,
            given: now,
            rank: 0,
            distribution: Distribution::Image,
            seen: None,
            content: None,
            stages: Stages::default(),
            bands: RankTimes::default(),
            ending: None,
        }
    }

    /// A thread of a rank has it, or a band of it, from now on.
    pub(super) fn taken_up(&mut self) {
        self.in_work += 1;
        self.worked_on.get_or_insert_with(Instant::now);
    }

    /// A thread has answered for it, or for a band of it.
    pub(super) fn answered(&mut self) {
        self.in_work = self.in_work.saturating_sub(1);
        if self.in_work == 0 {
            self.worked_on = None;
        }
    }

    /// A reader works on it from now on.
    pub(super) fn goes_on(&mut self) {
        self.worked_on = Some(Instant::now());
    }

    /// Since when somebody works on it, if it has not ended.
    pub(super) fn worked_on(&self) -> Option<Instant> {
        self.worked_on.filter(|_| self.ending.is_none())
    }

    /// A reader is done with it.
    pub(super) fn read(&mut self, seen: FileSeen, read: Duration) {
        (self.seen, self.worked_on) = (Some(seen), None);
        self.stages.read = milliseconds(read);
    }

    /// A rank is done with it.
    pub(super) fn came_back(&mut self, filtered: &Filtered) {
        (self.content, self.worked_on) = (Some(filtered.input), None);
        let times = filtered.times;
        let times =
            [times.read_us, times.decode_us, times.filter_us, times.encode_us, times.write_us]
                .map(Duration::from_micros);
        let on_its_way = self.given.elapsed().saturating_sub(times.iter().sum());
        let [read, decode, filter, encode, write] = times.map(milliseconds);
        let stages = &mut self.stages;
        stages.read += read;
        (stages.decode, stages.filter, stages.encode) = (decode, filter, encode);
        (stages.send, stages.write) = (milliseconds(on_its_way), write);
    }

    /// Its result lasts.
    pub(super) fn done(&mut self, written: &Written) {
        let (pixels, output_bytes) = (written.pixels, written.bytes);
        self.ends(Ending::Done { pixels, output_bytes });
        self.stages.encode += milliseconds(written.encode);
        self.stages.write += milliseconds(written.write);
        if self.distribution == Distribution::Bands {
            self.share_time_of_bands();
        }
    }

    /// Ranks work on bands while rank 0 decodes and writes others: what its threads did not take of
    /// the time went to the ranks.
    fn share_time_of_bands(&mut self) {
        let stages = &mut self.stages;
        let all = milliseconds(self.given.elapsed());
        let at_ranks = (all - stages.decode - stages.encode - stages.write).max(0.0);
        let RankTimes { read_us, filter_us, encode_us, write_us, .. } = self.bands;
        let of_ranks = |us| milliseconds(Duration::from_micros(us));
        let [read, made, write] =
            [read_us, filter_us.saturating_add(encode_us), write_us].map(of_ranks);
        let part = at_ranks / (read + made + write).max(f64::MIN_POSITIVE);
        stages.read += part * read;
        stages.write += part * write;
        stages.filter = at_ranks - part * (read + write);
    }

    /// It has ended, and the journal is to know.
    pub(super) fn ends(&mut self, ending: Ending) {
        self.ending = Some((ending, Instant::now()));
    }

    /// How it has ended, once the journal's record of that lasts.
    pub(super) fn recorded(&mut self) -> Option<Ending> {
        let (ending, since) = self.ending.take()?;
        self.stages.record = milliseconds(since.elapsed());
        Some(ending)
    }
}
