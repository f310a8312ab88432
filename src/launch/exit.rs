//! What the end of an `mpirun` tells: which host failed, and how.

/// Lines that are kept.
const MOST_LINES: usize = 200;
/// Longest account of a failure.
const MOST_TOLD: usize = 300;

/// What `mpirun` says beside what the ranks say: its notices stand between lines of dashes, or name
/// themselves.
#[derive(Debug, Default)]
pub(super) struct Notices {
    in_frame: bool,
    lines: Vec<String>,
}

impl Notices {
    /// Takes a line of standard error. Returns it if it is the run's own.
    pub(super) fn take(&mut self, line: String) -> Option<String> {
        let own = line.starts_with("mpix:") || line.starts_with("[20");
        if own {
            return Some(line);
        }
        let is_rule = line.len() > 20 && line.bytes().all(|byte| byte == b'-');
        if is_rule {
            self.in_frame = !self.in_frame;
            return None;
        }
        let of_ssh = ["ssh:", "ssh_", "kex_", "Connection ", "client_loop"];
        if self.in_frame
            || speaker(&line).is_some()
            || line.starts_with("***")
            || line.contains("ORTE")
            || of_ssh.iter().any(|start| line.starts_with(start))
            || line.starts_with("mpirun")
        {
            if self.lines.len() < MOST_LINES {
                self.lines.push(line);
            }
            return None;
        }
        Some(line)
    }

    /// The host among `hosts` that the notices blame. A host that is only named as the place of
    /// `mpirun` itself is not.
    pub(super) fn blamed<'h>(&self, hosts: &'h [String]) -> Option<&'h str> {
        let named = |line: &str| hosts.iter().find(|host| names(line, host)).map(String::as_str);
        let blames = |line: &&String| {
            ["Remote daemon", "Remote host", "on node", "noticed that process"]
                .iter()
                .any(|sign| line.contains(sign))
                && !line.contains("HNP daemon")
        };
        let strong = self.lines.iter().filter(blames).find_map(|line| named(line));
        let complains = |line: &String| {
            let host =
                speaker(line).filter(|_| line.contains("ERROR") || line.contains("abort"))?;
            hosts.iter().find(|listed| names(host, listed)).map(String::as_str)
        };
        strong.or_else(|| self.lines.iter().find_map(complains)).or_else(|| {
            let weak = self.lines.iter().filter(|line| !line.contains("HNP daemon"));
            weak.into_iter().find_map(|line| named(line))
        })
    }

    /// The notices on one line, for people.
    pub(super) fn text(&self) -> String {
        let words = self.lines.iter().flat_map(|line| line.split_whitespace());
        let text = words.collect::<Vec<_>>().join(" ");
        match text.char_indices().nth(MOST_TOLD) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }
}

/// The host of the process of Open MPI that says `line`: `[host:pid] …`.
fn speaker(line: &str) -> Option<&str> {
    let (host, pid) = line.strip_prefix('[')?.split_once(']')?.0.rsplit_once(':')?;
    let is_one = !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit());
    is_one.then_some(host)
}

/// Whether `line` names `host` as a word: as it is listed, or up to its first dot, as Open MPI calls it.
fn names(line: &str, host: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    let short = host.split('.').next().filter(|_| !is_address).unwrap_or(host);
    line.split(|c: char| !is_part(c))
        .map(|word| word.trim_end_matches('.'))
        .any(|word| word == host || word == short)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> (Notices, Vec<String>) {
        let mut notices = Notices::default();
        let own = text.lines().filter_map(|line| notices.take(line.to_owned())).collect();
        (notices, own)
    }

    const RULE: &str = "--------------------------------------------------------------------------";

    #[test]
    fn a_dead_rank_is_found_on_its_host() {
        let text = format!(
            "mpix: 3 of 9 images done\n{RULE}\nmpirun noticed that process rank 1 with PID 123 on node \
             node-2 exited on signal 9 (Killed).\n{RULE}\n"
        );
        let hosts = ["node-1", "node-2", "node"].map(str::to_owned);
        let (notices, own) = of(&text);
        assert_eq!(own, ["mpix: 3 of 9 images done"]);
        assert_eq!(notices.blamed(&hosts), Some("node-2"));
        assert!(notices.text().contains("signal 9"));
    }

    #[test]
    fn a_host_that_complains_is_at_fault_where_nothing_says_more() {
        let text = "[host0:00012] plm:rsh: Warning: setpgid failed\n\
                    [host2:00040] PMIX ERROR: OUT-OF-RESOURCE in file dstore_segment.c\n\
                    *** An error occurred in MPI_Init_thread\n\
                    [2026-11-21T12:00:00Z WARN  mpix] own words\n\
                    [host1:00043] Local abort before MPI_INIT completed\n";
        let hosts = ["host0", "host1", "host2"].map(str::to_owned);
        let (notices, own) = of(text);
        assert_eq!(notices.blamed(&hosts), Some("host2"));
        assert_eq!(own, ["[2026-11-21T12:00:00Z WARN  mpix] own words"]);
        assert!(notices.text().contains("OUT-OF-RESOURCE"));
    }

    #[test]
    fn a_lost_host_is_not_the_one_that_lost_it() {
        let text = format!(
            "{RULE}\nORTE has lost communication with a remote daemon.\n\n  HNP daemon   : \
             [[1,0],0] on node host0\n  Remote daemon: [[1,0],2] on node host2\n{RULE}\n"
        );
        let hosts = ["host0", "host1", "host2"].map(str::to_owned);
        assert_eq!(of(&text).0.blamed(&hosts), Some("host2"));
        assert_eq!(of("").0.blamed(&hosts), None);
        let listed = ["host1.example.org", "host2.example.org"].map(str::to_owned);
        assert_eq!(of(&text).0.blamed(&listed), Some("host2.example.org"));
        let ssh = "ssh: connect to host host1 port 22: Connection refused";
        assert_eq!(of(ssh).0.blamed(&hosts), Some("host1"));
    }
}
