//! What to do with which rows, and how to share it out: pure, without I/O and without MPI.

mod bands;
mod cluster;
mod cost;
mod filing;
mod forecast;
mod foresight;
mod hands;
mod job;
mod links;
mod load;
mod rehearsal;
mod share;
mod site;
mod spread;

pub use bands::{Flow, Room, band_bytes, cut_rows, kept_bytes};
pub use cluster::{Cluster, HostFacts, MAX_THREADS, RankPlan};
pub use cost::{Experience, PixelCost, slices_pay};
pub use forecast::{Bottleneck, Forecast, WholeImages, even_part, in_bands};
pub use foresight::Foresight;
pub use hands::{Hands, Pace, WRITES_AT_ONCE, files_ahead};
pub use job::{ImageShape, Job, LONGEST_SILENCE, Piece, Work};
pub use links::{Arrived, Crossing, Links, Way};
pub use load::ImageLoad;
pub use share::{Footprint, Share, choose, flows, is_spread};
pub use site::Site;
