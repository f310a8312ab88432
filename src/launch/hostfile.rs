//! Hostfiles of Open MPI 4.1: the hosts that `mpirun` may use, one a line.
//!
//! ```text
//! # comment, also: // comment, /* comment */
//! node1                            slots: the cores that mpirun finds there
//! node2 slots=4 max_slots=8        also cpu=, count=; max-slots=, slots_max=, …
//! ubuntu@10.0.0.3 port=2222        or username=ubuntu
//! ^node2                           not this one
//! ```
//!
//! A host named again without `slots=` has one slot more. Where Open MPI skips a word that it does
//! not know, or takes the wrong host without a sign, this parser refuses the line. It takes more than
//! Open MPI 4.1 in a few places; [`Hostfile::oddities`] tells of them, since `mpirun` will not take
//! the file as it is.

mod error;
mod line;
mod oddity;

use std::collections::{HashMap, HashSet};
use std::fmt::{self, Display};
use std::fs;
use std::net::Ipv6Addr;
use std::path::Path;

pub use error::{HostfileError, Wrong};
use line::{Line, without_comments};
pub use oddity::{Oddity, OddityKind};

/// A host of a hostfile. Shown as a line of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostEntry {
    /// Its name or address, as written; an IPv6 address without brackets.
    pub name: String,
    /// The user to log in as.
    pub user: Option<String>,
    /// The port of its ssh.
    pub port: Option<u16>,
    /// How many ranks it may take; none: as many as it has cores.
    pub slots: Option<usize>,
    /// How many ranks it may take at most, with `--oversubscribe`.
    pub max_slots: Option<usize>,
}

/// The hosts of a hostfile, in order, each once, without those excluded. Shown as a hostfile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hostfile {
    /// The hosts.
    pub hosts: Vec<HostEntry>,
    /// What Open MPI 4.1 does not take, or takes for something else, by line.
    pub oddities: Vec<Oddity>,
}

/// Reads a hostfile.
///
/// # Errors
/// When it cannot be read, or is no hostfile: by file and line, with what would be right.
pub fn read(path: &Path) -> Result<Hostfile, HostfileError> {
    let text = fs::read_to_string(path)
        .map_err(|source| HostfileError::Read { path: path.to_path_buf(), source })?;
    parse(&text, path)
}

/// The hosts of `text`; `path` is for messages only.
///
/// # Errors
/// When a line is none of a hostfile, or there is no host at all.
pub fn parse(text: &str, path: &Path) -> Result<Hostfile, HostfileError> {
    let mut hosts = Hosts::default();
    let mut oddities = Vec::new();
    for (number, text) in (1..).zip(without_comments(text, &mut oddities)) {
        let at = |wrong| HostfileError::Line { path: path.to_path_buf(), line: number, wrong };
        let Some(line) = Line::parse(&text).map_err(at)? else { continue };
        oddities.extend(line.oddities().map(|kind| Oddity { line: number, kind }));
        hosts.add(line, number, &mut oddities).map_err(at)?;
    }
    let hosts = hosts.without_excluded();
    if hosts.is_empty() {
        return Err(HostfileError::NoHosts { path: path.to_path_buf() });
    }
    oddities.sort_by_key(|oddity| oddity.line);
    Ok(Hostfile { hosts, oddities })
}

/// Hosts as lines come.
#[derive(Default)]
struct Hosts {
    entries: Vec<HostEntry>,
    places: HashMap<String, usize>,
    excluded: HashSet<String>,
    /// Names up to their first dot, which is as far as Open MPI looks.
    short_names: HashMap<String, String>,
}

impl Hosts {
    fn add(&mut self, line: Line, number: usize, oddities: &mut Vec<Oddity>) -> Result<(), Wrong> {
        let host = line.host;
        if line.excluded {
            self.excluded.insert(host.name);
            return Ok(());
        }
        let short = short_name(&host.name).to_owned();
        let known = self.short_names.entry(short).or_insert_with(|| host.name.clone());
        if *known != host.name {
            let kind =
                OddityKind::SameShortName { first: known.clone(), second: host.name.clone() };
            oddities.push(Oddity { line: number, kind });
        }
        match self.places.get(&host.name) {
            Some(&place) => self.entries[place].join(host),
            None => {
                self.places.insert(host.name.clone(), self.entries.len());
                self.entries.push(host);
                Ok(())
            }
        }
    }

    fn without_excluded(mut self) -> Vec<HostEntry> {
        self.entries.retain(|host| !self.excluded.contains(&host.name));
        self.entries
    }
}

impl HostEntry {
    /// Joins another line of the same host: one slot more, and what is said there and not here.
    fn join(&mut self, again: Self) -> Result<(), Wrong> {
        if again.slots.is_some() {
            return Err(Wrong::SlotsAgain { host: again.name });
        }
        let slots = self.slots.unwrap_or(1).saturating_add(1);
        if let Some(max_slots) = self.max_slots.filter(|&max_slots| max_slots < slots) {
            return Err(Wrong::TooManySlots { slots, max_slots });
        }
        self.slots = Some(slots);
        self.user = again.user.or(self.user.take());
        self.port = again.port.or(self.port);
        Ok(())
    }
}

/// A name up to its first dot; an address as it is.
fn short_name(name: &str) -> &str {
    let is_address = name.parse::<std::net::IpAddr>().is_ok();
    let (short, _) = name.split_once('.').unwrap_or((name, ""));
    if is_address || is_ipv6(name) { name } else { short }
}

/// Whether a name is an IPv6 address, perhaps with a zone: `fe80::1%eth0`.
fn is_ipv6(name: &str) -> bool {
    let (address, zone) = name.split_once('%').unwrap_or((name, "0"));
    let zone_is_one = !zone.is_empty() && zone.chars().all(|c| c.is_ascii_alphanumeric());
    address.parse::<Ipv6Addr>().is_ok() && zone_is_one
}

impl Display for HostEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        // Not `user@`: Open MPI reads that for fewer names.
        if let Some(user) = &self.user {
            write!(f, " username={user}")?;
        }
        if let Some(port) = self.port {
            write!(f, " port={port}")?;
        }
        if let Some(slots) = self.slots {
            write!(f, " slots={slots}")?;
        }
        if let Some(max_slots) = self.max_slots {
            write!(f, " max_slots={max_slots}")?;
        }
        Ok(())
    }
}

impl Display for Hostfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hosts.iter().try_for_each(|host| writeln!(f, "{host}"))
    }
}

#[cfg(test)]
mod tests;
