//! Errors, sorted by who must act, and the exit codes that follow from them.

use std::any::Any;
use std::io::{self, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use thiserror::Error;

mod reading;

pub use reading::ReadError;

/// Exit codes, as the table in the README documents them.
pub mod exit {
    /// Every image was done.
    pub const DONE: u8 = 0;
    /// The run ended, and some images failed.
    pub const SOME_FAILED: u8 = 1;
    /// The command line cannot be carried out.
    pub const USAGE: u8 = 2;
    /// Another run writes to the output directory.
    pub const HELD: u8 = 3;
    /// The output directory cannot be written: the disk is full, or it is gone.
    pub const OUTPUT: u8 = 4;
    /// A fault of mpix itself.
    pub const BUG: u8 = 70;
    /// A rank or a host failed; the same command goes on.
    pub const HOST: u8 = 71;
    /// A signal stopped it; the same command goes on.
    pub const STOPPED: u8 = 130;
}

/// Why a run could not be carried out at all.
#[derive(Debug, Error)]
pub enum Error {
    /// The user must change the command line.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// The output directory is not to be had.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// What a run has left cannot be shown.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A host, or a rank on it, is not to be reached any more.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A rank met something that mpix did not foresee.
    #[error(transparent)]
    Bug(#[from] BugError),
}

impl Error {
    /// The exit code that tells a caller which kind of error it was.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Read(_) => exit::USAGE,
            Self::Output(OutputError::Held { .. } | OutputError::Lost { .. }) => exit::HELD,
            Self::Output(OutputError::Journal { .. } | OutputError::Gone { .. }) => exit::OUTPUT,
            Self::Output(OutputError::NoJournal { .. }) => exit::USAGE,
            Self::Output(OutputError::StoppedTwice) => exit::STOPPED,
            Self::Host(_) => exit::HOST,
            Self::Bug(_) => exit::BUG,
        }
    }
}

impl Error {
    /// Whether other ranks may have work in hand or wait for some: the run can only be broken off.
    #[must_use]
    pub fn leaves_ranks_waiting(&self) -> bool {
        match self {
            Self::Usage(_)
            | Self::Read(_)
            | Self::Output(
                OutputError::Held { .. } | OutputError::Gone { .. } | OutputError::NoJournal { .. },
            ) => false,
            Self::Output(
                OutputError::Lost { .. } | OutputError::Journal { .. } | OutputError::StoppedTwice,
            )
            | Self::Host(_)
            | Self::Bug(_) => true,
        }
    }
}

impl Error {
    /// The rank that it is about, where it is one that fell silent.
    #[must_use]
    pub fn rank(&self) -> Option<usize> {
        match self {
            Self::Host(HostError::Silent { rank, .. } | HostError::NeverBegan { rank, .. }) => {
                Some(*rank)
            }
            Self::Host(_) | Self::Usage(_) | Self::Read(_) | Self::Output(_) | Self::Bug(_) => None,
        }
    }
}

