//! mpix filters directories of images on many machines, exact at every cut.
//!
//! Data flows one way: `cli -> settings -> plan -> rank0 <-> worker_rank -> ops`.

pub mod band;
pub mod error;
