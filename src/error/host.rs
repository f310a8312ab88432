//! What is wrong with a host, or with a rank on it.

use std::io;

use thiserror::Error;

/// A rank that is not to be reached: stopped, stuck, or on a host that is cut off or gone. What is
/// done stays done.
#[derive(Debug, Error)]
pub enum HostError {
    /// A rank that took part says nothing any more.
    #[error(
        "rank {rank} on `{host}` has said nothing for {seconds} s (`--stall-timeout`): the process \
         is stopped, or the host is cut off or overloaded; the same command goes on"
    )]
    Silent {
        /// The rank.
        rank: usize,
        /// Its host.
        host: String,
        /// How long.
        seconds: u64,
    },
    /// A rank has not even said where it is.
    #[error("rank {rank} has not begun within {seconds} s (`--stall-timeout`)")]
    NeverBegan {
        /// The rank.
        rank: usize,
        /// How long.
        seconds: u64,
    },
    /// The same fault came again and again, or hosts are used up.
    #[error("the launch ends: {reason}; the same command goes on")]
    UsedUp {
        /// What happened.
        reason: String,
    },
    /// `mpirun` cannot be started.
    #[error("failed to start `mpirun`: install Open MPI on this host (`mpix doctor` tells more)")]
    NoMpirun(#[source] io::Error),
    /// Rank 0 has gone.
    #[error("rank {rank} on `{host}` has heard nothing from rank 0 for {seconds} s")]
    NothingFromRank0 {
        /// The rank that waited.
        rank: usize,
        /// Its host.
        host: String,
        /// How long.
        seconds: u64,
    },
}
