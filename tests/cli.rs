//! The command line as users meet it: exit codes, messages, names of results, what is printed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "cli/inputs.rs"]
mod inputs;
mod launch;
#[path = "image_files/pictures.rs"]
#[expect(dead_code, reason = "a part of it is used")]
mod made;
#[path = "cli/output.rs"]
mod output;
mod pictures;
#[path = "cli/place.rs"]
mod place;
#[path = "cli/plan.rs"]
mod plan;
#[path = "cli/said.rs"]
mod said;
#[path = "cli/scripts.rs"]
mod scripts;
#[path = "cli/started.rs"]
mod started;
#[path = "cli/usage.rs"]
mod usage;
