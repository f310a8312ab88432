//! What starts the ranks of a run on their hosts: which hosts there are, how they are reached, which
//! are up; and the supervisor that starts runs again on those that are left.

pub mod agent;
mod at_once;
pub mod check;
mod exit;
pub mod hostfile;
pub mod mpirun;
pub mod ping;
mod place;
pub mod program;
mod roster;
pub mod segments;
mod source;
mod supervisor;
pub mod sweep;
mod teller;
pub mod tied;

pub use at_once::at_once;
pub use supervisor::launch;
