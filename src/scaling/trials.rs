//! What images cost here, measured on a few of them.

use std::fs::{self, File};
use std::io::BufReader;

use crate::error::{BugError, Error, ImageError, with_causes};
use crate::image_file;
use crate::ops::chain::Chain;
use crate::plan::{ImageLoad, ImageShape, Job, PixelCost};
use crate::settings::RunSettings;
use crate::source::{self, Entry};
use crate::worker_rank::{Trial, try_out};

/// Images that are measured, spread evenly over all.
const MOST: usize = 5;
/// A larger image is not tried out: its cost is taken from the others, or from what is expected.
const MOST_PIXELS: u64 = 1 << 27;

/// Images that were measured.
#[derive(Debug)]
pub(super) struct Trials {
    /// All images of the job.
    pub(super) images: u64,
    pub(super) loads: Vec<ImageLoad>,
    /// How many of these were filtered; of the others, the costs are those expected.
    pub(super) measured: usize,
    /// Files that could not be, and why.
    pub(super) failed: Vec<String>,
}

/// Lists the inputs and filters some of them.
pub(super) fn measure(run: &RunSettings) -> Result<Trials, Error> {
    let entries = source::list(run)?;
    let job = Job::new(run.clone());
    let chain = job.work.chain()?;
    let mut trials =
        Trials { images: entries.len() as u64, loads: Vec::new(), measured: 0, failed: Vec::new() };
    let step = entries.len().div_ceil(MOST).max(1);
    for entry in entries.iter().skip(step / 2).step_by(step) {
        match try_entry(&job, &chain, entry)? {
            Ok((load, is_measured)) => {
                trials.loads.push(load);
                trials.measured += usize::from(is_measured);
            }
            Err(error) => {
                let name = entry.input.display();
                trials.failed.push(format!("`{name}` {}", with_causes(&error)));
            }
        }
    }
    Ok(trials)
}

/// An image, and whether its costs were measured.
type Tried = (ImageLoad, bool);

fn try_entry(
    job: &Job,
    chain: &Chain,
    entry: &Entry,
) -> Result<Result<Tried, ImageError>, BugError> {
    let shape = match shape_of(job, chain, entry) {
        Ok(shape) => shape,
        Err(error) => return Ok(Err(error)),
    };
    if shape.pixels() > MOST_PIXELS {
        let expected = PixelCost::expected(&shape, chain);
        return Ok(Ok((ImageLoad::new(&shape, chain, expected), false)));
    }
    let file = match fs::read(&entry.input) {
        Ok(file) => file,
        Err(error) => return Ok(Err(ImageError::Unreadable(error))),
    };
    let tried = try_out(&job.work, chain, &file, &shape)?;
    Ok(tried.map(|trial| (load_of(&shape, chain, &trial), true)))
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
    let load = ImageLoad::new(shape, chain, cost);
    ImageLoad { bytes: (load.bytes.0, trial.result_bytes as f64), ..load }
}
