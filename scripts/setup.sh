#!/usr/bin/env bash
# Installs what is missing on Debian 12 and says what it does; run again, it does nothing.
#   scripts/setup.sh          what building and running needs
#   scripts/setup.sh --tests  that, and what the tests compare with
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "setup: $*" >&2; }

# Open MPI and what rsmpi's bindings are made with; cmake and nasm build libjpeg-turbo.
packages=(openmpi-bin libopenmpi-dev libclang1-14 libclang-common-14-dev gcc g++ libc6-dev make cmake nasm)
if [ "${1:-}" = --tests ]; then
  packages+=(python3 python3-venv procps mount util-linux)
fi

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  say "installing ${missing[*]}"
  "${as_root[@]}" apt-get update -q >&2
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends "${missing[@]}" >&2
fi

if ! command -v cargo >/dev/null; then
  say "cargo is missing: install Rust 1.88 or later (rustup, or your system's packages)"
  exit 1
fi

if [ "${1:-}" = --tests ]; then
  wanted=$(cat scripts/requirements.txt)
  if [ "$(cat .venv/installed.txt 2>/dev/null || true)" != "$wanted" ]; then
    say "installing $(grep -v '^#' scripts/requirements.txt | tr '\n' ' ')into .venv"
    python=$(command -v /usr/bin/python3 || command -v python3)
    rm -rf .venv
    "$python" -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r scripts/requirements.txt
    cp scripts/requirements.txt .venv/installed.txt
  fi
fi