/// A command line that cannot be carried out; the text says what to write instead.
#[derive(Debug, Error)]
pub enum UsageError {
    /// No op has this name.
    #[error("unknown op `{op}` in `--op {spec}`; `mpix ops` lists: {known}")]
    UnknownOp {
        /// The whole argument.
        spec: String,
        /// The name in it.
        op: String,
        /// Names of all ops.
        known: String,
    },
    /// The op has no such parameter.
    #[error("op `{op}` has no parameter `{name}`; it takes: {known}")]
    UnknownParameter {
        /// The op.
        op: &'static str,
        /// What the user wrote.
        name: String,
        /// The parameters it has.
        known: String,
    },
    /// A parameter without a default was left out.
    #[error("op `{op}` needs `{name}`: `--op {op}:{name}=…`, {expected}")]
    MissingParameter {
        /// The op.
        op: &'static str,
        /// The parameter.
        name: &'static str,
        /// What it takes.
        expected: String,
    },
    /// Nothing to read was named.
    #[error("no input: name files or directories, or use `--files-from FILE`")]
    NoInputs,
    /// A number of bytes that is none.
    #[error("`{flag} {value}` is no size; write bytes, or a whole number with K, M, G or T")]
    Size {
        /// The flag.
        flag: &'static str,
        /// What the user wrote.
        value: String,
    },
    /// A rate that is none.
    #[error("`{flag} {value}` is no rate; write bits a second, as in 25G, 100M or 2.5G")]
    Rate {
        /// The flag.
        flag: &'static str,
        /// What the user wrote.
        value: String,
    },
    /// Numbers of ranks that are none.
    #[error("`--ranks {value}` is no list of ranks from 1 to {most}; write 8, 1,2,3 or 1..4096")]
    RankCounts {
        /// What the user wrote.
        value: String,
        /// The most ranks that can be planned for.
        most: usize,
    },
    /// What started the run tells nonsense of it.
    #[error("`{variable}={value}` is no attempt of a launch; unset it")]
    Launch {
        /// The variable.
        variable: &'static str,
        /// What it says.
        value: String,
        /// What is expected.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A limit of failures that is none.
    #[error("`--max-failures {value}` is no limit; write a whole number, or one with %")]
    MaxFailures {
        /// What the user wrote.
        value: String,
    },
    /// An input named on the command line does not exist.
    #[error("failed to find the input `{}`", path.display())]
    NoSuchInput {
        /// What the user wrote.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The inputs hold no image files.
    #[error(
        "found no image files in the inputs{}",
        if *recursive { "" } else { " (`-r` looks into directories below, too)" }
    )]
    NothingFound {
        /// Whether directories below were searched.
        recursive: bool,
    },
    /// Two inputs would be written to one file.
    #[error(
        "`{}` and `{}` would both be written to `{}`; rename one, or run them apart",
        first.display(), second.display(), output.display()
    )]
    SameOutput {
        /// The result, below the output directory.
        output: PathBuf,
        /// An input.
        first: PathBuf,
        /// Another.
        second: PathBuf,
    },
    /// A result would replace an input.
    #[error(
        "the result of `{}` would replace the input `{}`; inputs are never written: choose another \
         `-o`",
        input.display(), output.display()
    )]
    ReplacesInput {
        /// The result.
        output: PathBuf,
        /// What it is the result of.
        input: PathBuf,
    },
    /// The list of names cannot be read.
    #[error("failed to read names from `--files-from {}`", path.display())]
    FilesFrom {
        /// The list.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A rank that must see rank 0's files does not.
    #[error(
        "rank {rank} on `{host}` does not see the output directory `{}` of rank 0 \
         (`--shared-fs yes`); mount it there, or use `--shared-fs auto`",
        path.display()
    )]
    NotShared {
        /// The rank.
        rank: usize,
        /// Its host.
        host: String,
        /// The output directory, from the root.
        path: PathBuf,
    },
    /// The output directory cannot be made.
    #[error("failed to make the output directory `{}` (`-o`)", path.display())]
    Output {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What follows `--` in `mpix launch` or `mpix plan` is no run.
    #[error("what follows `--` will not do: {told}; write `-- run …`, as `mpix run` takes it")]
    InnerCommand {
        /// What is wrong with it.
        told: String,
    },
    /// A launch that could never start.
    #[error(
        "`--hosts {}` is less than `--min-hosts {min_hosts}`: the launch would wait for ever",
        hosts.unwrap_or_default()
    )]
    FewerHosts {
        /// Hosts to run on.
        hosts: Option<u64>,
        /// Fewest hosts to run on.
        min_hosts: u64,
    },
    /// A launch without hosts.
    #[error("no hosts: name them by `--hostfile FILE`, or launch inside a Slurm job")]
    NoHosts,
    /// The log cannot be written.
    #[error("failed to open the log `{}` (`--log-file`)", path.display())]
    LogFile {
        /// Its first file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The hostfile cannot be used.
    #[error(transparent)]
    Hostfile(Box<dyn std::error::Error + Send + Sync>),
    /// Standard output takes nothing.
    #[error("failed to print to standard output")]
    Print(#[source] io::Error),
    /// MPI had been started before.
    #[error("failed to start MPI: it has been started already")]
    MpiTwice,
    /// Started by another MPI than the one it was built with.
    #[error(
        "failed to join {launched} ranks: this mpix was built with {library}, and the mpirun that \
         started it is another MPI's; use the one that belongs to it, or build mpix with `MPICC` \
         set to the other's compiler"
    )]
    OtherMpi {
        /// Ranks that the launcher started.
        launched: usize,
        /// The MPI library in use.
        library: String,
    },
    /// Started several times by Slurm, which joined them by no MPI.
    #[error(
        "failed to join the {launched} tasks of this Slurm step: srun started each by itself, and \
         each would do the whole job; use `srun --mpi=pmix` (`srun --mpi=list` tells what there is; \
         this mpix was built with {library}), or mpirun inside the job"
    )]
    SlurmWithoutMpi {
        /// Tasks of the step.
        launched: usize,
        /// The MPI library in use.
        library: String,
    },
    /// Started by a launcher, but built without MPI.
    #[error(
        "failed to join {launched} ranks: this mpix was built without MPI (feature `mpi`); run it \
         without mpirun or srun"
    )]
    NoMpi {
        /// Ranks that the launcher started.
        launched: usize,
    },
    /// A host has another version of mpix.
    #[error("host `{host}` has mpix {version}, rank 0 has {own}; install the same on all hosts")]
    OtherVersion {
        /// The host.
        host: String,
        /// Its version.
        version: String,
        /// Rank 0's version.
        own: &'static str,
    },
    /// A parameter was given twice.
    #[error("op `{op}` is given `{name}` twice; write it once")]
    RepeatedParameter {
        /// The op.
        op: &'static str,
        /// The parameter.
        name: &'static str,
    },
    /// A parameter's value is not one that the op takes.
    #[error("op `{op}` takes no `{name}={value}`; expected {expected}")]
    BadParameter {
        /// The op.
        op: &'static str,
        /// The parameter.
        name: &'static str,
        /// What the user wrote.
        value: String,
        /// What it takes.
        expected: String,
    },
}

