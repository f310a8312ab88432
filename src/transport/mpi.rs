//! Messages between processes, by rsmpi: nothing blocks, one thread of a rank does all of it.
//!
//! A message is a short header, then its payload in pieces that a 32-bit count can tell. All sends
//! and receives are started at once and looked after by [`MpiLink::poll`]: two ranks that send each
//! other large bands would otherwise wait for each other for ever.
#![expect(
    unsafe_code,
    reason = "pending requests borrow buffers beyond any scope; MPI's connections"
)]

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::mpi::Threading;
use ::mpi::environment::Universe;
use ::mpi::request::{Request, StaticScope};
use ::mpi::topology::SimpleCommunicator;
use ::mpi::traits::{
    Communicator, CommunicatorCollectives, Destination, MatchedReceiveVec, Source,
};
use bytes::Bytes;
use rustix::net::sockopt::set_tcp_nodelay;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Launch;
use super::message::{Message, microseconds, read_frame, write_frame};
use crate::buffers::Buffers;
use crate::error::{BugError, UsageError};
use crate::plan::Arrived;

const HEADER_TAG: i32 = 1;
const PAYLOAD_TAG: i32 = 2;

/// Bytes of payload in one MPI message; MPI counts in 32 bits.
const PIECE_BYTES: usize = 1 << 30;

/// Bytes of memory for payloads that a link keeps: some bands. The first touch of fresh memory costs
/// more than the receiving.
const KEPT_BYTES: u64 = 32 << 20;
/// Payloads by which a link is measured: shorter ones may have come before it was looked.
const MEASURED_BYTES: usize = 128 << 10;

/// Sleep between two looks while the last messages leave.
const LAST_SLEEP: Duration = Duration::from_micros(50);

/// The MPI library in use, in its own words. MPI need not have been started.
pub(super) fn library() -> Option<String> {
    ::mpi::environment::library_version().ok()
}

/// Has Open MPI look for no fabric between hosts, unless the user has said what to look for: where all
/// ranks are on one host, that takes more than half of the time that MPI takes to start.
fn look_for_no_fabric() {
    const LAYER: &str = "OMPI_MCA_pml";
    if std::env::var_os(LAYER).is_none() {
        // SAFETY: MPI is started first, while this process has one thread.
        unsafe { std::env::set_var(LAYER, "ob1") };
    }
}

/// Has the last words to `mpirun`'s daemon of this host leave at once. Open MPI (PMIx) says them in several
/// short messages on one connection, which without this wait for each other's acknowledgements: each
/// run would end 40 ms later.
fn let_last_words_leave() {
    let Ok(descriptors) = std::fs::read_dir("/proc/self/fd") else { return };
    let number =
        |entry: std::io::Result<std::fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
    for descriptor in descriptors.filter_map(number) {
        // SAFETY: it was open a moment ago, and only MPI's own thread runs beside this one, which closes
        // nothing until MPI ends; were it closed all the same, the one call would fail, or have packets of
        // another connection leave at once.
        let connection = unsafe { BorrowedFd::borrow_raw(descriptor) };
        let _ = set_tcp_nodelay(connection, true);
    }
}

/// MPI, from start to end.
pub struct MpiWorld {
    world: SimpleCommunicator,
    // Dropped last: it finalizes MPI.
    _universe: Universe,
}

impl std::fmt::Debug for MpiWorld {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MpiWorld({} of {})", self.rank(), self.size())
    }
}

impl MpiWorld {
    /// Starts MPI in a process that was started as `launch` tells.
    ///
    /// # Errors
    /// When the launcher is another MPI's than the one this binary was built with, or none of an MPI
    /// at all: each process would take itself for the only rank.
    pub fn start(launch: Launch) -> Result<Self, UsageError> {
        if launch.on_one_host {
            look_for_no_fabric();
        }
        let (universe, _) =
            ::mpi::initialize_with_threading(Threading::Funneled).ok_or(UsageError::MpiTwice)?;
        let_last_words_leave();
        let world = universe.world();
        let started = Self { world, _universe: universe };
        let launched = launch.ranks;
        if started.size() == 1 && launched > 1 {
            let library = library().unwrap_or_default();
            // The name and version; what package it came in would only hide the advice.
            let library = library.split([',', '\n']).next().unwrap_or_default().trim().to_owned();
            return Err(if launch.by_slurm_alone {
                UsageError::SlurmWithoutMpi { launched, library }
            } else {
                UsageError::OtherMpi { launched, library }
            });
        }
        Ok(started)
    }

    /// The number of this rank.
    #[must_use]
    pub fn rank(&self) -> usize {
        usize::try_from(self.world.rank()).unwrap_or_default()
    }

    /// How many ranks there are.
    #[must_use]
    pub fn size(&self) -> usize {
        usize::try_from(self.world.size()).unwrap_or_default()
    }

