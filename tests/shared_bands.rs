//! Ranks that read and write their own rows of images in bands: the same bytes and hashes as by one
//! rank alone, whatever a rank does not find, and no rows on their way that need not be.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod launch;
mod pictures;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use clap::Parser;
use launch::{assert_same, files};
use mpix::cli::{Cli, Command};
use mpix::error::Error;
use mpix::journal::{Checksum, ContentHash, OutputHash};
use mpix::plan::Job;
use mpix::rank0::{self, Desk};
use mpix::settings::RunSettings;
use mpix::transport::message::{BandInput, BandResult, Message, ToRank, ToRank0};
use mpix::transport::{Hub, Mailbox, RankLink};
use mpix::worker_rank::{self, Event};
use pictures::files::{put, with_channels, write};

/// What goes to a rank may be changed on its way.
type Meddle = dyn Fn(usize, &mut ToRank) + Send + Sync;

/// How bands went to ranks and came back.
#[derive(Debug, Default)]
struct Said {
    /// Bands whose rows were sent, and bands whose rows were named.
    sent: AtomicUsize,
    named: AtomicUsize,
    /// Bands that a rank did not find.
    not_seen: AtomicUsize,
    /// Bands of which a rank has written a part, and bands of which all bytes came back.
    written: AtomicUsize,
    came_back: AtomicUsize,
    /// Bytes that came back of those that were written.
    edge_bytes: AtomicUsize,
}

impl Said {
    fn heard_by_rank(&self, rank: usize, header: &ToRank) {
        let ToRank::Band(band) = header else { return };
        let of_rank0 = rank == 0 && matches!(band.result, BandResult::Place(..));
        assert!(!of_rank0, "rank 0's own rows are for its sink");
        let count = match band.input {
            BandInput::Place(_) => &self.named,
            BandInput::Rows | BandInput::Slice { .. } => &self.sent,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn heard_by_rank0(&self, message: &Message<ToRank0>) {
        if let ToRank0::BandNotSeen { .. } = message.header {
            self.not_seen.fetch_add(1, Ordering::Relaxed);
        }
        let ToRank0::Band { is_written, .. } = message.header else { return };
        let count = if is_written { &self.written } else { &self.came_back };
        count.fetch_add(1, Ordering::Relaxed);
        if is_written {
            self.edge_bytes.fetch_add(message.payload.len(), Ordering::Relaxed);
        }
    }

    /// Sent, named, not seen, written, came back.
    fn counts(&self) -> [usize; 5] {
        [&self.sent, &self.named, &self.not_seen, &self.written, &self.came_back]
            .map(|count| count.load(Ordering::Relaxed))
    }
}

/// Runs mpix in bands on so many ranks of this process. Returns its exit code, and how bands went.
fn run(
    ranks: usize,
    (flags, input, output): (&[&str], &Path, &Path),
    meddle: Arc<Meddle>,
) -> (u8, Arc<Said>) {
    let own = ["mpix", "run", "-q", "-r", "--distribute=bands", "--threads=1", "-o"];
    let places = [output.to_str().unwrap(), input.to_str().unwrap()];
    let words = own.into_iter().chain(places).chain(flags.iter().copied());
    let Command::Run(args) = Cli::try_parse_from(words).unwrap().command else { unreachable!() };
    let job = Job::new(RunSettings::new(*args).unwrap());
    let said = Arc::new(Said::default());
    let (to_events, events) = channel();
    let (mut mailboxes, mut threads) = (Vec::new(), Vec::new());
    for rank in 0..ranks {
        let (to_rank, queue) = channel::<Event>();
        let (from_rank0, on_the_way) = channel::<Event>();
        let (from_rank, answers) = channel::<(usize, Message<ToRank0>)>();
        mailboxes.push(Mailbox::new(from_rank0));
        let jobs_to = to_rank.clone();
        threads.push(thread::spawn(move || {
            let link = RankLink::Local { rank, rank0: Mailbox::new(from_rank) };
            worker_rank::run(link, &queue, &jobs_to).unwrap();
        }));
        let (said_there, meddle) = (Arc::clone(&said), Arc::clone(&meddle));
        thread::spawn(move || {
            while let Ok(Event::Message(mut message)) = on_the_way.recv() {
                said_there.heard_by_rank(rank, &message.header);
                meddle(rank, &mut message.header);
                let _ = to_rank.send(message.into());
            }
        });
        let (said_here, to_events) = (Arc::clone(&said), to_events.clone());
        thread::spawn(move || {
            while let Ok((rank, message)) = answers.recv() {
                said_here.heard_by_rank0(&message);
                let _ = to_events.send((rank, message).into());
            }
        });
    }
    let desk = Desk::new(Hub::local(mailboxes), (to_events, events));
    let code = rank0::run(job, desk).unwrap_or_else(|error: Error| error.exit_code());
    for thread in threads {
        thread.join().unwrap();
    }
    (code, said)
}

fn nothing() -> Arc<Meddle> {
    Arc::new(|_, _| {})
}

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// One picture of RGB pixels whose rows stand in the file as they are.
    fn with_one(height: usize) -> Self {
        let place = Self::new();
        let pixels = pictures::landscape(WIDTH, height, 5);
        write(&place.path("in/a.tif"), &pixels, WIDTH, height, 3);
        place
    }

    /// What one rank makes of it alone, whole.
    fn expected(&self, flags: &[&str]) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
        let name = format!("whole{}", flags.concat());
        let (input, output) = (self.path("in"), self.path(&name));
        let places = ["-o", output.to_str().unwrap(), input.to_str().unwrap()];
        let own = ["run", "-q", "-r", "--distribute=images", "--threads=1"];
        launch::mpix(own.iter().chain(flags).chain(&places)).expect_code(0);
        files(&output)
    }