/// Why the output directory is not, or no longer, to be had. What is done stays done.
#[derive(Debug, Error)]
pub enum OutputError {
    /// Another run writes there.
    #[error("another run has the output directory")]
    Held {
        /// Which.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another run has taken it from this one.
    #[error("this run has lost the output directory")]
    Lost {
        /// To which.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The journal cannot be read or written.
    #[error("the journal cannot be kept; run the same command again when it can")]
    Journal {
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It can no longer be written.
    #[error(
        "the output directory cannot be written any more; {missing} images and {missing_bytes} bytes \
         of finished results are missing; run the same command again when it can"
    )]
    Gone {
        /// Images that have no result.
        missing: usize,
        /// Bytes of results that could not be written.
        missing_bytes: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Nothing was written there by a run.
    #[error("`{}` has no journal: it is no output directory of `mpix run`", output.display())]
    NoJournal {
        /// The directory.
        output: PathBuf,
    },
    /// A second signal came before the work in hand was finished.
    #[error("stopped at once; the same command goes on")]
    StoppedTwice,
}

/// A rank that is not to be reached: stopped, stuck, or on a host that is cut off or gone. What is
/// done stays done.
#[derive(Debug, Error)]
pub enum HostError {
    /// A rank that took part says nothing any more.
    #[error(
        "rank {rank} on `{host}` has said nothing for {seconds} s (`--stall-timeout`): the process \
         is stopped, or the host is cut off or overloaded; the same command goes on"
    )]
    Silent {
        /// The rank.
        rank: usize,
        /// Its host.
        host: String,
        /// How long.
        seconds: u64,
    },
    /// A rank has not even said where it is.
    #[error("rank {rank} has not begun within {seconds} s (`--stall-timeout`)")]
    NeverBegan {
        /// The rank.
        rank: usize,
        /// How long.
        seconds: u64,
    },
    /// The same fault came again and again, or hosts are used up.
    #[error("the launch ends: {reason}; the same command goes on")]
    UsedUp {
        /// What happened.
        reason: String,
    },
    /// `mpirun` cannot be started.
    #[error("failed to start `mpirun`: install Open MPI on this host (`mpix doctor` tells more)")]
    NoMpirun(#[source] io::Error),
    /// Rank 0 has gone.
    #[error("rank {rank} on `{host}` has heard nothing from rank 0 for {seconds} s")]
    NothingFromRank0 {
        /// The rank that waited.
        rank: usize,
        /// Its host.
        host: String,
        /// How long.
        seconds: u64,
    },
}

/// A fault of mpix itself, or of something below it that it trusts.
#[derive(Debug, Error)]
pub enum BugError {
    /// A message between ranks that cannot be read.
    #[error("failed to read a message of rank {from}: {what}")]
    Message {
        /// The sender.
        from: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A message between ranks that cannot be made.
    #[error("failed to make a message for another rank")]
    Encode {
        /// Why.
        #[source]
        source: postcard::Error,
    },
    /// A message for a rank that does not exist.
    #[error("failed to send to rank {rank}: there is none")]
    NoSuchRank {
        /// The rank.
        rank: usize,
    },
    /// The threads of a rank cannot be started.
    #[error("failed to start {threads} threads (`--threads`)")]
    Threads {
        /// How many.
        threads: usize,
        /// Why.
        #[source]
        source: rayon::ThreadPoolBuildError,
    },
    /// A job panicked outside the decoders.
    #[error("rank {rank} panicked while it worked on `{work}`: {panic}")]
    Panic {
        /// The rank.
        rank: usize,
        /// What it had in hand.
        work: String,
        /// The panic's own text.
        panic: String,
    },
    /// A global pass got a partial or a share that is not its own.
    #[error("failed to read the {part} of a global pass")]
    GlobalPass {
        /// Which part.
        part: &'static str,
        /// Where reading stopped.
        #[source]
        source: postcard::Error,
    },
    /// A global pass got a partial or a share that belongs to other rows or to another pass.
    #[error("failed to apply a global pass: its {part} belongs to other rows")]
    GlobalPassMismatch {
        /// Which part.
        part: &'static str,
    },
}

/// Kinds of failure of one image, for counting and for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The file cannot be read.
    Unreadable,
    /// The bytes are no image, or a broken one.
    NotAnImage,
    /// The image is over a limit.
    OverLimit,
    /// The image is of a kind that mpix or the output format does not take.
    Unsupported,
    /// The output cannot be written.
    CannotWrite,
    /// It has killed ranks, or taken longer than it may.
    SetAside,
}

impl FailureKind {
    /// The name by which programs know it, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::NotAnImage => "not-an-image",
            Self::OverLimit => "over-limit",
            Self::Unsupported => "unsupported",
            Self::CannotWrite => "cannot-write",
            Self::SetAside => "set-aside",
        }
    }
}

