//! Image files as a whole: round trips, metadata, hostile files, and OpenCV as the reference.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "image_files/by_rows.rs"]
mod by_rows;
#[path = "image_files/hostile.rs"]
mod hostile;
#[path = "image_files/metadata.rs"]
mod metadata;
#[path = "image_files/opencv.rs"]
mod opencv;
#[path = "image_files/pictures.rs"]
mod pictures;
#[path = "image_files/round_trips.rs"]
mod round_trips;
#[path = "image_files/rows.rs"]
mod rows;
