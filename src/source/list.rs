//! From names on the command line to a list of files, each with the name of its result.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use walkdir::WalkDir;

use crate::error::{ImageError, UsageError};
use crate::image_file::Format;
use crate::settings::RunSettings;

/// One file to filter.
#[derive(Debug)]
pub struct Entry {
    /// The file.
    pub input: PathBuf,
    /// The result, below the output directory; empty for a directory, which fails.
    pub output: PathBuf,
    /// Why it cannot be read, where that is known already.
    pub problem: Option<ImageError>,
}

impl Entry {
    /// The name by which a later run knows the file again, wherever that run is started.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        std::path::absolute(&self.input).unwrap_or_else(|_| self.input.clone())
    }
}

/// Lists all files that `settings` name, in the order named, directories sorted.
///
/// A file named twice counts once. Nothing is opened: a file that cannot be read fails later, alone.
///
/// # Errors
/// When an input does not exist, nothing is found, two results would have one name, or a result
/// would replace an input.
pub fn list(settings: &RunSettings) -> Result<Vec<Entry>, UsageError> {
    let mut listing = Listing {
        settings,
        output: settings.output.canonicalize().ok(),
        entries: Vec::new(),
        by_output: HashMap::new(),
        without_result: HashSet::new(),
    };
    for input in &settings.inputs {
        let metadata = fs::symlink_metadata(input)
            .map_err(|source| UsageError::NoSuchInput { path: input.clone(), source })?;
        let is_dir = metadata.is_dir() || fs::metadata(input).is_ok_and(|to| to.is_dir());
        if is_dir { listing.directory(input)? } else { listing.file(input, file_name(input))? }
    }
    if let Some(names) = &settings.files_from {
        for path in read_names(names, settings.zero_terminated)? {
            let kept = below_output(&path);
            listing.file(&path, kept)?;
        }
    }
    if listing.entries.is_empty() {
        return Err(UsageError::NothingFound { recursive: settings.recursive });
    }
    refuse_to_replace_inputs(&listing.entries, &settings.output)?;
    Ok(listing.entries)
}

struct Listing<'a> {
    settings: &'a RunSettings,
    output: Option<PathBuf>,
    entries: Vec<Entry>,
    by_output: HashMap<PathBuf, usize>,
    without_result: HashSet<PathBuf>,
}

impl Listing<'_> {
    fn directory(&mut self, root: &Path) -> Result<(), UsageError> {
        let depth = if self.settings.recursive { usize::MAX } else { 1 };
        let output = self.output.clone();
        let walk = WalkDir::new(root)
            .min_depth(1)
            .max_depth(depth)
            .follow_root_links(true)
            .sort_by_file_name()
            .into_iter()
            .filter_entry(|entry| {
                let is_hidden = entry.file_name().as_bytes().starts_with(b".");
                let is_output = entry.file_type().is_dir()
                    && output.is_some()
                    && entry.path().canonicalize().ok() == output;
                !is_hidden && !is_output
            });
        for found in walk {
            match found {
                Ok(entry) => self.found(root, &entry)?,
                Err(error) => {
                    let path = error.path().unwrap_or(root).to_path_buf();
                    self.add_without_result(path, ImageError::Unreadable(cause_of(error)));
                }
            }
        }
        Ok(())
    }

    fn found(&mut self, root: &Path, entry: &walkdir::DirEntry) -> Result<(), UsageError> {
        let path = entry.path();
        if format_of_name(path).is_none() {
            return Ok(());
        }
        let leads_to_dir = entry.file_type().is_symlink()
            && fs::metadata(path).is_ok_and(|target| target.is_dir());
        if leads_to_dir || (entry.file_type().is_dir() && self.settings.recursive) {
            return Ok(());
        }
        self.file(path, below(root, path))
    }

    fn file(&mut self, path: &Path, kept: PathBuf) -> Result<(), UsageError> {
        let problem = match fs::metadata(path) {
            Err(error) => Some(ImageError::Unreadable(error)),
            Ok(found) if found.is_dir() => {
                let problem = ImageError::NotAFile { what: "a directory" };
                self.add_without_result(path.to_path_buf(), problem);
                return Ok(());
            }
            Ok(found) if !found.is_file() => {
                Some(ImageError::NotAFile { what: "a pipe, a socket or a device" })
            }
            Ok(_) => None,
        };
        self.add(path.to_path_buf(), kept, problem)
    }

    /// A directory fails under its own name; it has no result whose name another could have.
    fn add_without_result(&mut self, input: PathBuf, problem: ImageError) {
        if self.without_result.insert(input.clone()) {
            let (output, problem) = (PathBuf::new(), Some(problem));
            self.entries.push(Entry { input, output, problem });
        }
    }

    fn add(
        &mut self,
        input: PathBuf,
        kept: PathBuf,
        problem: Option<ImageError>,
    ) -> Result<(), UsageError> {
        let output = result_name(kept, self.settings.format);
        if let Some(&other) = self.by_output.get(&output) {
            let first = &self.entries[other].input;
            if first == &input
                || first.canonicalize().ok().is_some_and(|p| Some(p) == input.canonicalize().ok())
            {
                return Ok(());
            }
            return Err(UsageError::SameOutput { output, first: first.clone(), second: input });
        }
        self.by_output.insert(output.clone(), self.entries.len());
        self.entries.push(Entry { input, output, problem });
        Ok(())
    }
}

