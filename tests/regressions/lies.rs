//! A rank that does not tell rank 0 what it should: the run ends with what is wrong, and no panic.

use std::sync::mpsc::channel;

use clap::Parser;
use mpix::cli::{Cli, Command};
use mpix::error::{BugError, Error};
use mpix::hash::GroupHashes;
use mpix::image_file::Format;
use mpix::plan::{HostFacts, Job};
use mpix::rank0::{self, Desk};
use mpix::settings::RunSettings;
use mpix::transport::message::{BandHeader, Message, RankTimes, ToRank, ToRank0};
use mpix::transport::{Hub, Mailbox};
use mpix::worker_rank::Event;

use crate::pictures::file;

fn facts() -> HostFacts {
    HostFacts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: "a".to_owned(),
        cpu_list: "0".to_owned(),
        allowed_cores: 1,
        host_cores: 1,
        memory_bytes: 1 << 30,
    }
}

/// Runs `op` over one image in bands with a rank that greets with `hello` and gives `answer` to each
/// band; returns what rank 0 found wrong with it.
fn found(op: &str, hello: HostFacts, answer: fn(&BandHeader) -> Message<ToRank0>) -> &'static str {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("a.png"), dir.path().join("out"));
    let mut png = std::fs::File::create(&input).unwrap();
    std::io::Write::write_all(&mut png, &file(Format::Png, 8, 8, 3)).unwrap();
    let (input, output) = (input.to_str().unwrap(), output.to_str().unwrap());
    let own = ["mpix", "run", "-q", "--distribute=bands", "--shared-fs=no"];
    let arguments = own.into_iter().chain(["--op", op, "-o", output, input]);
    let Command::Run(args) = Cli::try_parse_from(arguments).unwrap().command else {
        unreachable!()
    };
    let job = Job::new(RunSettings::new(*args).unwrap());

    let (to_rank, messages) = channel::<Event>();
    let (to_events, events) = channel();
    let hub = Hub::local(vec![Mailbox::new(to_rank)]);
    to_events.send((0, Message::bare(ToRank0::Hello(hello))).into()).unwrap();
    let to_rank0 = to_events.clone();
    let desk = Desk::new(hub, (to_events, events));
    let liar = std::thread::spawn(move || {
        while let Ok(Event::Message(message)) = messages.recv() {
            if let ToRank::Band(band) = message.header {
                // The run may be over.
                let _ = to_rank0.send((0, answer(&band)).into());
            }
        }
    });
    let outcome = rank0::run(job, desk);
    liar.join().unwrap();
    match outcome {
        Err(Error::Bug(BugError::Message { from: 0, what })) => what,
        other => panic!("{other:?}"),
    }
}

fn partials(band: &BandHeader) -> Message<ToRank0> {
    let none = postcard::to_stdvec(&Vec::<Vec<u8>>::new()).unwrap();
    Message::new(
        ToRank0::Partials {
            image: band.image,
            band: band.band,
            times: RankTimes::default(),
            groups: GroupHashes::default(),
        },
        none,
    )
}

#[test]
fn partials_for_a_round_without_a_global_pass_are_refused() {
    let what = found("invert", facts(), partials);
    assert_eq!(what, "it brings partials that nobody waits for");
}

/// Rows of band `band` of image `image`: so many bytes.
fn rows((image, band): (usize, usize), bytes: usize) -> Message<ToRank0> {
    let (times, groups) = (RankTimes::default(), GroupHashes::default());
    let made = groups.clone();
    let header = ToRank0::Band { image, band, times, groups, made, is_written: false };
    Message::new(header, vec![0; bytes])
}

#[test]
fn rows_before_the_share_are_refused() {
    let what =
        found("canny", facts(), |band| rows((band.image, band.band), band.rows.len() * band.width));
    assert_eq!(what, "it brings rows before it has its share");
}

#[test]
fn bands_and_images_that_a_rank_never_had_are_refused() {
    let what = found("invert", facts(), |band| rows((band.image, usize::MAX), 0));
    assert_eq!(what, "it speaks of a band that it never had");
    let what = found("invert", facts(), |band| rows((usize::MAX, band.band), 0));
    assert_eq!(what, "it speaks of an image that it never had");
}

#[test]
fn files_that_a_rank_was_not_to_touch_are_none_of_its_business() {
    let what = found("invert", facts(), |band| {
        Message::bare(ToRank0::BandNotSeen { image: band.image, band: band.band })
    });
    assert_eq!(what, "it does not find what it was not to look for");
    let what = found("invert", facts(), |band| {
        Message::bare(ToRank0::BandFiltered { image: band.image, band: band.band })
    });
    assert_eq!(what, "it writes what it was not to write");
    let what = found("invert", facts(), |band| {
        let mut rows = rows((band.image, band.band), 0);
        if let ToRank0::Band { is_written, .. } = &mut rows.header {
            *is_written = true;
        }
        rows
    });
    assert_eq!(what, "it has written what it was not to write");
    let what = found("invert", facts(), |band| {
        let length = band.rows.len() * band.width * band.channels;
        let mut rows = rows((band.image, band.band), length);
        if let ToRank0::Band { made, .. } = &mut rows.header {
            *made = GroupHashes::of(0, b"a");
        }
        rows
    });
    assert_eq!(what, "it tells hashes of other groups than asked for");
    let what = found("invert", facts(), |band| {
        let mut rows = rows((band.image, band.band), 0);
        if let ToRank0::Band { groups, .. } = &mut rows.header {
            let file = tempfile::tempfile().unwrap();
            *groups = GroupHashes::read((&file, 1), 0..1, (0, b"a")).unwrap();
        }
        rows
    });
    assert_eq!(what, "it has hashed other parts of the file than asked for");
}

#[test]
fn a_host_with_more_cores_than_there_are_is_refused() {
    let hello = HostFacts { allowed_cores: usize::MAX, ..facts() };
    assert_eq!(found("invert", hello, partials), "it counts cores that no host has");
}
