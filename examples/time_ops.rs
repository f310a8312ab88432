//! Times ops on demand, for those who compare: `time_ops FILE WIDTH HEIGHT` keeps the R G B pixels of
//! FILE, and answers each line of standard input, an op, with the milliseconds of CPU time that one
//! thread takes, and the SHA-256 of the filtered pixels.

#![expect(clippy::print_stdout, reason = "the answers")]

use std::io::BufRead;
use std::time::Duration;

use anyhow::{Context, ensure};
use mpix::ops::{Chain, OpSpec, Simd};
use rustix::time::{ClockId, clock_gettime};
use sha2::{Digest, Sha256};

#[path = "../benches/images/mod.rs"]
mod images;

use images::Image;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().context("usage: time_ops FILE WIDTH HEIGHT");
    let bytes = std::fs::read(next()?)?;
    let image = Image { bytes, width: next()?.parse()?, height: next()?.parse()? };
    ensure!(image.bytes.len() == image.width * image.height * 3, "{} bytes", image.bytes.len());
    let mut out = vec![1; image.bytes.len()];
    for line in std::io::stdin().lock().lines() {
        let op: OpSpec = line?.parse()?;
        let chain = Chain::build(&[op], Simd::detect())?;
        let filtered = &mut out[..image.width * image.height * chain.output_channels(3)];
        let start = cpu_time()?;
        image.filter(&chain, filtered);
        let took = cpu_time()? - start;
        println!("{:.3} {}", took.as_secs_f64() * 1e3, hex(&Sha256::digest(filtered)));
    }
    Ok(())
}

/// Of this thread.
fn cpu_time() -> anyhow::Result<Duration> {
    Ok(Duration::try_from(clock_gettime(ClockId::ThreadCPUTime))?)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
