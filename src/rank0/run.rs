//! One run: from a list of files to a result or a failure for each.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::account::{Account, Written};
use super::bands::BandImage;
use super::budget::Permit;
use super::earlier::Verdict;
use super::ledger::Ledger;
use super::progress::Progress;
use super::queue::Queue;
use super::reading::{Content, Loaded, Reading};
use super::threads::Threads;
use super::{Desk, Event};
use crate::error::{BugError, Error, FailureKind, ImageError, OutputError, exit, with_causes};
use crate::image_file::{self, EncodeOptions};
use crate::journal::{LeaseError, OutputHash, RunOutcome};
use crate::plan::Hands;
use crate::source::{Entry, write_whole};
use crate::transport::message::{ImageResult, Message, ToRank, ToRank0};

/// Threads that write: most of their time they wait for the disk to say that it is done.
const WRITERS: usize = 4;
/// Files read ahead for each rank, beside one for every few of its threads.
const AHEAD_PER_RANK: usize = 1;
const THREADS_PER_FILE_AHEAD: usize = 4;

/// Time between two pings: a rank that hears nothing for long ends by itself.
const PING_INTERVAL: Duration = Duration::from_secs(1);

/// A whole image that a rank has in hand.
#[derive(Debug)]
struct Given {
    rank: usize,
    bytes: u64,
    permit: Permit,
    /// Its time is over: what comes back of it is dropped.
    is_given_up: bool,
}

/// Why a run ends before every file has.
#[derive(Debug)]
enum Stop {
    /// A signal asked for it.
    Signal(&'static str),
    /// More files failed than may.
    TooManyFailures,
    /// The output directory cannot be written any more.
    Output(io::Error),
}

/// A run under way.
pub(crate) struct Run<'a> {
    reading: Arc<Reading>,
    entries: Arc<Vec<Entry>>,
    desk: &'a mut Desk,
    readers: Threads,
    writers: Threads,
    queue: Queue,
    being_read: usize,
    ready: VecDeque<(usize, Loaded)>,
    hands: Hands,
    given: HashMap<usize, Given>,
    /// In the order they came: the first gets all ranks.
    in_bands: Vec<BandImage>,
    account: Account,
    stop: Option<Stop>,
    /// Files that were begun and given back at a stop.
    given_back: usize,
    missing_bytes: u64,
    pinged: Instant,
}

impl<'a> Run<'a> {
    /// Tells all ranks what the run is about.
    pub(crate) fn new(
        reading: Arc<Reading>,
        entries: Arc<Vec<Entry>>,
        ledger: Ledger,
        desk: &'a mut Desk,
    ) -> Result<Self, BugError> {
        for (rank, plan) in reading.cluster.ranks.iter().enumerate() {
            let mut work = reading.job.work.clone();
            work.threads = plan.threads;
            work.kept_buffers = reading.cluster.kept_buffers(rank);
            desk.hub.send(rank, Message::bare(ToRank::Start(work)))?;
        }
        let threads = reading.cluster.threads();
        let progress = Progress::new(entries.len(), reading.job.settings.verbosity);
        let settings = reading.earlier.settings;
        Ok(Self {
            readers: Threads::start(threads.div_ceil(4).clamp(2, 8), &desk.to_events),
            writers: Threads::start(WRITERS, &desk.to_events),
            queue: Queue::new(entries.len()),
            being_read: 0,
            ready: VecDeque::new(),
            hands: Hands::new(&reading.cluster),
            given: HashMap::new(),
            in_bands: Vec::new(),
            account: Account::new(Arc::clone(&entries), settings, ledger, progress),
            stop: None,
            given_back: 0,
            missing_bytes: 0,
            pinged: Instant::now(),
            reading,
            entries,
            desk,
        })
    }

    /// Goes on until every file has its result or its failure, or until it must stop. Returns the
    /// exit code.
    pub(crate) fn carry_out(mut self) -> Result<u8, Error> {
        loop {
            self.look_ahead();
            self.read_ahead()?;
            self.hand_out()?;
            let left = self.queue.left() > 0 || self.queue.is_looking();
            if self.account.under_way() == 0 && (self.stop.is_some() || !left) {
                return self.end();
            }
            if let Some(event) = self.desk.next()? {
                self.react(event)?;
            }
            self.look_at_the_clock()?;
        }
    }

