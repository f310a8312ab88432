#!/usr/bin/env bash
# Hosts on one machine, to kill, cut off and slow down. Needs root, and what `scripts/setup.sh --tests` installs.
#   testhosts.sh up N [--until-eof]  makes host0, the head, and host1 to hostN; prints the path of their hostfile
#   testhosts.sh down                ends them; nothing is left
#   testhosts.sh status              each host: up or down, link, address, processes
#   testhosts.sh exec I COMMAND…     runs COMMAND on host I: its exit code, its standard streams, signals passed on
#   testhosts.sh kill I              kills every process of host I at once; its sockets close, as the kernel lives on
#   testhosts.sh powerfail I         takes host I off the network, then kills it: the others hear nothing
#   testhosts.sh revive I            host I comes back, with its address and its link
#   testhosts.sh linkdown I          pulls the cable of host I
#   testhosts.sh linkup I            plugs it in again
#   testhosts.sh rate I MBIT         at most MBIT Mbit/s to host I, and from it; 0 lifts the limit
#   testhosts.sh cores I CORES       at most so much CPU time for host I, such as 1 or 0.5; 0 lifts the limit
#
# A set of hosts lives in TESTHOSTS_DIR (default: testhosts in TMPDIR or /tmp); sets do not see each other.
#   hostfile          host1 to hostN, for mpirun on the head
#   shared/           for files of all hosts; whatever they do not have of their own is shared as well, as by NFS
#   local/            each host has its own; from outside, it is hostI/local
#   home/             root's home on the hosts; nobody else's is read or written
#   log, hostI/log    what went wrong
# Of their own, hosts have /tmp, /run, /dev/shm, processes, network and name. `up --until-eof` ends the set when
# its standard input does: a test holds the other end of that pipe, so that no hosts outlive a test that is killed.
#
# Exit codes: 2 for a wrong command line, and for privileges, programs or features of the kernel that are missing;
# 1 for what failed; 125 where `exec` cannot start COMMAND.
#
# How it is made: one process per set, `_switch`, is PID 1 of a PID namespace around all that belongs to the set,
# so that its end is the end of everything. Its network namespace holds the bridge that joins the hosts. Each host
# has a process `_card` that holds its network namespace and its name, as a network card stays in its slot when all
# programs have died; and `_host`, PID 1 of the host. No namespace has a name and no mount is seen outside,
# so there is nothing that could stay behind, but for the control groups of hosts with limited cores, which are
# removed when the set ends.
set -euo pipefail

