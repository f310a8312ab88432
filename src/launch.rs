//! What starts the ranks of a run on their hosts: which hosts there are, how they are reached, and
//! which are up.

pub mod agent;
mod at_once;
pub mod check;
pub mod hostfile;
pub mod ping;
pub mod program;
pub mod sweep;

pub use at_once::at_once;
