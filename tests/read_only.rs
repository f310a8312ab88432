//! Output directories that cannot be written, from the start or from some moment on.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod interrupted;
mod launch;
mod pictures;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use interrupted::{Job, assert_untouched, done, ended, start, wait_for_results};
use launch::{PROGRAM, command, files};

/// A mount that ends with its test.
struct Mount(PathBuf);

impl Mount {
    /// None where nothing can be mounted.
    fn new(arguments: &[&str], at: &Path) -> Option<Self> {
        let mounted = Command::new("mount").args(arguments).arg(at).output();
        if mounted.as_ref().is_ok_and(|output| output.status.success()) {
            return Some(Self(at.to_path_buf()));
        }
        assert!(std::env::var_os("CI").is_none(), "{arguments:?}: {mounted:?}: run as root");
        eprintln!("\n*** SKIPPED: `mount {arguments:?}` fails; run as root ***\n");
        None
    }

    /// A second mount of a directory over itself, which refuses to be written.
    fn read_only(at: &Path) -> Option<Self> {
        Self::new(&["--bind", "-o", "ro", at.to_str().unwrap()], at)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_directory_that_is_read_only_from_the_start_is_named() {
    let job = Job::new(1);
    let output = job.path("out");
    fs::create_dir(&output).unwrap();
    let Some(mount) = Mount::read_only(&output) else { return };
    let run = job.again(&output).expect_code(4);
    let words = ["run the same command again", "failed to make `", "out/.mpix`: Read-only file"];
    assert!(run.tells(&words), "{}", run.stderr);
    let run = job.again(&output.join("below")).expect_code(2);
    let words = ["failed to make the output directory", "out/below` (`-o`): Read-only file"];
    assert!(run.tells(&words), "{}", run.stderr);
    drop(mount);
    assert_eq!(files(&output).len(), 0);
    job.again(&output).expect_code(0);
    job.assert_finished(&output);

    let _mount = Mount::read_only(&output).unwrap();
    let run = job.again(&output).expect_code(4);
    assert!(run.tells(&["lease", "Read-only file system"]), "{}", run.stderr);
    job.assert_finished(&output);
}

#[test]
fn a_directory_that_becomes_read_only_stops_the_run_which_then_goes_on() {
    let job = Job::new(16);
    let output = job.path("out");
    let mut run = start(command(&[PROGRAM], job.arguments(&output)));
    wait_for_results(&output, 3, &mut run);
    let Some(mount) = Mount::read_only(&output) else {
        ended(run);
        return;
    };
    let run = ended(run).expect_code(4);
    let words = ["cannot be written any more", "images and", "are missing", "same command again"];
    assert!(run.tells(&words) && run.tells(&["Read-only file system"]), "{}", run.stderr);
    let before = done(&output);
    let missing = run.stderr.split_once("any more; ").unwrap().1.split(' ').next().unwrap();
    assert_eq!(missing.parse::<usize>().unwrap(), job.images - before.len(), "{}", run.stderr);
    job.again(&output).expect_code(4);
    drop(mount);
    job.again(&output).expect_code(0);
    job.assert_finished(&output);
    assert_untouched(&before, &output);
}

/// A disk with an error: the kernel makes it read-only, for files that are open, too.
#[test]
fn a_disk_that_fails_stops_the_run_which_then_goes_on() {
    let job = Job::new(16);
    let (disk, at) = (job.path("disk"), job.path("mounted"));
    fs::File::create(&disk).unwrap().set_len(64 << 20).unwrap();
    fs::create_dir(&at).unwrap();
    let made = Command::new("mkfs.ext4").arg("-q").arg(&disk).status();
    if !made.is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CI").is_none(), "mkfs.ext4 is missing: e2fsprogs");
        return;
    }
    let mount = || Mount::new(&["-o", "loop,errors=remount-ro", disk.to_str().unwrap()], &at);
    let Some(mounted) = mount() else { return };
    let device = Command::new("findmnt").args(["-no", "SOURCE"]).arg(&at).output().unwrap().stdout;
    let device = String::from_utf8(device).unwrap().trim().replace("/dev/", "");
    let trigger = Path::new("/sys/fs/ext4").join(device).join("trigger_fs_error");
    let output = at.join("out");
    let mut run = start(command(&[PROGRAM], job.arguments(&output)));
    wait_for_results(&output, 3, &mut run);
    pictures::files::put(&trigger, b"1");
    let run = ended(run).expect_code(4);
    // What was being written in that moment has an error of its own.
    let tells = |why| run.tells(&["run the same command again", why]);
    let reasons = ["Read-only file system", "Input/output error"];
    assert!(reasons.into_iter().any(tells), "{}", run.stderr);
    drop(mounted);
    let _mounted = mount().unwrap();
    let before = done(&output);
    job.again(&output).expect_code(0);
    job.assert_finished(&output);
    assert_untouched(&before, &output);
}