    fn end(self) -> Result<u8, Error> {
        let undone = self.queue.left() + self.given_back;
        let failed = self.account.failed();
        let (outcome, code) = match (&self.stop, failed) {
            (None, 0) => (RunOutcome::AllDone, exit::DONE),
            (None, _) => (RunOutcome::SomeFailed, exit::SOME_FAILED),
            (Some(Stop::Signal(signal)), _) => {
                self.account.say(&format!(
                    "mpix: stopped by {signal}; {undone} images are left, the same command goes on"
                ));
                (RunOutcome::Stopped, exit::STOPPED)
            }
            (Some(Stop::TooManyFailures), _) => {
                self.account.say(&format!(
                    "mpix: gave up after {failed} failures (`--max-failures`); {undone} images are left"
                ));
                (RunOutcome::GaveUp, exit::SOME_FAILED)
            }
            (Some(Stop::Output(_)), _) => (RunOutcome::GaveUp, exit::OUTPUT),
        };
        if let Some(Stop::Output(source)) = self.stop {
            self.account.abandon();
            let (missing, missing_bytes) = (undone + failed, self.missing_bytes);
            return Err(OutputError::Gone { missing, missing_bytes, source }.into());
        }
        self.account.close(&self.reading.job.settings.output, outcome)?;
        Ok(code)
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
        let ahead = cluster.ranks.len() * AHEAD_PER_RANK
            + cluster.threads().div_ceil(THREADS_PER_FILE_AHEAD);
        while self.stop.is_none() && self.being_read + self.ready.len() < ahead {
            let Some(index) = self.queue.next(self.account.under_way()) else { break };
            self.account.begin(index)?;
            self.being_read += 1;
            let (reading, entries) = (Arc::clone(&self.reading), Arc::clone(&self.entries));
            let name = self.entries[index].input.display().to_string();
            self.readers.add(name, move || Event::Read(index, reading.load(&entries[index])));
        }
        Ok(())
    }

    /// Gives work to ranks that have less than they can do, bands first.
    fn hand_out(&mut self) -> Result<(), BugError> {
        while let Some(index) = self.in_bands.iter().position(BandImage::has_next) {
            let Some(rank) = self.hands.for_band(self.in_bands[index].next_bytes()) else {
                return Ok(());
            };
            self.give_band(index, rank)?;
        }
        while let Some((index, rank)) = self.next_image() {
            self.give_image(index, rank)?;
        }
        Ok(())
    }

    /// An image that is ready, and a rank with room for it: the first, or one that goes where the
    /// first never could.
    fn next_image(&self) -> Option<(usize, usize)> {
        let mut waiting = None;
        self.ready.iter().enumerate().find_map(|(index, (_, loaded))| {
            let bytes = loaded.need.on_rank;
            let rank = self.hands.for_image(bytes, waiting);
            waiting = waiting.or(Some(bytes));
            Some((index, rank?))
        })
    }

    fn give_band(&mut self, index: usize, rank: usize) -> Result<(), BugError> {
        let bands = &mut self.in_bands[index];
        let bytes = bands.next_bytes();
        let Some(message) = bands.hand_out(rank) else { return Ok(()) };
        self.hands.give_band(rank, bytes);
        self.desk.hub.send(rank, message)
    }

    fn give_image(&mut self, index: usize, rank: usize) -> Result<(), BugError> {
        let Some((image, loaded)) = self.ready.remove(index) else { return Ok(()) };
        let Content::File(file) = loaded.content else { return Ok(()) };
        let bytes = loaded.need.on_rank;
        self.hands.give_image(rank, bytes);
        self.account.given(image, rank);
        self.given.insert(image, Given { rank, bytes, permit: loaded.permit, is_given_up: false });
        let name = self.entries[image].input.display().to_string();
        let (format, pixel_bytes) = (loaded.format, loaded.pixel_bytes);
        let header = ToRank::Image { image, name, format, pixel_bytes };
        self.desk.hub.send(rank, Message::new(header, file))
    }

