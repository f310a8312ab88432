//! What starts the ranks of a run on their hosts: which hosts there are.

pub mod hostfile;
