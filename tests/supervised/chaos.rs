//! A fault every few seconds until the job is done.

use std::time::{Duration, Instant};

use crate::job::Job;

/// Numbers that look random and are the same in every test run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % sides).unwrap()
    }
}

/// A fault every few seconds until the job is done; `scripts/test.sh --long` has 1000 images.
#[test]
fn chaos() {
    let wanted = std::env::var("MPIX_SOAK_IMAGES").ok();
    let total = wanted.as_ref().map_or(500, |text| text.parse().unwrap());
    let Some(job) = Job::of(4, total, 150) else { return };
    let options = ["--stall-timeout", "3", "--cooldown", "2", "--max-restarts", "20"];
    if wanted.is_some() {
        let started = Instant::now();
        job.start(&options).end_with(0);
        println!("undisturbed: {:.1} s", started.elapsed().as_secs_f64());
        std::fs::remove_dir_all(job.output()).unwrap();
    }
    let mut dice = Dice(20_260);
    let started = Instant::now();
    let mut launch = job.start(&options);
    launch.wait_for_images(10);
    let (mut faults, mut images) = (0, 10);
    while images < total * 9 / 10 && started.elapsed() < Duration::from_secs(90) {
        let host = 1 + dice.roll(4);
        match dice.roll(5) {
            0 => job.try_signal(host, "KILL", "mpix"),
            1 => job.try_signal(host, "STOP", "mpix"),
            2 => job.try_signal(host, "KILL", "orted"),
            3 => {
                job.hosts.kill(host);
                std::thread::sleep(Duration::from_millis(500));
                job.hosts.revive(host);
            }
            _ => {
                job.hosts.linkdown(host);
                std::thread::sleep(Duration::from_millis(1500));
                job.hosts.linkup(host);
            }
        }
        faults += 1;
        images += launch.images_within(Duration::from_millis(1500 + 100 * dice.roll(15) as u64));
    }
    let ended = launch.end_with(0);
    let respawns = ended.blamed.len();
    println!(
        "chaos: {faults} faults, {respawns} respawns, {:.1} s",
        started.elapsed().as_secs_f64()
    );
    assert!(faults >= 3 && respawns >= 1, "{faults} faults, {respawns} respawns");
    job.assert_done(&[0, 1, 2, 3, 4]);
}
