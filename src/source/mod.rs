//! Where images come from and where results go.

mod list;
mod output;

pub use list::{Entry, list};
pub use output::{NewFile, remove_temporaries, write_whole};
