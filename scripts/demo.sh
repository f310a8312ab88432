#!/usr/bin/env bash
# The main job from nothing: sets up, builds, and runs every op on two ranks over the pictures in DIR,
# or over pictures that it draws itself. Results go to demo/, which is emptied first.
#   scripts/demo.sh [DIR]
set -euo pipefail
pictures=
if [ $# -gt 0 ]; then
  # Before `cd`: DIR is meant from where the user stands.
  pictures=$(realpath -e -- "$1") || exit 2
fi
cd "$(dirname "$0")/.."
source scripts/mpi_env.sh
source scripts/ops.sh

demo=$(realpath -m demo)
if [ -n "$pictures" ]; then
  above=${pictures%/}
  if [[ $pictures/ == "$demo"/* || $demo/ == "$above"/* ]]; then
    echo "demo: $demo is emptied first: choose a DIR that is neither inside nor above it" >&2
    exit 2
  fi
fi

scripts/setup.sh
echo "demo: building" >&2
cargo build --release --locked --examples --bins
target=${CARGO_TARGET_DIR:-target}
mpix=$target/release/mpix

rm -rf "$demo"
mkdir -p "$demo"
if [ -z "$pictures" ]; then
  pictures=demo/pictures
  echo "demo: drawing pictures into $pictures" >&2
  "$target/release/examples/draw_pictures" "$pictures" 6 1500 1000
fi

# 1 means that some pictures failed, and that the others are done; any other code ends the demo.
run() {
  local code=0
  # The list of ops is not for mpirun to read.
  mpirun -n 2 --oversubscribe "$mpix" run -q "$@" -r "$pictures" </dev/null || code=$?
  case $code in
    0) ;;
    1) echo "demo: some pictures failed, see above; the others are done" >&2 ;;
    *)
      echo "demo: mpix ended with code $code" >&2
      exit "$code"
      ;;
  esac
}

ops=$(op_examples "$mpix")
while IFS= read -r op; do
  run --op "$op" -o "demo/${op%%:*}"
done <<<"$ops"
run --distribute bands --op blur:ksize=9 --op canny --op invert -o demo/chain-in-bands

count=$(find demo \( -path demo/pictures -o -name .mpix \) -prune -o -type f -print | wc -l)
if [ "$count" -eq 0 ]; then
  echo "demo: not one picture is done" >&2
  exit 1
fi
echo
echo "Done: $count pictures. Look at them in $demo/, one directory for each op:"
ls demo
