//! A whole rank that gets messages which no rank 0 sends.

use std::collections::HashSet;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use mpix::error::{BugError, Error};
use mpix::hash::Checksum;
use mpix::image_file::{DecodeOptions, Limits};
use mpix::ops::Chain;
use mpix::plan::Work;
use mpix::transport::message::{BandResult, Message, ToRank, ToRank0};
use mpix::transport::{Mailbox, RankLink};
use mpix::worker_rank::{self, Event};

const MAX_MESSAGES: usize = 8;
const MAX_PIXELS: u64 = 1 << 14;
/// Longer than any job of so few pixels takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Messages, one after the other as postcard writes `(ToRank, Vec<u8>)`: each is carried out or
/// refused, but none makes the rank panic or wait.
pub(super) fn any_messages(bytes: &[u8]) {
    let (to_rank, own) = channel::<Event>();
    let (to_rank0, answers) = channel::<(usize, Message<ToRank0>)>();
    let jobs_to = to_rank.clone();
    let rank = std::thread::spawn(move || {
        let link = RankLink::Local { rank: 1, rank0: Mailbox::new(to_rank0) };
        worker_rank::run(link, &own, &jobs_to)
    });
    answers.recv().expect("a greeting");
    let say = |header, payload| to_rank.send(Event::Message(Message::new(header, payload))).is_ok();
    let mut chain = first_work().chain().expect("a chain");
    say(ToRank::Start(first_work()), Vec::new());
    let mut rest = bytes;
    let mut given_up = HashSet::new();
    for _ in 0..MAX_MESSAGES {
        let Ok(((header, payload), behind)) = postcard::take_from_bytes::<(ToRank, Vec<u8>)>(rest)
        else {
            break;
        };
        rest = behind;
        let header = bounded(header);
        // It would read and write files of whoever fuzzes.
        if let ToRank::Look(_) = header {
            continue;
        }
        if let ToRank::Start(work) = &header {
            let Ok(other) = work.chain() else { break };
            chain = other;
        }
        if !say(header.clone(), payload) {
            break;
        }
        let image = match &header {
            ToRank::Image { image, .. } | ToRank::Share { image, .. } => *image,
            ToRank::Band(band) => band.image,
            ToRank::GiveUp { image } => {
                given_up.insert(*image);
                continue;
            }
            ToRank::Start(_)
            | ToRank::Look(_)
            | ToRank::Ping { .. }
            | ToRank::Probe
            | ToRank::Stop => continue,
        };
        if !given_up.contains(&image) {
            // A rank that ends says no more.
            let Some(answer) = next_answer(&answers, &given_up) else { break };
            check_answer(&chain, &header, &answer);
        }
    }
    say(ToRank::Stop, Vec::new());
    match rank.join().expect("a rank does not panic") {
        Err(Error::Bug(BugError::Panic { work, panic, .. })) => panic!("{work}: {panic}"),
        Ok(())
        | Err(
            Error::Usage(_) | Error::Bug(_) | Error::Output(_) | Error::Read(_) | Error::Host(_),
        ) => {}
    }
}

/// What came of a job; that it was begun is no answer, and what comes late of an image that was given
/// up is none to this one.
fn next_answer(
    answers: &Receiver<(usize, Message<ToRank0>)>,
    given_up: &HashSet<usize>,
) -> Option<Message<ToRank0>> {
    loop {
        let (_, answer) = answers.recv_timeout(PATIENCE).ok()?;
        match answer.header {
            ToRank0::Began { .. } | ToRank0::Pong { .. } | ToRank0::Arrived(_) => {}
            ToRank0::Image { image, .. }
            | ToRank0::BandNotSeen { image, .. }
            | ToRank0::BandFiltered { image, .. }
            | ToRank0::Band { image, .. }
            | ToRank0::BandFailed { image, .. }
            | ToRank0::Partials { image, .. }
                if given_up.contains(&image) => {}
            ToRank0::Hello(_)
            | ToRank0::Log { .. }
            | ToRank0::Sees { .. }
            | ToRank0::Filtered { .. }
            | ToRank0::Image { .. }
            | ToRank0::BandNotSeen { .. }
            | ToRank0::BandFiltered { .. }
            | ToRank0::Band { .. }
            | ToRank0::BandFailed { .. }
            | ToRank0::Partials { .. } => return Some(answer),
        }
    }
}

fn first_work() -> Work {
    let ops = ["blur:ksize=3,sigma=1", "canny:low=50,high=100", "invert"];
    Work {
        ops: ops.map(|op| op.parse().expect("an op")).to_vec(),
        decode: DecodeOptions {
            limits: Limits { pixels: MAX_PIXELS, ..Limits::DEFAULT },
            depth_8: false,
            strip: false,
        },
        quality: 95,
        strip: false,
        checksum: Checksum::Blake3,
        threads: 1,
        silence_seconds: 30,
        kept_buffers: 1 << 20,
    }
}

/// What a user may ask for, bounded so that it can be tried many times.
fn bounded(header: ToRank) -> ToRank {
    let ToRank::Start(mut work) = header else { return header };
    let pixels = &mut work.decode.limits.pixels;
    *pixels = (*pixels).min(MAX_PIXELS);
    if (2..=4096).contains(&work.threads) {
        work.threads = 2;
    }
    work.ops.truncate(4);
    ToRank::Start(work)
}

fn check_answer(chain: &Chain, asked: &ToRank, answer: &Message<ToRank0>) {
    match (asked, &answer.header) {
        (ToRank::Image { image, .. }, ToRank0::Image { image: own, .. }) => assert_eq!(image, own),
        (
            ToRank::Share { image, band },
            ToRank0::Band { image: own, band: its, .. }
            | ToRank0::BandFailed { image: own, band: its, .. },
        ) => {
            assert_eq!((image, band), (own, its));
        }
        (ToRank::Band(asked), ToRank0::Partials { image, band, .. }) => {
            assert_eq!((asked.image, asked.band), (*image, *band));
            assert!(chain.rounds()[asked.round].is_global());
        }
        (ToRank::Band(asked), ToRank0::BandFailed { image, band, .. }) => {
            assert_eq!((asked.image, asked.band), (*image, *band));
        }
        (ToRank::Band(asked), ToRank0::Band { image, band, .. }) => {
            assert_eq!((asked.image, asked.band), (*image, *band));
            if asked.result != BandResult::Rows {
                return;
            }
            let channels = chain.rounds()[asked.round].output_channels(asked.channels);
            assert_eq!(answer.payload.len(), asked.rows.len() * asked.width * channels);
        }
        (_, other) => panic!("{other:?} for {asked:?}"),
    }
}
