//! A directory of its own for each test, in which the program runs.

use std::path::PathBuf;
use std::process::Command;

use mpix::image_file::{Format, Picture, decode};

use crate::launch::{PROGRAM, Run, command, files, finish, mpirun_command};
use crate::made::{OPTIONS, file};

pub(crate) struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// A place with these pictures, each of another size.
    pub(crate) fn with(names: &[&str]) -> Self {
        let place = Self::new();
        for (number, name) in names.iter().enumerate() {
            let extension = name.rsplit('.').next().unwrap();
            let format = Format::of_extension(extension).unwrap();
            place.put(name, &file(format, 30 + number, 20, 3));
        }
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        crate::pictures::files::put(&self.path(name), bytes);
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn picture(&self, name: &str) -> Picture {
        decode(&self.bytes(name), &OPTIONS, Vec::new()).unwrap()
    }

    /// The names of all files below a directory, sorted.
    pub(crate) fn names(&self, directory: &str) -> Vec<String> {
        let found = files(&self.path(directory)).into_keys();
        found.map(|name| name.to_str().unwrap().to_owned()).collect()
    }

    /// Runs `mpix` with the words of `line`.
    pub(crate) fn mpix(&self, line: &str) -> Run {
        self.finish(command(&[PROGRAM], line.split_whitespace()))
    }

    /// Runs `mpirun -n RANKS mpix` with the words of `line`.
    pub(crate) fn mpirun(&self, ranks: usize, line: &str) -> Run {
        self.finish(mpirun_command(ranks, line.split_whitespace()))
    }

    pub(crate) fn finish(&self, mut command: Command) -> Run {
        command.current_dir(self.dir.path());
        finish(command)
    }
}
