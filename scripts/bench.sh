#!/usr/bin/env bash
# Benches from nothing: each op at each SIMD level, then the same directory on 1, 2 and 4 ranks.
# Criterion's reports come to lie below target/criterion.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
echo "bench: $(git rev-parse --short HEAD) on $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(nproc) cores" >&2
cargo bench --locked --bench ops -- "$@"
cargo bench --locked --bench scaling -- "$@"
