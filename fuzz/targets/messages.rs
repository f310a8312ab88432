//! What ranks say to each other.

use std::fmt::Debug;

use mpix::ops::{Chain, Simd};
use mpix::transport::message::{ToRank, ToRank0, read_frame, write_frame};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::memory;

/// Bytes of memory for each byte of a message: an op is written by its name alone, and kept with a
/// value for each parameter.
const MEMORY_PER_BYTE: u64 = 256;
const SLACK: u64 = 1 << 16;

/// No header panics or takes memory without end, and what is read says the same when written again.
pub(super) fn any_bytes(bytes: &[u8]) {
    read::<ToRank>(bytes);
    read::<ToRank0>(bytes);
}

fn read<H: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) {
    let (taken, read) = memory::peak(|| read_frame::<H>(1, bytes));
    assert!(taken <= MEMORY_PER_BYTE * bytes.len() as u64 + SLACK, "{taken} bytes of memory");
    let Ok((header, payload_bytes)) = read else { return };
    let written = write_frame(&header, payload_bytes).expect("what was read can be written");
    let again = read_frame::<H>(1, &written).expect("what was written can be read");
    assert_eq!(again, (header, payload_bytes));
}

/// What other ranks tell for a global pass is taken or refused, and gives each its share.
pub(super) fn any_partials(bytes: &[u8]) {
    let canny = "canny:low=50,high=100".parse().expect("an op");
    let chain = Chain::build(&[canny], Simd::detect()).expect("a chain");
    let global = chain.rounds().iter().find(|round| round.is_global()).expect("a global pass");
    let Ok(partials) = postcard::from_bytes::<Vec<Vec<u8>>>(bytes) else { return };
    let (taken, shares) = memory::peak(|| global.combine(&partials));
    assert!(taken <= MEMORY_PER_BYTE * bytes.len() as u64 + SLACK, "{taken} bytes of memory");
    if let Ok(shares) = shares {
        assert_eq!(shares.len(), partials.len());
    }
}
