//! Cores that this process may use: `mpirun` binds each rank to one when there are one or two.

use super::{Check, Finding};
use crate::host::Cores;

/// Whether this process may use all cores of its host. `launched`: whether an MPI launcher started
/// it.
pub(super) fn check(
    cores: &Cores,
    launched: bool,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Finding {
    let Cores { cpu_list, bound, usable, host } = cores;
    let given = variable("SLURM_CPUS_ON_NODE").and_then(|given| given.parse().ok());
    if given == Some(*usable) {
        return Finding::ok(
            Check::Cores,
            format!("may use {usable} of {host}, all that Slurm gave"),
        );
    }
    if bound < host {
        let found = format!("may use {usable} of {host}: bound to {cpu_list}");
        return Finding::warning(Check::Cores, found, unbind(launched, variable));
    }
    if usable < bound {
        let found = format!("may use {usable} of {host}: its control group has a quota");
        let cure =
            "raise the limit of the container or job, if more is wanted (`docker run --cpus`)";
        return Finding::warning(Check::Cores, found, cure);
    }
    let advice = match (launched, variable("OMPI_MCA_hwloc_base_binding_policy").as_deref()) {
        (false, None) => "; under mpirun too, if started with `--bind-to none`",
        _ => "",
    };
    Finding::ok(Check::Cores, format!("may use {usable} of {host}{advice}"))
}

/// How to let it use all cores.
fn unbind(launched: bool, variable: &dyn Fn(&str) -> Option<String>) -> &'static str {
    if variable("OMPI_COMM_WORLD_SIZE").is_some() {
        "mpirun bound it: start it with `mpirun --bind-to none`, or \
         `export OMPI_MCA_hwloc_base_binding_policy=none`"
    } else if launched {
        "its launcher bound it: start it with `--bind-to none`, or `srun --cpu-bind=none`"
    } else if variable("SLURM_JOB_ID").is_some() {
        "ask Slurm for all cores of the hosts (`--exclusive`), and start with `srun --cpu-bind=none` \
         or `mpirun --bind-to none`"
    } else {
        "the shell or container that started it is bound: start it from one that is not \
         (`taskset -pc $$` tells), and under mpirun use `--bind-to none`"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    fn cores(bound: usize, usable: usize) -> Cores {
        Cores { cpu_list: "0".to_owned(), bound, usable, host: 8 }
    }

    #[test]
    fn a_bound_process_is_told_how_to_be_free() {
        let none = |_: &str| None;
        assert_eq!(check(&cores(8, 8), true, &none).level, Level::Ok);
        for (launched, name, cure) in [
            (true, "OMPI_COMM_WORLD_SIZE", "mpirun --bind-to none"),
            (true, "PMI_SIZE", "srun --cpu-bind=none"),
            (false, "SLURM_JOB_ID", "--exclusive"),
            (false, "NONE", "taskset -pc"),
        ] {
            let set = |asked: &str| (asked == name).then(|| "2".to_owned());
            let finding = check(&cores(1, 1), launched, &set);
            assert_eq!(finding.level, Level::Warning);
            assert!(finding.cure.unwrap().contains(cure), "{name}");
        }
        let quota = check(&cores(8, 2), false, &none);
        assert!(quota.level == Level::Warning && quota.found.contains("quota"));
    }
}