    /// What is in the output directory is right, and so is what the journal says of it.
    #[track_caller]
    fn assert_done(&self, expected: &std::collections::BTreeMap<PathBuf, Vec<u8>>, output: &Path) {
        assert_same(expected, output, "bands");
        let found = mpix::journal::read(output).unwrap();
        for (name, bytes) in files(&self.path("in")) {
            let done = found.done(&self.path("in").join(&name)).unwrap();
            assert_eq!(done.input.content, ContentHash::of(&bytes), "{name:?}");
            let result = &expected[&done.output];
            let checksum = done.output_hash.checksum();
            assert_eq!(done.output_hash, OutputHash::of(checksum, result), "{name:?}");
        }
    }
}

/// No row is of whole pages.
const WIDTH: usize = 701;
const HEIGHT: usize = 331;
/// A band of so many rows has whole pages, whatever its channels, and one of so few none.
const HIGH: &str = "--band-rows=200";
const LOW: &str = "--band-rows=7";
const BLAKE3: &str = "--checksum=blake3";

#[test]
fn the_same_bytes_and_hashes_by_any_number_of_ranks() {
    let place = Place::new();
    let pixels = pictures::landscape(WIDTH, HEIGHT, 3);
    for (name, channels) in [
        ("a.tif", 3),
        ("b.ppm", 3),
        ("c.pgm", 1),
        ("d.tif", 4),
        ("e.tif", 1),
        ("f.pam", 2),
        ("g.jpg", 3),
    ] {
        let pixels = with_channels(&pixels, channels);
        write(&place.path("in").join(name), &pixels, WIDTH, HEIGHT, channels);
    }
    let mut file = fs::read(place.path("in/b.ppm")).unwrap();
    file.extend(vec![7; 150_000]);
    put(&place.path("in/with-a-tail.ppm"), &file);
    let chains: [&[&str]; 4] = [
        &["--op=invert"],
        &["--op=blur:ksize=31"],
        &["--op=canny:low=20,high=60"],
        &["--op=canny:low=20,high=60", "--op=blur:ksize=9"],
    ];
    for chain in chains {
        for format in ["--format=tiff", "--format=pnm", "--format=png"] {
            let flags = [chain, &[format]].concat();
            let expected = place.expected(&flags);
            for ranks in 1..=4 {
                for (height, checksum) in [
                    (LOW, Checksum::Blake3),
                    (HIGH, Checksum::Blake3),
                    (HIGH, Checksum::Sha256),
                    (HIGH, Checksum::None),
                ] {
                    let output = place.path("out");
                    let flag = format!("--checksum={checksum:?}").to_lowercase();
                    let flags = [&flags[..], &[height, &flag, "--shared-fs=yes"]].concat();
                    let (code, said) = run(ranks, (&flags, &place.path("in"), &output), nothing());
                    assert_eq!(code, 0, "{flags:?}");
                    place.assert_done(&expected, &output);
                    let state = mpix::journal::read(&output).unwrap();
                    assert!(state.all_done().all(|done| done.output_hash.checksum() == checksum));
                    let [_, named, not_seen, written, _] = said.counts();
                    assert!(named > 0 && not_seen == 0, "{said:?}");
                    let writes = ranks > 1 && height == HIGH && format != "--format=png";
                    assert_eq!(written > 0, writes, "{flags:?} {ranks} {said:?}");
                    fs::remove_dir_all(output).unwrap();
                }
            }
        }
    }
}

