//! Owners and contenders of a lease, in one process.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const SHORT: Duration = Duration::from_millis(400);

fn holder(host: &str, run_id: u64) -> Holder {
    Holder {
        host: host.to_owned(),
        pid: std::process::id(),
        run_id,
        command: "mpix run".into(),
        launch: None,
    }
}

/// A holder that says it is on a host of its own, so that nobody can ask after its process.
fn attempt(id: u64, attempt: u32) -> Holder {
    let host = format!("host of {id}:{attempt}");
    Holder { launch: Some(LaunchId { id, attempt }), ..holder(&host, u64::from(attempt)) }
}

fn file_of(output: &Path, number: u64) -> PathBuf {
    Place::new(output, LeaseName::Run).file(number)
}

fn put(output: &Path, number: u64, text: &[u8]) {
    fs::create_dir_all(directory_of(output)).unwrap();
    fs::File::create(file_of(output, number)).unwrap().write_all(text).unwrap();
}

#[test]
fn a_second_is_refused_and_told_who_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = Lease::take(dir.path(), LeaseName::Run, holder("a", 1)).unwrap();
    let refused = thread::scope(|scope| {
        let second = scope.spawn(|| Lease::take(dir.path(), LeaseName::Run, holder("b", 2)));
        while !second.is_finished() {
            thread::sleep(Duration::from_millis(50));
            first.renew().unwrap();
        }
        second.join().unwrap()
    });
    let Err(LeaseError::Held { by, since_ns, renewed_ns, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(*by, holder("a", 1));
    assert!(renewed_ns > since_ns);
    first.release().unwrap();
    assert_eq!(Lease::look(dir.path(), LeaseName::Run, "a").unwrap(), None);
    Lease::take(dir.path(), LeaseName::Run, holder("b", 2)).unwrap();
    assert_eq!(
        Lease::look(dir.path(), LeaseName::Run, "a").unwrap().unwrap().holder,
        holder("b", 2)
    );
}

#[test]
fn who_does_not_renew_loses_it_and_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = Lease::take(dir.path(), LeaseName::Run, holder("a", 1)).unwrap();
    let began = Instant::now();
    let mut second = Lease::take_after(dir.path(), LeaseName::Run, holder("b", 2), SHORT).unwrap();
    assert!(began.elapsed() >= SHORT);
    for _ in 0..5 {
        assert!(first.seems_taken() && !second.seems_taken());
        second.renew().unwrap();
    }
    let lost = first.renew();
    assert!(matches!(lost, Err(LeaseError::Lost { by: Some(by), .. }) if by.run_id == 2));
    for _ in 0..5 {
        second.renew().unwrap();
    }
    assert!(matches!(first.renew(), Err(LeaseError::Lost { .. })));
    second.ghost_is_shut_out();
    second.release().unwrap();
    assert!(matches!(first.renew(), Err(LeaseError::Lost { by: None, .. })));
    assert!(matches!(first.release(), Err(LeaseError::Lost { by: None, .. })));
}

#[test]
fn an_attempt_whose_answer_was_lost_is_no_loss() {
    let dir = tempfile::tempdir().unwrap();
    let mut lease = Lease::take(dir.path(), LeaseName::Run, holder("a", 1)).unwrap();
    put(dir.path(), 2, &text_of(&lease.claim).unwrap());
    lease.renew().unwrap();
    assert_eq!(lease.number, 2);
    let other =
        Lease::take_after(&dir.path().join("b"), LeaseName::Run, holder("a", 1), SHORT).unwrap();
    put(dir.path(), 3, &text_of(&other.claim).unwrap());
    assert!(matches!(lease.renew(), Err(LeaseError::Lost { .. })));
}

#[test]
fn a_directory_that_is_gone_is_an_error_and_no_loss() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("out");
    let mut lease = Lease::take(&output, LeaseName::Run, holder("a", 1)).unwrap();
    fs::remove_dir_all(&output).unwrap();
    assert!(matches!(lease.renew(), Err(LeaseError::Io { .. })));
    fs::create_dir_all(directory_of(&output)).unwrap();
    lease.renew().unwrap();
}

