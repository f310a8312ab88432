#!/usr/bin/env bash
# Holds `--distribute auto` against `images` and `bands`, for jobs of few images: two ranks of one thread here, or
# test hosts, whose links carry MBIT Mbit/s each way (0: as fast as they are). Prints a table: the last column must
# not exceed 1.10. benches/results/auto.md keeps one. Test hosts need root.
#   auto-check.sh here|MBIT MEGAPIXELS [REPEATS [COUNTS [OPS [FORMATS]]]]
set -euo pipefail
cd "$(dirname "$0")/.."
place=${1:?here, or the rate of the links in Mbit/s}
megapixels=${2:?12 or 100}
repeats=${3:-3}
read -ra counts <<<"${4:-1 2 3 5}"
read -ra ops <<<"${5:-invert blur canny}"
read -ra formats <<<"${6:-jpeg png tiff}"
cargo build --locked --release
mpix=$PWD/target/release/mpix
source scripts/mpi_env.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
shared=$work
if [ "$place" != here ]; then
  scripts/setup.sh --tests
  export TESTHOSTS_DIR=$work/hosts
  trap 'scripts/testhosts.sh down; rm -rf "$work"' EXIT
  hostfile=$(scripts/testhosts.sh up 2)
  shared=$TESTHOSTS_DIR/shared
  for host in 1 2; do
    scripts/testhosts.sh rate "$host" "$place"
  done
fi
most=${counts[0]}
for count in "${counts[@]}"; do most=$((count > most ? count : most)); done
# 4 by 3.
width=$(awk -v m="$megapixels" 'BEGIN { print int(sqrt(m * 1e6 * 4 / 3)) }')
cargo run --locked --release --quiet --example draw_pictures -- "$shared/drawn" "$most" "$width" $((width * 3 / 4))
for format in "${formats[@]}"; do
  "$mpix" run -q --format "$format" -o "$shared/$format" "$shared/drawn"
done

# one DISTRIBUTION OP INPUT…: runs a job and prints the seconds that it took.
one() {
  local way=$1 op=$2
  shift 2
  rm -rf "$shared/out"
  local run=(run -q --threads 1 --distribute "$way" --op "$op" -o "$shared/out" "$@")
  if [ "$place" = here ]; then
    mpirun -n 2 --oversubscribe "$mpix" "${run[@]}"
  else
    scripts/testhosts.sh exec 0 "$mpix" launch --hostfile "$hostfile" -- "${run[@]}" --shared-fs no
  fi
  cat "$shared"/out/.mpix/log*.jsonl | python3 -c '
import json, sys
ended = [line for line in map(json.loads, sys.stdin) if line["event"] == "run-ended"]
print(ended[-1]["seconds"])'
}

echo "| ranks | format | megapixels | op | images | auto s | images s | bands s | auto / better |"
echo "|---|---|---|---|---|---|---|---|---|"
for format in "${formats[@]}"; do
  for op in "${ops[@]}"; do
    for count in "${counts[@]}"; do
      mapfile -t inputs < <(find "$shared/$format" -maxdepth 1 -name 'landscape*' | sort | head -n "$count")
      measured=()
      for _ in $(seq "$repeats"); do
        for way in auto images bands; do
          measured+=("$(one "$way" "$op" "${inputs[@]}")")
        done
      done
      python3 - "$place" "$format" "$megapixels" "$op" "$count" "${measured[@]}" <<'PYTHON'
import statistics, sys
place, format, megapixels, op, count, *measured = sys.argv[1:]
auto, images, bands = (statistics.median(map(float, measured[way::3])) for way in range(3))
ranks = "2 here" if place == "here" else f"2 hosts, {place}M" if place != "0" else "2 hosts"
print(f"| {ranks} | {format} | {megapixels} | {op} | {count} | {auto:.2f} | {images:.2f} | {bands:.2f} "
      f"| {auto / min(images, bands):.2f} |", flush=True)
PYTHON
    done
  done
done
