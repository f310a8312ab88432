//! The row of files that a lease is.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::super::directory_of;
use super::super::error::LeaseError;
use super::super::process::Process;
use super::Holder;

/// How long a file that says nothing yet is given to be written.
const WRITTEN_WITHIN: Duration = Duration::from_millis(200);
/// Bytes of a file that are read at most.
const MOST_BYTES: u64 = 1 << 16;
/// Numbers above are nobody's.
const LAST: u64 = u64::MAX / 2;

/// What a lease is for. Those of different names in one directory know nothing of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseName {
    /// To write results and the journal: `lease-N`.
    Run,
    /// To start runs, one attempt after another: `launch-N`.
    Launch,
}

impl LeaseName {
    fn prefix(self) -> &'static str {
        match self {
            Self::Run => "lease-",
            Self::Launch => "launch-",
        }
    }
}

/// What a file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Claim {
    /// Nobody's; who had it last is not known.
    Free,
    /// Nobody's since this holder ended.
    GivenUp { holder: Holder },
    Held {
        token: u64,
        holder: Holder,
        process: Process,
        since_ns: i64,
        renewed_ns: i64,
        /// Whether an owner before may still live, and may not have been shut out yet.
        #[serde(default)]
        ghost: bool,
    },
}

impl Claim {
    /// Who has the lease, or had it last.
    pub(super) fn holder(&self) -> Option<&Holder> {
        match self {
            Self::Free => None,
            Self::GivenUp { holder } | Self::Held { holder, .. } => Some(holder),
        }
    }
}

/// The file with the highest number. What it says may be nonsense.
#[derive(Debug)]
pub(super) struct Newest {
    pub(super) number: u64,
    pub(super) claim: Option<Claim>,
}

/// Where the files of a lease lie.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) output: PathBuf,
    pub(super) name: LeaseName,
}

impl Place {
    pub(super) fn new(output: &Path, name: LeaseName) -> Self {
        Self { output: output.to_path_buf(), name }
    }

    pub(super) fn file(&self, number: u64) -> PathBuf {
        directory_of(&self.output).join(format!("{}{number}", self.name.prefix()))
    }

    /// Numbers of all files.
    pub(super) fn numbers(&self) -> Result<Vec<u64>, LeaseError> {
        let directory = directory_of(&self.output);
        let failed = || LeaseError::io("list", &directory);
        let mut numbers = Vec::new();
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(numbers),
            Err(error) => return Err(failed()(error)),
        };
        for entry in entries {
            let name = entry.map_err(failed())?.file_name();
            let digits = name.to_str().and_then(|name| name.strip_prefix(self.name.prefix()));
            let number = digits.and_then(|digits| {
                digits.parse::<u64>().ok().filter(|number| number.to_string() == digits)
            });
            numbers.extend(number.filter(|&number| number <= LAST));
        }
        Ok(numbers)
    }

    pub(super) fn newest(&self) -> Result<Option<Newest>, LeaseError> {
        let began = Instant::now();
        loop {
            let Some(number) = self.numbers()?.into_iter().max() else { return Ok(None) };
            let claim = read_claim(&self.file(number));
            if claim.is_some() || began.elapsed() >= WRITTEN_WITHIN {
                return Ok(Some(Newest { number, claim }));
            }
            thread::sleep(WRITTEN_WITHIN / 20); // it may be just being written, or be gone by now
        }
    }
}

pub(super) fn text_of(claim: &Claim) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(claim).map_err(io::Error::other)?;
    text.push(b'\n');
    Ok(text)
}

/// What a file says, if it says anything that mpix writes.
pub(super) fn read_claim(path: &Path) -> Option<Claim> {
    let mut text = Vec::new();
    fs::File::open(path).ok()?.take(MOST_BYTES).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}