    fn react(&mut self, event: Event) -> Result<(), Error> {
        match event {
            Event::Looked(first, verdicts) => self.take_verdicts(first, verdicts)?,
            Event::Read(image, loaded) => {
                self.being_read -= 1;
                match loaded {
                    Ok(loaded) => self.take_loaded(image, loaded)?,
                    Err(error) => self.fail(image, error.kind(), &with_causes(&error))?,
                }
            }
            Event::Written(image, Ok(written)) => self.account.done(image, &written)?,
            Event::Written(image, Err(failure)) => self.take_write_failure(image, failure)?,
            Event::Recorded(images) => self.account.recorded(images)?,
            Event::Message(from, message) => self.take_message(from, message)?,
            Event::Signal(name) if self.stop.is_none() => self.begin_to_stop(Stop::Signal(name))?,
            Event::Signal(_) => return Err(OutputError::StoppedTwice.into()),
            Event::LeaseTrouble(error) => self.take_lease_trouble(error)?,
            Event::Broken(error) => return Err(error),
        }
        Ok(())
    }

    /// Begins nothing more, and gives back what no rank has begun.
    fn begin_to_stop(&mut self, stop: Stop) -> Result<(), OutputError> {
        if let Stop::Signal(name) = &stop {
            let under_way = self.account.under_way();
            self.account.say(&format!(
                "mpix: {name}: finishing what is in hand ({under_way} images); again, to stop at once"
            ));
        }
        self.stop = Some(stop);
        for (image, _) in std::mem::take(&mut self.ready) {
            self.give_back(image)?;
        }
        Ok(())
    }

    fn give_back(&mut self, image: usize) -> Result<(), OutputError> {
        self.given_back += 1;
        self.account.give_back(image)
    }

    fn take_lease_trouble(&mut self, error: LeaseError) -> Result<(), Error> {
        match error {
            LeaseError::Lost { .. } => Err(OutputError::Lost { source: Box::new(error) }.into()),
            LeaseError::Io { source, .. } if self.stop.is_none() && is_gone(&source) => {
                Ok(self.begin_to_stop(Stop::Output(source))?)
            }
            LeaseError::Io { .. } | LeaseError::Held { .. } | LeaseError::HeldByUnknown { .. } => {
                log::warn!("{}", with_causes(&error));
                Ok(())
            }
        }
    }

    fn take_loaded(&mut self, image: usize, loaded: Loaded) -> Result<(), OutputError> {
        if self.stop.is_some() {
            return self.give_back(image);
        }
        match loaded.content {
            Content::DoneBefore(done) => return self.account.done_again(image, *done),
            Content::File(_) => {
                self.account.read(image, loaded.identity.clone());
                self.ready.push_back((image, loaded));
            }
            Content::Picture(picture) => {
                self.account.read(image, loaded.identity);
                let parts = (picture, loaded.format, loaded.permit);
                self.in_bands.push(BandImage::new(image, parts, Arc::clone(&self.reading)));
            }
        }
        Ok(())
    }

    /// A result that cannot be written fails alone, unless no result can be written any more.
    fn take_write_failure(&mut self, image: usize, failure: WriteFailure) -> Result<(), Error> {
        self.missing_bytes += failure.bytes;
        let ImageError::CannotWrite { path, source } = failure.error else {
            let error = failure.error;
            return Ok(self.fail(image, error.kind(), &with_causes(&error))?);
        };
        let root = &self.reading.job.settings.output;
        if is_gone(&source) || !root.is_dir() {
            self.give_back(image)?;
            if self.stop.is_none() {
                self.begin_to_stop(Stop::Output(source))?;
            }
            return Ok(());
        }
        let error = ImageError::CannotWrite { path, source };
        Ok(self.fail(image, error.kind(), &with_causes(&error))?)
    }

    fn bands_of(&mut self, from: usize, image: usize) -> Result<&mut BandImage, BugError> {
        let unknown = BugError::Message { from, what: "it speaks of an image that it never had" };
        self.in_bands.iter_mut().find(|bands| bands.image == image).ok_or(unknown)
    }