    /// A link of this rank to the others. A rank has one: two would take each other's messages.
    #[must_use]
    pub fn link<Out, In>(&self) -> MpiLink<Out, In> {
        MpiLink {
            rank: self.rank(),
            ranks: self.size(),
            world: self.world.duplicate(),
            sending: Vec::new(),
            waiting: VecDeque::new(),
            receiving: (0..self.size()).map(|_| Inbox::default()).collect(),
            buffers: Arc::new(Buffers::new(KEPT_BYTES)),
            messages: PhantomData,
        }
    }

    /// Ends all ranks; `mpirun` ends with `code`. Finalizing would wait for ranks that wait for
    /// this one.
    pub fn abort(&self, code: u8) -> ! {
        self.world.abort(i32::from(code))
    }
}

type SendRequest = Request<'static, [u8], StaticScope>;

struct Sending {
    to: usize,
    request: Option<SendRequest>,
    // Keeps the bytes that the request reads.
    bytes: Bytes,
}

/// A message that waits until one before it has left.
struct Waiting {
    to: usize,
    frame: Bytes,
    payload: Bytes,
}

struct Receiving<In> {
    header: Option<In>,
    requests: Vec<SendRequest>,
    payload: Vec<u8>,
}

impl<In> Receiving<In> {
    fn is_measured(&self) -> bool {
        self.payload.len() >= MEASURED_BYTES
    }
}

/// What comes from one rank.
struct Inbox<In> {
    queue: VecDeque<Receiving<In>>,
    /// Since when something by which its link is measured is on its way, and not counted.
    since: Option<Instant>,
    arrived: Arrived,
}

impl<In> Default for Inbox<In> {
    fn default() -> Self {
        Self { queue: VecDeque::new(), since: None, arrived: Arrived::default() }
    }
}

impl<In> Inbox<In> {
    fn add(&mut self, message: Receiving<In>) {
        if message.is_measured() {
            self.since.get_or_insert_with(Instant::now);
        }
        self.queue.push_back(message);
    }

    /// The oldest message, once all its payload is there.
    fn take_complete(&mut self, buffers: &Arc<Buffers>) -> Option<Message<In>> {
        let oldest = self.queue.front_mut()?;
        while let Some(request) = oldest.requests.pop() {
            if let Err(pending) = request.test() {
                oldest.requests.push(pending);
                return None;
            }
        }
        let complete = self.queue.pop_front()?;
        if complete.is_measured() {
            self.measure(complete.payload.len());
        }
        Some(Message { header: complete.header?, payload: buffers.lend(complete.payload) })
    }

    fn measure(&mut self, bytes: usize) {
        let now = Instant::now();
        let busy = self.since.map_or(Duration::ZERO, |since| now.duration_since(since));
        self.since = self.queue.iter().any(Receiving::is_measured).then_some(now);
        self.arrived.bytes += bytes as u64;
        self.arrived.busy_us += microseconds(busy);
    }
}

/// Sends `Out` to other processes and takes `In` from them, in the order each sent them.
pub struct MpiLink<Out, In> {
    rank: usize,
    ranks: usize,
    world: SimpleCommunicator,
    sending: Vec<Sending>,
    waiting: VecDeque<Waiting>,
    receiving: Vec<Inbox<In>>,
    /// For payloads that come.
    buffers: Arc<Buffers>,
    messages: PhantomData<fn(Out)>,
}

impl<Out, In> std::fmt::Debug for MpiLink<Out, In> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MpiLink({} of {}, {} sends)", self.rank, self.ranks, self.sending.len())
    }
}

impl<Out: Serialize, In: DeserializeOwned> MpiLink<Out, In> {
    /// Starts sending a message, once long ones to the same rank have left: on a slow link, they
    /// would all arrive when the last one does.
    ///
    /// # Errors
    /// When the header cannot be written.
    pub fn send(&mut self, to: usize, header: &Out, payload: Bytes) -> Result<(), BugError> {
        let frame = Bytes::from(write_frame(header, payload.len())?);
        i32::try_from(to).map_err(|_| BugError::NoSuchRank { rank: to })?;
        let message = Waiting { to, frame, payload };
        if self.is_held_up(to) || self.waiting.iter().any(|before| before.to == to) {
            self.waiting.push_back(message);
        } else {
            self.start(message);
        }
        Ok(())
    }

    /// Whether something long is on its way to rank `to`.
    fn is_held_up(&self, to: usize) -> bool {
        self.sending.iter().any(|sent| sent.to == to && sent.bytes.len() >= MEASURED_BYTES)
    }

    fn start(&mut self, Waiting { to, frame, payload }: Waiting) {
        self.start_send(to, HEADER_TAG, frame);
        for start in (0..payload.len()).step_by(PIECE_BYTES) {
            let piece = payload.slice(start..payload.len().min(start + PIECE_BYTES));
            self.start_send(to, PAYLOAD_TAG, piece);
        }
    }

    /// Starts what has waited, in its order.
    fn start_waiting(&mut self) {
        let mut index = 0;
        while let Some(to) = self.waiting.get(index).map(|message| message.to) {
            let is_first = self.waiting.iter().take(index).all(|before| before.to != to);
            if is_first
                && !self.is_held_up(to)
                && let Some(message) = self.waiting.remove(index)
            {
                self.start(message);
            } else {
                index += 1;
            }
        }
    }

