//! Launches to which nothing happens, or only what their user wants.

use std::fs;

use mpix::events::{HostRole, LaunchStatus, RunEvent};

use crate::job::{Job, Launch, PICTURES, host, write_script};
use crate::launch::{finish, mpix};

#[test]
fn nothing_happens() {
    let Some(job) = Job::on(3) else { return };
    let mut launch = job.start(&[]);
    launch.wait_for_images(PICTURES);
    let ended = launch.end_with(0);
    assert_eq!(ended.blamed, []);
    job.assert_done(&[0, 1, 2, 3]);
    let status = LaunchStatus::read(&job.output().join(".mpix")).unwrap();
    assert_eq!((status.attempt, status.exit_code), (1, Some(0)));
    assert!(status.hosts.iter().all(|host| host.state == HostRole::Spare), "{status:?}");
}

#[test]
fn an_edited_hostfile_takes_effect_in_mid_run() {
    let Some(job) = Job::on(3) else { return };
    let hostfile = job.hosts.hostfile();
    let write = |names: &[&str]| {
        let new = hostfile.with_extension("new");
        fs::copy(&hostfile, &new).unwrap();
        let text: String = names.iter().map(|name| format!("{name} slots=1\n")).collect();
        std::io::Write::write_all(&mut fs::File::create(&new).unwrap(), text.as_bytes()).unwrap();
        fs::rename(new, &hostfile).unwrap();
    };
    write(&["host1", "host2"]);
    let mut launch = job.start(&[]);
    launch.wait_for_images(2);
    write(&["host2", "host3"]);
    launch.wait_for_ranks_on(&["host2", "host3"]);
    let ended = launch.end_with(0);
    assert_eq!(ended.blamed, [], "{:#?}", ended.events);
    job.assert_done(&[0, 1, 2, 3]);
}

#[test]
fn several_ranks_of_each_host() {
    let Some(job) = Job::on(2) else { return };
    let ranks = |job: &Job, what: &str| {
        let mut launch = job.start(&["--ranks-per-host", "2"]);
        launch.wait_for(what, |event| {
            let RunEvent::RunStarted(started) = event else { return false };
            let hosts: Vec<_> = started.ranks.iter().map(|rank| rank.host.as_str()).collect();
            assert_eq!(hosts, ["host1", "host1", "host2", "host2"]);
            true
        });
        launch
    };
    let mut launch = ranks(&job, "start");
    launch.wait_for_images(3);
    job.signal(2, "KILL", "mpix");
    let ended = launch.end_with(0);
    assert_eq!(ended.blamed, [host(2)], "{:#?}", ended.events);
    job.assert_done(&[0, 1, 2]);
}

/// The hosts are those of the Slurm job; all but Slurm's answer is real.
#[test]
fn a_slurm_job_needs_no_hostfile() {
    let Some(job) = Job::on(2) else { return };
    let programs = job.hosts.shared_dir().join("bin");
    fs::create_dir(&programs).unwrap();
    let answers =
        "#!/bin/sh\n[ \"$*\" = 'show hostnames host[1-2]' ] && printf 'host1\\nhost2\\n'\n";
    write_script(&programs.join("scontrol"), answers);
    let path = format!("PATH={}:{}", programs.display(), std::env::var("PATH").unwrap());
    let in_job = ["env", &path, "SLURM_JOB_ID=7", "SLURM_NNODES=2", "SLURM_JOB_NODELIST=host[1-2]"];
    let words = in_job.map(str::to_owned).into_iter().chain(job.words_without_hosts(&[]));
    let mut launch = Launch::start(job.exec(0, words));
    launch.wait_for_ranks_on(&["host1", "host2"]);
    launch.wait_for_images(3);
    job.hosts.kill(2);
    let ended = launch.end_with(0);
    assert_eq!(ended.blamed, [host(2)], "{:#?}", ended.events);
    job.assert_done(&[0, 1]);
    let outside = finish(job.exec(0, job.words_without_hosts(&[])));
    assert!(outside.expect_code(2).tells(&["--hostfile"]));
}

#[test]
fn what_cannot_be_launched_is_refused() {
    let Some(job) = Job::on(1) else { return };
    let hostfile = job.hosts.hostfile().display().to_string();
    let refuse = |words: &[&str], told: &[&str]| {
        let run = mpix(["launch"].iter().chain(words));
        assert!(run.expect_code(2).tells(told));
    };
    refuse(&["--hostfile", &hostfile, "--", "verify", "x"], &["only `run`"]);
    refuse(&["--hostfile", &hostfile, "--", "run", "-o", "x"], &["no input"]);
    refuse(&["--hostfile", "/nowhere", "--", "run", "-o", "x", "y"], &["/nowhere"]);
    let dry = ["launch", "--hostfile", &hostfile, "-n", "--", "run", "-o", "x", "in put"];
    let run = mpix(dry).expect_code(0);
    assert!(run.stdout.starts_with("mpirun --hostfile") && run.stdout.contains("'in put'"));
}
