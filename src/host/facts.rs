//! What a launcher must know of a host, as `mpix host` tells it.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Disk, Memory, facts, program, size};
use crate::plan::HostFacts;

/// A host as its own mpix sees it, at this moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// What a rank would tell.
    #[serde(flatten)]
    pub rank: HostFacts,
    /// The path of its mpix.
    pub program: Option<String>,
    /// Bytes of memory that it could give to programs now.
    pub available_bytes: Option<u64>,
    /// Its directory for temporary files, where Open MPI keeps what ranks of a host share.
    pub temporary: PathBuf,
    /// Bytes that may still be written there; none where there is no such directory.
    pub temporary_free_bytes: Option<u64>,
    /// Processes that ran or waited for a core or a disk in the last 1, 5 and 15 minutes.
    pub load: Option<[f64; 3]>,
    /// The instructions that kernels will use.
    pub simd: String,
}

impl Facts {
    /// Those of this host; `simd` is what kernels will use.
    #[must_use]
    pub fn of_this_host(simd: String) -> Self {
        let temporary = std::env::temp_dir();
        Self {
            rank: facts(),
            program: program().map(|path| path.display().to_string()),
            available_bytes: Memory::of_this_process().available,
            temporary_free_bytes: Disk::of(&temporary).ok().map(|disk| disk.free_bytes),
            temporary,
            load: fs::read_to_string("/proc/loadavg").ok().and_then(|text| load(&text)),
            simd,
        }
    }

    /// Shows them, a line each, or as a JSON object.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn print(&self, json: bool, out: &mut impl Write) -> io::Result<()> {
        if json {
            serde_json::to_writer(&mut *out, self)?;
            return writeln!(out);
        }
        let HostFacts { version, host, allowed_cores, host_cores, memory_bytes, .. } = &self.rank;
        writeln!(out, "{host}: mpix {version}, {}", self.program.as_deref().unwrap_or("?"))?;
        writeln!(out, "cores   {allowed_cores} of {host_cores}, {}", self.simd)?;
        let available = self.available_bytes.map_or_else(|| "?".to_owned(), size);
        writeln!(out, "memory  {available} of {} available", size(*memory_bytes))?;
        match self.load {
            Some([one, five, fifteen]) => writeln!(out, "load    {one} {five} {fifteen}"),
            None => Ok(()),
        }
    }
}

/// What `/proc/loadavg` tells.
fn load(text: &str) -> Option<[f64; 3]> {
    let mut numbers = text.split(' ').map_while(|word| word.parse().ok());
    Some([numbers.next()?, numbers.next()?, numbers.next()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_travel_as_json() {
        let facts = Facts::of_this_host("avx2".into());
        let mut out = Vec::new();
        facts.print(true, &mut out).unwrap();
        let told: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(told["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(serde_json::from_value::<Facts>(told).unwrap(), facts);
        assert!(facts.program.is_some() && facts.load.is_some());
    }

    #[test]
    fn loads_are_three_numbers() {
        assert_eq!(load("0.95 1.90 16.01 1/234 5678\n"), Some([0.95, 1.9, 16.01]));
        assert_eq!(load("0.95 x"), None);
    }
}
