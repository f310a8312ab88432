//! What images cost here, measured on a few of them.

use std::fs::{self, File};
use std::io::BufReader;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::error::{BugError, Error, ImageError, with_causes};
use crate::image_file;
use crate::ops::chain::Chain;
use crate::plan::{ImageLoad, ImageShape, Job, PixelCost};
use crate::settings::RunSettings;
use crate::source::{self, Entry};
use crate::worker_rank::{LARGEST_TRIAL, Trial, try_out};

/// Images that are measured, spread evenly over all.
const MOST: usize = 5;

/// A thread gets more of a core than that, whatever its clocks say.
const LEAST_CORE: f64 = 0.01;

/// How long a core has worked for this thread.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Images that were measured.
#[derive(Debug)]
pub(super) struct Trials {
    /// All images of the job.
    pub(super) images: u64,
    pub(super) loads: Vec<ImageLoad>,
    /// How many of these were filtered; of the others, the costs are those expected.
    pub(super) measured: usize,
    /// The part of a core that a thread gets here.
    pub(super) core: f64,
    /// Files that could not be, and why.
    pub(super) failed: Vec<String>,
}

/// Lists the inputs and filters some of them.
pub(super) fn measure(run: &RunSettings) -> Result<Trials, Error> {
    let entries = source::list(run)?;
    let job = Job::new(run.clone());
    let chain = job.work.chain()?;
    let mut trials = Trials {
        images: entries.len() as u64,
        loads: Vec::new(),
        measured: 0,
        core: 1.0,
        failed: Vec::new(),
    };
    let mut cores = Vec::new();
    let step = entries.len().div_ceil(MOST).max(1);
    for entry in entries.iter().skip(step / 2).step_by(step) {
        match try_entry(&job, &chain, entry)? {
            Ok((load, core)) => {
                trials.loads.push(load);
                trials.measured += usize::from(core.is_some());
                cores.extend(core);
            }
            Err(error) => {
                let name = entry.input.display();
                trials.failed.push(format!("`{name}` {}", with_causes(&error)));
            }
        }
    }
    if !cores.is_empty() {
        #[expect(clippy::cast_precision_loss, reason = "a few")]
        let count = cores.len() as f64;
        trials.core = cores.iter().sum::<f64>() / count;
    }
    Ok(trials)
}

/// An image, and the part of a core that there was for it, if its costs were measured.
type Tried = (ImageLoad, Option<f64>);

fn try_entry(
    job: &Job,
    chain: &Chain,
    entry: &Entry,
) -> Result<Result<Tried, ImageError>, BugError> {
    let shape = match shape_of(job, chain, entry) {
        Ok(shape) => shape,
        Err(error) => return Ok(Err(error)),
    };
    if shape.pixels() > LARGEST_TRIAL {
        let expected = PixelCost::expected(&shape, chain);
        return Ok(Ok((ImageLoad::new(&shape, chain, expected), None)));
    }
    let file = match fs::read(&entry.input) {
        Ok(file) => file,
        Err(error) => return Ok(Err(ImageError::Unreadable(error))),
    };
    let (began, cpu) = (Instant::now(), cpu_time());
    let tried = try_out(&job.work, chain, &file, &shape)?;
    let core = cpu_time().saturating_sub(cpu).as_secs_f64() / began.elapsed().as_secs_f64();
    let core = core.clamp(LEAST_CORE, 1.0);
    Ok(tried.map(|trial| (load_of(&shape, chain, &trial), Some(core))))
}

fn shape_of(job: &Job, chain: &Chain, entry: &Entry) -> Result<ImageShape, ImageError> {
    let file = File::open(&entry.input).map_err(ImageError::Unreadable)?;
    let bytes = file.metadata().map_err(ImageError::Unreadable)?.len();
    let decode = &job.work.decode;
    decode.limits.check_file(bytes)?;
    let header = image_file::read_header(BufReader::new(file), decode)?;
    Ok(job.shape(&header, bytes, chain))
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn load_of(shape: &ImageShape, chain: &Chain, trial: &Trial) -> ImageLoad {
    let [decode, filter, encode] =
        trial.times.of_pixels().map(|us| us as f64 * 1e3 / trial.pixels as f64);
    let cost = PixelCost { decode, filter, encode };
    ImageLoad::new(shape, chain, cost).with_result(trial.result_bytes as f64)
}
