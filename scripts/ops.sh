# shellcheck shell=bash
# To be sourced: the ops with their examples, one a line, as `mpix ops --json` lists them.

# op_examples MPIX
op_examples() {
  local examples
  examples=$("$1" ops --json | sed -n 's/^ *"example": "\([^"\\]*\)",\{0,1\}$/\1/p')
  if [ -z "$examples" ]; then
    echo "$0: \`$1 ops --json\` lists no examples" >&2
    return 1
  fi
  printf '%s\n' "$examples"
}
