//! The report as one page that needs nothing else.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::escape::path_text;
use super::sections;
use super::thumbnails::{self, Pair};
use super::{Report, RunningState};
use crate::error::ReadError;
use crate::image_file::Format;
use crate::journal::DIRECTORY;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Writes the page to `path`, with at most `thumbnails` pairs of pictures. Whoever opens it sees the
/// old one or the new one, whole.
///
/// # Errors
/// When an input, a result or another image stands there, or it cannot be written.
pub fn write_page(report: &Report, thumbnails: usize, path: &Path) -> Result<(), ReadError> {
    refuse_others(report, path)?;
    let pairs = thumbnails::pairs(&report.output, &report.done, thumbnails);
    write_whole(path, &page(report, &pairs))
        .map_err(|source| ReadError::Page { path: path.to_path_buf(), source })
}

/// Nothing is replaced but an earlier page: no input, no result, nothing that mpix keeps.
fn refuse_others(report: &Report, path: &Path) -> Result<(), ReadError> {
    let refuse = |what| Err(ReadError::ReplacesOther { path: path.to_path_buf(), what });
    let place = real(path);
    if place.parent().is_some_and(|parent| parent.starts_with(real(&report.output.join(DIRECTORY))))
    {
        return refuse("among what mpix keeps of its runs");
    }
    let output = real(&report.output);
    if report.done.iter().any(|done| output.join(&done.output) == place) {
        return refuse("a result");
    }
    let inputs = report.done.iter().map(|done| done.input.path.as_path());
    let inputs = inputs.chain(report.failures.iter().map(|failure| failure.image.as_path()));
    if path.exists() && inputs.into_iter().any(|input| input == place || is_same(input, path)) {
        return refuse("an input");
    }
    let extension = path.extension().and_then(|extension| extension.to_str());
    if extension.is_some_and(|extension| Format::of_extension(extension).is_some()) {
        return refuse("an image by name");
    }
    Ok(())
}

/// Whether both are one file, by whatever names. Only those of one length are looked at closely.
fn is_same(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    one.file_name() == other.file_name()
        && match (one.metadata(), other.metadata()) {
            (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
            _ => false,
        }
}

/// The path without links, as far as it exists.
fn real(path: &Path) -> std::path::PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(real), _, _) => real,
        (Err(_), Some(parent), Some(name)) => real(parent).join(name),
        (Err(_), _, _) => path,
    }
}

fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let directory = match path.parent() {
        Some(directory) if directory != Path::new("") => directory,
        Some(_) | None => Path::new("."),
    };
    // As other new files: readable by whom the umask allows.
    let mut file = tempfile::Builder::new()
        .prefix(".mpix-")
        .make_in(directory, |path| File::create_new(path))?;
    let mut out = BufWriter::new(file.as_file_mut());
    out.write_all(text.as_bytes())?;
    out.flush()?;
    drop(out);
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// The whole page.
fn page(report: &Report, pairs: &[Pair<'_>]) -> String {
    let name = path_text(&report.output);
    let mut page = String::with_capacity(1 << 20);
    // The browser runs this script and no other, and loads nothing from anywhere.
    let script = STANDARD.encode(Sha256::digest(SCRIPT.as_bytes()));
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; \
         style-src 'unsafe-inline'; script-src 'sha256-{script}'\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>mpix report of {name}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#content\">To the content</a>\n"
    );
    let parts = [
        ("pictures", "Before and after", sections::pictures(report, pairs)),
        ("failures", "Failures", sections::failures(report)),
        ("plots", "Time and throughput", sections::plots(report)),
        ("ranks", "Ranks", sections::ranks(report)),
        ("runs", "Runs", sections::runs(report)),
        ("launch", "Launch", sections::launches(report)),
        ("warnings", "Warnings", sections::warnings(report)),
        ("commands", "Going on from here", sections::commands(report)),
    ];
    let parts: Vec<_> = parts.into_iter().filter(|(_, _, html)| !html.is_empty()).collect();
    page.push_str("<header>\n");
    page.push_str(&sections::head(report));
    page.push_str("<nav aria-label=\"Parts of this page\"><ul>");
    for (id, title, _) in &parts {
        let _ = write!(page, "<li><a href=\"#{id}\">{title}</a></li>");
    }
    page.push_str("</ul></nav>\n</header>\n<main id=\"content\">\n");
    page.push_str(&sections::tiles(report));
    page.push_str(&sections::notes(report));
    for (id, title, html) in &parts {
        let _ = write!(
            page,
            "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>\n{html}</section>\n"
        );
    }
    let _ = write!(
        page,
        "</main>\n<footer>Made by mpix {} at {:.0}. Times are UTC. What is done and what failed is \
         told by the journal, times by the log.</footer>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
        report.mpix, report.made
    );
    page
}

impl RunningState {
    /// A few words, and whether they are good ones.
    pub(super) fn words(self, report: &Report) -> (&'static str, &'static str) {
        let failed = report.counts.failed + report.counts.set_aside > 0;
        let last = report.runs.last();
        match self {
            Self::Running => ("a run goes on", "good"),
            Self::Lost => ("ended without a word", "bad"),
            Self::Ended if last.is_some_and(|run| run.exit_code == Some(0)) => ("all done", "good"),
            Self::Ended if last.is_some_and(|run| run.exit_code.is_some_and(|code| code > 1)) => {
                ("not finished", "bad")
            }
            Self::Ended if failed => ("ended, some images failed", "bad"),
            Self::Ended => ("ended", "good"),
        }
    }
}
