//! `mpix hosts`: which hosts of a hostfile are up and can take ranks, once or until it is stopped.

mod row;
mod watch;

use std::io::{self, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use row::{Row, State};
pub use watch::{Form as WatchForm, watch};

use crate::error::{Error, UsageError, exit};
use crate::launch::at_once;
use crate::launch::check::{Asker, check_all};
use crate::launch::hostfile::{self, HostEntry};
use crate::launch::ping::{HostState, ping};

/// Hosts that are pinged at a time: each is a thread that waits.
const AT_ONCE: NonZero<usize> = NonZero::new(128).unwrap();

/// What to look at.
#[derive(Clone, Debug)]
pub struct Request {
    /// The hosts.
    pub hostfile: PathBuf,
    /// Time that a host has to answer a ping, and then to tell of itself.
    pub timeout: Duration,
}

/// What a look found, in the order of the hostfile.
#[derive(Debug)]
pub struct Look {
    rows: Vec<Row>,
    asker: Asker,
}

/// Looks at each host: a ping, and where it is answered, a question to its mpix.
///
/// # Errors
/// When the hostfile cannot be read.
pub fn look(request: &Request) -> Result<Look, Error> {
    let hosts = hosts_of(&request.hostfile)?;
    let start = Instant::now();
    let pings = at_once(&hosts, AT_ONCE, |host| match ping(host, request.timeout) {
        Ok(round_trip) => HostState::Up { round_trip },
        Err(why) => HostState::Down { why, since: start },
    });
    let asker = Asker::of_this_process();
    let up = hosts.iter().zip(&pings).filter(|(_, state)| state.is_up());
    let up: Vec<HostEntry> = up.map(|(host, _)| host.clone()).collect();
    let mut checks = check_all(&asker, &up, request.timeout).into_iter();
    let rows = hosts.into_iter().zip(pings).map(|(host, ping)| {
        let check = if ping.is_up() { checks.next() } else { None };
        Row { host, ping: Some(ping), check }
    });
    Ok(Look { rows: rows.collect(), asker })
}

fn hosts_of(path: &Path) -> Result<Vec<HostEntry>, Error> {
    let hostfile = hostfile::read(path);
    Ok(hostfile.map_err(|error| UsageError::Hostfile(Box::new(error)))?.hosts)
}

impl Look {
    /// 0 when all hosts are up and can take ranks, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let all = self.rows.iter().all(|row| row.state() == State::Up);
        if all { exit::DONE } else { exit::SOME_FAILED }
    }

    /// Shows a JSON object for each host, one a line.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn print_json(&self, out: &mut impl Write) -> io::Result<()> {
        row::print_json(&self.rows, &self.asker, out)
    }

    /// Shows a table.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn print_table(&self, colours: bool, out: &mut impl Write) -> io::Result<()> {
        row::table(&self.rows, &self.asker, colours)
            .iter()
            .try_for_each(|line| writeln!(out, "{line}"))
    }
}
