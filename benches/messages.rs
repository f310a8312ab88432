//! What messages cost: their headers, and there and back between two ranks, in one process and under
//! `mpirun`: `cargo bench --bench messages`.
//!
//! Bytes per second count a payload once, though it travels both ways.

#![expect(clippy::expect_used, reason = "a bench that cannot go on panics")]

use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group};
use mpix::hash::GroupHashes;
use mpix::transport::message::{
    BandHeader, BandInput, BandResult, RankTimes, read_frame, write_frame,
};
use mpix::transport::{Hub, Mailbox, Message, RankLink, ToRank, ToRank0, next_event};

/// Nothing, a strip of rows, a file.
const PAYLOADS: [usize; 3] = [0, 64 << 10, 4 << 20];
/// No answer takes longer.
const LIMIT: Duration = Duration::from_secs(60);

struct AtRank(Message<ToRank>);

impl From<Message<ToRank>> for AtRank {
    fn from(message: Message<ToRank>) -> Self {
        Self(message)
    }
}

struct AtRank0(Message<ToRank0>);

impl From<(usize, Message<ToRank0>)> for AtRank0 {
    fn from((_, message): (usize, Message<ToRank0>)) -> Self {
        Self(message)
    }
}

/// Rank 0: sends the payload to the last rank and waits for it, so many times.
fn there_and_back(
    hub: &mut Hub<AtRank>,
    queue: &Receiver<AtRank0>,
    payload: &Bytes,
    times: u64,
) -> Duration {
    let rank = hub.ranks() - 1;
    let start = Instant::now();
    for _ in 0..times {
        let header = ToRank::Share { image: 1, band: 2 };
        hub.send(rank, Message::new(header, payload.clone())).expect("a header");
        let answer = next_event(queue, hub, Instant::now() + LIMIT).expect("a header");
        let AtRank0(answer) = answer.expect("an answer in time");
        assert!(answer.payload.len() == payload.len(), "{} bytes", answer.payload.len());
    }
    start.elapsed()
}

/// The other rank: sends back what comes, until it is told to stop.
fn echo(link: &mut RankLink<AtRank0>, queue: &Receiver<AtRank>) {
    loop {
        let event = next_event(queue, link, Instant::now() + LIMIT).expect("a header");
        let AtRank(message) = event.expect("a message in time");
        if message.header == ToRank::Stop {
            return link.part();
        }
        let header = ToRank0::Band {
            image: 1,
            band: 2,
            times: RankTimes::default(),
            groups: GroupHashes::default(),
            made: GroupHashes::default(),
            is_written: false,
        };
        link.send(Message::new(header, message.payload)).expect("a header");
    }
}

fn headers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("header");
    let header = ToRank::Band(BandHeader {
        image: 100,
        round: 0,
        band: 3,
        rows: 300..400,
        input_rows: 285..415,
        input: BandInput::Rows,
        width: 4000,
        channels: 3,
        height: 3000,
        result: BandResult::Rows,
    });
    let frame = write_frame(&header, 1 << 20).expect("a header");
    group.bench_function("write", |bencher| bencher.iter(|| write_frame(&header, 1 << 20)));
    group.bench_function("read", |bencher| bencher.iter(|| read_frame::<ToRank>(0, &frame)));
}

fn in_one_process(criterion: &mut Criterion) {
    let ((to_rank, at_rank), (to_rank0, at_rank0)) = (channel(), channel());
    let echoing = thread::spawn(move || {
        let rank0 = Mailbox::new(to_rank0);
        echo(&mut RankLink::Local { rank: 0, rank0 }, &at_rank);
    });
    let mut hub = Hub::local(vec![Mailbox::new(to_rank)]);
    payloads(&mut criterion.benchmark_group("one process"), |bytes, times| {
        there_and_back(&mut hub, &at_rank0, &Bytes::from(vec![1; bytes]), times)
    });
    hub.send(0, Message::bare(ToRank::Stop)).expect("a header");
    echoing.join().expect("it ends");
}

fn payloads(
    group: &mut BenchmarkGroup<'_, WallTime>,
    mut measure: impl FnMut(usize, u64) -> Duration,
) {
    group.sample_size(20).measurement_time(Duration::from_secs(2));
    for bytes in PAYLOADS {
        if bytes > 0 {
            group.throughput(Throughput::Bytes(bytes as u64));
        }
        group.bench_function(BenchmarkId::new("there and back", bytes), |bencher| {
            bencher.iter_custom(|times| measure(bytes, times));
        });
    }
}

#[cfg(feature = "mpi")]
mod between_processes {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Command, Stdio};

    use mpix::transport::Launch;
    use mpix::transport::mpi::MpiWorld;

    use super::*;

    /// Plays the two ranks, when `mpirun` has started this process.
    pub(super) fn play_rank() -> bool {
        let Some(launch) = Launch::of_this_process() else { return false };
        let world = MpiWorld::start(launch).expect("its own MPI");
        if world.rank() == 0 {
            serve(&world)
        } else {
            echo_to(&world)
        }
        true
    }

    fn echo_to(world: &MpiWorld) {
        let (_own, queue) = channel();
        echo(&mut RankLink::Mpi(world.link()), &queue);
    }

    /// Answers each line `BYTES TIMES` with the nanoseconds that so many turns took.
    fn serve(world: &MpiWorld) {
        let ((to_own, _at_own), (_to_rank0, at_rank0)) = (channel(), channel());
        let mut hub = Hub::mpi(Mailbox::new(to_own), world.link());
        let mut answers = std::io::stdout();
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let (bytes, times) = line.split_once(' ').expect("two numbers");
            let payload = Bytes::from(vec![1; bytes.parse().expect("a number")]);
            let times = times.parse().expect("a number");
            let took = there_and_back(&mut hub, &at_rank0, &payload, times);
            writeln!(answers, "{}", took.as_nanos()).expect("somebody reads");
        }
        hub.send(1, Message::bare(ToRank::Stop)).expect("a header");
        hub.flush();
        hub.part();
    }

    pub(super) fn mpi(criterion: &mut Criterion) {
        let program = std::env::current_exe().expect("a path");
        let mut mpirun = Command::new("mpirun")
            .args(["-n", "2", "--oversubscribe", "--bind-to", "none"])
            .arg(program)
            .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
            .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`mpirun` runs: scripts/setup.sh installs it");
        let mut questions = mpirun.stdin.take().expect("it is piped");
        let mut answers = BufReader::new(mpirun.stdout.take().expect("it is piped"));
        payloads(&mut criterion.benchmark_group("mpirun"), |bytes, times| {
            writeln!(questions, "{bytes} {times}").expect("rank 0 reads");
            let mut nanoseconds = String::new();
            answers.read_line(&mut nanoseconds).expect("rank 0 answers");
            Duration::from_nanos(nanoseconds.trim().parse().expect("a number"))
        });
        drop(questions);
        assert!(mpirun.wait().expect("it ends").success());
    }
}

#[cfg(feature = "mpi")]
criterion_group!(benches, headers, in_one_process, between_processes::mpi);
#[cfg(not(feature = "mpi"))]
criterion_group!(benches, headers, in_one_process);

fn main() {
    #[cfg(feature = "mpi")]
    if between_processes::play_rank() {
        return;
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
