#!/usr/bin/env bash
# Measures mpix against OpenCV, mpi4py, libvips, ImageMagick and GraphicsMagick, from nothing: installs them, draws
# the images, runs all of them in turns, and writes tables and plots. About half an hour.
#   scripts/bench-peers.sh            everything: benches/results, docs/bench, and the README's section "How fast"
#   scripts/bench-peers.sh --quick    few images, no large ones; tables only, in target/bench-results
#   scripts/bench-peers.sh --help     other options: which jobs, how many images and turns, --huge
# Images are kept in target/bench-corpus. They are read from /dev/shm and results written to it (--work), so
# that no disk decides: mpix syncs each result, and the others do not.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/mpi_env.sh

results=benches/results
for option in "$@"; do
  case $option in
    -h | --help | --list) exec python3 benches/peers/compare.py "$@" ;;
    # Not all jobs, or not as many images: nothing for the README.
    --quick | --jobs* | --images* | --small* | --repeats*) results=target/bench-results ;;
  esac
done

scripts/setup.sh --peers
if [ "$(id -u)" = 0 ]; then
  # The test hosts.
  scripts/setup.sh --tests
fi
echo "bench-peers: building" >&2
cargo build --release --locked --bins --examples
target=$(realpath "${CARGO_TARGET_DIR:-target}")/release

# Whoever fails, or has other pixels, is told of in the tables, too.
python=.venv-peers/bin/python
code=0
"$python" benches/peers/compare.py --mpix "$target/mpix" --examples "$target/examples" \
  --results "$results/peers.json" "$@" || code=$?
"$python" benches/peers/report.py table "$results/peers.json" >"$results/peers.md"
echo "bench-peers: tables are in $results/peers.md" >&2
if [ "$results" = benches/results ]; then
  "$python" benches/peers/report.py publish "$results/peers.json" docs/bench README.md
  echo "bench-peers: plots are in docs/bench, and README.md shows them" >&2
fi
exit "$code"
