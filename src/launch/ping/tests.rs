use std::io::Write;
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use super::*;

/// Longer than anything here takes, on a busy machine as well.
const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(700);

/// A server that says `greeting` to each who comes, and holds the connection for those that get none.
fn server(address: &str, greeting: &'static str) -> SocketAddr {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.write_all(greeting.as_bytes());
            if greeting.is_empty() {
                held.push(stream);
            }
        }
    });
    address
}

fn host(address: SocketAddr) -> HostEntry {
    let (name, port) = (address.ip().to_string(), Some(address.port()));
    HostEntry { name, port, ..HostEntry::default() }
}

/// A port at which nothing listens.
fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn an_sshd_is_known_by_its_greeting() {
    for greeting in ["SSH-2.0-OpenSSH_9.2\r\n", "be warned\r\nSSH-1.99-x\n"] {
        let round_trip = ping(&host(server("127.0.0.1:0", greeting)), LONG).unwrap();
        assert!(round_trip > Duration::ZERO && round_trip < LONG);
    }
}

#[test]
fn each_other_answer_is_told_apart() {
    let error = |address, limit| ping(&host(address), limit).unwrap_err();
    let refused = error(closed(), LONG);
    assert!(matches!(refused, PingError::Refused { .. }) && refused.is_certain());
    let mute = error(server("127.0.0.1:0", ""), SHORT);
    assert!(matches!(mute, PingError::NoBanner { .. }) && !mute.is_certain(), "{mute}");
    let other = error(server("127.0.0.1:0", "220 mail\u{1b}[31m at your service\r\n"), LONG);
    assert!(other.to_string().contains("says `220 mail[31m at your service`"), "{other}");
    let away = error(server("127.0.0.1:0", "Not allowed at this time\r\n"), LONG);
    assert!(matches!(away, PingError::TurnedAway { .. }) && !away.is_certain(), "{away}");
    let nobody = HostEntry { name: "no-such-name.invalid".into(), ..HostEntry::default() };
    let error = ping(&nobody, LONG).unwrap_err();
    assert!(error.to_string().contains("getent hosts no-such-name.invalid"), "{error}");
}

#[test]
fn a_greeting_that_comes_in_pieces_or_never_ends_is_bounded() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for (stream, endless) in listener.incoming().zip([false, true]) {
            let mut stream = stream.unwrap();
            for piece in if endless { vec!["x"; 1 << 10] } else { vec!["SSH-", "2.0-x", "\r\n"] } {
                let _ = stream.write_all(piece.as_bytes());
                thread::sleep(Duration::from_millis(5));
            }
        }
    });
    ping(&host(address), LONG).unwrap();
    let start = Instant::now();
    assert!(matches!(ping(&host(address), SHORT), Err(PingError::OtherBanner { .. })));
    assert!(start.elapsed() < SHORT + Duration::from_secs(2));
}

#[test]
fn an_address_that_may_still_answer_leaves_it_open() {
    let mute = server("127.0.0.1:0", "");
    let error = greet_any(&[closed(), mute], SHORT).unwrap_err();
    assert!(matches!(error, PingError::NoBanner { .. }), "{error}");
    let up = server("127.0.0.1:0", "SSH-2.0-x\r\n");
    greet_any(&[closed(), mute, up], SHORT).unwrap();
}

// ---- watching

const PACE: Pace = Pace {
    interval: Duration::from_millis(50),
    timeout: Duration::from_millis(400),
    down_after: Duration::from_millis(900),
};

/// An sshd to start and stop, at an address that stays.
struct Sshd {
    address: SocketAddr,
    greeting: Arc<Mutex<Option<&'static str>>>,
}

impl Sshd {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let greeting = Arc::new(Mutex::new(Some("SSH-2.0-x\r\n")));
        let says = Arc::clone(&greeting);
        thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                match *says.lock().unwrap() {
                    Some(greeting) => drop(stream.write_all(greeting.as_bytes())),
                    None => held.push(stream),
                }
            }
        });
        Self { address, greeting }
    }

    fn hangs(&self, hangs: bool) {
        *self.greeting.lock().unwrap() = (!hangs).then_some("SSH-2.0-x\r\n");
    }
}

