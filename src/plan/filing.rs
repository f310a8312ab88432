//! What files take beside their pixels: nanoseconds of a core for a byte, while the disk keeps up.

/// From the system's cache of files to memory.
const READ: f64 = 0.2;
/// BLAKE3 of an input.
const HASH_INPUT: f64 = 0.22;
/// SHA-256 of a result.
const HASH_RESULT: f64 = 0.56;
/// From memory to the system's cache of files.
const WRITE: f64 = 0.4;
/// Memory that the process did not have before: the system clears it, maps it, and takes it back.
const FRESH: f64 = 0.6;

/// Buffers for results of which each thread has one: what was filtered is written while the next
/// is.
const RESULTS_OF_THREAD: f64 = 2.0;

/// What a rank takes to read and hash a file of so many bytes whole, and to hash and write its result.
pub(super) fn whole((read, written): (f64, f64)) -> f64 {
    read * (READ + HASH_INPUT) + written * (HASH_RESULT + WRITE)
}

/// What memory takes that `images` images need in all, so many bytes for their files and for their
/// results, on `threads` threads: those that come later have that of the first.
pub(super) fn fresh((read, written): (f64, f64), images: f64, threads: f64) -> f64 {
    let first = |buffers: f64| (threads * buffers / images).min(1.0);
    (read * first(1.0) + written * first(RESULTS_OF_THREAD)) * FRESH
}

/// What the source of an image in bands takes to read so many bytes, with `rows` bytes of rows on their
/// way.
pub(super) fn rows_read(read: f64, rows: f64) -> f64 {
    read * READ + rows * FRESH
}

/// What the files of an image in bands take on rank 0, where threads of its own have them.
#[derive(Clone, Copy, Debug)]
pub(super) struct BandFiling {
    /// The source reads and hashes, and has memory of its own for the rows on their way.
    pub(super) source: f64,
    /// The sink writes.
    pub(super) sink: f64,
    /// A thread behind it hashes.
    pub(super) hasher: f64,
}

impl BandFiling {
    /// For so many bytes read and written, with `rows` bytes of rows on their way, and `made` bytes of
    /// pixels that are encoded at once.
    pub(super) fn new((read, written): (f64, f64), (rows, made): (f64, f64)) -> Self {
        Self {
            source: rows_read(read, rows) + read * HASH_INPUT,
            sink: written * WRITE + made * FRESH,
            hasher: written * HASH_RESULT,
        }
    }

    /// All of it.
    pub(super) fn sum(&self) -> f64 {
        self.source + self.sink + self.hasher
    }
}
