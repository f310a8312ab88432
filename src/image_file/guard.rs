//! A library's panic costs one image, not the run.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{ImageError, panic_text};

/// Runs a decoder or an encoder; `of_panic` makes an error of its panic's text.
pub(super) fn guarded<T>(
    work: impl FnOnce() -> Result<T, ImageError>,
    of_panic: impl FnOnce(String) -> ImageError,
) -> Result<T, ImageError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(of_panic(panic_text(panic.as_ref()))))
}
