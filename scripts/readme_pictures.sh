#!/usr/bin/env bash
# Makes the pictures of the README's table of ops: one drawn landscape through each op.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/ops.sh
cargo build --release --locked --examples --bins
target=${CARGO_TARGET_DIR:-target}
drawn=$(mktemp -d)
trap 'rm -rf "$drawn"' EXIT
"$target/release/examples/draw_pictures" "$drawn/in" 3 330 220
mkdir -p docs/ops
"$target/release/mpix" run -q --quality 85 -o "$drawn/original" "$drawn/in/landscape-0002.jpg"
cp "$drawn/original/landscape-0002.jpg" docs/ops/original.jpg
ops=$(op_examples "$target/release/mpix")
while IFS= read -r op; do
  "$target/release/mpix" run -q --quality 85 --op "$op" -o "$drawn/out" "$drawn/in/landscape-0002.jpg"
  cp "$drawn/out/landscape-0002.jpg" "docs/ops/${op%%:*}.jpg"
done <<<"$ops"