/// The system's own error, without the name, which is told with it.
fn cause_of(error: walkdir::Error) -> std::io::Error {
    let code = error.io_error().and_then(std::io::Error::raw_os_error);
    code.map_or_else(|| error.into(), std::io::Error::from_raw_os_error)
}

fn format_of_name(path: &Path) -> Option<Format> {
    Format::of_extension(path.extension()?.to_str()?)
}

fn file_name(path: &Path) -> PathBuf {
    path.file_name().map_or_else(|| path.to_path_buf(), PathBuf::from)
}

fn below(root: &Path, path: &Path) -> PathBuf {
    path.strip_prefix(root).map_or_else(|_| file_name(path), Path::to_path_buf)
}

/// The path without what would lead out of the output directory: `/`, `.` and `..`.
fn below_output(path: &Path) -> PathBuf {
    path.components().filter(|part| matches!(part, Component::Normal(_))).collect()
}

/// The name of the result: the input's own, with another extension where the format changes.
fn result_name(kept: PathBuf, wanted: Option<Format>) -> PathBuf {
    let own = format_of_name(&kept);
    match wanted.or_else(|| own.map(Format::output)) {
        Some(format) if own != Some(format) => {
            if own.is_some() {
                kept.with_extension(format.extension())
            } else {
                let mut name = kept.into_os_string();
                name.push(".");
                name.push(format.extension());
                PathBuf::from(name)
            }
        }
        Some(_) | None => kept,
    }
}

fn read_names(list: &Path, zero_terminated: bool) -> Result<Vec<PathBuf>, UsageError> {
    let mut bytes = Vec::new();
    let read = if list == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut bytes)
    } else {
        fs::File::open(list).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    read.map_err(|source| UsageError::FilesFrom { path: list.to_path_buf(), source })?;
    let end = if zero_terminated { 0 } else { b'\n' };
    let names = bytes.split(|&byte| byte == end).filter(|name| !name.is_empty());
    Ok(names.map(|name| PathBuf::from(std::ffi::OsStr::from_bytes(name))).collect())
}

/// Files that exist where results will go must not be inputs, by whatever name.
fn refuse_to_replace_inputs(entries: &[Entry], directory: &Path) -> Result<(), UsageError> {
    if !directory.exists() {
        return Ok(());
    }
    let mut inputs = HashSet::new();
    for entry in entries {
        let found = [fs::metadata(&entry.input), fs::symlink_metadata(&entry.input)];
        inputs.extend(found.into_iter().flatten().map(|file| (file.dev(), file.ino())));
    }
    for entry in entries {
        if entry.output.as_os_str().is_empty() {
            continue;
        }
        let output = directory.join(&entry.output);
        let Ok(existing) = fs::symlink_metadata(&output) else { continue };
        if inputs.contains(&(existing.dev(), existing.ino())) {
            return Err(UsageError::ReplacesInput { output, input: entry.input.clone() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_their_name_unless_the_format_changes() {
        let name = |path: &str, format| result_name(PathBuf::from(path), format);
        assert_eq!(name("a/b.JPG", None), Path::new("a/b.JPG"));
        assert_eq!(name("b.jpeg", Some(Format::Jpeg)), Path::new("b.jpeg"));
        assert_eq!(name("b.jpeg", Some(Format::Png)), Path::new("b.png"));
        assert_eq!(name("b.gif", None), Path::new("b.png"));
        assert_eq!(name("v1.2", Some(Format::Png)), Path::new("v1.2.png"));
        assert_eq!(name("v1.2", None), Path::new("v1.2"));
    }

    #[test]
    fn listed_names_stay_below_the_output() {
        assert_eq!(below_output(Path::new("/x/../y/./z.png")), Path::new("x/y/z.png"));
    }
}
