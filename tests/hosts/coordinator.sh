#!/usr/bin/env bash
# The coordinator's machine is lost: three hosts of one machine, joined by ipc, a -> b -> c, and b leads.
#
#   1. another one leads when the graph file names it, on every host, and is asked itself
#   2. b is lost when it has decided a move and told nobody: it is made
#   3. b is lost when all were ready for a move: it is dropped
#   4. b is lost when it has decided a change of the graph and told nobody: it is made
# Each time no line is lost, and the new coordinator leads what comes next.
. "$HDE_SOURCE/tests/support/cli.sh"
export XDG_RUNTIME_DIR=$TMP/run
mkdir -m 700 "$XDG_RUNTIME_DIR"

graph() { # COORDINATOR [MORE], of a node
  cat <<YAML
hde: 1
graph: lost
hosts:
  a: {listen: "ipc://$TMP/a.ipc"}
  b: {listen: "ipc://$TMP/b.ipc"}
  c: {listen: "ipc://$TMP/c.ipc"}
coordinator: $1
checkpoint: {every: 100ms, store: "\${STATE}"}
nodes:
  source: {host: a, op: ingestion/synthetic, params: {symbols: [NIFTY, BANKNIFTY], strikes: 41, step: 50ms, paced: true}}
  middle: {host: b, op: processing/clean}
  other: {host: b, op: processing/clean}
  lines: {host: c$2, op: storage/jsonl, params: {path: "\${LINES}", fields: [feed, sequence, spot]}}
edges:
  - source -> middle
  - middle -> other
  - other -> lines
YAML
}
declare -A pid_of
start() { # HOST
  hde run lost.yaml --host "$1" >"$1.out" 2>>"$1.err" &
  pid_of[$1]=$!
  CHILDREN+=("$!")
}
count() { wc -l <"$LINES" 2>/dev/null || echo 0; }
more_than() { [ "$(count)" -gt "$1" ]; }
flows() {
  until_true 30 more_than $(($(count) + 10)) || { tail -n 5 ./*.err; fail "no more lines: $1"; }
}
all_up() { # HOST...
  local host
  for host in "$@"; do
    hde status --graph "lost.$host" --json >status &&
      jq -e --argjson n $(($# - 1)) '[.hosts[] | select(.state == "up")] | length == $n' status || return 1
  done
}
begin() { # [FAULT], of b
  graph b "" >lost.yaml
  rm -rf state got ./*.err
  start a
  start c
  HDE_FAULT=${1:-fsync:1000000} start b
  until_true 30 all_up a b c || { tail -n 5 ./*.err; fail "not all hosts are up"; }
  flows "at the beginning"
}
gone() { # ARGUMENTS of apply, at the end of which b dies
  local asks
  hde apply --graph lost.a "$@" >asked 2>&1 &
  asks=$!
  wait "${pid_of[b]}"
  [ $? = 137 ] || { tail -n 3 b.err; fail "b did not die where it should"; }
  kill -KILL "$asks" # it would wait for b
  wait "$asks"
}
on() { hde status --graph "lost.$1" --json >status && jq -e --arg n "$2" '[.nodes[].name] | index($n)' status; }
again() { # asked until nothing is in doubt any more
  hde apply --graph lost.c "$@" >out 2>err || { grep -q 'HDE-R238\|HDE-C0\|HDE-N006' err && return 1; }
}
follows() { # b is lost; $1: where middle and other lie then
  graph c "${2:-}" >lost.yaml
  until_true 30 again --move "middle=$1" --move "other=$1" --lost b || { tail -n 6 a.err c.err; fail "no other host leads"; }
  grep -q done out || fail "the nodes of b do not move"
  until_true 30 all_up a c || { tail -n 5 ./*.err; fail "a and c do not go on"; }
  there() { on "$1" middle && on "$1" other; }
  until_true 30 there "$1" || { hde status --graph "lost.$1"; fail "the nodes of b are not there"; }
  flows "without b"
}
lead_on() { # what comes next is led by c
  expect 0 hde savepoint take --graph lost.a after
  expect 0 hde drain --graph lost.a c
  wait "${pid_of[c]}"
  expect 0 hde drain --graph lost.a
  wait "${pid_of[a]}"
  jq -s -e 'group_by(.feed) | all(map(.sequence // 0 | tonumber) | unique | length == .[-1] - .[0] + 1)' \
    got >/dev/null || fail "lines are lost"
}

export LINES=$TMP/got STATE=$TMP/state

# 1.
begin
kill -KILL "${pid_of[b]}"
wait "${pid_of[b]}"
expect 1 hde apply --graph lost.c --move middle=c --move other=c
has err "--lost"
expect 1 hde apply --graph lost.c --move middle=c --move other=c --lost b
has err "HDE-R281"
graph c "" >lost.yaml
expect 1 hde apply --graph lost.a --move middle=c --move other=c --lost b
has err "ask that one"
expect 0 hde plan --graph lost.c --move middle=c --move other=c --lost b
has out "coordinator: c in place of b"
has out "nothing was changed"
follows c
lead_on

# 2. other was to go to c
begin move-commit:2
gone --move other=c
follows c
grep -q 'move.found.*it is made' c.err || fail "c does not find what was decided"
lead_on

# 3. other was to go to c
begin move-commit:1
gone --move other=c
follows a
grep -q 'move.found.*it is dropped' c.err || fail "c does not find that nothing was decided"
lead_on

# 4. lines gets a policy for errors
begin decision:2
graph b ", on_error: skip" >lost.yaml
gone lost.yaml
follows a ", on_error: skip"
grep -q 'event=apply.done' c.err || { cat c.err; fail "c has not made the change"; }
lead_on