    fn take_message(&mut self, from: usize, message: Message<ToRank0>) -> Result<(), Error> {
        let unknown = BugError::Message { from, what: "it speaks of an image that it never had" };
        let payload = message.payload;
        match message.header {
            ToRank0::Hello(_) => {
                return Err(BugError::Message { from, what: "it greets twice" }.into());
            }
            ToRank0::Image { image, result } => {
                let given = self.given.remove(&image).filter(|given| given.rank == from);
                let given = given.ok_or(unknown)?;
                self.hands.take_image(from, given.bytes);
                match result {
                    _ if given.is_given_up => {}
                    ImageResult::Done { pixels } => {
                        self.write(image, given.permit, pixels, move || Ok(payload));
                    }
                    ImageResult::Failed { kind, reason } => self.fail(image, kind, &reason)?,
                }
            }
            ToRank0::Band { image, band } => {
                let bands = self.bands_of(from, image)?;
                let (bytes, is_summarized) = (bands.bytes_of(band), bands.is_summarized());
                let done = bands.take_rows((from, band), &payload)?;
                if !is_summarized {
                    self.hands.end_band_work(from);
                }
                self.hands.end_band_memory(from, bytes);
                if let Some((pixels, channels)) = done {
                    self.encode(image, pixels, channels);
                }
            }
            ToRank0::Partials { image, band } => {
                let shares = self.bands_of(from, image)?.take_partials((from, band), &payload)?;
                self.hands.end_band_work(from);
                for (rank, share) in shares {
                    self.desk.hub.send(rank, share)?;
                }
            }
        }
        Ok(())
    }

    /// Encodes and writes an image that came back in bands.
    fn encode(&mut self, image: usize, pixels: Bytes, channels: usize) {
        let Some(index) = self.in_bands.iter().position(|bands| bands.image == image) else {
            return;
        };
        let bands = self.in_bands.remove(index);
        let work = &self.reading.job.work;
        let options =
            EncodeOptions { format: bands.format, quality: work.quality, strip: work.strip };
        let (width, height, metadata) = (bands.width, bands.height, bands.metadata);
        let count = width as u64 * height as u64;
        self.write(image, bands.permit, count, move || {
            image_file::encode(&pixels, width, height, channels, &metadata, &options)
                .map(Bytes::from)
        });
    }

    /// Has a thread make a file and write it; `permit` is for the memory that it takes meanwhile.
    fn write(
        &self,
        image: usize,
        permit: Permit,
        pixels: u64,
        file: impl FnOnce() -> Result<Bytes, ImageError> + Send + 'static,
    ) {
        let (reading, entries) = (Arc::clone(&self.reading), Arc::clone(&self.entries));
        let name = self.entries[image].output.display().to_string();
        self.writers.add(name, move || {
            let (root, name) = (&reading.job.settings.output, &entries[image].output);
            let written = file().map_err(|error| WriteFailure { error, bytes: 0 });
            let written = written.and_then(|file| {
                let (bytes, sha256) = (file.len() as u64, OutputHash::of(&file));
                let path = root.join(name);
                write_whole(root, name, &file).map_err(|source| WriteFailure {
                    error: ImageError::CannotWrite { path, source },
                    bytes,
                })?;
                Ok(Written { pixels, bytes, sha256 })
            });
            drop(permit);
            Event::Written(image, written)
        });
    }

    fn fail(&mut self, image: usize, kind: FailureKind, reason: &str) -> Result<(), OutputError> {
        self.account.fail(image, kind, reason)
    }

    /// What is due by the clock: a line for people, images that take too long, a limit of failures.
    fn look_at_the_clock(&mut self) -> Result<(), Error> {
        self.account.tick();
        if self.pinged.elapsed() >= PING_INTERVAL {
            self.pinged = Instant::now();
            for rank in 1..self.desk.hub.ranks() {
                self.desk.hub.send(rank, Message::bare(ToRank::Ping))?;
            }
        }
        let settings = &self.reading.job.settings;
        let too_many = settings.max_failures.is_exceeded(self.account.failed(), self.entries.len());
        if too_many && self.stop.is_none() {
            self.begin_to_stop(Stop::TooManyFailures)?;
        }
        let Some(seconds) = self.reading.job.settings.image_timeout else { return Ok(()) };
        for image in self.account.overdue(Duration::from_secs(seconds)) {
            // An image that comes in bands is never at one rank alone; a rank that hangs with a part
            // of it shows as one that is silent.
            if let Some(given) = self.given.get_mut(&image) {
                given.is_given_up = true;
                let error = ImageError::Timeout { seconds };
                self.account.fail(image, error.kind(), &with_causes(&error))?;
            }
        }
        Ok(())
    }
}

/// Whether an error of the system means that nothing more can be written.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotFound
            | io::ErrorKind::StaleNetworkFileHandle
    )
}

/// Why a result is not there.
#[derive(Debug)]
pub struct WriteFailure {
    error: ImageError,
    /// Bytes that were to be written.
    bytes: u64,
}