#[test]
fn rows_go_over_no_link_where_all_ranks_see_the_files() {
    let place = Place::with_one(1200);
    let expected = place.expected(&["--op=blur:ksize=31"]);
    for (ranks, way) in [(1, "auto"), (3, "auto"), (3, "yes"), (3, "no")] {
        let (output, way) = (place.path("out"), format!("--shared-fs={way}"));
        let flags = ["--op=blur:ksize=31", "--band-rows=100", &way];
        let (code, said) = run(ranks, (&flags, &place.path("in"), &output), nothing());
        assert_eq!(code, 0);
        place.assert_done(&expected, &output);
        let [sent, named, not_seen, written, came_back] = said.counts();
        let is_shared = way != "--shared-fs=no";
        assert_eq!((sent, named, not_seen), if is_shared { (0, 12, 0) } else { (12, 0, 0) });
        assert_eq!(written + came_back, 12);
        assert_eq!(written > 0, is_shared && ranks > 1, "{said:?}");
        // Less than a page at each end.
        assert!(said.edge_bytes.load(Ordering::Relaxed) < written.max(1) * (128 << 10));
        fs::remove_dir_all(output).unwrap();
    }
}

/// One rank is told what only rank 0 sees: its rows come another way.
#[test]
fn a_rank_that_finds_no_file_or_another_one_gets_rows_as_bytes() {
    let place = Place::with_one(1200);
    let other = place.path("other.tif");
    fs::copy(place.path("in/a.tif"), &other).unwrap();
    let meddles: [fn(&mut BandInput, &Path); 3] = [
        |input, _| {
            if let BandInput::Place(place) = input {
                place.path = "/nowhere/a.tif".into();
            }
        },
        |input, other| {
            if let BandInput::Place(place) = input {
                place.path = other.to_path_buf();
            }
        },
        |input, _| {
            if let BandInput::Place(place) = input {
                place.seen.modified_ns += 1;
            }
        },
    ];
    for op in ["--op=blur:ksize=9", "--op=canny:low=20,high=60"] {
        let expected = place.expected(&[op]);
        for meddle in meddles {
            for victims in [1..2, 0..3] {
                let (output, other) = (place.path("out"), other.clone());
                let is_victim = victims.clone();
                let meddle: Arc<Meddle> = Arc::new(move |rank, header| {
                    if let ToRank::Band(band) = header
                        && is_victim.contains(&rank)
                    {
                        meddle(&mut band.input, &other);
                    }
                });
                let flags = [op, "--band-rows=200"];
                let (code, said) = run(3, (&flags, &place.path("in"), &output), meddle);
                assert_eq!(code, 0);
                place.assert_done(&expected, &output);
                let [sent, named, not_seen, written, _] = said.counts();
                assert_eq!((sent, named), (not_seen, 6), "{said:?}");
                assert!(not_seen > 0 && (not_seen < 6) == (victims == (1..2)), "{said:?}");
                assert!(written > 0, "a rank that cannot read may write: {said:?}");
                fs::remove_dir_all(output).unwrap();
            }
        }
    }
}

