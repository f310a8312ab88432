# shellcheck shell=bash
# Sourced: lets mpirun run several ranks on this machine as it should.
# Ranks share the cores instead of being pinned to one each; root may start them (containers, CI).
export OMPI_MCA_hwloc_base_binding_policy=none
export OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
