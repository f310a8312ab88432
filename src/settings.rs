//! Settings: flags, then environment, checked once, into plain values.

mod launch;
mod planning;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;
pub use launch::LaunchSettings;
pub use planning::PlanSettings;

use crate::cli::{
    ChecksumKind, Cli, Command, Distribute, LimitArgs, OutputFormat, RunArgs, SharedFs,
};
use crate::error::UsageError;
use crate::hash::Checksum;
use crate::image_file::{DecodeOptions, Format, Limits};
use crate::journal::{LAUNCH_VARIABLE, LaunchId};
use crate::ops::OpSpec;

/// How images are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// As suits each image.
    Auto,
    /// Whole files.
    Images,
    /// Bands of rows.
    Bands,
}

/// Whether ranks read and write whole images themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedFiles {
    /// Those that see rank 0's files.
    Auto,
    /// All; else there is no run.
    Yes,
    /// None: rank 0 sends them bytes.
    No,
}

/// How much is said on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Failures only.
    Quiet,
    /// Progress and a summary.
    Normal,
    /// Every image, too.
    Images,
    /// Every message between ranks, too.
    Messages,
}

/// How many images may fail before a run gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxFailures {
    /// All.
    Any,
    /// So many.
    Count(usize),
    /// So many of a hundred.
    Percent(usize),
}

impl MaxFailures {
    /// Whether `failed` of `total` images are more than may fail.
    #[must_use]
    pub fn is_exceeded(self, failed: usize, total: usize) -> bool {
        match self {
            Self::Any => false,
            Self::Count(most) => failed > most,
            Self::Percent(most) => failed.saturating_mul(100) > total.saturating_mul(most),
        }
    }
}

/// A checked `mpix run`.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSettings {
    /// The chain of ops.
    pub ops: Vec<OpSpec>,
    /// Files and directories to read.
    pub inputs: Vec<PathBuf>,
    /// Whether directories are taken with all that is below them.
    pub recursive: bool,
    /// A file of names, `-` for standard input.
    pub files_from: Option<PathBuf>,
    /// Whether those names end in a zero byte instead of a newline.
    pub zero_terminated: bool,
    /// Directory to write to.
    pub output: PathBuf,
    /// Output format, where it is not the input's own.
    pub format: Option<Format>,
    /// JPEG quality.
    pub quality: u8,
    /// Whether metadata is dropped.
    pub strip: bool,
    /// How to read.
    pub decode: DecodeOptions,
    /// What results are hashed with.
    pub checksum: Checksum,
    /// How images are shared out.
    pub distribution: Distribution,
    /// Whether ranks read and write whole images themselves.
    pub shared_files: SharedFiles,
    /// Rows of a band.
    pub band_rows: Option<usize>,
    /// Threads of a rank.
    pub threads: Option<usize>,
    /// Bytes for images in flight on each host.
    pub memory: Option<u64>,
    /// Whether what earlier runs did is forgotten.
    pub fresh: bool,
    /// Whether images are tried again that failed in an earlier run.
    pub retry_failed: bool,
    /// How many images may fail.
    pub max_failures: MaxFailures,
    /// Seconds that one image may take.
    pub image_timeout: Option<u64>,
    /// Seconds that a rank may say nothing.
    pub stall_timeout: Option<u64>,
    /// Crashes at which an image that was in hand is set aside.
    pub crash_limit: u32,
    /// Whether the plan is printed and nothing done.
    pub dry_run: bool,
    /// How much is said.
    pub verbosity: Verbosity,
    /// Whether there is a line for each rank.
    pub per_rank: bool,
    /// Whether events are printed as JSON on standard output.
    pub json: bool,
    /// First file of the log, where it is not beside the journal.
    pub log_file: Option<PathBuf>,
    /// Which attempt of which launch this is, if a launch started it.
    pub launch: Option<LaunchId>,
}

impl RunSettings {
    /// Checks the command line.
    ///
    /// # Errors
    /// When an op, a parameter or a size is none, when nothing is given to read, or when the variable
    /// `MPIX_LAUNCH` is garbled.
    pub fn new(args: RunArgs) -> Result<Self, UsageError> {
        if args.inputs.is_empty() && args.files_from.is_none() {
            return Err(UsageError::NoInputs);
        }
        let ops = args.ops.iter().map(|op| op.parse()).collect::<Result<_, _>>()?;
        let memory = args.memory.as_deref().map(|text| parse_size("--memory", text)).transpose()?;
        let limits = limits_of(&args.limits)?;
        Ok(Self {
            ops,
            inputs: args.inputs,
            recursive: args.recursive,
            files_from: args.files_from,
            zero_terminated: args.null,
            output: args.output,
            format: args.format.map(format_of),
            quality: args.quality,
            strip: args.strip,
            checksum: match args.checksum {
                ChecksumKind::Sha256 => Checksum::Sha256,
                ChecksumKind::Blake3 => Checksum::Blake3,
                ChecksumKind::None => Checksum::None,
            },
            decode: DecodeOptions { limits, depth_8: args.depth == Some(8), strip: args.strip },
            distribution: match args.distribute {
                Distribute::Auto => Distribution::Auto,
                Distribute::Images => Distribution::Images,
                Distribute::Bands => Distribution::Bands,
            },
            shared_files: match args.shared_fs {
                SharedFs::Auto => SharedFiles::Auto,
                SharedFs::Yes => SharedFiles::Yes,
                SharedFs::No => SharedFiles::No,
            },
            band_rows: args.band_rows.and_then(|rows| usize::try_from(rows).ok()),
            threads: args.threads.map(usize::from),
            memory,
            fresh: args.fresh,
            retry_failed: args.retry_failed,
            max_failures: parse_max_failures(args.max_failures.as_deref())?,
            image_timeout: args.image_timeout,
            stall_timeout: args.stall_timeout,
            crash_limit: args.crash_limit,
            dry_run: args.dry_run,
            verbosity: match (args.quiet, args.verbose) {
                (true, _) => Verbosity::Quiet,
                (false, 0) => Verbosity::Normal,
                (false, 1) => Verbosity::Images,
                (false, _) => Verbosity::Messages,
            },
            per_rank: args.per_rank,
            json: args.json,
            log_file: args.log_file,
            launch: launch_of_this_process()?,
        })
    }
}

