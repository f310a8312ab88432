//! The ranks of a run, and what each may use of its host.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// What a rank found on its host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// Version of mpix.
    pub version: String,
    /// Host name.
    pub host: String,
    /// The cores it may use, as the kernel lists them: ranks with the same list share them.
    pub cpu_list: String,
    /// How many cores it may use.
    pub allowed_cores: usize,
    /// Cores of the host.
    pub host_cores: usize,
    /// Memory of the host, or of the control group it runs in, in bytes.
    pub memory_bytes: u64,
}

/// Cores of a host at the most.
const MAX_CORES: usize = 1 << 20;

impl HostFacts {
    /// Whether there can be such a host; sums of such numbers do not overflow.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        (1..=MAX_CORES).contains(&self.allowed_cores) && self.host_cores <= MAX_CORES
    }
}

/// Threads that a rank has at the most, as `--threads` has it.
pub const MAX_THREADS: usize = 4096;

/// One part in so many of what a rank filters with is for buffers that it keeps.
const KEPT_PART: u64 = 4;

/// What a rank may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RankPlan {
    /// Host name.
    pub host: String,
    /// Threads to filter with.
    pub threads: usize,
    /// Bytes for images in flight: its share of what its host gives.
    pub memory: u64,
    /// Ranks that share the host, itself included.
    pub ranks_on_host: u64,
    /// Cores of the host.
    pub host_cores: usize,
    /// Whether it sees rank 0's files, as far as is known.
    pub sees_files: bool,
}

/// All ranks, by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// What each rank may use.
    pub ranks: Vec<RankPlan>,
    /// What the user should know before the run.
    pub warnings: Vec<String>,
}

impl Cluster {
    /// Shares each host out among its ranks: `threads` a rank, or the cores that it may use divided
    /// by the ranks that may use the same ones; `memory` bytes a host, or half of what it has.
    #[must_use]
    pub fn new(facts: &[HostFacts], threads: Option<usize>, memory: Option<u64>) -> Self {
        let mut on_host: HashMap<&str, u64> = HashMap::new();
        let mut on_cores: HashMap<(&str, &str), usize> = HashMap::new();
        for rank in facts {
            *on_host.entry(&rank.host).or_default() += 1;
            *on_cores.entry((&rank.host, &rank.cpu_list)).or_default() += 1;
        }
        let ranks = facts
            .iter()
            .map(|rank| {
                let sharing = on_cores[&(rank.host.as_str(), rank.cpu_list.as_str())];
                let own_cores = (rank.allowed_cores / sharing).clamp(1, MAX_THREADS);
                let of_host = memory.unwrap_or(rank.memory_bytes / 2);
                let ranks_on_host = on_host[rank.host.as_str()];
                RankPlan {
                    host: rank.host.clone(),
                    threads: threads.unwrap_or(own_cores),
                    memory: of_host / ranks_on_host,
                    ranks_on_host,
                    host_cores: rank.host_cores,
                    sees_files: false,
                }
            })
            .collect();
        Self { ranks, warnings: binding_warnings(facts, threads) }
    }

    /// The host of each rank.
    #[must_use]
    pub fn hosts(&self) -> Vec<String> {
        self.ranks.iter().map(|rank| rank.host.clone()).collect()
    }

    /// Whether whole images pass all ranks by their names, and rank 0 holds none of them.
    #[must_use]
    pub fn all_see_files(&self) -> bool {
        self.ranks.iter().all(|rank| rank.sees_files)
    }

