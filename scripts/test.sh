#!/usr/bin/env bash
# All tests from nothing: sets up, builds, checks style, runs every test.
#   scripts/test.sh [ARGUMENT...]   arguments go to cargo test
#   scripts/test.sh --long [...]    the nightly part, too: 1000 images under faults, and looks FUZZ_SECONDS (60) for bytes that break
#                                   each fuzz target; FUZZ_SEED (1) makes another search
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/mpi_env.sh

long=
if [ "${1:-}" = --long ]; then
  long=yes
  shift
fi

scripts/setup.sh --tests

echo "test: formatting and lints" >&2
cargo fmt --all -- --check
cargo clippy --locked --all-targets --features faults -- -D warnings
cargo clippy --locked --no-default-features -- -D warnings
cargo metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null

echo "test: all tests" >&2
# The longest tests wait for other processes.
cores=$(nproc)
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((cores > 4 ? cores : 4))}
cargo test --locked --features faults "$@"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet

if [ -n "$long" ]; then
  echo "test: 1000 images under faults" >&2
  MPIX_SOAK_IMAGES=1000 cargo test --locked --features faults --test supervised -- --nocapture chaos
  echo "test: fuzz targets" >&2
  cargo fmt --manifest-path fuzz/Cargo.toml -- --check
  cargo clippy --locked --manifest-path fuzz/Cargo.toml -- -D warnings
  scripts/fuzz.sh
fi
