#!/usr/bin/env bash
# Benches from nothing: each op at each SIMD level, codecs, messages, then the same directory on 1, 2 and 4 ranks.
#   scripts/bench.sh [FILTER]   Criterion's reports come to lie below target/criterion
# scripts/bench-peers.sh compares with other programs.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
echo "bench: $(git rev-parse --short HEAD) on $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(nproc) cores" >&2
for bench in ops codecs messages scaling; do
  cargo bench --locked --bench "$bench" -- "$@"
done