/// The run that a command line speaks of, which another command took for its own last words.
fn run_of(command: &[OsString]) -> Result<RunSettings, UsageError> {
    let refuse = |told: &str| UsageError::InnerCommand { told: told.to_owned() };
    let words = std::iter::once(OsString::from("mpix")).chain(command.iter().cloned());
    let parsed = Cli::try_parse_from(words).map_err(|error| {
        let told = error.to_string();
        let told = told.strip_prefix("error: ").unwrap_or(&told);
        refuse(told.lines().next().unwrap_or_default())
    })?;
    let Command::Run(run) = parsed.command else {
        return Err(refuse("only `run` may stand there"));
    };
    RunSettings::new(*run)
}

/// What a launch told this process; empty counts as unset, as where a script clears it.
fn launch_of_this_process() -> Result<Option<LaunchId>, UsageError> {
    let Some(value) = std::env::var_os(LAUNCH_VARIABLE).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let value = value.to_string_lossy().into_owned();
    value.parse().map(Some).map_err(|source| UsageError::Launch {
        variable: LAUNCH_VARIABLE,
        value,
        source: Box::new(source),
    })
}

fn format_of(format: OutputFormat) -> Format {
    match format {
        OutputFormat::Jpeg => Format::Jpeg,
        OutputFormat::Png => Format::Png,
        OutputFormat::Tiff => Format::Tiff,
        OutputFormat::Webp => Format::WebP,
        OutputFormat::Bmp => Format::Bmp,
        OutputFormat::Pnm => Format::Pnm,
    }
}

fn limits_of(args: &LimitArgs) -> Result<Limits, UsageError> {
    let size = |flag, text: &Option<String>, default| {
        text.as_deref().map_or(Ok(default), |text| parse_size(flag, text))
    };
    let default = Limits::DEFAULT;
    Ok(Limits {
        pixels: args.max_pixels,
        width: args.max_width.unwrap_or(default.width),
        height: args.max_height.unwrap_or(default.height),
        file_bytes: size("--max-file-size", &args.max_file_size, default.file_bytes)?,
        decoded_bytes: size("--max-decoded", &args.max_decoded, default.decoded_bytes)?,
        metadata_bytes: parse_size("--max-metadata", &args.max_metadata)?,
        memory_bytes: size("--max-image-memory", &args.max_image_memory, default.memory_bytes)?,
    })
}

fn parse_max_failures(text: Option<&str>) -> Result<MaxFailures, UsageError> {
    let Some(text) = text else { return Ok(MaxFailures::Any) };
    let bad = |_| UsageError::MaxFailures { value: text.to_owned() };
    match text.strip_suffix('%') {
        Some(percent) => percent.parse().map(MaxFailures::Percent).map_err(bad),
        None => text.parse().map(MaxFailures::Count).map_err(bad),
    }
}

/// A number of bytes, with K, M, G or T for powers of 1024.
fn parse_size(flag: &'static str, text: &str) -> Result<u64, UsageError> {
    let bad = || UsageError::Size { flag, value: text.to_owned() };
    let upper = text.trim().to_ascii_uppercase();
    let upper = upper.strip_suffix('B').unwrap_or(&upper);
    let upper = upper.strip_suffix('I').unwrap_or(upper);
    let (digits, shift) = match upper.as_bytes().last() {
        Some(b'K') => (&upper[..upper.len() - 1], 10),
        Some(b'M') => (&upper[..upper.len() - 1], 20),
        Some(b'G') => (&upper[..upper.len() - 1], 30),
        Some(b'T') => (&upper[..upper.len() - 1], 40),
        _ => (upper, 0),
    };
    let number: u64 = digits.trim().parse().map_err(|_| bad())?;
    number.checked_mul(1 << shift).filter(|&bytes| bytes > 0).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_or_measured() {
        let parse = |text| parse_max_failures(Some(text));
        assert!(!parse("3").unwrap().is_exceeded(3, 9) && parse("3").unwrap().is_exceeded(4, 9));
        assert!(!parse("10%").unwrap().is_exceeded(1, 10));
        assert!(parse("10%").unwrap().is_exceeded(2, 10));
        assert!(parse("-1").is_err() && parse("%").is_err() && parse("1.5%").is_err());
    }

    #[test]
    fn sizes_take_powers_of_1024() {
        let parse_size = |text| parse_size("--memory", text);
        assert_eq!(parse_size("123").unwrap(), 123);
        assert_eq!(parse_size("2k").unwrap(), 2048);
        assert_eq!(parse_size("3 GiB").unwrap(), 3 << 30);
        assert_eq!(parse_size("1TB").unwrap(), 1 << 40);
        for bad in ["", "G", "-1", "1.5G", "0", "99999999999T", "é"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }
}