/// Why one image failed; the rest of the run goes on.
#[derive(Debug, Error)]
pub enum ImageError {
    /// The file cannot be opened or read.
    #[error("cannot be read")]
    Unreadable(#[source] io::Error),
    /// A directory, a pipe or a device where a file was expected.
    #[error("is {what}, not a file")]
    NotAFile {
        /// What it is.
        what: &'static str,
    },
    /// A file without content.
    #[error("is empty")]
    Empty,
    /// It is being written while the run is to read it.
    #[error("changes while it is read; another run takes it as it is then")]
    Changing,
    /// The content is of no format that mpix reads.
    #[error("is no image that mpix reads ({size} bytes, starting {start})")]
    NotAnImage {
        /// Length of the file in bytes.
        size: u64,
        /// The first bytes, in hexadecimal.
        start: String,
    },
    /// The name promises another format than the content has.
    #[error("is {content} inside but `.{extension}` by name; rename it, or choose `--format`")]
    WrongExtension {
        /// The format of the content.
        content: &'static str,
        /// The extension of the name.
        extension: String,
    },
    /// The decoder gave up.
    #[error("is no whole {format} image: {reason}")]
    Broken {
        /// The format of the content.
        format: &'static str,
        /// The decoder's own words.
        reason: String,
    },
    /// More pixels than `--max-pixels`.
    #[error("has {width} x {height} = {pixels} pixels, over the limit of {limit} (`--max-pixels`)")]
    TooManyPixels {
        /// Columns.
        width: u64,
        /// Rows.
        height: u64,
        /// Their product.
        pixels: u64,
        /// The limit.
        limit: u64,
    },
    /// More bytes of pixels than `--max-decoded`.
    #[error(
        "decodes to {width} x {height} pixels of {pixel_bytes} bytes = {bytes} bytes, over the \
         limit of {limit} (`--max-decoded`)"
    )]
    TooManyBytes {
        /// Columns.
        width: u64,
        /// Rows.
        height: u64,
        /// Channels times bytes per sample.
        pixel_bytes: u64,
        /// Their product.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// More columns than `--max-width`.
    #[error("is {width} pixels wide, over the limit of {limit} (`--max-width`)")]
    TooWide {
        /// Columns.
        width: u64,
        /// The limit.
        limit: u64,
    },
    /// More rows than `--max-height`.
    #[error("is {height} pixels high, over the limit of {limit} (`--max-height`)")]
    TooHigh {
        /// Rows.
        height: u64,
        /// The limit.
        limit: u64,
    },
    /// A larger file than `--max-file-size`.
    #[error("is a file of {bytes} bytes, over the limit of {limit} (`--max-file-size`)")]
    FileTooLarge {
        /// Bytes of the file.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// More metadata than `--max-metadata`.
    #[error(
        "has at least {bytes} bytes of metadata, over the limit of {limit} (`--max-metadata`){}",
        without.map(|bytes| format!("; with `--strip` it has {bytes}")).unwrap_or_default()
    )]
    TooMuchMetadata {
        /// Bytes of metadata, counted until they were too many.
        bytes: u64,
        /// The limit.
        limit: u64,
        /// Bytes that are left with `--strip`, if the limit allows them.
        without: Option<u64>,
    },
    /// More memory than `--max-image-memory` allows.
    #[error(
        "needs {need} bytes of memory on a rank, over the limit of {limit} (`--max-image-memory`)"
    )]
    TooMuchImageMemory {
        /// Bytes needed.
        need: u64,
        /// The limit.
        limit: u64,
    },
    /// More memory than `--memory` allows.
    #[error(
        "needs {need} bytes of memory, over the limit of {limit} for one image; `--memory {enough}` \
         allows it"
    )]
    TooMuchMemory {
        /// Bytes needed.
        need: u64,
        /// The limit: what rank 0 may hold, or what a rank may filter with.
        limit: u64,
        /// The `--memory` that would do.
        enough: u64,
    },
    /// Samples of more than 8 bits, without `--depth 8`.
    #[error("has {bits} bits per sample; mpix filters 8 (`--depth 8` keeps the upper 8)")]
    Depth {
        /// Bits per sample.
        bits: u32,
    },
    /// A kind of pixel that mpix does not filter.
    #[error("has {pixels} pixels, which mpix does not filter")]
    Pixels {
        /// The decoder's name for them.
        pixels: String,
    },
    /// A rare kind of a format that mpix reads otherwise.
    #[error("is a {format} file of a kind that mpix does not read: {feature}")]
    Feature {
        /// The format of the content.
        format: &'static str,
        /// What the decoder lacks, in its own words.
        feature: String,
    },
    /// The output format cannot hold the image.
    #[error("does not fit a {format} file: {reason}")]
    Encode {
        /// The output format.
        format: &'static str,
        /// The encoder's own words, or the limit.
        reason: String,
    },
    /// It has killed ranks again and again.
    #[error(
        "was in hand at {crashes} crashes and is set aside (`--crash-limit`, `--retry-failed`)"
    )]
    Crashes {
        /// How many.
        crashes: u32,
    },
    /// It took longer than it may.
    #[error("took longer than {seconds} s (`--image-timeout`)")]
    Timeout {
        /// The limit.
        seconds: u64,
    },
    /// It failed in an earlier run, and nothing has changed.
    #[error("{reason} (in an earlier run; `--retry-failed` tries again)")]
    Before {
        /// The kind.
        kind: FailureKind,
        /// The reason of the earlier run.
        reason: String,
    },
    /// The output cannot be written.
    #[error("cannot be written to `{}`", path.display())]
    CannotWrite {
        /// The output file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl ImageError {
    /// The kind, for counting.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Unreadable(_) | Self::NotAFile { .. } | Self::Changing => FailureKind::Unreadable,
            Self::Empty
            | Self::NotAnImage { .. }
            | Self::Broken { .. }
            | Self::WrongExtension { .. } => FailureKind::NotAnImage,
            Self::TooManyPixels { .. }
            | Self::TooManyBytes { .. }
            | Self::TooWide { .. }
            | Self::TooHigh { .. }
            | Self::FileTooLarge { .. }
            | Self::TooMuchMetadata { .. }
            | Self::TooMuchImageMemory { .. }
            | Self::TooMuchMemory { .. } => FailureKind::OverLimit,
            Self::Depth { .. }
            | Self::Pixels { .. }
            | Self::Feature { .. }
            | Self::Encode { .. } => FailureKind::Unsupported,
            Self::Crashes { .. } | Self::Timeout { .. } => FailureKind::SetAside,
            Self::Before { kind, .. } => *kind,
            Self::CannotWrite { .. } => FailureKind::CannotWrite,
        }
    }
}

