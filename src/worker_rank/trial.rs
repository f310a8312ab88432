//! A file filtered for nothing but the time that it takes.

use std::time::Instant;

use super::by_rows::{self, Fault, FileJob};
use crate::buffers::Buffers;
use crate::error::{BugError, ImageError};
use crate::ops::chain::Chain;
use crate::plan::{ImageShape, Work};
use crate::transport::message::{RankTimes, microseconds};

/// Pixels of the largest image that is worth the seconds that a trial takes. What a larger one costs is
/// taken from smaller ones, or from what is expected.
pub const LARGEST_TRIAL: u64 = 1 << 27;

/// Times that a file is filtered, beside the first: that one waits for memory, and does not count.
const TURNS: u64 = 3;

/// What one thread took for a file.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// The mean of some turns.
    pub times: RankTimes,
    /// Columns times rows.
    pub pixels: u64,
    /// Bytes of the result.
    pub result_bytes: usize,
}

/// Filters `file`, which has this shape, as a rank's thread does, and drops the result.
///
/// # Errors
/// When it cannot be decoded, filtered or encoded: the outer error is a bug.
pub fn try_out(
    work: &Work,
    chain: &Chain,
    file: &[u8],
    shape: &ImageShape,
) -> Result<Result<Trial, ImageError>, BugError> {
    let (options, pixel_bytes) = (work.encode_options(shape.output), shape.pixel_bytes());
    let buffers = Buffers::new(u64::MAX);
    let mut sum = RankTimes::default();
    for turn in 0.. {
        let (times, began) = (by_rows::Times::default(), Instant::now());
        let job = FileJob { file, pixel_bytes, decode: &work.decode, encode: &options };
        let (result, pixels) = match by_rows::filter_file(chain, &job, &buffers, &times) {
            Ok(done) => done,
            Err(Fault::Decode(error) | Fault::Encode(error)) => return Ok(Err(error)),
            Err(Fault::Bug(bug)) => return Err(bug),
        };
        if turn > 0 {
            sum.add(&times.of_rank(microseconds(began.elapsed())));
        }
        if turn == TURNS {
            let times = sum.part(TURNS);
            return Ok(Ok(Trial { times, pixels, result_bytes: result.len() }));
        }
        // As a rank does once a result is written.
        buffers.give(result);
    }
    unreachable!("the last turn returns")
}
