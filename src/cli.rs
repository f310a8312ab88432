//! The command line: structs only, they do nothing.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

mod launching;
mod planning;
mod reading;

pub use launching::{LaunchArgs, TiedArgs};
pub use planning::PlanArgs;
pub use reading::{LogLevel, LogsArgs, ReportArgs, StatusArgs};

/// Filters directories of images on many machines, exact at every cut.
#[derive(Debug, Parser)]
#[command(name = "mpix", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Filter images: alone on all cores, or as one rank under mpirun
    Run(Box<RunArgs>),
    /// Run over the hosts of a hostfile, and start again on those that are left when one fails
    Launch(LaunchArgs),
    /// Foresee how long a job takes on a cluster, by the number of its ranks, and what holds it up
    Plan(PlanArgs),
    /// Read every result in an output directory again: what is missing, changed or extra
    Verify(VerifyArgs),
    /// Show how far a run is, or how it ended
    Status(StatusArgs),
    /// Show what runs have logged, all or what filters leave
    Logs(LogsArgs),
    /// Tell what runs have done in an output directory, as text or as a web page
    Report(ReportArgs),
    /// Look at this machine, and at each host of a hostfile: is all there that a run needs?
    Doctor(DoctorArgs),
    /// Show which hosts of a hostfile are up and can take ranks, once or until stopped
    Hosts(HostsArgs),
    /// Tell of this host: version, cores, memory, load. Other hosts ask this by ssh
    #[command(hide = true)]
    Host(HostArgs),
    /// End what a launch has left on this host. Other hosts ask this by ssh
    #[command(hide = true)]
    Sweep(SweepArgs),
    /// Become a program that does not outlive its parent
    #[command(hide = true)]
    Tied(TiedArgs),
    /// List every op: what it does, its parameters, their ranges and defaults
    Ops(OpsArgs),
    /// Print completions for a shell
    Completions(CompletionsArgs),
}

/// `mpix verify`
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 all is as it was written, 1 it is not, 2 no output directory."
)]
pub struct VerifyArgs {
    /// Output directory of `mpix run`
    pub output: PathBuf,
}

/// `mpix doctor`
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 no problem (there may be warnings), 1 a problem, 2 the hostfile cannot be read.

Examples:
  mpix doctor                                     # this machine
  mpix doctor --hostfile hosts -o /shared/out     # and each host, asked by ssh as mpirun would
  mpirun -n 1 mpix doctor                         # as a rank finds it")]
pub struct DoctorArgs {
    /// Ask each host of FILE by ssh, too
    #[arg(long, value_name = "FILE")]
    pub hostfile: Option<PathBuf>,

    /// Directory that a run would write to; it need not be there
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub output: PathBuf,

    /// Give a host up that has not answered, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 20,
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout: u64,

    /// Show all that was found on other hosts, not only what needs attention
    #[arg(short, long)]
    pub verbose: bool,

    /// Print JSON
    #[arg(long, conflicts_with = "verbose")]
    pub json: bool,
}

/// `mpix hosts`
#[derive(Debug, Args)]
#[command(after_help = "\
Each host is asked for the greeting of its sshd, which is no login; those that answer are asked by ssh
for their mpix.

Exit codes: 0 all are up and can take ranks, 1 some are not, 2 the hostfile cannot be read.

Examples:
  mpix hosts --hostfile hosts
  mpix hosts --hostfile hosts --watch            # the file may change meanwhile
  mpix hosts --hostfile hosts --json | jq -r 'select(.state != \"up\") | .name'")]
pub struct HostsArgs {
    /// The hosts, one a line
    #[arg(long, value_name = "FILE")]
    pub hostfile: PathBuf,

    /// Look again each second until stopped; a line for each change where there is no terminal
    #[arg(short, long)]
    pub watch: bool,

    /// Give a host up that has not answered, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5,
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout: u64,

    /// Print a JSON object for each host, one a line
    #[arg(long)]
    pub json: bool,
}

/// `mpix host`
#[derive(Debug, Args)]
pub struct HostArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `mpix sweep`
#[derive(Debug, Args)]
#[command(after_help = "\
Ends processes of this user that have MPIX_LAUNCH=ID:ATTEMPT in their environment, and daemons of Open
MPI that have `mpix_launch ID:ATTEMPT` on their command line.

