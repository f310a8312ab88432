#!/usr/bin/env bash
# All tests from nothing: sets up, builds, checks style, runs every test.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/mpi_env.sh

scripts/setup.sh --tests

echo "test: formatting and lints" >&2
cargo fmt --all -- --check
cargo clippy --locked --all-targets --features faults -- -D warnings
cargo clippy --locked --no-default-features -- -D warnings

echo "test: all tests" >&2
cargo test --locked --features faults "$@"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet
