# Sourced by the tests here: replays, a Python that has what they need, and reports, which
# `./test.sh NAME` prints.
# shellcheck shell=bash
set -uo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$HDE_BUILD/reports"

# python MODULE...: sets $python, or skips the test
need_python() {
  for python in python3 /usr/bin/python3; do
    "$python" -c "$(printf 'import %s\n' "$@")" 2>/dev/null && return
  done
  echo "skipped: no python3 with $*"
  exit 77
}

# replay GRAPH NAME ARGUMENT...: writes $work/NAME.jsonl
replay() {
  local graph=$1 name=$2
  shift 2
  if ! "$HDE_BIN/hde" replay "$graph" --speed max --set "vars.out=$work" "$@" >"$work/log" 2>&1; then
    tail -n 20 "$work/log"
    echo "$name: the replay failed"
    exit 1
  fi
  mv "$work/measures.jsonl" "$work/$name.jsonl"
}
