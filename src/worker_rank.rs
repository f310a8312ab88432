//! What every rank does, rank 0's own worker too: receive, filter, return.
//!
//! One thread talks to rank 0 and never computes; rayon's threads compute and never talk.

mod by_rows;
#[cfg(feature = "faults")]
mod fault;
mod files;
mod filter;
mod jobs;
mod pool;
mod shared_rows;
mod trial;

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use self::files::{Files, Unwritten};
use self::jobs::{BandRows, Jobs, Pending, Way};
use self::pool::{Pool, Task};
use self::shared_rows::LastRows;
use crate::error::{BugError, Error, HostError, panic_text};
use crate::host::{self, HostLoad};
use crate::plan::{LONGEST_SILENCE, MAX_THREADS};
use crate::transport::message::{
    BandHeader, BandInput, BandResult, Load, Message, ToRank, ToRank0,
};
use crate::transport::{Poll, RankLink, Silence, next_event};

pub use filter::filter_image;
pub use trial::{LARGEST_TRIAL, Trial, try_out};

/// How long to wait for an event before looking at the clock.
const WAIT: Duration = Duration::from_millis(200);

/// What happens to a rank.
#[derive(Debug)]
pub enum Event {
    /// Rank 0 says something.
    Message(Message<ToRank>),
    /// A job has an answer for rank 0.
    Answer(Message<ToRank0>),
    /// A job has a result, or rows of one, that this rank is to write.
    Filtered(Unwritten),
    /// A job has summarized a band, and keeps what it needs for the second half.
    Summarized {
        /// The image and the band.
        key: (usize, usize),
        /// What the rank keeps.
        pending: Pending,
        /// What rank 0 gets.
        answer: Message<ToRank0>,
    },
    /// A job panicked.
    Broken(BugError),
}

impl From<Message<ToRank>> for Event {
    fn from(message: Message<ToRank>) -> Self {
        Self::Message(message)
    }
}

/// Runs a rank until rank 0 says stop.
///
/// `own` are the events of this process, `jobs_to` the other end of that queue.
///
/// # Errors
/// When a job panics or a message makes no sense: the whole run must then be ended.
pub fn run<E>(
    mut link: RankLink<E>,
    own: &Receiver<Event>,
    jobs_to: &Sender<Event>,
) -> Result<(), Error>
where
    E: From<(usize, Message<ToRank0>)>,
{
    link.send(Message::bare(ToRank0::Hello(host::facts())))?;
    let mut rank = Rank::new(link.rank());
    let mut silence = Silence::since(Instant::now());
    loop {
        // A rank in another process than rank 0's ends by itself: no rank outlives its run.
        if Poll::<Event>::needs_polling(&link) {
            rank.bear(silence.look(Instant::now()))?;
        }
        let Some(event) = next_event(own, &mut link, Instant::now() + WAIT)? else { continue };
        if matches!(event, Event::Message(_)) {
            silence = Silence::since(Instant::now());
            if let Some(arrived) = link.take_arrived() {
                link.send(Message::bare(ToRank0::Arrived(arrived)))?;
            }
        }
        match event {
            Event::Message(Message { header: ToRank::Stop, .. }) => {
                link.part();
                return Ok(());
            }
            // At once, and not by a thread that filters.
            Event::Message(Message { header: ToRank::Ping { sequence }, .. }) => {
                let load = rank.load();
                link.send(Message::bare(ToRank0::Pong { sequence, load }))?;
            }
            Event::Message(Message { header: ToRank::Look(shared), .. }) => {
                rank.files = Files::look(shared)?.map(Arc::new);
                link.send(Message::bare(ToRank0::Sees { output: rank.files.is_some() }))?;
            }
            Event::Message(message) => rank.take(message, jobs_to)?,
            Event::Answer(answer) => link.send(answer)?,
            Event::Filtered(unwritten) => {
                if !rank.given_up.contains(&unwritten.image) {
                    link.send(Message::bare(unwritten.announcement()))?;
                    rank.write(unwritten, jobs_to);
                }
            }
            Event::Summarized { key, pending, answer } => {
                if !rank.given_up.contains(&key.0) {
                    rank.pending.insert(key, pending);
                    link.send(answer)?;
                }
            }
            Event::Broken(bug) => return Err(bug.into()),
        }
    }
}

struct Rank {
    number: usize,
    started: Option<(Arc<Jobs>, Pool)>,
    /// Rank 0's files, if it sees them.
    files: Option<Arc<Files>>,
    last_rows: LastRows,
    /// Bands that wait for their share of a global pass.
    pending: HashMap<(usize, usize), Pending>,
    /// Images of which nothing is wanted any more.
    given_up: HashSet<usize>,
    /// Seconds that it goes on without a word of rank 0.
    silence_seconds: u64,
}

impl Rank {
    fn new(number: usize) -> Self {
        Self {
            number,
            started: None,
            files: None,
            last_rows: LastRows::default(),
            pending: HashMap::new(),
            given_up: HashSet::new(),
            silence_seconds: LONGEST_SILENCE,
        }
    }