#[test]
fn a_gap_between_looks_does_not_count_in_full() {
    let mut watch = Watch::new(1);
    watch.last_look -= Duration::from_secs(60);
    watch.look();
    assert_eq!(watch.still_for, 3 * LOOK_EVERY);
}

#[test]
fn clocks_have_no_say() {
    let dir = tempfile::tempdir().unwrap();
    for (number, skewed) in [(10, i64::MIN), (20, 0), (30, i64::MAX)] {
        let own = Process::new("elsewhere", 1);
        let claim = Claim::Held {
            token: number,
            holder: holder("elsewhere", number),
            process: own,
            since_ns: skewed,
            renewed_ns: skewed,
            ghost: false,
        };
        put(dir.path(), number, &text_of(&claim).unwrap());
        let file = fs::File::open(file_of(dir.path(), number)).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(number << 28)).unwrap();
        let began = Instant::now();
        Lease::take_after(dir.path(), LeaseName::Run, holder("here", 1), SHORT)
            .unwrap()
            .release()
            .unwrap();
        assert!(began.elapsed() >= SHORT);
    }
}

#[test]
fn nonsense_is_somebody_until_it_has_stood_still() {
    let dir = tempfile::tempdir().unwrap();
    let nonsense: [&[u8]; 5] = [b"", b"\0\0\0\0", b"{\"Held\":{}}", b"\xff\xfe", &[b'['; 70_000]];
    for (number, text) in (7..).step_by(10).zip(nonsense) {
        put(dir.path(), number, text);
        put(dir.path(), u64::MAX, b"no number of ours");
        let began = Instant::now();
        Lease::take_after(dir.path(), LeaseName::Run, holder("here", 1), SHORT).unwrap();
        assert!(began.elapsed() >= SHORT);
    }
}

