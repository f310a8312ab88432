//! The Slurm job that it is in, if any.

use super::{Check, Finding};
use crate::host::Cores;

/// Whether the cores that Slurm gave on this host may be used.
pub(super) fn check(cores: &Cores, variable: &dyn Fn(&str) -> Option<String>) -> Finding {
    let Some(job) = variable("SLURM_JOB_ID") else {
        return Finding::ok(Check::Slurm, "in no job");
    };
    let given = variable("SLURM_CPUS_ON_NODE").and_then(|given| given.parse::<usize>().ok());
    let Some(given) = given else { return Finding::ok(Check::Slurm, format!("in job {job}")) };
    let found = format!("in job {job}, which has {given} cores of this host");
    if cores.usable >= given {
        return Finding::ok(Check::Slurm, found);
    }
    let found = format!("{found}, of which {} may be used", cores.usable);
    let cure = "start it with `mpirun --bind-to none`, or `srun --cpu-bind=none`; for one task a host \
                ask for its cores with `--cpus-per-task`";
    Finding::warning(Check::Slurm, found, cure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn cores_of_a_job_that_are_not_used_are_told() {
        let check = |job: bool, given: Option<&str>| {
            let cores = Cores { cpu_list: "0-1".into(), bound: 2, usable: 2, host: 8 };
            super::check(&cores, &|name| match name {
                "SLURM_JOB_ID" => job.then(|| "77".to_owned()),
                _ => given.map(str::to_owned),
            })
        };
        assert_eq!(check(false, None).level, Level::Ok);
        assert_eq!(check(true, Some("2")).level, Level::Ok);
        assert_eq!(check(true, None).found, "in job 77");
        let bound = check(true, Some("4"));
        assert_eq!(bound.level, Level::Warning);
        assert!(bound.found.contains("77") && bound.found.contains("of which 2"));
    }
}
