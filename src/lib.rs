//! mpix filters directories of images on many machines, exact at every cut.
//!
//! Data flows one way: `cli -> settings -> plan -> rank0 <-> worker_rank -> ops`.
//!
//! | module | what it holds |
//! |---|---|
//! | [`cli`] | the command line, structs only |
//! | [`settings`] | the command line, checked, as plain values |
//! | [`role`] | which part this process plays; a rank never just returns |
//! | [`plan`] | what to do with which rows, how to share it out; pure |
//! | [`rank0`] | read, hand out, gather, write |
//! | [`worker_rank`] | receive, filter, return |
//! | [`op_list`] | `mpix ops` |
//! | [`scaling`] | `mpix plan`: how long a job takes on a cluster, and what holds it up |
//! | [`ops`] | the ops, their chain, their kernels |
//! | `simd` | which instructions the CPU has; what compiles kernels for each level |
//! | [`verify`] | `mpix verify` |
//! | [`doctor`] | `mpix doctor`: what this machine and the hosts of a hostfile have |
//! | [`host_list`] | `mpix hosts`: which hosts of a hostfile are up |
//! | [`launch`] | what starts the ranks: hostfiles, how hosts are reached, pings, checks, sweeps; the supervisor |
//! | [`host`] | what the host of this process offers |
//! | [`band`] | rows that know where they stand in their image |
//! | [`image_file`] | decode, encode, metadata |
//! | [`source`] | where images come from and where results go |
//! | [`hash`] | hashes of inputs, settings and outputs |
//! | [`journal`] | what is done, and who may write it; the manifest |
//! | [`transport`] | what ranks say, and how it travels |
//! | [`events`] | what a run says of itself: log, status |
//! | [`pulse`] | whether a run still goes on |
//! | [`status`] | `mpix status` |
//! | [`logs`] | `mpix logs` |
//! | [`report`] | `mpix report`, as text and as a page |
//! | `buffers` | memory that is used again |
//! | `path_bytes` | paths, as messages and the journal hold them |
//! | [`error`] | errors by who must act, exit codes |

pub mod band;
mod buffers;
pub mod cli;
pub mod doctor;
pub mod error;
pub mod events;
pub mod hash;
pub mod host;
pub mod host_list;
pub mod image_file;
pub mod journal;
pub mod launch;
pub mod logs;
pub mod op_list;
pub mod ops;
mod path_bytes;
pub mod plan;
pub mod pulse;
pub mod rank0;
pub mod report;
pub mod role;
pub mod scaling;
pub mod settings;
mod simd;
pub mod source;
pub mod status;
pub mod transport;
pub mod verify;
pub mod worker_rank;
