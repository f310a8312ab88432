//! What files take beside their pixels: nanoseconds of a core for a byte, while the disk keeps up.

use crate::hash::Checksum;

/// From the system's cache of files to memory.
const READ: f64 = 0.2;
/// Hashes, which inputs and results get.
const BLAKE3: f64 = 0.22;
const SHA256: f64 = 0.56;
/// From memory to the system's cache of files.
const WRITE: f64 = 0.4;
/// Memory that the process did not have before: the system clears it, maps it, and takes it back.
const FRESH: f64 = 0.6;

/// Buffers for results of which each thread has one: what was filtered is written while the next
/// is.
const RESULTS_OF_THREAD: f64 = 2.0;

/// What a result takes to be hashed.
fn hash(checksum: Checksum) -> f64 {
    match checksum {
        Checksum::Sha256 => SHA256,
        Checksum::Blake3 => BLAKE3,
        Checksum::None => 0.0,
    }
}

/// What a rank takes to read and hash a file of so many bytes whole, and to hash and write its result.
pub(super) fn whole((read, written): (f64, f64), checksum: Checksum) -> f64 {
    read * (READ + BLAKE3) + written * (hash(checksum) + WRITE)
}

/// What memory takes that `images` images need in all, so many bytes for their files and for their
/// results, on `threads` threads: those that come later have that of the first.
pub(super) fn fresh((read, written): (f64, f64), images: f64, threads: f64) -> f64 {
    let first = |buffers: f64| (threads * buffers / images).min(1.0);
    (read * first(1.0) + written * first(RESULTS_OF_THREAD)) * FRESH
}

/// What ranks do with their own rows of an image in bands.
#[derive(Clone, Copy, Debug)]
pub(super) struct ByRanks {
    pub(super) reads: bool,
    pub(super) writes: bool,
    /// Do what there is to do for the result's hash.
    pub(super) hashes: bool,
}

/// What the files of an image in bands take.
#[derive(Clone, Copy, Debug)]
pub(super) struct BandFiling {
    /// Ranks read, hash and write their own rows.
    pub(super) ranks: f64,
    /// A thread of rank 0 reads, and has memory of its own for the rows on their way.
    pub(super) reading: f64,
    /// The same thread, or another if it decodes, hashes what is read.
    hashing: f64,
    /// Another one of rank 0 writes.
    pub(super) sink: f64,
    /// One behind it hashes, and reads back what ranks have written and not hashed.
    pub(super) hasher: f64,
}

impl BandFiling {
    /// For so many bytes read and written, with `rows` bytes of rows on their way, and `made` bytes of
    /// pixels that are encoded at once.
    pub(super) fn new(
        (read, written): (f64, f64),
        (rows, made): (f64, f64),
        (checksum, by_ranks): (Checksum, ByRanks),
    ) -> Self {
        let (reading, hashing) = (read * READ + rows * FRESH, read * BLAKE3);
        let (sink, hasher) = (written * WRITE, written * hash(checksum));
        let mut own = Self { ranks: 0.0, reading, hashing, sink: sink + made * FRESH, hasher };
        if by_ranks.hashes {
            own = Self { ranks: hasher, hasher: 0.0, ..own };
        }
        if by_ranks.reads {
            own = Self { ranks: own.ranks + reading + hashing, reading: 0.0, hashing: 0.0, ..own };
        }
        if by_ranks.writes {
            let back = if by_ranks.hashes { 0.0 } else { written * READ };
            own = Self { ranks: own.ranks + sink, sink: 0.0, hasher: own.hasher + back, ..own };
        }
        own
    }

    /// What the thread takes that reads.
    pub(super) fn source(&self) -> f64 {
        self.reading + self.hashing
    }

    /// What rank 0 takes.
    pub(super) fn of_rank0(&self) -> f64 {
        self.source() + self.sink + self.hasher
    }
}