    fn start_send(&mut self, to: usize, tag: i32, bytes: Bytes) {
        // `send` has seen that it fits.
        let Ok(rank) = i32::try_from(to) else { return };
        // SAFETY: the bytes live until the request has completed: `Sending` owns them beside it,
        // is dropped only then (`progress`), and is leaked if the link is dropped before
        // (`Drop`). `Bytes` never moves or changes what it points to.
        let lasting: &'static [u8] =
            unsafe { std::slice::from_raw_parts(bytes.as_ptr(), bytes.len()) };
        let request =
            self.world.process_at_rank(rank).immediate_send_with_tag(StaticScope, lasting, tag);
        self.sending.push(Sending { to, request: Some(request), bytes });
    }

    /// The next message of any rank, if one is complete.
    ///
    /// # Errors
    /// When a header cannot be read.
    pub fn poll(&mut self) -> Result<Option<(usize, Message<In>)>, BugError> {
        self.progress();
        while let Some(found) =
            self.world.any_process().immediate_matched_probe_with_tag(HEADER_TAG)
        {
            let (frame, status) = found.matched_receive_vec::<u8>();
            self.start_receive(status.source_rank(), &frame)?;
        }
        for from in 0..self.receiving.len() {
            if let Some(message) = self.receiving[from].take_complete(&self.buffers) {
                return Ok(Some((from, message)));
            }
        }
        Ok(None)
    }

    fn start_receive(&mut self, source: i32, frame: &[u8]) -> Result<(), BugError> {
        let from = usize::try_from(source).unwrap_or_default();
        let (header, payload_bytes) = read_frame(from, frame)?;
        let mut payload = self.buffers.take_any(payload_bytes);
        payload
            .try_reserve_exact(payload_bytes.saturating_sub(payload.len()))
            .map_err(|_| BugError::Message { from, what: "its payload does not fit the memory" })?;
        payload.resize(payload_bytes, 0);
        let mut requests = Vec::new();
        for start in (0..payload_bytes).step_by(PIECE_BYTES) {
            let bytes = PIECE_BYTES.min(payload_bytes - start);
            // SAFETY: the pieces are disjoint parts of `payload`, whose heap buffer stays where it
            // is and is not touched until all requests have completed (`Inbox::take_complete`); if the
            // link is dropped before, both are leaked (`Drop`).
            let piece: &'static mut [u8] =
                unsafe { std::slice::from_raw_parts_mut(payload.as_mut_ptr().add(start), bytes) };
            requests.push(self.world.process_at_rank(source).immediate_receive_into_with_tag(
                StaticScope,
                piece,
                PAYLOAD_TAG,
            ));
        }
        self.receiving[from].add(Receiving { header: Some(header), requests, payload });
        Ok(())
    }

    /// Lets go of what has been sent.
    fn progress(&mut self) {
        self.sending.retain_mut(|sending| match sending.request.take().map(Request::test) {
            Some(Err(pending)) => {
                sending.request = Some(pending);
                true
            }
            Some(Ok(_)) | None => false,
        });
        if !self.waiting.is_empty() {
            self.start_waiting();
        }
    }

    /// Waits until all that was sent has left.
    pub fn flush(&mut self) {
        self.progress();
        while !self.is_all_sent() {
            std::thread::sleep(LAST_SLEEP);
            self.progress();
        }
    }

    fn is_all_sent(&self) -> bool {
        self.sending.is_empty() && self.waiting.is_empty()
    }

    /// Waits until all that any rank has sent has left it. Nobody wants what comes meanwhile; but a long
    /// message leaves only when it is received, and a rank ends MPI only with all others.
    pub fn part(&mut self) {
        while !self.is_all_sent() {
            self.drop_messages();
        }
        let mut all_parted = self.world.immediate_barrier();
        while let Err(pending) = all_parted.test() {
            all_parted = pending;
            self.drop_messages();
        }
    }

    fn drop_messages(&mut self) {
        // One that makes no sense is dropped, too.
        while !matches!(self.poll(), Ok(None)) {}
        std::thread::sleep(LAST_SLEEP);
    }
}

impl<Out, In> MpiLink<Out, In> {
    /// The number of this rank.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// How many ranks there are.
    #[must_use]
    pub fn ranks(&self) -> usize {
        self.ranks
    }

    /// What has come from rank `from` since this was last asked, by which the link is measured.
    pub fn take_arrived(&mut self, from: usize) -> Option<Arrived> {
        let arrived = std::mem::take(&mut self.receiving.get_mut(from)?.arrived);
        (arrived.bytes > 0).then_some(arrived)
    }

    /// Whether data is on its way.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !self.sending.is_empty() || self.receiving.iter().any(|inbox| !inbox.queue.is_empty())
    }
}

impl<Out, In> Drop for MpiLink<Out, In> {
    fn drop(&mut self) {
        // A rank that fails leaves requests pending. Their buffers must outlive them, and dropping
        // them would end the process before it could say why: both are leaked, the job is over.
        std::mem::forget(std::mem::take(&mut self.sending));
        std::mem::forget(std::mem::take(&mut self.receiving));
    }
}
