//! `mpix verify`: reads every result again and holds it against the journal.

use std::io::{self, Write};
use std::path::Path;

use crate::error::{Error, OutputError, exit, on_one_line};
use crate::journal::manifest::{self, Verification};
use crate::journal::{JournalError, read};

/// What was found: its exit code, and lines for people.
#[derive(Debug)]
pub struct Findings {
    verification: Verification,
    damage: Vec<String>,
}

/// Reads every result below `output` again.
///
/// # Errors
/// When there is no journal to hold them against, or it cannot be read.
pub fn verify(output: &Path) -> Result<Findings, Error> {
    let unreadable =
        |error: JournalError| Error::Output(OutputError::Journal { source: Box::new(error) });
    let state = read(output).map_err(unreadable)?;
    if state.records() == 0 {
        return Err(OutputError::NoJournal { output: output.to_path_buf() }.into());
    }
    let damage = state.damage().iter().map(ToString::to_string).collect();
    Ok(Findings { verification: manifest::verify(output, &state), damage })
}

impl Findings {
    /// 0 when every result is as it was written and nothing else is there, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let clean = self.verification.is_clean() && self.damage.is_empty();
        if clean { exit::DONE } else { exit::SOME_FAILED }
    }

    /// A line for each finding, and a last one that counts them.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let found = &self.verification;
        for damage in &self.damage {
            writeln!(out, "journal damaged: {damage}")?;
        }
        let named = [
            ("missing", &found.missing),
            ("changed", &found.changed),
            ("extra", &found.extra),
            ("left over by a killed run", &found.leftovers),
        ];
        for (what, paths) in named {
            for path in paths {
                writeln!(out, "{what}: {}", on_one_line(&path.display().to_string()))?;
            }
        }
        for (path, error) in found.unreadable.iter().chain(&found.unlisted) {
            writeln!(out, "unreadable: {}: {error}", on_one_line(&path.display().to_string()))?;
        }
        if found.unhashed > 0 {
            writeln!(out, "not hashed, so that only the length is known: {}", found.unhashed)?;
        }
        writeln!(
            out,
            "{} as written, {} missing, {} changed, {} extra, {} unreadable",
            found.ok,
            found.missing.len(),
            found.changed.len(),
            found.extra.len(),
            found.unreadable.len() + found.unlisted.len()
        )
    }
}
