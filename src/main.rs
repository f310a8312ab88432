//! The `mpix` program.

fn main() {}
