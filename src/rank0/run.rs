//! One run: from a list of files to a result or a failure for each.

mod deadline;
mod in_bands;
mod results;
mod stop;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

pub(super) use self::results::WriteFailure;
use self::stop::Stop;
use super::account::{About, Account};
use super::bands::BandImage;
use super::earlier::Verdict;
use super::ledger::Ledger;
use super::queue::Queue;
use super::reading::{Content, Loaded, Reading};
use super::threads::Threads;
use super::vigil::Vigil;
use super::watchers::Watchers;
use super::{Desk, Event};
use crate::error::{BugError, Error, ImageError, OutputError, with_causes};
use crate::plan::{Hands, files_ahead};
use crate::source::Entry;
use crate::transport::message::{FileSeen, Message, SharedFiles, ToRank};

/// Threads that write: most of their time they wait for the disk to say that it is done.
const WRITERS: usize = 4;
/// How long a run that has lost its output directory waits for results that are being written.
const LAST_WRITES: Duration = Duration::from_secs(2);

/// A whole image that a rank has in hand.
#[derive(Debug)]
struct Given {
    rank: usize,
    loaded: Loaded,
    /// Whether the rank has filtered it, and writes the result.
    is_filtered: bool,
}

impl Given {
    fn bytes(&self) -> u64 {
        self.loaded.need.on_rank
    }
}

/// A run under way.
pub(crate) struct Run<'a> {
    reading: Arc<Reading>,
    entries: Arc<Vec<Entry>>,
    desk: &'a mut Desk,
    readers: Threads,
    writers: Threads,
    queue: Queue,
    being_read: HashSet<usize>,
    ready: VecDeque<(usize, Loaded)>,
    hands: Hands,
    given: HashMap<usize, Given>,
    /// In the order they came: the first gets all ranks.
    in_bands: Vec<BandImage>,
    /// For each rank, whether it reads and writes files itself.
    sees_files: Vec<bool>,
    /// Images that had changed when they were to be read.
    changed: HashSet<usize>,
    /// Images whose time was over: what comes back of them is dropped.
    given_up: HashSet<usize>,
    account: Account,
    stop: Option<Stop>,
    /// Files that were begun and given back at a stop.
    given_back: usize,
    missing_bytes: u64,
    /// Whether it was told how long the rest will take.
    is_foreseen: bool,
    vigil: Vigil,
}