#[test]
fn the_next_image_goes_as_bytes_to_a_rank_that_saw_none() {
    let place = Place::with_one(400);
    fs::copy(place.path("in/a.tif"), place.path("in/b.tif")).unwrap();
    let expected = place.expected(&["--op=invert"]);
    let meddle: Arc<Meddle> = Arc::new(|_, header| {
        if let ToRank::Band(band) = header
            && let BandInput::Place(place) = &mut band.input
        {
            place.path = "/nowhere".into();
        }
    });
    // Room for one image: the second is begun when the first is done.
    let flags = ["--op=invert", "--band-rows=100", "--memory=16M"];
    let (code, said) = run(2, (&flags, &place.path("in"), &place.path("out")), meddle);
    assert_eq!(code, 0);
    place.assert_done(&expected, &place.path("out"));
    let [sent, named, not_seen, ..] = said.counts();
    assert_eq!((sent, named, not_seen), (8, 4, 4), "{said:?}");
}

#[test]
fn rank_0_writes_what_a_rank_cannot() {
    let place = Place::with_one(1200);
    let directory = place.path("a-directory");
    fs::create_dir(&directory).unwrap();
    for (op, format) in [("--op=blur:ksize=9", "--format=tiff"), ("--op=canny", "--format=pnm")] {
        let expected = place.expected(&[op, format]);
        // Not there; no file.
        for name in [PathBuf::from(".mpix-gone"), directory.clone()] {
            let output = place.path("out");
            let meddle: Arc<Meddle> = Arc::new(move |_, header| {
                if let ToRank::Band(band) = header
                    && let BandResult::Place(_, place) = &mut band.result
                {
                    place.name.clone_from(&name);
                }
            });
            let flags = [op, format, "--band-rows=200", BLAKE3];
            let (code, said) = run(2, (&flags, &place.path("in"), &output), meddle);
            assert_eq!(code, 0);
            place.assert_done(&expected, &output);
            assert_eq!(said.counts(), [0, 6, 0, 0, 6], "{said:?}");
            assert!(!output.join(".mpix-gone").exists());
            fs::remove_dir_all(output).unwrap();
        }
    }
}

#[test]
fn a_file_that_changes_in_mid_run_fails_and_leaves_nothing() {
    for ranks in [1, 3] {
        for (way, is_cut) in
            [("--shared-fs=yes", false), ("--shared-fs=yes", true), ("--shared-fs=no", false)]
        {
            let place = Place::with_one(1200);
            let input = place.path("in/a.tif");
            let handed_out = AtomicUsize::new(0);
            let meddle: Arc<Meddle> = Arc::new(move |_, header| {
                if matches!(header, ToRank::Band(_))
                    && handed_out.fetch_add(1, Ordering::Relaxed) == 3
                {
                    // The same length and other bytes, at another time.
                    let mut bytes = fs::read(&input).unwrap();
                    bytes.iter_mut().for_each(|byte| *byte ^= 1);
                    thread::sleep(Duration::from_millis(20));
                    let file = File::options().write(true).open(&input).unwrap();
                    std::os::unix::fs::FileExt::write_all_at(&file, &bytes, 0).unwrap();
                    if is_cut {
                        file.set_len(20_000).unwrap();
                    }
                }
            });
            let flags = ["--op=invert", "--band-rows=40", way];
            let (code, _) = run(ranks, (&flags, &place.path("in"), &place.path("out")), meddle);
            assert_eq!(code, 1, "{ranks} {way}");
            assert!(files(&place.path("out")).is_empty());
            let found = mpix::journal::read(&place.path("out")).unwrap();
            assert!(found.done(&place.path("in/a.tif")).is_none());
            assert_eq!(found.counts().failed, 1);
        }
    }
}

#[test]
fn a_file_that_is_cut_off_fails_as_it_does_alone() {
    let place = Place::with_one(1200);
    let file = File::options().write(true).open(place.path("in/a.tif")).unwrap();
    file.set_len(file.metadata().unwrap().len() - 1).unwrap();
    let (code, said) = run(2, (&["--op=invert"], &place.path("in"), &place.path("out")), nothing());
    assert_eq!((code, said.counts()[1]), (1, 0));
    assert!(files(&place.path("out")).is_empty());
}
