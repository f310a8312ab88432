//! Whether a host is up: its sshd is asked for its greeting.
//!
//! A host that greets will take a login, which a host that answers ICMP may not; and no privilege is
//! needed to ask. Nobody logs in.
//!
//! sshd notes each such visit in its log, and since OpenSSH 9.8 holds it against the address it comes
//! from: one second each (`PerSourcePenalties`, `noauth`). One visit a second stays below its limit of
//! 15 s; two watchers of the same hosts, each with such a pace, do not. Then it turns all of that
//! address away, ssh too, which is an error of its own here: [`PingError::TurnedAway`].

mod route;
mod watch;

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) use route::Route;
use thiserror::Error;
pub use watch::{HostEvent, HostState, Pace, Pings};

use super::hostfile::HostEntry;

/// Bytes that may stand before a greeting of ssh, which a server may send (RFC 4253, 4.2).
const MOST_BYTES: usize = 4096;
/// Characters of another greeting that are told.
const MOST_TOLD: usize = 60;
/// What sshd says instead of its greeting to addresses that it holds something against.
const TURNED_AWAY: [&str; 2] = ["Not allowed at this time", "Exceeded MaxStartups"];

/// Why a host does not answer. Shown after the host's name.
#[derive(Clone, Debug, Error)]
pub enum PingError {
    /// Nobody knows its name.
    #[error(
        "no such name: {source}; mend it in the hostfile or add it to /etc/hosts, try `getent hosts \
         {name}`"
    )]
    NoSuchName {
        /// The name, as ssh would look it up.
        name: String,
        /// What the resolver says.
        source: Arc<io::Error>,
    },
    /// It is up, and nothing listens.
    #[error("{address} refuses: it is up, but no sshd listens there")]
    Refused {
        /// Where.
        address: SocketAddr,
    },
    /// A router, or this host, knows no way.
    #[error("no route to {address}: it is off, or cut off")]
    NoRoute {
        /// Where to.
        address: SocketAddr,
    },
    /// Nothing comes back.
    #[error(
        "{address} does not answer within {:.1} s: it is off, cut off, or behind a firewall",
        limit.as_secs_f64()
    )]
    TimedOut {
        /// Where.
        address: SocketAddr,
        /// How long it was waited for.
        limit: Duration,
    },
    /// It broke the connection off.
    #[error("{address} broke the connection off: {source}")]
    Broken {
        /// Where.
        address: SocketAddr,
        /// How.
        source: Arc<io::Error>,
    },
    /// Its kernel is up, but what listens says nothing.
    #[error(
        "{address} takes connections, but no sshd greets: it hangs, as on a host without memory, or \
         it is no sshd (`port=` in the hostfile)"
    )]
    NoBanner {
        /// Where.
        address: SocketAddr,
    },
    /// sshd wants no more visits of this host for now.
    #[error(
        "the sshd at {address} turns this host away for a while (`{said}`): too many visits at once; \
         name this host in its `PerSourcePenaltyExemptList`, or ping less often"
    )]
    TurnedAway {
        /// Where.
        address: SocketAddr,
        /// In its own words.
        said: String,
    },
    /// Something else listens.
    #[error("{address} is no sshd: it says `{said}`; is `port=` in the hostfile right?")]
    OtherBanner {
        /// Where.
        address: SocketAddr,
        /// What it says, cut short.
        said: String,
    },
    /// The agent does not get through, where only it knows the way.
    #[error("`{agent}` does not get through: {told}")]
    Agent {
        /// The agent.
        agent: String,
        /// Its last word.
        told: String,
    },
    /// The connection cannot even be tried.
    #[error("cannot connect to {address}: {source}")]
    Local {
        /// Where to.
        address: SocketAddr,
        /// Why.
        source: Arc<io::Error>,
    },
}

impl PingError {
    /// Whether one such answer is enough to know that ranks there are lost, or cannot be started.
    /// All else may be a host that is slow, or a name server.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::NoRoute { .. } | Self::Broken { .. })
    }

    fn connecting(address: SocketAddr, limit: Duration, source: io::Error) -> Self {
        use io::ErrorKind as Kind;
        let is = |kinds: &[Kind]| kinds.contains(&source.kind());
        if is(&[Kind::ConnectionRefused]) {
            Self::Refused { address }
        } else if is(&[Kind::HostUnreachable, Kind::NetworkUnreachable]) {
            Self::NoRoute { address }
        } else if is(&[Kind::TimedOut, Kind::WouldBlock]) {
            Self::TimedOut { address, limit }
        } else if is(&[Kind::ConnectionReset, Kind::ConnectionAborted]) {
            Self::Broken { address, source: Arc::new(source) }
        } else {
            Self::Local { address, source: Arc::new(source) }
        }
    }
}

/// Asks a host for ssh's greeting, at the address and port that ssh would use. Returns the time from
/// the first packet to the greeting. This host is up without being asked, unless its line has a port.
///
/// # Errors
/// When no greeting came within `timeout`.
pub fn ping(host: &HostEntry, timeout: Duration) -> Result<Duration, PingError> {
    let start = Instant::now();
    let route = Route::of(host, timeout)?;
    route.ping(timeout.saturating_sub(start.elapsed()))
}

/// Greets at the first address that answers; each has its share of the time that is left.
fn greet_any(addresses: &[SocketAddr], timeout: Duration) -> Result<Duration, PingError> {
    let deadline = Instant::now() + timeout;
    let mut failures = Vec::new();
    for (tried, &address) in addresses.iter().enumerate() {
        let untried = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        match greet(address, left(deadline) / untried) {
            Ok(round_trip) => return Ok(round_trip),
            Err(error) => failures.push(error),
        }
    }
    // One address that may still answer leaves it open.
    let open = failures.iter().position(|failure| !failure.is_certain()).unwrap_or_default();
    Err(failures.swap_remove(open))
}

/// The time until then; never none at all, which sockets do not take.
fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}

fn greet(address: SocketAddr, limit: Duration) -> Result<Duration, PingError> {
    let start = Instant::now();
    let deadline = start + limit;
    let failed = |source| PingError::connecting(address, limit, source);
    let mut stream = TcpStream::connect_timeout(&address, limit).map_err(failed)?;
    let mut heard = Vec::new();
    let mut piece = [0; 512];
    while heard.len() < MOST_BYTES {
        stream.set_read_timeout(Some(left(deadline))).map_err(failed)?;
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(bytes) => heard.extend_from_slice(&piece[..bytes]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(failed(error)),
        }
        if is_greeting(&heard) {
            return Ok(start.elapsed());
        }
        if Instant::now() >= deadline {
            break;
        }
    }
    Err(other_banner(address, &heard))
}

/// Whether a whole line starts as that of an sshd that ssh can talk to.
fn is_greeting(heard: &[u8]) -> bool {
    heard.split_inclusive(|&byte| byte == b'\n').any(|line| {
        line.ends_with(b"\n") && (line.starts_with(b"SSH-2.0-") || line.starts_with(b"SSH-1.99-"))
    })
}

fn other_banner(address: SocketAddr, heard: &[u8]) -> PingError {
    let text = String::from_utf8_lossy(heard);
    let line = text.lines().next().unwrap_or_default().trim();
    let said: String = line.chars().filter(|c| !c.is_control()).take(MOST_TOLD).collect();
    if said.is_empty() {
        PingError::NoBanner { address }
    } else if TURNED_AWAY.iter().any(|words| said.starts_with(words)) {
        PingError::TurnedAway { address, said }
    } else {
        PingError::OtherBanner { address, said }
    }
}

#[cfg(test)]
mod tests;
