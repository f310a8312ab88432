//! What started this process, as its environment tells before MPI has started.

/// Names that a launcher gives the number of all ranks by, the surest first.
const SIZES: [&str; 4] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_SIZE", "MPI_LOCALNRANKS"];
/// Names that a launcher gives the number of a rank by.
const RANKS: [&str; 3] = ["OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"];
/// Name that Open MPI gives the number of ranks on this host by.
const RANKS_HERE: &str = "OMPI_COMM_WORLD_LOCAL_SIZE";
/// Numbers of Slurm's steps from here on are those of its own: batch scripts, shells.
const OWN_STEPS: u64 = 0xFFFF_FFF0;

/// A launcher's word on the ranks that it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The number of this rank.
    pub rank: usize,
    /// How many ranks there are, at least.
    pub ranks: usize,
    /// Whether all of them are on this host, as far as is known.
    pub on_one_host: bool,
    /// Whether they are known only as tasks of Slurm's, which need not be ranks of MPI.
    pub by_slurm_alone: bool,
}

impl Launch {
    /// What this process's environment tells; none when nothing started it beside others.
    #[must_use]
    pub fn of_this_process() -> Option<Self> {
        Self::of(&|name| std::env::var(name).ok())
    }

    fn of(variable: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        let number = |name: &str| variable(name)?.trim().parse::<usize>().ok();
        let rank = RANKS.iter().find_map(|name| number(name));
        let ranks = SIZES.iter().find_map(|name| number(name));
        // A launcher inside of a Slurm job knows better than Slurm, which knows its own daemons only.
        let tasks = slurm_tasks(variable);
        match (rank, ranks, tasks) {
            (rank, Some(ranks), _) => {
                let rank = rank.unwrap_or(0);
                let on_one_host = number(RANKS_HERE) == Some(ranks);
                let ranks = ranks.max(rank + 1);
                Some(Self { rank, ranks, on_one_host, by_slurm_alone: false })
            }
            // PMIx gives no size by itself, but Slurm does that started it.
            (Some(rank), None, tasks) => {
                let ranks = tasks.map_or(1, |(_, tasks)| tasks).max(rank + 1);
                Some(Self { rank, ranks, on_one_host: false, by_slurm_alone: false })
            }
            (None, None, Some((rank, tasks))) if tasks > 1 => {
                Some(Self { rank, ranks: tasks, on_one_host: false, by_slurm_alone: true })
            }
            (None, None, _) => None,
        }
    }
}

/// The number of this task and of all tasks of the Slurm step that this process is one of; a batch
/// script and a shell are none.
fn slurm_tasks(variable: &dyn Fn(&str) -> Option<String>) -> Option<(usize, usize)> {
    let step: u64 = variable("SLURM_STEP_ID")?.parse().ok()?;
    if step >= OWN_STEPS {
        return None;
    }
    let tasks = variable("SLURM_STEP_NUM_TASKS")?.parse().ok()?;
    let task = variable("SLURM_PROCID").and_then(|task| task.parse().ok()).unwrap_or(0);
    Some((task, tasks))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `NAME=VALUE …` tells.
    fn told(environment: &str) -> Option<Launch> {
        let variables: Vec<_> =
            environment.split(' ').filter_map(|variable| variable.split_once('=')).collect();
        Launch::of(&|wanted| {
            let found = variables.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn launch(rank: usize, ranks: usize, by_slurm_alone: bool) -> Option<Launch> {
        Some(Launch { rank, ranks, on_one_host: false, by_slurm_alone })
    }

    const SLURM: &str = "SLURM_STEP_ID=3 SLURM_STEP_NUM_TASKS=4 SLURM_PROCID=2";

    #[test]
    fn nothing_is_told_outside_of_a_launcher() {
        assert_eq!(told(""), None);
        assert_eq!(told("SLURM_JOB_ID=7 SLURM_NTASKS=4 SLURM_PROCID=0"), None, "a batch script");
        assert_eq!(told("SLURM_STEP_ID=batch SLURM_STEP_NUM_TASKS=4"), None);
        assert_eq!(told("SLURM_STEP_ID=4294967290 SLURM_STEP_NUM_TASKS=4"), None, "a shell");
        assert_eq!(told("SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=1 SLURM_PROCID=0"), None);
    }

    #[test]
    fn launchers_are_known_by_their_variables() {
        let open_mpi = "OMPI_COMM_WORLD_SIZE=3 OMPI_COMM_WORLD_RANK=1 PMIX_RANK=1";
        assert_eq!(told(open_mpi), launch(1, 3, false));
        assert_eq!(told("PMI_SIZE=2 PMI_RANK=0"), launch(0, 2, false));
        assert_eq!(told("MPI_LOCALNRANKS=2"), launch(0, 2, false));
        assert_eq!(told(SLURM), launch(2, 4, true));
    }

    #[test]
    fn open_mpi_tells_whether_all_are_here() {
        let is_here = |here: &str| {
            let environment = format!("OMPI_COMM_WORLD_SIZE=3 OMPI_COMM_WORLD_RANK=1 {here}");
            told(&environment).unwrap().on_one_host
        };
        assert!(is_here("OMPI_COMM_WORLD_LOCAL_SIZE=3"));
        assert!(!is_here("OMPI_COMM_WORLD_LOCAL_SIZE=2") && !is_here(""));
    }

    #[test]
    fn mpirun_in_a_job_counts_for_more_than_slurm() {
        let inside = format!("OMPI_COMM_WORLD_SIZE=8 OMPI_COMM_WORLD_RANK=5 {SLURM}");
        assert_eq!(told(&inside), launch(5, 8, false));
        let alone = format!("OMPI_COMM_WORLD_SIZE=1 OMPI_COMM_WORLD_RANK=0 {SLURM}");
        assert_eq!(told(&alone), launch(0, 1, false));
    }

    #[test]
    fn a_rank_without_a_size_is_one_of_several_if_it_is_not_the_first() {
        assert_eq!(told("PMIX_RANK=0"), launch(0, 1, false));
        assert_eq!(told("PMIX_RANK=2"), launch(2, 3, false));
        assert_eq!(told(&format!("PMIX_RANK=2 {SLURM}")), launch(2, 4, false));
    }
}