impl<'a> Run<'a> {
    /// Tells all ranks what the run is about.
    pub(crate) fn new(
        reading: Arc<Reading>,
        entries: Arc<Vec<Entry>>,
        books: (Ledger, Watchers),
        (desk, vigil): (&'a mut Desk, Vigil),
    ) -> Result<Self, BugError> {
        for (rank, plan) in reading.cluster.ranks.iter().enumerate() {
            let mut work = reading.job.work.clone();
            work.threads = plan.threads;
            work.kept_buffers = reading.cluster.kept_buffers(rank);
            desk.hub.send(rank, Message::bare(ToRank::Start(work)))?;
        }
        let threads = reading.cluster.threads();
        let about = About { op: reading.job.work.chain_text(), hosts: reading.cluster.hosts() };
        let settings = reading.earlier.settings;
        Ok(Self {
            readers: Threads::start(threads.div_ceil(4).clamp(2, 8), &desk.to_events),
            writers: Threads::start(WRITERS, &desk.to_events),
            queue: Queue::new(entries.len()),
            being_read: HashSet::new(),
            ready: VecDeque::new(),
            hands: Hands::new(&reading.cluster),
            given: HashMap::new(),
            in_bands: Vec::new(),
            sees_files: reading.cluster.ranks.iter().map(|rank| rank.sees_files).collect(),
            changed: HashSet::new(),
            given_up: HashSet::new(),
            account: Account::new(Arc::clone(&entries), settings, about, books),
            stop: None,
            given_back: 0,
            missing_bytes: 0,
            is_foreseen: false,
            vigil,
            reading,
            entries,
            desk,
        })
    }

    /// Goes on until every file has its result or its failure, or until it must stop. Returns the
    /// exit code.
    pub(crate) fn carry_out(mut self) -> Result<u8, Error> {
        match self.go_on() {
            Ok(()) => self.end(),
            Err(error) => {
                if let Error::Output(OutputError::Lost { .. }) = error {
                    // No later run tidies up after this one: it is the later one that it lost to.
                    self.in_bands.clear();
                    self.drop_results(LAST_WRITES);
                }
                self.account.broken_off(&error);
                Err(error)
            }
        }
    }

    fn go_on(&mut self) -> Result<(), Error> {
        loop {
            self.look_ahead();
            self.read_ahead()?;
            self.hand_out()?;
            let left = self.queue.left() > 0 || self.queue.is_looking();
            if self.account.under_way() == 0 && (self.stop.is_some() || !left) {
                return Ok(());
            }
            if let Some(event) = self.desk.next()? {
                self.react(event)?;
            }
            self.look_at_the_clock()?;
        }
    }

    /// Has the next files looked at: whether an earlier run has done them.
    fn look_ahead(&mut self) {
        if self.stop.is_some() {
            return;
        }
        if let Some(batch) = self.queue.next_batch() {
            let (reading, entries) = (Arc::clone(&self.reading), Arc::clone(&self.entries));
            self.readers.add("the journal".to_owned(), move || {
                let verdicts = reading.earlier.look(batch.clone(), &entries, &reading.job);
                Event::Looked(batch.start, verdicts)
            });
        }
    }

    fn take_verdicts(&mut self, first: usize, verdicts: Vec<Verdict>) -> Result<(), OutputError> {
        self.queue.looked();
        let limit = self.reading.job.settings.crash_limit;
        for (image, verdict) in (first..).zip(verdicts) {
            match (verdict, &self.entries[image].problem) {
                (_, Some(problem)) => self.account.refuse(image, problem),
                (Verdict::New, None) => self.queue.add(image),
                (Verdict::Done, None) => self.account.done_before(image),
                (Verdict::Failed(error), None) => self.account.refuse(image, &error),
                (Verdict::Suspect(crashes), None) if crashes >= limit => {
                    self.account.set_aside(image, crashes)?;
                }
                (Verdict::Suspect(_), None) => self.queue.add_suspect(image),
            }
        }
        Ok(())
    }

    fn read_ahead(&mut self) -> Result<(), OutputError> {
        let cluster = &self.reading.cluster;
        let ahead = files_ahead(cluster.ranks.len(), cluster.threads());
        while self.stop.is_none() && self.ahead() < ahead {
            let Some(image) = self.queue.next(self.account.under_way()) else { break };
            self.account.begin(image)?;
            self.look_at(image);
        }
        Ok(())
    }

    fn look_at(&mut self, image: usize) {
        self.read(image, move |reading, entry, works| {
            works();
            Event::Read(image, reading.load(entry, works))
        });
    }

    /// Has a reader do `task` for an image, which says when it works on it.
    fn read(
        &mut self,
        image: usize,
        task: impl FnOnce(&Reading, &Entry, &dyn Fn()) -> Event + Send + 'static,
    ) {
        self.being_read.insert(image);
        let (reading, entries) = (Arc::clone(&self.reading), Arc::clone(&self.entries));
        let name = self.entries[image].input.display().to_string();
        let events = self.desk.to_events.clone();
        self.readers.add(name, move || {
            // Rank 0 hears of it when it is there to hear.
            let works = || _ = events.send(Event::Reading(image));
            task(&reading, &entries[image], &works)
        });
    }

    /// Files that are read or have been, and are at no rank or at all of them.
    fn ahead(&self) -> usize {
        self.being_read.len() + self.ready.len() + self.in_bands.len()
    }

    /// Gives work to ranks that have less than they can do, bands first.
    fn hand_out(&mut self) -> Result<(), BugError> {
        self.hand_out_bands()?;
        while let Some((index, rank)) = self.next_image() {
            self.give_image(index, rank)?;
        }
        Ok(())
    }

    /// An image that is ready, and a rank with room for it: the first, or one that goes where the
    /// first never could.
    fn next_image(&self) -> Option<(usize, usize)> {
        if self.ready.is_empty() {
            return None;
        }
        let mut waiting = None;
        let begun = self.being_read.iter().filter(|image| !self.given.contains_key(image));
        let left = self.queue.left() + begun.count() + self.ready.len();
        let foresight = self.reading.foresight();
        self.ready.iter().enumerate().find_map(|(index, (_, loaded))| {
            let bytes = loaded.need.on_rank;
            let load = foresight.load(&loaded.shape, &self.reading.chain);
            let pace = |rank: usize| foresight.pace(&load, rank, self.sees_files[rank]);
            let rank = self.hands.for_image((bytes, left), waiting, pace);
            waiting = waiting.or(Some(bytes));
            Some((index, rank?))
        })
    }

    fn give_image(&mut self, index: usize, rank: usize) -> Result<(), BugError> {
        let Some((image, loaded)) = self.ready.remove(index) else { return Ok(()) };
        self.hands.give_image(rank, loaded.need.on_rank);
        self.account.given(image, rank);
        let seen = loaded.seen;
        let given = Given { rank, loaded, is_filtered: false };
        if self.sees_files[rank] {
            let Entry { output, .. } = &self.entries[image];
            let (input, output) = (self.entries[image].key(), output.clone());
            let files = SharedFiles { input, seen, output };
            self.send_image(image, &given, (Some(files), Vec::new()))?;
        } else {
            self.fetch(image, seen);
        }
        self.given.insert(image, given);
        Ok(())
    }

    fn send_image(
        &mut self,
        image: usize,
        given: &Given,
        (files, bytes): (Option<SharedFiles>, Vec<u8>),
    ) -> Result<(), BugError> {
        let name = self.entries[image].input.display().to_string();
        let shape = given.loaded.shape;
        let (format, pixel_bytes) = (shape.output, shape.pixel_bytes());
        let header = ToRank::Image { image, name, format, pixel_bytes, files };
        self.desk.hub.send(given.rank, Message::new(header, bytes))
    }

    /// Has the bytes of an image read for its rank, which does not see it.
    fn fetch(&mut self, image: usize, seen: FileSeen) {
        self.read(image, move |reading, entry, works| {
            Event::Fetched(image, reading.fetch(entry, &seen, works))
        });
    }

    /// The bytes of an image are there for its rank.
    fn take_fetched(
        &mut self,
        image: usize,
        bytes: Result<Option<Vec<u8>>, ImageError>,
    ) -> Result<(), Error> {
        // Else its time was over.
        let Some(given) = self.given.remove(&image) else { return Ok(()) };
        self.account.answered(image);
        match bytes {
            Ok(Some(bytes)) if self.stop.is_none() => {
                self.sees_not(image, given.rank);
                self.send_image(image, &given, (None, bytes))?;
                self.given.insert(image, given);
                return Ok(());
            }
            Ok(_) if self.stop.is_some() => self.give_back(image)?,
            Ok(None) if self.changed.insert(image) => self.look_at(image),
            Ok(_) => self.fail(image, &ImageError::Changing)?,
            Err(error) => self.fail(image, &error)?,
        }
        self.hands.take_image(given.rank, given.bytes(), given.is_filtered);
        Ok(())
    }

    /// A rank does not see the file of an image, though rank 0 does.
    fn sees_not(&mut self, image: usize, rank: usize) {
        if std::mem::replace(&mut self.sees_files[rank], false) {
            let name = self.entries[image].input.display();
            log::info!("rank {rank} does not see `{name}`: it gets files as bytes");
        }
    }

    fn fail(&mut self, image: usize, error: &ImageError) -> Result<(), OutputError> {
        self.account.fail(image, error.kind(), &with_causes(error))
    }

    fn react(&mut self, event: Event) -> Result<(), Error> {
        match event {
            Event::Prepared | Event::Dropped => {}
            Event::Looked(first, verdicts) => self.take_verdicts(first, verdicts)?,
            Event::Reading(image) => self.account.work_goes_on(image),
            Event::Read(image, loaded) => {
                // Else its time was over.
                if self.being_read.remove(&image) {
                    match loaded {
                        Ok(loaded) => self.take_loaded(image, loaded)?,
                        Err(error) => self.fail(image, &error)?,
                    }
                }
            }
            Event::Fetched(image, bytes) => {
                if self.being_read.remove(&image) {
                    self.take_fetched(image, bytes)?;
                }
            }
            Event::Source(image, said) => self.take_source(image, said)?,
            Event::Identified(image, identity) => self.take_identity(image, identity)?,
            Event::Begun(image, place) => self.take_begun(image, place),
            Event::Sunk(image) => self.take_sunk(image),
            Event::Written(image, _) if self.given_up.contains(&image) => {}
            Event::Written(image, Ok(written)) => {
                self.bands_written(image, written.encode);
                self.account.done(image, &written)?;
            }
            Event::Written(image, Err(failure)) => {
                self.drop_bands(image)?;
                self.take_write_failure(image, failure)?;
            }
            Event::Recorded(images) => self.account.recorded(images)?,
            Event::Message(from, message) => self.take_message(from, message)?,
            Event::Log(level, text) => self.account.message(0, level, text),
            Event::Signal(name) if self.stop.is_none() => self.begin_to_stop(Stop::Signal(name))?,
            Event::Signal(_) => return Err(OutputError::StoppedTwice.into()),
            Event::LeaseTrouble(error) => self.take_lease_trouble(error)?,
            Event::Broken(error) => return Err(error),
        }
        Ok(())
    }

    fn take_loaded(&mut self, image: usize, loaded: Loaded) -> Result<(), OutputError> {
        if self.stop.is_some() {
            return self.give_back(image);
        }
        match loaded.content {
            Content::DoneBefore(done) => return self.account.done_again(image, *done),
            Content::Whole => {
                self.account.read(image, loaded.seen, loaded.time);
                self.ready.push_back((image, loaded));
            }
            Content::InBands(_) => {
                self.account.read(image, loaded.seen, loaded.time);
                self.start_bands(image, loaded);
            }
        }
        Ok(())
    }
}
