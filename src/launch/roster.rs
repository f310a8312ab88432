//! The hosts of a launch: which run, which could, which cannot and why.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::hostfile::HostEntry;
use crate::events::{HostRole, HostStatus};

/// A host that fails again and again is left alone for twice as long each time, up to so many times.
const MOST_RELAPSES: u32 = 4;

/// A host and what is known of it.
#[derive(Debug)]
struct Member {
    entry: HostEntry,
    /// Whether it answers pings; not known at first.
    is_up: Option<bool>,
    runs: bool,
    /// Why and until when it is left alone.
    excluded: Option<(String, Instant)>,
    /// Times in a row that it was left alone again as soon as it had come back.
    relapses: u32,
    why_down: String,
    since: Timestamp,
}

impl Member {
    fn new(entry: HostEntry) -> Self {
        let (is_up, runs, excluded) = (None, false, None);
        let (why_down, since) = (String::new(), Timestamp::now());
        Self { entry, is_up, runs, excluded, relapses: 0, why_down, since }
    }

    fn role(&self, now: Instant) -> HostRole {
        match (&self.excluded, self.is_up) {
            _ if self.runs => HostRole::Running,
            (_, Some(false)) => HostRole::Down,
            (Some((_, until)), _) if *until > now => HostRole::Excluded,
            (_, None) => HostRole::Unknown,
            (_, Some(true)) => HostRole::Spare,
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut Self)) {
        let before = self.role(Instant::now());
        change(self);
        if self.role(Instant::now()) != before {
            self.since = Timestamp::now();
        }
    }
}

/// All hosts, in the order of the hostfile.
#[derive(Debug, Default)]
pub(super) struct Roster {
    members: Vec<Member>,
}

impl Roster {
    /// The hosts are these from now on. Returns the names of those that are new, and of those that
    /// are gone.
    pub(super) fn set(&mut self, hosts: &[HostEntry]) -> (Vec<String>, Vec<String>) {
        let mut before = std::mem::take(&mut self.members);
        let mut new = Vec::new();
        for host in hosts {
            let known = before.iter().position(|member| member.entry == *host);
            let member = known.map(|index| before.swap_remove(index));
            if member.is_none() {
                new.push(host.name.clone());
            }
            self.members.push(member.unwrap_or_else(|| Member::new(host.clone())));
        }
        (new, before.into_iter().map(|member| member.entry.name).collect())
    }

