//! What to do with which rows, and how to share it out: pure, without I/O and without MPI.

mod bands;
mod cluster;
mod hands;
mod job;
mod share;

pub use bands::{Flow, Room, band_bytes, cut_rows, kept_bytes};
pub use cluster::{Cluster, HostFacts, MAX_THREADS, RankPlan};
pub use hands::Hands;
pub use job::{ImageShape, Job, LONGEST_SILENCE, Piece, Work};
pub use share::{Footprint, Share, choose, flows, is_spread};