/// Writes a line to standard error. Where nobody reads it, or a disk is full, it is lost and the run
/// goes on.
pub fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// What came of printing to standard output: a reader that goes away, as `head` does, has enough.
///
/// # Errors
/// When standard output cannot be written for another reason.
pub fn printed(outcome: io::Result<()>) -> Result<(), UsageError> {
    match outcome {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => Err(UsageError::Print(source)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What a panic said.
#[must_use]
pub fn panic_text(panic: &(dyn Any + Send)) -> String {
    let owned = panic.downcast_ref::<String>().cloned();
    let text = owned.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
    text.unwrap_or_else(|| "no text".to_owned())
}

/// `text` with its control characters as escapes: a file's name may hold any of them, and a message
/// is one line that moves no cursor.
#[must_use]
pub fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// An error with all its causes, on one line.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    on_one_line(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_whatever_the_file_is_called() {
        let text = on_one_line("`a\nb\u{1b}[31mé \\ d.png`");
        assert_eq!(text, "`a\\nb\\u{1b}[31mé \\ d.png`");
        let path = PathBuf::from("new\nline");
        let error = UsageError::NoSuchInput { path, source: io::Error::other("gone") };
        assert_eq!(with_causes(&error), r"failed to find the input `new\nline`: gone");
    }
}