    fn member(&mut self, host: &str) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.entry.name == host)
    }

    /// A host answers, or does not and why. Returns whether that is news.
    pub(super) fn answers(&mut self, host: &str, why_down: Option<String>) -> bool {
        let Some(member) = self.member(host) else { return false };
        let is_up = why_down.is_none();
        let is_news = member.is_up != Some(is_up);
        member.change(|member| {
            member.is_up = Some(is_up);
            member.why_down = why_down.unwrap_or_default();
        });
        is_news
    }

    /// A host is left alone for `time`; for longer where it has not been back for as long before.
    /// Returns whether that, or why, is news.
    pub(super) fn exclude(&mut self, host: &str, why: String, time: Duration) -> bool {
        let Some(member) = self.member(host) else { return false };
        let is_news = member.excluded.as_ref().is_none_or(|(before, _)| *before != why);
        let is_relapse = |(_, until): &(String, Instant)| until.elapsed() < time;
        let relapses = member.relapses + u32::from(member.relapses < MOST_RELAPSES);
        member.relapses =
            if member.excluded.as_ref().is_some_and(is_relapse) { relapses } else { 0 };
        let until = Instant::now() + time.saturating_mul(2_u32.pow(member.relapses));
        member.change(|member| member.excluded = Some((why, until)));
        is_news
    }

    /// These hosts have ranks, and no others.
    pub(super) fn run_on(&mut self, hosts: &[HostEntry]) {
        for member in &mut self.members {
            let runs = hosts.contains(&member.entry);
            member.change(|member| member.runs = runs);
        }
    }

    /// Hosts that answer and are not left alone, in order.
    pub(super) fn ready(&self) -> Vec<HostEntry> {
        let now = Instant::now();
        let is_free =
            |member: &&Member| member.excluded.as_ref().is_none_or(|(_, until)| *until <= now);
        let up = self.members.iter().filter(|member| member.is_up == Some(true));
        up.filter(is_free).map(|member| member.entry.clone()).collect()
    }

    /// Hosts that answer but are left alone, the one that may come back first first.
    pub(super) fn left_alone(&self) -> Vec<HostEntry> {
        let mut excluded: Vec<_> = self
            .members
            .iter()
            .filter(|member| member.is_up == Some(true))
            .filter_map(|member| Some((member.excluded.as_ref()?.1, member.entry.clone())))
            .filter(|(until, _)| *until > Instant::now())
            .collect();
        excluded.sort_by_key(|(until, _)| *until);
        excluded.into_iter().map(|(_, entry)| entry).collect()
    }

    /// Whether a host answers.
    pub(super) fn is_up(&self, host: &str) -> bool {
        self.members.iter().any(|member| member.entry.name == host && member.is_up == Some(true))
    }

    /// Whether each host is known to answer or not.
    pub(super) fn is_known(&self) -> bool {
        self.members.iter().all(|member| member.is_up.is_some())
    }

    /// All hosts.
    pub(super) fn hosts(&self) -> Vec<HostEntry> {
        self.members.iter().map(|member| member.entry.clone()).collect()
    }

    /// What each host does.
    pub(super) fn statuses(&self) -> Vec<HostStatus> {
        let now = Instant::now();
        let of = |member: &Member| {
            let state = member.role(now);
            let why = match state {
                HostRole::Down => Some(member.why_down.clone()),
                HostRole::Excluded => member.excluded.as_ref().map(|(why, _)| why.clone()),
                HostRole::Running | HostRole::Spare | HostRole::Unknown => None,
            };
            HostStatus { host: member.entry.name.clone(), state, since: member.since, why }
        };
        self.members.iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> HostEntry {
        HostEntry { name: name.to_owned(), ..HostEntry::default() }
    }

    fn names(hosts: &[HostEntry]) -> Vec<&str> {
        hosts.iter().map(|host| host.name.as_str()).collect()
    }

    #[test]
    fn hosts_come_go_and_rest() {
        let mut roster = Roster::default();
        roster.set(&["a", "b", "c"].map(named));
        assert!(!roster.is_known());
        assert!(roster.answers("a", None) && roster.answers("b", None));
        assert!(roster.answers("c", Some("refused".to_owned())) && !roster.answers("a", None));
        assert_eq!(names(&roster.ready()), ["a", "b"]);
        roster.exclude("a", "it failed".to_owned(), Duration::from_secs(60));
        assert_eq!((names(&roster.ready()), names(&roster.left_alone())), (vec!["b"], vec!["a"]));
        roster.exclude("a", "it failed".to_owned(), Duration::ZERO);
        assert_eq!(names(&roster.ready()), ["a", "b"]);
        roster.run_on(&[named("b")]);
        let roles: Vec<_> = roster.statuses().into_iter().map(|host| host.state).collect();
        assert_eq!(roles, [HostRole::Spare, HostRole::Running, HostRole::Down]);
        let (new, gone) = roster.set(&["d", "b"].map(named));
        assert_eq!((new, gone), (vec!["d".to_owned()], vec!["a".to_owned(), "c".to_owned()]));
        assert_eq!(names(&roster.ready()), ["b"]);
    }

    #[test]
    fn a_host_that_fails_as_soon_as_it_is_back_rests_longer_each_time() {
        let mut roster = Roster::default();
        roster.set(&["a"].map(named));
        let time = Duration::from_secs(60);
        let mut rest_after = |back_for: Option<Duration>| {
            let member = &mut roster.members[0];
            member.excluded = back_for
                .and_then(|time| Instant::now().checked_sub(time))
                .map(|until| (String::new(), until));
            roster.exclude("a", "it failed".to_owned(), time);
            let (_, until) = roster.members[0].excluded.clone().unwrap();
            until.duration_since(Instant::now()).as_secs_f64() / time.as_secs_f64()
        };
        let soon = Some(Duration::from_secs(1));
        let rests = [None, soon, soon, soon, soon, soon].map(&mut rest_after);
        assert_eq!(rests.map(f64::round), [1.0, 2.0, 4.0, 8.0, 16.0, 16.0]);
        assert_eq!(rest_after(Some(Duration::from_secs(61))).round(), 1.0);
    }
}