Exit codes: 0 nothing is left, 1 something would not go.")]
pub struct SweepArgs {
    /// The launch
    #[arg(long, value_name = "ID", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub launch: String,

    /// Leave attempts from this one on alone
    #[arg(long, value_name = "ATTEMPT")]
    pub below: Option<u64>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `mpix ops`
#[derive(Debug, Args)]
pub struct OpsArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `mpix completions`
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// `mpix run`
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 all images done, 1 some images failed, 2 usage, 3 another run has the output
directory, 4 it cannot be written, 70 a bug of mpix, 71 a rank or host failed, 130 stopped. After
all but 0 and 2 the same command goes on where it was.

Examples:
  mpix run --op canny:low=100,high=200 -o out/ photos/
  mpirun -n 4 --hostfile hosts --bind-to none mpix run --op blur:ksize=31 --op invert -o out/ -r photos/
  find photos -name '*.jpg' -print0 | mpix run --op gray -o out/ --files-from - -0")]
pub struct RunArgs {
    /// Op to apply, NAME or NAME:KEY=VALUE,…; repeat for a chain, applied in order (`mpix ops`)
    #[arg(long = "op", value_name = "OP")]
    pub ops: Vec<String>,

    /// Directory to write to; it is made if missing. Inputs are never written
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,

    /// Image files, and directories whose image files are taken
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,

    /// Take directories with all that is below them; the tree is kept. Links to directories are
    /// followed where they are named, not below
    #[arg(short, long)]
    pub recursive: bool,

    /// Take the names of input files from FILE (`-`: standard input), one a line; relative names
    /// keep their directories below the output
    #[arg(long, value_name = "FILE")]
    pub files_from: Option<PathBuf>,

    /// Names in --files-from end in a zero byte, as `find -print0` writes them
    #[arg(short = '0', long, requires = "files_from")]
    pub null: bool,

    /// Output format; default: the input's own (GIF and QOI: PNG)
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<OutputFormat>,

    /// JPEG quality, 1 to 100; chroma is subsampled 4:2:0, as OpenCV writes it
    #[arg(long, default_value_t = 95, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub quality: u8,

    /// Drop EXIF and ICC metadata (the orientation is applied either way)
    #[arg(long)]
    pub strip: bool,

    /// Read 16-bit images too, and keep the upper 8 bits of each sample
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(8..=8))]
    pub depth: Option<u8>,

    /// What results are hashed with, for `mpix verify` and the manifest: BLAKE3 (`b3sum -c`) is twice as
    /// fast, and of a huge image each rank hashes its own rows; `none` is faster still
    #[arg(long, value_enum, default_value_t = ChecksumKind::Sha256, value_name = "KIND",
          env = "MPIX_CHECKSUM")]
    pub checksum: ChecksumKind,

    /// Send ranks whole images, bands of rows, or what suits each image
    #[arg(long, value_enum, default_value_t = Distribute::Auto)]
    pub distribute: Distribute,

    /// Whether ranks read and write whole images themselves: those that see rank 0's files (auto), all
    /// or no run (yes), or none (no)
    #[arg(long, value_enum, default_value_t = SharedFs::Auto, value_name = "WHICH",
          env = "MPIX_SHARED_FS")]
    pub shared_fs: SharedFs,

    /// Rows of a band, in whole pieces of the output's format; default: some megabytes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub band_rows: Option<u64>,

    /// Threads of each rank; default: the cores it may use, shared among the ranks of its host
    #[arg(short, long, value_name = "N", env = "MPIX_THREADS",
          value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub threads: Option<u16>,

    /// Memory for images in flight on each host, in bytes or with K, M, G, T; default: half of the
    /// host's memory
    #[arg(long, value_name = "SIZE", env = "MPIX_MEMORY")]
    pub memory: Option<String>,

    /// Forget what earlier runs did, and do everything anew
    #[arg(long)]
    pub fresh: bool,

    /// Try images again that failed in an earlier run
    #[arg(long)]
    pub retry_failed: bool,

    /// Stop when more images than this have failed: a number, or a percentage of all
    #[arg(long, value_name = "N|N%")]
    pub max_failures: Option<String>,

    /// Give an image up that takes longer, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub image_timeout: Option<u64>,

    /// End the run when a rank says nothing for longer, in seconds: it is stopped, or its host is cut
    /// off; default: wait for it. A rank on a busy host may be silent for some seconds
    #[arg(long, value_name = "SECONDS", env = "MPIX_STALL_TIMEOUT",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub stall_timeout: Option<u64>,

    /// Set an image aside that was in hand at this many crashes
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    pub crash_limit: u32,

    /// Print each event as a line of JSON on standard output
    #[arg(long, conflicts_with = "dry_run")]
    pub json: bool,

    /// Show a line for each rank, too: what it has in hand, and what it has done
    #[arg(long)]
    pub per_rank: bool,

    /// Log to FILE, one JSON object a line, a new file at 5 MB (FILE.2, …); default: in OUT/.mpix
    #[arg(long, value_name = "FILE")]
    pub log_file: Option<PathBuf>,

    /// Print what would be done, and do nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Say more (-v: each image, -vv: each message)
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,

    /// Print failures only
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,

    /// What is refused.
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// What `mpix run` refuses: an image over a limit fails by its header, alone.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits of one image")]
pub struct LimitArgs {
    /// Refuse images of more pixels
    #[arg(long, value_name = "N", default_value_t = 1 << 30, env = "MPIX_MAX_PIXELS")]
    pub max_pixels: u64,