    /// Threads of all ranks.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.ranks.iter().map(|rank| rank.threads).sum()
    }

    /// Bytes that rank 0 may hold of images that are read, handed out, or about to be written: half
    /// of its share. It filters with the other half.
    #[must_use]
    pub fn rank0_hold(&self) -> u64 {
        self.ranks.first().map_or(0, |rank| rank.memory / 2)
    }

    /// Bytes that rank `rank` may use for the images that it filters.
    #[must_use]
    pub fn filter_memory(&self, rank: usize) -> u64 {
        self.filter_part(rank) - self.kept_buffers(rank)
    }

    /// Bytes of buffers that rank `rank` may keep for its next images.
    #[must_use]
    pub fn kept_buffers(&self, rank: usize) -> u64 {
        self.filter_part(rank) / KEPT_PART
    }

    fn filter_part(&self, rank: usize) -> u64 {
        let whole = self.ranks[rank].memory;
        if rank == 0 { whole - self.rank0_hold() } else { whole }
    }

    /// Bytes that the largest image filtered whole may take.
    #[must_use]
    pub fn largest_unit(&self) -> u64 {
        self.filter_memories().max().unwrap_or(0)
    }

    /// What each rank may use for the images that it filters, in bytes.
    pub fn filter_memories(&self) -> impl Iterator<Item = u64> + '_ {
        (0..self.ranks.len()).map(|rank| self.filter_memory(rank))
    }

    /// The `--memory` that lets rank 0 hold `held` bytes of one image, and some rank filter it whole
    /// in `filtered` bytes.
    #[must_use]
    pub fn enough_memory(&self, held: u64, filtered: u64) -> u64 {
        let part = filtered.div_ceil(KEPT_PART - 1).saturating_mul(KEPT_PART);
        let on_host = |rank: &RankPlan, bytes: u64| bytes.saturating_mul(rank.ranks_on_host);
        let Some((rank0, others)) = self.ranks.split_first() else { return 0 };
        let by_rank0 = on_host(rank0, part.saturating_mul(2));
        let by_any = others.iter().map(|rank| on_host(rank, part)).min().unwrap_or(u64::MAX);
        on_host(rank0, held.saturating_mul(2)).max(by_rank0.min(by_any))
    }
}

/// mpirun pins each rank to one core when there are one or two of them: most of the host is idle.
fn binding_warnings(facts: &[HostFacts], threads: Option<usize>) -> Vec<String> {
    let mut usable: HashMap<&str, HashMap<&str, usize>> = HashMap::new();
    for rank in facts {
        usable.entry(&rank.host).or_default().insert(&rank.cpu_list, rank.allowed_cores);
    }
    let mut warnings: Vec<String> = facts
        .iter()
        .filter(|rank| threads.is_none() && rank.allowed_cores == 1)
        .filter_map(|rank| {
            let cores = usable.remove(rank.host.as_str())?.values().sum::<usize>();
            (cores < rank.host_cores).then(|| {
                format!(
                    "the ranks on `{}` may use {cores} of its {} cores: mpirun bound them; start it \
                     with `--bind-to none`",
                    rank.host, rank.host_cores
                )
            })
        })
        .collect();
    warnings.sort();
    warnings
}

/// Ranks on hosts of their own, of one thread and `memory` bytes each.
#[cfg(test)]
pub(super) fn test_cluster(ranks: usize, memory: u64) -> Cluster {
    let plan = |rank| RankPlan {
        host: format!("host{rank}"),
        threads: 1,
        memory,
        ranks_on_host: 1,
        host_cores: 1,
        sees_files: false,
    };
    Cluster { ranks: (0..ranks).map(plan).collect(), warnings: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(host: &str, cpu_list: &str, allowed_cores: usize) -> HostFacts {
        HostFacts {
            version: "1".to_owned(),
            host: host.to_owned(),
            cpu_list: cpu_list.to_owned(),
            allowed_cores,
            host_cores: 8,
            memory_bytes: 64,
        }
    }

    #[test]
    fn ranks_of_one_host_share_cores_and_memory() {
        let cluster = Cluster::new(
            &[rank("a", "0-7", 8), rank("a", "0-7", 8), rank("b", "0-7", 8)],
            None,
            None,
        );
        let shares = cluster.ranks.iter().map(|rank| (rank.threads, rank.memory));
        assert_eq!(shares.collect::<Vec<_>>(), [(4, 16), (4, 16), (8, 32)]);
        assert!(cluster.warnings.is_empty());
    }

    #[test]
    fn bound_ranks_keep_their_cores_and_are_warned_of() {
        let facts = [rank("a", "0", 1), rank("a", "1", 1)];
        let cluster = Cluster::new(&facts, None, Some(100));
        assert_eq!((cluster.ranks[1].threads, cluster.ranks[1].memory), (1, 50));
        assert_eq!(cluster.warnings.len(), 1);
        assert!(Cluster::new(&facts, Some(1), None).warnings.is_empty());
    }

    #[test]
    fn the_memory_said_to_be_enough_is() {
        let hosts = [vec!["a"], vec!["a", "a"], vec!["a", "b", "b"]];
        for (held, filtered) in [(1_000_003, 10), (10, 1_000_003), (777, 778)] {
            for names in &hosts {
                let facts: Vec<HostFacts> = names.iter().map(|host| rank(host, "0-7", 8)).collect();
                let enough = Cluster::new(&facts, None, Some(1)).enough_memory(held, filtered);
                let then = Cluster::new(&facts, None, Some(enough));
                assert!(then.rank0_hold() >= held && then.largest_unit() >= filtered);
            }
        }
    }
}
