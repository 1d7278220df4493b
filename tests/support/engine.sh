# Sourced by script tests that run a graph: needs cli.sh first.
export XDG_RUNTIME_DIR="$TMP/run"
mkdir -p -m 700 "$XDG_RUNTIME_DIR"
# engine NAME ARGUMENT...: hde run in the background; waits until it can be reached. Sets PID.
engine() {
  local log=$1
  shift
  hde run "$@" >"$TMP/$log.out" 2>"$TMP/$log.err" </dev/null &
  PID=$!
  CHILDREN+=("$PID")
  until_true 30 listed "$PID" || { cat "$TMP/$log.err"; fail "hde run $* did not start"; }
}
listed() { grep -qsx "pid $1" "$XDG_RUNTIME_DIR"/hde/*.engine; }
# ended PID CODE: waits for the end of a child and compares its exit code
ended() {
  local got
  until_true 30 gone "$1" || fail "process $1 does not end"
  wait "$1"
  got=$?
  [ "$got" = "$2" ] || { cat "$TMP"/*.err; fail "exit code $got, expected $2"; }
}
gone() { [ ! -d "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status"; }
