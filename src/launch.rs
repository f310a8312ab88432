//! What starts the ranks of a run on their hosts: which hosts there are, and how they are reached.

pub mod agent;
mod at_once;
pub mod hostfile;
pub mod program;

pub use at_once::at_once;
