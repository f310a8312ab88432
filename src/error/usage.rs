//! What whoever typed the command must change.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

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
}
