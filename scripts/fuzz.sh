#!/usr/bin/env bash
# Looks for bytes that mpix does not stand, with libFuzzer and stable Rust; see fuzz/targets/mod.rs.
#   scripts/fuzz.sh                    every target, FUZZ_SECONDS (60) each
#   scripts/fuzz.sh TARGET [FLAG...]   one; libFuzzer's flags, such as -max_total_time=600
#   scripts/fuzz.sh TARGET FILE        what becomes of one file
#   scripts/fuzz.sh --build            builds only
# What it finds beside the committed corpus it keeps in fuzz/target/found.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "fuzz: $*" >&2; }

host=$(rustc -vV | sed -n 's/^host: //p')
target=fuzz/target
seed=${FUZZ_SEED:-1}

# What cargo-fuzz would pass, without a sanitizer: those need an unstable compiler.
build() {
  mkdir -p "$target"
  # libjpeg-turbo's branches count, too.
  cc -O2 -c fuzz/trace_pc.c -o "$target/trace_pc.o"
  local wrap=-Wl,--wrap=__sanitizer_cov_trace_pc object=$PWD/$target/trace_pc.o
  local llvm="-Cpasses=sancov-module" option
  for option in level=4 inline-8bit-counters pc-table trace-compares; do
    llvm+=" -Cllvm-args=-sanitizer-coverage-$option"
  done
  env "CFLAGS_${host//-/_}=-fsanitize-coverage=trace-pc" LDFLAGS="$wrap $object" \
    RUSTFLAGS="$llvm -Clink-arg=$wrap -Clink-arg=$object" \
    cargo build --locked --release --manifest-path fuzz/Cargo.toml --target "$host"
}

# run TARGET FLAG...
run() {
  local name=$1
  shift
  mkdir -p "$target/found/$name" "$target/crashes/$name"
  local corpora=("$target/found/$name") corpus
  for corpus in "fuzz/corpus/$name" "fuzz/regressions/$name"; do
    [ ! -d "$corpus" ] || corpora+=("$corpus")
  done
  FUZZ_TARGET=$name "$target/$host/release/any" -seed="$seed" -timeout=20 -rss_limit_mb=1024 \
    -artifact_prefix="$target/crashes/$name/" "$@" "${corpora[@]}"
}

targets() { sed -n 's/.*Target { name: "\([a-z_0-9]*\)".*/\1/p' fuzz/targets/mod.rs; }

build
case ${1:-} in
  --build) ;;
  '')
    seconds=${FUZZ_SECONDS:-60}
    failed=()
    for name in $(targets); do
      say "$name for $seconds s, seed $seed"
      log=$target/$name.log
      if run "$name" -max_total_time="$seconds" -print_final_stats=1 >"$log" 2>&1; then
        say "$name: $(grep -o 'cov: .*' "$log" | tail -1 | cut -d' ' -f1-8), $(sed -n 's/stat::number_of_executed_units: */ /p' "$log") runs"
      else
        grep -v -e "^#" -e NEW_FUNC "$log" | tail -n 12 | cut -c1-300 >&2
        found=$(sed -n 's/.*Test unit written to //p' "$log" | tail -1)
        say "$name FAILED; the bytes are in ${found:-(none were kept)}; again: scripts/fuzz.sh $name $found"
        failed+=("$name")
      fi
    done
    if [ ${#failed[@]} -gt 0 ]; then
      say "FAILED: ${failed[*]}"
      exit 1
    fi
    ;;
  *)
    name=$1
    shift
    if [ -f "${1:-}" ]; then
      FUZZ_TARGET=$name "$target/$host/release/any" "$@"
    else
      run "$name" "$@"
    fi
    ;;
esac
