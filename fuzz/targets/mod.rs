//! What must hold for any bytes, at each place where mpix reads what others wrote.
//!
//! libFuzzer looks for bytes for which it does not hold (`scripts/fuzz.sh`); `tests/regressions.rs`
//! holds it for those that are kept in `fuzz/corpus` and `fuzz/regressions`.

mod image_files;
mod journal;
pub(crate) mod memory;
mod messages;
mod ops;
mod text;
mod worker;

use mpix::image_file::Format;

/// A place where mpix reads what others wrote.
pub(crate) struct Target {
    /// Its name, which its corpus has, too.
    pub(crate) name: &'static str,
    /// Panics where something does not hold for these bytes.
    pub(crate) check: fn(&[u8]),
}

/// All of them.
pub(crate) const TARGETS: &[Target] = &[
    Target { name: "journal", check: journal::any_bytes },
    Target { name: "journal_damage", check: journal::damaged },
    Target { name: "journal_payloads", check: journal::any_payloads },
    Target { name: "messages", check: messages::any_bytes },
    Target { name: "partials", check: messages::any_partials },
    Target { name: "worker", check: worker::any_messages },
    Target { name: "ops", check: ops::any_text },
    Target { name: "command_line", check: |bytes| text::of(bytes, text::command_line) },
    Target { name: "hostfile", check: |bytes| text::of(bytes, text::hostfile) },
    Target { name: "jpeg", check: |file| image_files::any_file(Format::Jpeg, file) },
    Target { name: "jpeg_segments", check: image_files::any_segments },
    Target { name: "exif", check: image_files::any_exif },
    Target { name: "png", check: image_files::any_png },
    Target { name: "tiff", check: |file| image_files::any_file(Format::Tiff, file) },
    Target { name: "webp", check: |file| image_files::any_file(Format::WebP, file) },
    Target { name: "bmp", check: |file| image_files::any_file(Format::Bmp, file) },
    Target { name: "pnm", check: |file| image_files::any_file(Format::Pnm, file) },
    Target { name: "gif", check: |file| image_files::any_file(Format::Gif, file) },
    Target { name: "qoi", check: |file| image_files::any_file(Format::Qoi, file) },
];
