//! Hosts that are lost, that come back, and that cannot take ranks.

use std::fs;

use mpix::events::LaunchEvent;

use crate::job::{Job, PICTURES, host, survive, write_script};
use crate::launch::{PROGRAM, finish};

#[test]
fn hosts_are_lost() {
    let Some(job) = Job::on(3) else { return };
    let options = ["--stall-timeout", "5"];
    let ended = survive(&job, "host killed", &options, |job| job.hosts.kill(2));
    assert_eq!(ended.blamed, [host(2)], "{:#?}", ended.events);
    job.assert_done(&[0, 1, 3]);
    job.hosts.revive(2);
    fs::remove_dir_all(job.output()).unwrap();
    let ended = survive(&job, "power failure", &options, |job| job.hosts.powerfail(3));
    assert_eq!(ended.blamed, [host(3)], "{:#?}", ended.events);
    job.assert_done(&[0, 1, 2]);
    job.hosts.revive(3);
    fs::remove_dir_all(job.output()).unwrap();
    let ended = survive(&job, "link down", &options, |job| job.hosts.linkdown(1));
    assert_eq!(ended.blamed, [host(1)], "{:#?}", ended.events);
    job.hosts.linkup(1);
    job.assert_done(&[0, 1, 2, 3]);
}

#[test]
fn spares_step_in_and_are_used_up() {
    let Some(job) = Job::on(3) else { return };
    let options = ["--hosts", "2", "--min-hosts", "2", "--wait", "4", "--stall-timeout", "5"];
    let mut launch = job.start(&options);
    launch.wait_for_images(3);
    job.hosts.kill(1);
    launch.wait_for_ranks_on(&["host2", "host3"]);
    launch.wait_for_images(2);
    job.hosts.kill(2);
    let ended = launch.end_with(71);
    assert!(ended.told.contains("1 of 2 hosts (`--min-hosts`)"), "{}", ended.told);
    assert_eq!(ended.blamed, [host(1), host(2)]);
    // The same command goes on with the hosts that came back.
    job.hosts.revive(1);
    job.start(&options).end_with(0);
    job.assert_done(&[0, 1, 3]);
}

#[test]
fn all_hosts_are_down_until_one_comes_back() {
    let Some(job) = Job::on(2) else { return };
    let mut launch = job.start(&["--stall-timeout", "5", "--wait", "60"]);
    launch.wait_for_images(3);
    job.hosts.kill(2);
    job.hosts.kill(1);
    launch.wait_for_step("waiting for hosts", |event| {
        matches!(event, LaunchEvent::Waits { hosts: 0, needed: 1 })
    });
    job.hosts.revive(2);
    launch.wait_for_ranks_on(&["host2"]);
    launch.end_with(0);
    job.assert_done(&[0, 2]);
}

/// The rank 0 that was cut off lives on behind the pulled cable, and its host is back before the run
/// has ended.
#[test]
fn a_link_comes_back_while_what_it_cut_off_lives() {
    let Some(job) = Job::of(3, PICTURES, 800) else { return };
    let mut launch = job.start(&["--stall-timeout", "3", "--cooldown", "2"]);
    launch.wait_for_images(3);
    job.hosts.linkdown(1);
    launch.wait_for_ranks_on(&["host2", "host3"]);
    launch.wait_for_images(1);
    assert_eq!(launch.blamed(), [host(1)]);
    job.hosts.linkup(1);
    launch.wait_for_ranks_on(&["host1", "host2", "host3"]);
    // Its ghosts are gone before it is let in again, or soon after.
    let ended = launch.end_with(0);
    let back = |event: &LaunchEvent| matches!(event, LaunchEvent::Up { host } if host == "host1");
    assert!(ended.events.iter().any(back), "{:#?}", ended.events);
    job.assert_done(&[0, 1, 2, 3]);
}

/// Hides the program of a host behind what `script` makes in its own directory.
fn change(job: &Job, host: usize, script: &str) {
    finish(job.hosts.exec(host, ["sh", "-c", script])).expect_code(0);
}

#[test]
fn hosts_that_cannot_take_ranks_are_left_out() {
    let Some(job) = Job::on(5) else { return };
    job.hosts.linkdown(2);
    let old = "#!/bin/sh\necho '{\"version\":\"0.0.9\",\"host\":\"host3\"}'\n";
    write_script(&job.hosts.local_dir_of(3).join("mpix"), old);
    let local = job.hosts.local_dir().join("mpix").display().to_string();
    change(&job, 3, &format!("mount --bind {local} {PROGRAM}"));
    change(&job, 4, &format!("mount -t tmpfs none $(dirname {PROGRAM})"));
    change(&job, 5, "mount -o remount,size=64k /tmp && ! cat /dev/zero >/tmp/full 2>/dev/null");
    let ended = job.start(&[]).end_with(0);
    assert_eq!(ended.blamed, [], "{:#?}", ended.events);
    let reasons = [
        ("host2", "`host2` is down: "),
        ("host3", "it has mpix 0.0.9, this host has"),
        ("host4", "no mpix that can be started at"),
        ("host5", "its `/tmp` has 0 bytes free, MPI needs 8.0 MiB: make room there"),
    ];
    for (host, reason) in reasons {
        let told = ended.events.iter().filter(|event| event.host() == Some(host));
        assert!(told.map(LaunchEvent::text).any(|text| text.contains(reason)), "{host}: {reason}");
    }
    job.assert_done(&[0, 1]);
    let run = finish(job.exec(0, job.words(&["--min-hosts", "2", "--wait", "1"])));
    assert!(run.expect_code(71).tells(&["1 of 2 hosts", "--min-hosts"]));
}
