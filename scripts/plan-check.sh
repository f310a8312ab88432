#!/usr/bin/env bash
# Holds `mpix plan` against runs on 1, 2 and 3 test hosts over networks of several speeds. Needs root, and
# control groups that hold hosts to a part of a core. Prints a table; benches/results/plan.md keeps one.
#   plan-check.sh [IMAGES [REPEATS [OPS [MBITS]]]]
set -euo pipefail
cd "$(dirname "$0")/.."
images=${1:-48}
repeats=${2:-3}
read -ra ops <<<"${3:-invert blur:ksize=31}"
read -ra mbits <<<"${4:-0 100 25}"
scripts/setup.sh --tests
cargo build --locked --release
mpix=$PWD/target/release/mpix
# Three hosts fit on two cores.
cores=0.6

work=$(mktemp -d)
export TESTHOSTS_DIR=$work/hosts
trap 'scripts/testhosts.sh down; rm -rf "$work"' EXIT
hostfile=$(scripts/testhosts.sh up 3)
shared=$TESTHOSTS_DIR/shared
for host in 1 2 3; do
  scripts/testhosts.sh cores "$host" "$cores"
done
cargo run --locked --release --quiet --example draw_pictures -- "$shared/in" "$images" 2000 1500

echo "$images photographs of 3 megapixels; hosts of $cores cores; $(git rev-parse --short HEAD); medians of $repeats"
echo
echo "| op | network | hosts | images/s foreseen | measured | error |"
echo "|---|---|---|---|---|---|"
for op in "${ops[@]}"; do
  for mbit in "${mbits[@]}"; do
    for host in 1 2 3; do scripts/testhosts.sh rate "$host" "$mbit"; done
    network=$([ "$mbit" = 0 ] && echo 8G || echo "${mbit}M")
    for hosts in 1 2 3; do
      # Hosts here share caches and memory, as others do not: so many plan at a time as will filter. What a few
      # images take varies on so small a part of a core: the plan in the middle counts.
      rm -f "$shared"/plan-*.json
      for plan in 1 2 3; do
        planning=()
        for host in $(seq "$hosts"); do
          scripts/testhosts.sh exec "$host" "$mpix" plan --json --ranks "$hosts" --network "$network" \
            -- run -t 1 --op "$op" -o "$shared/none" "$shared/in" >"$shared/plan-$plan-$host.json" &
          planning+=($!)
        done
        wait "${planning[@]}"
      done
      ended=()
      for _ in $(seq "$repeats"); do
        rm -rf "$shared/out"
        scripts/testhosts.sh exec 0 "$mpix" launch --hostfile "$hostfile" --hosts "$hosts" \
          -- run -q --threads 1 --shared-fs no --op "$op" -o "$shared/out" "$shared/in"
        ended+=("$(grep -h '"event":"run-ended"' "$shared"/out/.mpix/log*.jsonl | tail -1)")
      done
      python3 - "$shared" "$op" "$network" "$hosts" "$images" "${ended[@]}" <<'PYTHON'
import glob, json, statistics, sys
shared, op, network, hosts, images, *ended = sys.argv[1:]
rows = [json.load(open(plan))["rows"][0] for plan in glob.glob(f"{shared}/plan-*.json")]
row = sorted(rows, key=lambda row: row["images_per_s"])[len(rows) // 2]
foreseen = row["images_per_s"]
measured = int(images) / statistics.median(json.loads(line)["seconds"] for line in ended)
print(f"| {op} | {network} | {hosts} | {foreseen:.1f} ({row['bottleneck']}) | {measured:.1f} "
      f"| {100 * (foreseen / measured - 1):+.0f} % |", flush=True)
PYTHON
    done
  done
done