self=$(realpath "${BASH_SOURCE[0]}")
checkout=${self%/scripts/*}
LIMIT_SECONDS=10

say() { echo "testhosts: $*" >&2; }
usage() {
  say "$* (see the head of scripts/testhosts.sh)"
  exit 2
}
lacking() {
  say "$*"
  exit 2
}
failure=1
failed() {
  say "$*"
  exit "$failure"
}

address() { echo "10.64.0.$((10 + $1))"; }

# within SECONDS COMMAND…: tries COMMAND until it succeeds.
within() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.01
  done
}

# ---- who is who

# Notes the number by which the machine knows this process. To be called before /proc becomes that of a
# PID namespace, and never in a subshell: `self` is who opens the file.
note_own_pid() {
  local pid
  read -r pid _ </proc/self/stat
  echo "$pid" >"$1.new"
  mv "$1.new" "$1"
}

# Whether PID still is the process of this set with these arguments: numbers are used again.
is_process() {
  local pid=$1 words=
  shift
  [ -n "$pid" ] || return 1
  words=$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") || return 1
  [[ "$words " == *" $* "* ]]
}

# process FILE WORDS…: prints the PID that FILE notes, if that process is alive.
process() {
  local pid=
  read -r pid 2>/dev/null <"$1" || return 1
  shift
  is_process "$pid" "$@" || return 1
  echo "$pid"
}
switch_pid() { process "$dir/switch.pid" _switch "$dir"; }
card_pid() { process "$dir/host$1/card.pid" _card "$dir" "$1"; }
host_pid() { process "$dir/host$1/host.pid" _host "$dir" "$1"; }

is_gone() { ! is_process "$@"; }

# end_process PID WORDS…
end_process() {
  kill -9 "$1" 2>/dev/null || true
  within "$LIMIT_SECONDS" is_gone "$@" || failed "process $1 does not die"
}

need_root() {
  [ "$(id -u)" = 0 ] || lacking "namespaces need root: sudo scripts/testhosts.sh …"
}

need_switch() {
  switch=$(switch_pid) || failed "no hosts are up in $dir"
}

need_host() {
  [[ "${1:-}" =~ ^[0-9]+$ ]] || usage "which host? a number from 0 on"
  need_switch
  [ -d "$dir/host$1" ] || failed "there is no host $1 in $dir"
}

# ---- network

on_switch() { nsenter --target "$switch" --net -- "$@"; }

has_port() { on_switch ip link show dev "port$1" >/dev/null 2>&1; }

need_port() {
  has_port "$1" || failed "host$1 has no link: its power failed; \`revive $1\` brings it back"
}

# Gives a host its card, address and cable, if it has none.
plug_in() {
  local i=$1 card
  if card=$(card_pid "$i"); then
    on_switch ip link set dev "port$i" up
    return
  fi
  rm -f "$dir/host$i/card.pid"
  nsenter --target "$switch" --mount --net --pid -- setsid --fork unshare --net --uts -- \
    "$self" _card "$dir" "$i" </dev/null >>"$dir/log" 2>&1
  within "$LIMIT_SECONDS" card_pid "$i" >/dev/null || failed "host$i has no network namespace"
  card=$(card_pid "$i")
  # A host keeps its hardware address: the others need not find out about a new one when it comes back.
  on_switch ip -batch - <<PORT || lacking "cannot make a network link (veth)"
link add name port$i type veth peer name eth0 address $(printf '02:00:0a:40:00:%02x' $((10 + i))) netns $card
link set dev port$i master bridge up
PORT
  nsenter --target "$card" --net -- ip -batch - <<CARD || failed "cannot set the address of host$i"
link set dev lo up
address add $(address "$i")/24 dev eth0
link set dev eth0 up
CARD
  if [ -s "$dir/host$i/rate" ]; then
    shape "$i" "$(cat "$dir/host$i/rate")"
  fi
}

# A token bucket at each end of the cable. A bucket takes what comes in 8 ms, and one packet of the largest kind.
shape() {
  local i=$1 mbit=$2 card
  card=$(card_pid "$i") || failed "host$i has no link"
  local bucket=(tbf rate "${mbit}mbit" burst $((65536 + mbit * 1000)) latency 50ms)
  {
    on_switch tc qdisc replace dev "port$i" root "${bucket[@]}" &&
      nsenter --target "$card" --net -- tc qdisc replace dev eth0 root "${bucket[@]}"
  } ||
    lacking "cannot shape the link of host$i: does this kernel have tbf (CONFIG_NET_SCH_TBF)?"
}

unshape() {
  local i=$1 card
  card=$(card_pid "$i") || return 0
  on_switch tc qdisc delete dev "port$i" root 2>/dev/null || true
  nsenter --target "$card" --net -- tc qdisc delete dev eth0 root 2>/dev/null || true
}

# ---- cores

PERIOD_US=10000

# The directory that control groups with a limit of CPU time are made in, and the version of their interface.
cpu_groups() {
  awk '
    $3 == "cgroup" && $4 ~ /(^|,)cpu(,|$)/ { one = $2 }
    $3 == "cgroup2" { two = $2 }
    END { if (one) print one, 1; else if (two) print two, 2; else exit 1 }' /proc/mounts
}

# The control group of host I; names of sets are as different as their directories.
core_group() { echo "$groups/testhosts${dir//\//-}-host$1"; }

# Puts this process, and what it will start, to the host that it belongs to.
join_cores() {
  local groups
  [ -s "$dir/host$1/cores" ] || return 0
  read -r groups _ < <(cpu_groups)
  echo 0 >"$(core_group "$1")/cgroup.procs"
}

set_cores() {
  local i=$1 cores=${2:-} groups version group quota pid host
  [[ "$cores" =~ ^[0-9]{1,3}(\.[0-9]{1,2})?$ ]] || usage "cores I CORES: such as 1 or 0.5, or 0"
  read -r groups version < <(cpu_groups) || lacking "this machine offers no control groups for CPU time (cgroup v1 cpu, or v2)"
  group=$(core_group "$i")
  quota=$(awk -v cores="$cores" -v period="$PERIOD_US" 'BEGIN { print int(cores * period) }')
  [ "$quota" = 0 ] || [ "$quota" -ge 1000 ] || usage "cores I CORES: 0.1 or more, or 0"
  if [ "$quota" = 0 ] && [ ! -d "$group" ]; then
    return
  fi
  if ! { mkdir -p "$group" 2>/dev/null && write_quota; }; then
    rmdir "$group" 2>/dev/null || true
    lacking "cannot limit CPU time in $groups: is its controller \`cpu\` switched on?"
  fi
  if [ "$quota" = 0 ]; then
    rm -f "$dir/host$i/cores"
    return
  fi
  echo "$cores" >"$dir/host$i/cores"
  # Those that run; what they start meanwhile is found by another look.
  if host=$(host_pid "$i"); then
    while pid=$(pgrep --ns "$host" --nslist pid | grep -vxFf "$group/cgroup.procs"); do
      for pid in $pid; do
        echo "$pid" >"$group/cgroup.procs" 2>/dev/null || true
      done
    done
  fi
}

write_quota() {
  local limit=$quota
  if [ "$version" = 1 ]; then
    [ "$quota" != 0 ] || limit=-1
    { echo "$PERIOD_US" >"$group/cpu.cfs_period_us" && echo "$limit" >"$group/cpu.cfs_quota_us"; } 2>/dev/null
  else
    [ "$quota" != 0 ] || limit=max
    { echo +cpu >"$groups/cgroup.subtree_control" && echo "$limit $PERIOD_US" >"$group/cpu.max"; } 2>/dev/null
  fi
}

# When no process of the set is left.
remove_core_groups() {
  local groups group host
  read -r groups _ < <(cpu_groups) || return 0
  for host in "$dir"/host[0-9]*; do
    group=$(core_group "${host##*/host}")
    [ ! -d "$group" ] || within "$LIMIT_SECONDS" rmdir "$group" 2>/dev/null || say "$group is left"
  done
}

