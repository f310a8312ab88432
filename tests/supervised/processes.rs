//! Processes that are killed and that hang, the supervisor too.

use std::fs;
use std::time::{Duration, Instant};

use mpix::events::LaunchEvent;

use crate::job::{Job, PICTURES, host, survive};
use crate::launch::finish;

#[test]
fn processes_are_killed() {
    let Some(job) = Job::on(3) else { return };
    // A rank, rank 0, the daemon of a host.
    for (host_number, process) in [(2, "mpix"), (1, "mpix"), (3, "orted")] {
        let what = format!("kill -9 of {process} on host{host_number}");
        let ended = survive(&job, &what, &[], |job| job.signal(host_number, "KILL", process));
        assert_eq!(ended.blamed, [host(host_number)], "{what}: {:#?}", ended.events);
        job.assert_done(&[0, 1, 2, 3]);
        fs::remove_dir_all(job.output()).unwrap();
    }
    let ended = survive(&job, "kill -9 of mpirun", &[], |job| job.signal(0, "KILL", "mpirun"));
    assert_eq!(ended.blamed, [None], "{:#?}", ended.events);
    job.assert_done(&[0, 1, 2, 3]);
}

#[test]
fn processes_hang() {
    let Some(job) = Job::on(3) else { return };
    for host_number in [2, 1] {
        let what = format!("SIGSTOP of the rank on host{host_number}");
        let options = ["--stall-timeout", "5"];
        let ended = survive(&job, &what, &options, |job| job.signal(host_number, "STOP", "mpix"));
        assert_eq!(ended.blamed, [host(host_number)], "{what}: {:#?}", ended.events);
        job.assert_done(&[0, 1, 2, 3]);
        fs::remove_dir_all(job.output()).unwrap();
    }
}

#[test]
fn the_supervisor_is_lost() {
    let Some(job) = Job::of(3, PICTURES, 300) else { return };
    let mut launch = job.start(&[]);
    launch.wait_for_images(3);
    // The standby waits on another host.
    let mut standby = job.start_on(3, &["--standby"]);
    std::thread::sleep(Duration::from_millis(500));
    let struck = Instant::now();
    job.hosts.kill(0);
    let next = standby.wait_for_images(1) - struck;
    println!("supervisor's host killed: the next image after {:.2} s", next.as_secs_f64());
    let ended = standby.end_with(0);
    let took_over = ended.events.iter().any(|event| matches!(event, LaunchEvent::TakesOver { .. }));
    assert!(took_over, "{:#?}", ended.events);
    let _ = launch.child.wait();
    job.hosts.revive(0);
    job.assert_done(&[0, 1, 2, 3]);
    // A second supervisor is refused while one is there.
    fs::remove_dir_all(job.output()).unwrap();
    let mut launch = job.start(&["--hosts", "1"]);
    launch.wait_for_images(1);
    let second = finish(job.exec(0, job.words(&[])));
    assert!(second.expect_code(3).tells(&["has the output directory"]));
    launch.end_with(0);
    job.assert_done(&[0, 1, 2, 3]);
}

#[test]
fn the_supervisor_is_killed_and_the_same_command_goes_on() {
    let Some(job) = Job::on(3) else { return };
    let mut lost = job.start(&[]);
    lost.wait_for_images(3);
    let struck = Instant::now();
    job.signal(0, "KILL", "mpix");
    let mut launch = job.start(&[]);
    let next = launch.wait_for_images(1) - struck;
    println!("supervisor killed, started again: the next image after {:.2} s", next.as_secs_f64());
    let ended = launch.end_with(0);
    assert_eq!(ended.blamed, [], "{:#?}", ended.events);
    let took_over = |event: &LaunchEvent| matches!(event, LaunchEvent::TakesOver { .. });
    assert!(ended.events.iter().any(took_over), "{:#?}", ended.events);
    let _ = lost.child.wait();
    job.assert_done(&[0, 1, 2, 3]);
}

#[test]
fn a_signal_stops_a_launch_which_then_goes_on() {
    let Some(job) = Job::on(2) else { return };
    let mut launch = job.start(&[]);
    launch.wait_for_images(2);
    job.signal(0, "TERM", "mpix");
    launch.end_with(130);
    job.assert_nothing_left(1);
    job.start(&[]).end_with(0);
    job.assert_done(&[0, 1, 2]);
}
