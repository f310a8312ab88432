#!/usr/bin/env bash
# Installs what is missing on Debian 12 and says what it does; run again, it does nothing.
#   scripts/setup.sh          what building and running needs
#   scripts/setup.sh --tests  that, and what the tests compare with and their hosts are made of
#   scripts/setup.sh --peers  the first, and what scripts/bench-peers.sh compares with
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "setup: $*" >&2; }
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Open MPI and what rsmpi's bindings are made with; cmake and nasm build libjpeg-turbo.
packages=(openmpi-bin libopenmpi-dev libclang1-14 libclang-common-14-dev gcc g++ libc6-dev make cmake nasm)
if [ "${1:-}" = --tests ]; then
  packages+=(python3 python3-venv procps mount util-linux)
  # Reads the manifest of results with BLAKE3 hashes.
  packages+=(b3sum)
  # Clocks that are set back (faketime), disks that fail (mkfs.ext4).
  packages+=(faketime e2fsprogs)
  # scripts/testhosts.sh; libwrap0 is what sshd needs beyond what openssh-client does.
  packages+=(iproute2 openssh-client libwrap0)
elif [ "${1:-}" = --peers ]; then
  packages+=(python3 python3-venv parallel libvips-tools imagemagick graphicsmagick)
fi

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  say "installing ${missing[*]}"
  as_root apt-get update -q >&2
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends "${missing[@]}" >&2
fi

if ! command -v cargo >/dev/null; then
  say "cargo is missing: install Rust 1.89 or later (rustup, or your system's packages)"
  exit 1
fi

# python_packages DIRECTORY LIST...: the packages of the last list, which may name the others, and nothing else
python_packages() {
  local directory=$1 list=${*: -1} wanted python
  shift
  wanted=$(cat "$@")
  if [ "$(cat "$directory/installed.txt" 2>/dev/null || true)" != "$wanted" ]; then
    say "installing $(grep -hv -e '^#' -e '^-r' "$@" | tr '\n' ' ')into $directory"
    python=$(command -v /usr/bin/python3 || command -v python3)
    rm -rf "$directory"
    "$python" -m venv "$directory"
    "$directory/bin/python" -m pip install --quiet --disable-pip-version-check -r "$list"
    echo "$wanted" >"$directory/installed.txt"
  fi
}
case ${1:-} in
  --tests) python_packages .venv scripts/requirements.txt ;;
  --peers) python_packages .venv-peers scripts/requirements.txt scripts/requirements-peers.txt ;;
esac

# The test hosts run sshd. Installing openssh-server would open port 22 of this machine, now and after each boot,
# which nobody asked for; so where it is not installed, the package is only unpacked here: a program, no service.
if [ "${1:-}" = --tests ] && [ ! -x /usr/sbin/sshd ] && [ ! -x .testhosts/usr/sbin/sshd ]; then
  say "unpacking openssh-server into .testhosts; no service is installed or started"
  unpacked=$(mktemp -d .testhosts.XXXXXX)
  trap 'rm -rf "$unpacked"' EXIT
  download() { (cd "$unpacked" && apt-get download -q openssh-server >&2); }
  # What apt knows may be out of date.
  download || { as_root apt-get update -q >&2 && download; }
  dpkg-deb -x "$unpacked"/openssh-server_*.deb "$unpacked"
  if ldd "$unpacked/usr/sbin/sshd" | grep 'not found' >&2; then
    say "sshd lacks these libraries"
    exit 1
  fi
  rm -rf .testhosts "$unpacked"/*.deb
  mv "$unpacked" .testhosts
fi