#[track_caller]
fn next(events: &Receiver<HostEvent>) -> HostEvent {
    events.recv_timeout(LONG).unwrap()
}

#[test]
fn a_host_that_hangs_goes_down_late_and_comes_back() {
    let sshd = Sshd::new();
    let (sender, events) = channel();
    let pings = Pings::start(&[host(sshd.address)], PACE, sender);
    assert!(next(&events).state.is_up());
    sshd.hangs(true);
    let start = Instant::now();
    let HostState::Down { why, since } = next(&events).state else { panic!("it is down") };
    let took = start.elapsed();
    assert!(matches!(why, PingError::NoBanner { .. }), "{why}");
    assert!(took >= PACE.down_after - 2 * PACE.interval, "{took:?}");
    assert!(since.elapsed() >= PACE.down_after);
    assert!(pings.states()[0].1.as_ref().is_some_and(|state| !state.is_up()));
    sshd.hangs(false);
    assert!(next(&events).state.is_up());
    drop(pings);
    assert!(events.recv_timeout(LONG).is_err(), "all senders are gone");
}

#[test]
fn a_host_that_refuses_is_down_at_once_and_others_are_not_delayed() {
    let (up, mute, none) = (Sshd::new(), server("127.0.0.1:0", ""), closed());
    let (sender, events) = channel();
    let pace = Pace { down_after: LONG, timeout: LONG, ..PACE };
    let pings = Pings::start(&[host(mute), host(none), host(up.address)], pace, sender);
    let mut told = [next(&events), next(&events)].map(|event| event.state.is_up());
    told.sort_unstable();
    assert_eq!(told, [false, true]);
    let states: Vec<_> = pings.states().into_iter().map(|(_, state)| state.is_some()).collect();
    assert_eq!(states, [false, true, true], "the one that hangs is unknown yet");
    let start = Instant::now();
    drop(pings);
    assert!(start.elapsed() < Duration::from_secs(5), "nobody waits for the one that hangs");
}

#[test]
fn the_list_of_hosts_may_change() {
    let (first, second) = (Sshd::new(), Sshd::new());
    let (sender, events) = channel();
    let pings = Pings::start(&[host(first.address)], PACE, sender);
    assert!(next(&events).state.is_up());
    let listed =
        || pings.states().into_iter().map(|(host, _)| host.port.unwrap()).collect::<Vec<_>>();
    pings.set_hosts(&[host(second.address), host(first.address)]);
    assert_eq!(listed(), [second.address.port(), first.address.port()]);
    assert!(next(&events).state.is_up());
    assert!(pings.states().iter().all(|(_, state)| state.is_some()), "the first is known still");
    pings.set_hosts(&[host(second.address)]);
    first.hangs(true);
    assert!(events.recv_timeout(2 * PACE.down_after).is_err(), "nobody asks the first any more");
    pings.set_hosts(&[host(first.address), host(second.address)]);
    let HostState::Down { .. } = next(&events).state else { panic!("it is another now") };
}

#[test]
fn a_hundred_hosts_are_watched_at_once() {
    let address = server("0.0.0.0:0", "SSH-2.0-x\r\n");
    let hosts: Vec<_> =
        (1..=100).map(|n| host(SocketAddr::new([127, 0, 0, n].into(), address.port()))).collect();
    let (sender, events) = channel();
    let start = Instant::now();
    let pings = Pings::start(&hosts, Pace::default(), sender);
    for _ in 0..100 {
        assert!(next(&events).state.is_up());
    }
    let took = start.elapsed();
    thread::sleep(Duration::from_secs(2));
    let states = pings.states();
    assert!(states.iter().all(|(_, state)| state.as_ref().is_some_and(HostState::is_up)));
    let goodbye = Instant::now();
    drop(pings);
    println!("100 hosts: all known after {took:?}, gone after {:?}", goodbye.elapsed());
    assert!(took < Duration::from_secs(10) && goodbye.elapsed() < Duration::from_secs(2));
    assert!(events.try_iter().all(|event| event.state.is_up()));
}
