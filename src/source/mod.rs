//! Where images come from and where results go.

mod list;
mod output;
mod shared_part;
mod token;

pub use list::{Entry, list};
pub use output::{
    NewFile, put_in_place, remove_beside, remove_temporaries, write_beside, write_whole,
};
pub use shared_part::SharedPart;
pub use token::{TokenFile, sees_token};