    /// Goes on, unless rank 0 has said nothing for too long.
    fn bear(&self, silence: Duration) -> Result<(), HostError> {
        let (rank, seconds) = (self.number, self.silence_seconds);
        if silence <= Duration::from_secs(seconds) {
            return Ok(());
        }
        Err(HostError::NothingFromRank0 { rank, host: host::name(), seconds })
    }

    fn load(&self) -> Load {
        let host = HostLoad::now();
        let pool = self.started.as_ref().map(|(_, pool)| pool);
        let (tasks_waiting, tasks_in_hand) =
            pool.map_or((0, 0), |pool| pool.load().waiting_and_in_hand());
        Load {
            tasks_waiting,
            tasks_in_hand,
            threads: pool.map_or(0, Pool::threads),
            host_load: host.average,
            available_bytes: host.available_bytes,
        }
    }

    fn take(&mut self, message: Message<ToRank>, answers: &Sender<Event>) -> Result<(), Error> {
        let out_of_order = BugError::Message { from: 0, what: "it comes out of order" };
        let payload = message.payload;
        match message.header {
            ToRank::Start(work) => {
                if !(1..=MAX_THREADS).contains(&work.threads) {
                    let what = "it asks for threads that no rank has";
                    return Err(BugError::Message { from: 0, what }.into());
                }
                self.silence_seconds = work.silence_seconds;
                let pool = Pool::new(work.threads)?;
                self.started = Some((Arc::new(Jobs::new(work, pool.load())?), pool));
                Ok(())
            }
            ToRank::Image { image, name, format, pixel_bytes, files } => {
                let way = match files {
                    None => Way::Payload(payload),
                    Some(files) if self.files.is_some() => Way::Files(files),
                    Some(_) => return Err(names_unseen_files().into()),
                };
                self.add(answers, (image, name), move |jobs| {
                    jobs.whole_image(image, way, (format, pixel_bytes))
                })
            }
            ToRank::Band(band) => {
                let names_files = matches!(band.input, BandInput::Place(_))
                    || matches!(band.result, BandResult::Place(..));
                if names_files && self.files.is_none() {
                    return Err(names_unseen_files().into());
                }
                let rows = match &band.input {
                    BandInput::Rows => BandRows::Pixels(payload),
                    BandInput::Slice { first_row } => BandRows::Slice(*first_row, payload),
                    BandInput::Place(place) => BandRows::Shared(self.last_rows.at(place)),
                };
                let key = (band.image, band_name(&band));
                self.add(answers, key, move |jobs| jobs.band(&band, &rows))
            }
            ToRank::Share { image, .. } if self.given_up.contains(&image) => Ok(()),
            ToRank::Share { image, band } => {
                let pending = self.pending.remove(&(image, band)).ok_or(out_of_order)?;
                let key = (image, format!("band {band} of image {image}"));
                self.add(answers, key, move |jobs| jobs.finish(image, band, pending, &payload))
            }
            ToRank::GiveUp { image } => {
                self.given_up.insert(image);
                self.pending.retain(|&(other, _), _| other != image);
                let (_, pool) = self.started.as_mut().ok_or(out_of_order)?;
                Ok(pool.give_up(image)?)
            }
            ToRank::Look(_) | ToRank::Ping { .. } | ToRank::Probe | ToRank::Stop => Ok(()),
        }
    }

    /// Has a thread write a result, or rows of one.
    fn write(&self, unwritten: Unwritten, answers: &Sender<Event>) {
        if let (Some(files), Some((jobs, _))) = (&self.files, &self.started) {
            files.write(unwritten, jobs, (self.number, answers));
        }
    }

    /// Has a thread do a job for an image. A panic in it is a bug: the rank's own thread is told,
    /// and ends.
    fn add(
        &self,
        answers: &Sender<Event>,
        (image, name): (usize, String),
        job: impl FnOnce(&Jobs) -> Result<Event, BugError> + Send + 'static,
    ) -> Result<(), Error> {
        let (jobs, pool) = self
            .started
            .as_ref()
            .ok_or(BugError::Message { from: 0, what: "work comes before the start" })?;
        let (jobs, answers, rank) = (Arc::clone(jobs), answers.clone(), self.number);
        let work = move || {
            // The rank may have ended, and with it the run: there is nobody left to tell.
            let _ = answers.send(Event::Answer(Message::bare(ToRank0::Began { image })));
            let work_on_it = || {
                #[cfg(feature = "faults")]
                fault::strike(rank, &name);
                job(&jobs)
            };
            let event = std::panic::catch_unwind(AssertUnwindSafe(work_on_it))
                .unwrap_or_else(|panic| {
                    Err(BugError::Panic { rank, work: name, panic: panic_text(panic.as_ref()) })
                })
                .unwrap_or_else(Event::Broken);
            let _ = answers.send(event);
        };
        pool.add(Task { image, work: Box::new(work) });
        Ok(())
    }
}

fn names_unseen_files() -> BugError {
    BugError::Message { from: 0, what: "it names files to a rank that does not see them" }
}

fn band_name(band: &BandHeader) -> String {
    format!("rows {:?} of image {}", band.rows, band.image)
}