    /// Refuse wider images, in pixels, upright
    #[arg(long, value_name = "N", env = "MPIX_MAX_WIDTH",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub max_width: Option<u64>,

    /// Refuse higher images, in pixels, upright
    #[arg(long, value_name = "N", env = "MPIX_MAX_HEIGHT",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub max_height: Option<u64>,

    /// Refuse larger files, in bytes or with K, M, G, T, before they are read
    #[arg(long, value_name = "SIZE", env = "MPIX_MAX_FILE_SIZE")]
    pub max_file_size: Option<String>,

    /// Refuse images of more bytes decoded: width x height x channels x bytes per sample
    #[arg(long, value_name = "SIZE", env = "MPIX_MAX_DECODED")]
    pub max_decoded: Option<String>,

    /// Refuse images of more metadata: EXIF and ICC, decompressed, and texts of PNG. With --strip
    /// the ICC profile does not count
    #[arg(long, value_name = "SIZE", default_value = "32M", env = "MPIX_MAX_METADATA")]
    pub max_metadata: String,

    /// Refuse images that need more memory on a rank: file, decoded, filtered and encoded
    #[arg(long, value_name = "SIZE", env = "MPIX_MAX_IMAGE_MEMORY")]
    pub max_image_memory: Option<String>,
}

/// Formats that mpix writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// JPEG, 4:2:0; alpha is dropped
    #[value(alias = "jpg")]
    Jpeg,
    /// PNG
    Png,
    /// TIFF, uncompressed
    #[value(alias = "tif")]
    Tiff,
    /// WebP, lossless
    Webp,
    /// BMP
    Bmp,
    /// PGM or PPM, binary
    #[value(alias = "ppm", alias = "pgm")]
    Pnm,
}

/// How an image is shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Distribute {
    /// By size and cost of each image
    Auto,
    /// Whole files: each rank decodes, filters and encodes
    Images,
    /// Bands of rows with their halo: rank 0 reads and writes, all ranks filter and encode
    Bands,
}

/// What results are hashed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ChecksumKind {
    /// SHA-256, listed in OUT/.mpix/SHA256SUMS for `sha256sum -c`
    Sha256,
    /// BLAKE3, listed in OUT/.mpix/B3SUMS for `b3sum -c`
    Blake3,
    /// Nothing: `mpix verify` looks at their lengths only
    None,
}

/// Which ranks use rank 0's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SharedFs {
    /// Those that see the output directory; the others get bytes
    Auto,
    /// All; a rank that does not see the output directory ends the run
    Yes,
    /// None: rank 0 reads, sends bytes, and writes
    No,
}