# ---- hosts

boot() {
  local i=$1 card
  card=$(card_pid "$i")
  rm -f "$dir/host$i/host.pid" "$dir/host$i/ready"
  nsenter --target "$card" --mount --uts --net --pid -- \
    setsid --fork unshare --mount --propagation slave --ipc --pid --fork --kill-child -- \
    "$self" _host "$dir" "$i" </dev/null >>"$dir/host$i/log" 2>&1
}

has_booted_or_died() {
  [ -e "$dir/host$1/ready" ] || { [ -e "$dir/host$1/host.pid" ] && ! host_pid "$1" >/dev/null; }
}

wait_for_host() {
  within $((LIMIT_SECONDS + 2)) has_booted_or_died "$1" || true
  [ ! -e "$dir/host$1/ready" ] || return 0
  tail -n 5 "$dir/host$1/log" >&2
  failed "host$1 does not come up"
}

# `mount -n`: nothing is noted in the machine's /run.
#
# A tmpfs of the host's own in the place of a directory. What hosts share stays seen where it lies below that.
own_tmpfs() {
  local place=$1 mode=$2 stage="$dir/host$i/stage" shared
  mkdir -p "$stage"
  mount -n -t tmpfs -o "mode=$mode" tmpfs "$stage"
  for shared in "$checkout" "$dir"; do
    if [[ $shared == "$place"/* ]]; then
      mkdir -p "$stage${shared#"$place"}"
      mount -n --bind "$shared" "$stage${shared#"$place"}"
    fi
  done
  mount -n --move "$stage" "$place"
}

answers() {
  local banner='' connection
  { exec {connection}<>"/dev/tcp/$(address "$i")/22"; } 2>/dev/null || return 1
  read -r -t "$LIMIT_SECONDS" banner <&"$connection" || true
  exec {connection}>&-
  [[ $banner == SSH-2.0* ]]
}

# PID 1 of a host: its own mounts, its sshd; then it reaps whoever is left without a parent.
be_host() {
  note_own_pid "$dir/host$i/host.pid"
  join_cores "$i"
  mount -n -t proc proc /proc
  own_tmpfs /tmp 1777
  own_tmpfs /run 755
  own_tmpfs /dev/shm 1777
  mount -n --bind "$dir/host$i/local" "$dir/local"
  for file in hosts passwd shadow; do
    mount -n --bind "$dir/etc/$file" "/etc/$file"
  done
  mkdir /run/sshd
  "$(sshd_program)" -D -e -f "$dir/etc/sshd_config" &
  within "$LIMIT_SECONDS" answers || failed "sshd does not answer"
  touch "$dir/host$i/ready"
  while :; do
    sleep infinity &
    wait
  done
}

# PID 1 of the set.
be_switch() {
  note_own_pid "$dir/switch.pid"
  if [ "${until_eof:-}" = --until-eof ]; then
    cat <&0 >/dev/null &
    wait $! || true
    kill -9 -1 || true
    within "$LIMIT_SECONDS" none_left || true
    remove_core_groups
    rm -rf --one-file-system "$dir"
  else
    while :; do
      sleep infinity &
      wait
    done
  fi
}
none_left() { ! kill -0 -1 2>/dev/null; }

# ---- sets

sshd_program() {
  local program
  for program in /usr/sbin/sshd "$checkout/.testhosts/usr/sbin/sshd"; do
    if [ -x "$program" ]; then
      echo "$program"
      return
    fi
  done
  return 1
}

check_machine() {
  local program told
  for program in ip tc unshare nsenter setsid setpriv ssh ssh-keygen pgrep; do
    command -v "$program" >/dev/null || lacking "\`$program\` is missing: run scripts/setup.sh --tests"
  done
  sshd_program >/dev/null || lacking "sshd is missing: run scripts/setup.sh --tests"
  told=$(unshare --net --uts --ipc --mount --pid --fork -- true 2>&1) ||
    lacking "cannot make namespaces; in a container, it must be a privileged one: $told"
}

# Keys, accounts and names, of this set alone.
write_settings() {
  local count=$1 i
  mkdir -p "$dir/etc" "$dir/home/.ssh" "$dir/shared" "$dir/local"
  ssh-keygen -q -t ed25519 -N '' -C testhosts -f "$dir/etc/host_key"
  ssh-keygen -q -t ed25519 -N '' -C testhosts -f "$dir/home/.ssh/id_ed25519"
  chmod 700 "$dir/home" "$dir/home/.ssh"
  echo "* $(cat "$dir/etc/host_key.pub")" >"$dir/home/.ssh/known_hosts"
  cat >"$dir/home/.ssh/config" <<SSH
Host *
  BatchMode yes
  ConnectTimeout 3
  GSSAPIAuthentication no
  IdentitiesOnly yes
  IdentityAgent none
  IdentityFile $dir/home/.ssh/id_ed25519
  LogLevel ERROR
  StrictHostKeyChecking yes
  UserKnownHostsFile $dir/home/.ssh/known_hosts
SSH
  cat >"$dir/etc/sshd_config" <<SSHD
AuthorizedKeysFile $dir/home/.ssh/id_ed25519.pub
HostKey $dir/etc/host_key
KbdInteractiveAuthentication no
MaxStartups 200
PasswordAuthentication no
PermitRootLogin prohibit-password
PidFile none
PrintMotd no
StrictModes no
UseDNS no
UsePAM no
SSHD
  # ssh and sshd look here for root's home, not in HOME. An sshd that is not installed has no account yet, and
  # where root has no password (`!`), sshd would let nobody in.
  {
    echo "root:x:0:0:root:$dir/home:/bin/bash"
    grep -v -e '^root:' -e '^sshd:' /etc/passwd
    echo "sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin"
  } >"$dir/etc/passwd"
  printf '%s:*:19000::::::\n' root sshd >"$dir/etc/shadow"
  chmod 600 "$dir/etc/shadow"
  echo "127.0.0.1 localhost" >"$dir/etc/hosts"
  for ((i = 0; i <= count; i++)); do
    mkdir -p "$dir/host$i/local"
    echo "$(address "$i") host$i" >>"$dir/etc/hosts"
    if [ "$i" -gt 0 ]; then
      echo "host$i slots=1" >>"$dir/hostfile"
    fi
  done
}

up() {
  local count=${1:-} until_eof=${2:-} i
  [[ "$count" =~ ^[0-9]+$ ]] && [ "$count" -ge 1 ] && [ "$count" -le 200 ] || usage "up N: 1 to 200 hosts beside the head"
  [[ "$until_eof" =~ ^(|--until-eof)$ ]] || usage "up: $until_eof?"
  check_machine
  down
  mkdir -p "$(dirname "$dir")"
  mkdir "$dir"
  touch "$dir/testhosts"
  trap abandon EXIT
  write_settings "$count"
  if [ -n "$until_eof" ]; then
    exec {input}<&0
  else
    exec {input}</dev/null
  fi
  setsid unshare --net --mount --propagation slave --pid --fork --kill-child -- \
    "$self" _switch "$dir" "$until_eof" <&"$input" >>"$dir/log" 2>&1 &
  exec {input}<&-
  within "$LIMIT_SECONDS" switch_pid >/dev/null || failed "the switch does not start"
  switch=$(switch_pid)
  on_switch ip link add name bridge type bridge || lacking "cannot make a bridge: does this kernel have one?"
  on_switch ip link set dev bridge up
  for ((i = 0; i <= count; i++)); do
    plug_in "$i"
    boot "$i"
  done
  for ((i = 0; i <= count; i++)); do
    wait_for_host "$i"
  done
  trap - EXIT
  echo "$dir/hostfile"
}

abandon() {
  cat "$dir/log" >&2 2>/dev/null || true
  down
}

down() {
  local switch above
  trap - EXIT
  [ -e "$dir" ] || return 0
  need_root
  [ -f "$dir/testhosts" ] && [ -O "$dir" ] || lacking "$dir is there, and is no set of test hosts"
  if switch=$(switch_pid); then
    read -r _ _ _ above _ <"/proc/$switch/stat" || above=
    end_process "$switch" _switch "$dir"
    within "$LIMIT_SECONDS" is_gone "$above" _switch "$dir" || failed "process $above does not end"
  fi
  remove_core_groups
  rm -rf --one-file-system "$dir"
}

status() {
  local i pid state link processes
  need_switch
  for ((i = 0; ; i++)); do
    [ -d "$dir/host$i" ] || break
    state=down processes='' link=none
    if pid=$(host_pid "$i"); then
      state=up
      processes=$(nsenter --target "$pid" --mount --pid -- ps -e -o pid=,comm=,args= |
        awk '$1 != 1 && $2 != "ps" && $3 " " $4 != "sleep infinity" { count[$2]++ }
          END { for (name in count) printf " %s:%d", name, count[name] }')
    fi
    if has_port "$i"; then
      link=$(on_switch ip -o link show dev "port$i" | grep -q '[<,]UP[,>]' && echo up || echo down)
      [ ! -s "$dir/host$i/rate" ] || link+=" at $(cat "$dir/host$i/rate") Mbit/s"
    fi
    [ ! -s "$dir/host$i/cores" ] || state+=" with $(cat "$dir/host$i/cores") cores"
    echo "host$i $(address "$i") $state, link $link;${processes:- no processes}"
  done
}

# ---- commands

# The command gets a session of its own and every signal once: by this process, not by the terminal as well.
# It dies with this process, even if that is killed by what cannot be passed on.
run_on() {
  local pid code signal
  pid=$(host_pid "$1") || failed "host$1 is down"
  join_cores "$1"
  shift
  source "$checkout/scripts/mpi_env.sh"
  unset TMPDIR
  export HOME=$dir/home TESTHOSTS_DIR=$dir
  # shellcheck disable=SC2016 # they are for the shell inside
  setsid setpriv --pdeathsig KILL nsenter --target "$pid" --mount --uts --ipc --net --pid -- \
    env --default-signal=INT,QUIT setpriv --pdeathsig KILL \
    bash -c 'cd "$1" 2>/dev/null || cd; shift; exec "$@"' "testhosts" "$PWD" "$@" <&0 &
  command=$!
  for signal in HUP INT QUIT TERM USR1 USR2; do
    # shellcheck disable=SC2064 # each has its own signal
    trap "pass_on $signal" "$signal"
  done
  while :; do
    interrupted=
    code=0
    { wait "$command" || code=$?; } 2>/dev/null # what bash says of killed jobs
    [ -n "$interrupted" ] || exit "$code"
  done
}

# The command is the child of `nsenter`, which waits for it outside. `timeout` signals this process and then its
# group: meanwhile the signal is ignored, so that the command gets it once, and that `pgrep` survives it.
pass_on() {
  local target='' tries
  trap '' "$1"
  interrupted=yes
  for ((tries = 0; tries < 100; tries++)); do
    target=$(pgrep -P "$command") && break
    kill -0 "$command" 2>/dev/null || break
    sleep 0.01 || true
  done
  kill -s "$1" "${target:-$command}" 2>/dev/null || true
  # shellcheck disable=SC2064 # its own signal
  trap "pass_on $1" "$1"
}

kill_host() {
  local pid
  if pid=$(host_pid "$1"); then
    end_process "$pid" _host "$dir" "$1"
  fi
  rm -f "$dir/host$1/host.pid" "$dir/host$1/ready"
}

# The card goes, too, and what the host's kernel knew with it: when the host is back, it answers the packets of
# connections from before as a host does that has been switched off: it does not know them.
power_fail() {
  local card
  if has_port "$1"; then
    on_switch ip link set dev "port$1" down
  fi
  kill_host "$1"
  # Before the card: the end of a network namespace takes its links along, at a time of the kernel's choosing.
  if has_port "$1"; then
    on_switch ip link delete dev "port$1"
  fi
  if card=$(card_pid "$1"); then
    end_process "$card" _card "$dir" "$1"
  fi
}

revive() {
  plug_in "$1"
  if ! host_pid "$1" >/dev/null; then
    boot "$1"
    wait_for_host "$1"
  fi
}

set_rate() {
  [[ "${2:-}" =~ ^[0-9]{1,5}$ ]] || usage "rate I MBIT: whole Mbit/s, or 0"
  need_port "$1"
  if [ "$2" = 0 ]; then
    rm -f "$dir/host$1/rate"
    unshape "$1"
  else
    shape "$1" "$2"
    echo "$2" >"$dir/host$1/rate"
  fi
}

set_link() {
  need_port "$1"
  on_switch ip link set dev "port$1" "$2"
}

main() {
  local action=${1:-}
  [ $# -eq 0 ] || shift
  case $action in
    _switch | _card | _host) # from here: inside
      dir=$1
      i=${2:-}
      case $action in
        _switch)
          until_eof=$i
          be_switch
          ;;
        _card)
          hostname "host$i"
          [ -p "$dir/host$i/never" ] || mkfifo "$dir/host$i/never"
          note_own_pid "$dir/host$i/card.pid"
          # Not `sleep`: while one program becomes another, its words are nobody's for a moment.
          read -r _ <>"$dir/host$i/never"
          ;;
        _host) be_host ;;
      esac
      return
      ;;
  esac

  dir=$(realpath -m "${TESTHOSTS_DIR:-${TMPDIR:-/tmp}/testhosts}")
  [[ $dir != *[[:space:]]* ]] || usage "TESTHOSTS_DIR=\`$dir\`: ssh's settings cannot name a path with blanks"
  [ "$action" != exec ] || failure=125
  case $action in
    up | status | exec | kill | powerfail | revive | linkdown | linkup | rate | cores) need_root ;;
  esac
  case $action in
    exec | kill | powerfail | revive | linkdown | linkup | rate | cores) need_host "${1:-}" ;;
  esac
  case $action in
    up) up "$@" ;;
    down) down ;;
    status) status ;;
    exec)
      [ $# -ge 2 ] || usage "exec I COMMAND…"
      run_on "$@"
      ;;
    kill) kill_host "$1" ;;
    powerfail) power_fail "$1" ;;
    revive) revive "$1" ;;
    linkdown) set_link "$1" down ;;
    linkup) set_link "$1" up ;;
    rate) set_rate "$@" ;;
    cores) set_cores "$@" ;;
    *) usage "what to do? up, down, status, exec, kill, powerfail, revive, linkdown, linkup, rate or cores" ;;
  esac
}

main "$@"