#[test]
fn just_one_of_many_wins_at_the_same_moment() {
    for round in 0..5 {
        let dir = tempfile::tempdir().unwrap();
        if round % 2 == 1 {
            Lease::take(dir.path(), LeaseName::Run, holder("elsewhere", 99)).unwrap();
        }
        let held = AtomicUsize::new(0);
        let ended = AtomicUsize::new(0);
        thread::scope(|scope| {
            for id in 0..8 {
                let (held, ended, dir) = (&held, &ended, dir.path());
                scope.spawn(move || {
                    let taken = Lease::take_after(dir, LeaseName::Run, holder("here", id), SHORT);
                    if let Ok(mut lease) = taken {
                        held.fetch_add(1, Ordering::SeqCst);
                        while ended.load(Ordering::SeqCst) < 7 {
                            lease.renew().unwrap();
                            thread::sleep(SHORT / 10);
                        }
                    } else {
                        ended.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(held.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn taken_and_given_up_by_turns_never_by_two() {
    let dir = tempfile::tempdir().unwrap();
    let (inside, turns) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for id in 0..4 {
            let (inside, turns, dir) = (&inside, &turns, dir.path());
            scope.spawn(move || {
                while turns.load(Ordering::SeqCst) < 200 {
                    let taken = Lease::take(dir, LeaseName::Run, holder("here", id));
                    let Ok(mut lease) = taken else { continue };
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    lease.renew().unwrap();
                    turns.fetch_add(1, Ordering::SeqCst);
                    assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1);
                    lease.release().unwrap();
                }
            });
        }
    });
    assert!(Place::new(dir.path(), LeaseName::Run).numbers().unwrap().len() <= 2);
}

#[test]
fn a_later_attempt_takes_it_at_once_and_the_earlier_one_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let take = |holder| Lease::take(dir.path(), LeaseName::Run, holder);
    let mut first = take(attempt(7, 1)).unwrap();
    assert!(!first.ghost_may_write());
    let began = Instant::now();
    let mut second = take(attempt(7, 2)).unwrap();
    assert!(began.elapsed() < TIME_TO_LIVE / 5);
    assert!(second.ghost_may_write(), "the first is alive");
    let lost = first.renew();
    assert!(matches!(lost, Err(LeaseError::Overtaken { by, .. }) if by.run_id == 2));
    assert!(matches!(first.release(), Err(LeaseError::Overtaken { .. })));
    second.renew().unwrap();
}

#[test]
fn an_earlier_attempt_is_refused_at_once_though_the_later_one_is_dead() {
    let dir = tempfile::tempdir().unwrap();
    let take = |holder| Lease::take(dir.path(), LeaseName::Run, holder);
    let dead = Holder { pid: u32::MAX, host: "here".to_owned(), ..attempt(7, 3) };
    let process = Process::gone("here");
    let (since_ns, ghost) = (0, false);
    let claim = Claim::Held { token: 1, holder: dead, process, since_ns, renewed_ns: 0, ghost };
    put(dir.path(), 1, &text_of(&claim).unwrap());
    let began = Instant::now();
    let here = |number| Holder { host: "here".to_owned(), ..attempt(7, number) };
    let refused = take(here(2));
    assert!(matches!(refused, Err(LeaseError::Overtaken { by, .. }) if by.run_id == 3));
    take(here(4)).unwrap().release().unwrap();
    let refused = take(here(3));
    assert!(matches!(refused, Err(LeaseError::Overtaken { by, .. }) if by.run_id == 4));
    take(here(4)).unwrap();
    assert!(began.elapsed() < TIME_TO_LIVE / 5);
}

#[test]
fn attempts_of_other_launches_and_equal_ones_wait_as_anybody() {
    let dir = tempfile::tempdir().unwrap();
    let take = |holder| {
        Lease::take_after(dir.path(), LeaseName::Run, holder, SHORT).map(|_| Instant::now())
    };
    let mut before = take(attempt(7, 1)).unwrap();
    for next in [attempt(8, 2), attempt(8, 2), holder("elsewhere", 9), attempt(7, 1)] {
        let taken = take(next).unwrap();
        assert!(taken - before >= SHORT);
        before = taken;
    }
}

#[test]
fn a_ghost_is_remembered_until_it_is_shut_out() {
    let dir = tempfile::tempdir().unwrap();
    let take = |holder| Lease::take_after(dir.path(), LeaseName::Run, holder, SHORT);
    take(attempt(7, 1)).unwrap();
    // The second ends before it has shut the first one out, and its process is known to be gone.
    let mut second = take(attempt(7, 2)).unwrap();
    let Claim::Held { process, .. } = &mut second.claim else { panic!() };
    *process = Process::gone("here");
    second.renew().unwrap();
    second.release().unwrap();
    let mut third = take(Holder { host: "here".to_owned(), ..attempt(7, 3) }).unwrap();
    assert!(third.ghost_may_write());
    third.ghost_is_shut_out();
    third.renew().unwrap();
    third.release().unwrap();
    assert!(!take(attempt(7, 4)).unwrap().ghost_may_write());
}

#[test]
fn leases_of_two_names_know_nothing_of_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let mut launch = Lease::take(dir.path(), LeaseName::Launch, holder("a", 1)).unwrap();
    let mut run = Lease::take(dir.path(), LeaseName::Run, holder("b", 2)).unwrap();
    launch.renew().unwrap();
    run.renew().unwrap();
    let run_id = |name| Lease::look(dir.path(), name, "a").unwrap().map(|seen| seen.holder.run_id);
    assert_eq!((run_id(LeaseName::Launch), run_id(LeaseName::Run)), (Some(1), Some(2)));
    launch.release().unwrap();
    assert_eq!((run_id(LeaseName::Launch), run_id(LeaseName::Run)), (None, Some(2)));
}

#[test]
fn a_lease_written_before_there_were_launches_is_understood() {
    let dir = tempfile::tempdir().unwrap();
    let lease = Lease::take(dir.path(), LeaseName::Run, holder("a", 1)).unwrap();
    let text = String::from_utf8(text_of(&lease.claim).unwrap()).unwrap();
    let old = text.replace(",\"ghost\":false", "");
    assert!(old.len() < text.len() && !old.contains("launch"));
    put(dir.path(), 4, b"\"Free\"\n");
    assert_eq!(Lease::look(dir.path(), LeaseName::Run, "a").unwrap(), None);
    put(dir.path(), 5, old.as_bytes());
    assert_eq!(
        Place::new(dir.path(), LeaseName::Run).newest().unwrap().unwrap().claim,
        Some(lease.claim)
    );
}
