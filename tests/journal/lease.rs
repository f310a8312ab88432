//! The lease between processes, some of which die.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mpix::journal::*;

/// For the child: where to take the lease, and whether to take it for another host.
const DIRECTORY_VARIABLE: &str = "MPIX_TEST_LEASE";
const HOST_VARIABLE: &str = "MPIX_TEST_LEASE_HOST";

fn holder(host: &str) -> Holder {
    Holder {
        host: host.to_owned(),
        pid: std::process::id(),
        run_id: u64::from(std::process::id()),
        command: "mpix run".to_owned(),
        launch: None,
    }
}

/// No test, but the child of others: takes the lease, says so, renews it until it is killed.
#[test]
fn a_child_that_holds_the_lease() {
    let Some(output) = std::env::var_os(DIRECTORY_VARIABLE) else { return };
    let host = std::env::var(HOST_VARIABLE).unwrap();
    let mut lease = Lease::take(Path::new(&output), LeaseName::Run, holder(&host)).unwrap();
    println!("taken");
    loop {
        std::thread::sleep(Duration::from_millis(100));
        lease.renew().unwrap();
    }
}

fn child(output: &Path, host: &str) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "lease::a_child_that_holds_the_lease", "--nocapture"])
        .env(DIRECTORY_VARIABLE, output)
        .env(HOST_VARIABLE, host)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("taken")));
    child
}

#[test]
fn a_killed_owner_on_this_host_loses_it_at_once() {
    let dir = tempfile::tempdir().unwrap();
    for reaped in [false, true] {
        let mut owner = child(dir.path(), "here");
        let refused = Lease::take(dir.path(), LeaseName::Run, holder("here"));
        assert!(matches!(refused, Err(LeaseError::Held { by, .. }) if by.pid == owner.id()));
        assert!(!Lease::look(dir.path(), LeaseName::Run, "here").unwrap().unwrap().is_dead);
        owner.kill().unwrap();
        if reaped {
            owner.wait().unwrap();
        }
        let began = Instant::now();
        while Lease::look(dir.path(), LeaseName::Run, "here")
            .unwrap()
            .is_some_and(|seen| !seen.is_dead)
        {
            assert!(began.elapsed() < Duration::from_secs(5));
        }
        let began = Instant::now();
        Lease::take(dir.path(), LeaseName::Run, holder("here")).unwrap().release().unwrap();
        assert!(began.elapsed() < TIME_TO_LIVE / 5);
        owner.wait().unwrap();
    }
}

#[test]
fn a_killed_owner_on_another_host_loses_it_after_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut owner = child(dir.path(), "there");
    owner.kill().unwrap();
    owner.wait().unwrap();
    let time_to_live = Duration::from_secs(1);
    let began = Instant::now();
    Lease::take_after(dir.path(), LeaseName::Run, holder("here"), time_to_live).unwrap();
    assert!(began.elapsed() >= time_to_live);
}

#[test]
fn a_stopped_owner_loses_it_and_learns_so_when_it_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut owner = child(dir.path(), "here");
    let signal = |name: &str| {
        let sent = Command::new("kill").args([name, &owner.id().to_string()]).status().unwrap();
        assert!(sent.success());
    };
    signal("-STOP");
    let mut lease =
        Lease::take_after(dir.path(), LeaseName::Run, holder("here"), Duration::from_secs(1))
            .unwrap();
    for _ in 0..3 {
        lease.renew().unwrap();
    }
    signal("-CONT");
    assert!(!owner.wait().unwrap().success()); // its renewal failed
    lease.renew().unwrap();
}
