//! Files that are replaced whole, or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Where the successor of `path` is written. The name is fixed, so that kills leave no litter: the
/// next writer writes over it.
pub(super) fn successor(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// Writes what `write` writes beside `path`, and makes it last.
pub(super) fn write_successor<E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), E>,
) -> Result<(), E> {
    let mut out = BufWriter::with_capacity(1 << 18, File::create(successor(path))?);
    write(&mut out)?;
    out.flush()?;
    Ok(out.get_ref().sync_all()?)
}

/// Puts the successor in the place of `path`, and makes that last.
pub(super) fn put_in_place(path: &Path) -> io::Result<()> {
    fs::rename(successor(path), path)?;
    sync_directory(path.parent().unwrap_or(Path::new(".")))
}

/// Removes `path`, if it is there, and makes that last.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Ok(()) => sync_directory(path.parent().unwrap_or(Path::new("."))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes the names in `directory` last.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    File::open(directory)?.sync_all()
}

/// Makes `directory`, which lies in `output`, and makes both their names last.
pub(super) fn make_directory(directory: &Path, output: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let is_new = !output.exists();
    fs::create_dir_all(directory)?;
    sync_directory(output)?;
    match output.parent() {
        Some(parent) if is_new => sync_directory(parent),
        Some(_) | None => Ok(()),
    }
}
