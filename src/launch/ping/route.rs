//! The way to a host's sshd, as ssh's own settings have it.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use std::{io, thread};

use super::{PingError, greet_any};
use crate::launch::agent::{Agent, is_this_host};
use crate::launch::hostfile::HostEntry;
use crate::launch::program::run_bounded;

/// Where sshd listens.
const SSH_PORT: u16 = 22;

/// How a host's sshd is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::launch) enum Route {
    /// It is this host: there is nothing to ask.
    Here,
    /// At the first of these that answers.
    Direct(Vec<SocketAddr>),
    /// Through other hosts, or by another agent than ssh: only the agent knows the way.
    ByAgent(Box<HostEntry>),
}

/// What ssh makes of a name.
#[derive(Debug, PartialEq, Eq)]
struct Destination {
    name: String,
    port: u16,
}

impl Route {
    /// Asks ssh's settings and the resolver, for so long.
    pub(super) fn of(host: &HostEntry, limit: Duration) -> Result<Self, PingError> {
        if host.port.is_none() && is_this_host(&host.name) {
            return Ok(Self::Here);
        }
        let start = Instant::now();
        let agent = Agent::of_this_process();
        let destination = destination(&agent, host, limit);
        let Some(Destination { name, port }) = destination else {
            return Ok(Self::ByAgent(Box::new(host.clone())));
        };
        let addresses = resolve(&name, port, limit.saturating_sub(start.elapsed()));
        addresses
            .map(Self::Direct)
            .map_err(|source| PingError::NoSuchName { name, source: Arc::new(source) })
    }

    /// Whether each ping is a login.
    pub(super) fn is_dear(&self) -> bool {
        matches!(self, Self::ByAgent(_))
    }

    pub(super) fn ping(&self, timeout: Duration) -> Result<Duration, PingError> {
        match self {
            Self::Here => Ok(Duration::ZERO),
            Self::Direct(addresses) => greet_any(addresses, timeout),
            Self::ByAgent(host) => log_in(&Agent::of_this_process(), host, timeout),
        }
    }
}

/// Where ssh would connect to; none where that is not for us to do.
fn destination(agent: &Agent, host: &HostEntry, limit: Duration) -> Option<Destination> {
    if !agent.is_ssh() {
        return None;
    }
    let as_written =
        || Destination { name: host.name.clone(), port: host.port.unwrap_or(SSH_PORT) };
    let mut command = Command::new(&agent.program);
    command.arg("-G").args(agent.destination(host));
    match run_bounded(&mut command, limit) {
        Ok(said) if said.code == Some(0) => of_settings(&said.stdout, &as_written()),
        // One that does not know the flag, or is not there.
        Ok(_) | Err(_) => Some(as_written()),
    }
}

/// What `ssh -G` printed; none where it goes through another host or program.
fn of_settings(settings: &str, as_written: &Destination) -> Option<Destination> {
    let value = |name: &str| {
        let mut lines = settings.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(key, _)| *key == name).map(|(_, value)| value.trim())
    };
    let proxy = ["proxyjump", "proxycommand"].into_iter().filter_map(value);
    if proxy.into_iter().any(|proxy| proxy != "none") {
        return None;
    }
    Some(Destination {
        name: value("hostname").unwrap_or(&as_written.name).to_owned(),
        port: value("port").and_then(|port| port.parse().ok()).unwrap_or(as_written.port),
    })
}

/// The addresses of a name. The resolver may take far longer than `limit`, and cannot be stopped: it
/// is left behind on a thread of its own.
fn resolve(name: &str, port: u16, limit: Duration) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let (answer, answered) = channel();
    let asked = (name.to_owned(), port);
    thread::Builder::new().spawn(move || {
        // Whoever has given up does not listen any more.
        let _ = answer.send(asked.to_socket_addrs().map(Iterator::collect::<Vec<_>>));
    })?;
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the name server does not answer");
    let mut addresses = answered.recv_timeout(limit).map_err(late)??;
    let mut known = Vec::with_capacity(addresses.len());
    addresses.retain(|address| {
        !known.contains(address) && {
            known.push(*address);
            true
        }
    });
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "it has no address"));
    }
    Ok(addresses)
}

fn log_in(agent: &Agent, host: &HostEntry, timeout: Duration) -> Result<Duration, PingError> {
    let start = Instant::now();
    let failed = |told: String| PingError::Agent { agent: agent.program.clone(), told };
    let said = run_bounded(&mut agent.command(host, &["true"]), timeout)
        .map_err(|error| failed(error.to_string()))?;
    match said.code {
        Some(0) => Ok(start.elapsed()),
        _ => Err(failed(said.last_word().to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_written() -> Destination {
        Destination { name: "a".into(), port: 7 }
    }

    #[test]
    fn settings_of_ssh_say_where_a_name_leads() {
        let found = of_settings("user me\nhostname 10.0.0.1\nport 2222\n", &as_written());
        assert_eq!(found, Some(Destination { name: "10.0.0.1".into(), port: 2222 }));
        assert_eq!(of_settings("proxycommand none\nx", &as_written()), Some(as_written()));
        for proxy in ["proxyjump gate", "proxycommand nc gate 22"] {
            assert_eq!(of_settings(&format!("port 1\n{proxy}\n"), &as_written()), None);
        }
    }

    #[test]
    fn addresses_and_names_are_resolved() {
        let limit = Duration::from_secs(10);
        assert_eq!(resolve("::1", 5, limit).unwrap(), ["[::1]:5".parse().unwrap()]);
        assert!(resolve("localhost", 5, limit).unwrap().iter().all(|a| a.ip().is_loopback()));
        assert!(resolve("no-such-name.invalid", 5, limit).is_err());
    }

    #[test]
    fn this_host_is_asked_only_at_a_port() {
        let host = |port| HostEntry { name: "localhost".into(), port, ..HostEntry::default() };
        let limit = Duration::from_secs(10);
        assert_eq!(Route::of(&host(None), limit).unwrap(), Route::Here);
        let Route::Direct(addresses) = Route::of(&host(Some(7)), limit).unwrap() else {
            panic!("it has addresses");
        };
        assert!(addresses.iter().all(|address| address.port() == 7), "{addresses:?}");
    }
}
