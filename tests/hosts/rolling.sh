#!/usr/bin/env bash
# A new version of a plugin on three hosts, one after the other, while data flows: each host is
# drained, its file is built again, and it is started. No output has a gap or a repetition, and in
# the end every host runs the new version.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"
builds=$HDE_BUILD/tests/swapped
cat >rolling.yaml <<'YAML'
hde: 1
graph: rolling
hosts:
  first: {listen: "ipc://first.net"}
  middle: {listen: "ipc://middle.net"}
  last: {listen: "ipc://last.net"}
checkpoint: {every: 200ms, store: kept}
nodes:
  feed: {host: first, op: swap/feed, params: {every: 1ms, burst: 10}}
  near: {host: first, op: swap/count}
  near_out: {host: first, op: swap/write, params: {path: near.lines}}
  half: {host: middle, op: swap/count}
  half_out: {host: middle, op: swap/write, params: {path: half.lines}}
  far: {host: last, op: swap/count}
  far_out: {host: last, op: swap/write, params: {path: far.lines}}
edges: [feed -> near -> near_out, near -> half -> half_out, half -> far -> far_out]
YAML
declare -A pid
start() { # HOST
  engine "$1" rolling.yaml --host "$1" --plugins "$TMP/$1"
  pid[$1]=$PID
}
all_up() {
  local host
  for host in first middle last; do
    hde status --graph "rolling.$host" --json |
      jq -e '[.hosts[] | select(.state == "up")] | length == 2' >/dev/null || return 1
  done
}
lines() { wc -l <"$1.lines"; }
moves_on() { # every output gets more
  local name
  for name in near half far; do
    n=$(lines "$name")
    until_true 30 more "$name" "$n" || { tail -n 3 ./*.err; fail "$name stands still: $1"; }
  done
}
more() { [ "$(lines "$1")" -gt "$(($2 + 100))" ]; }

for host in first middle last; do
  mkdir "$host"
  cp "$builds/v1/swapped.so" "$host/"
  start "$host"
done
until_true 30 all_up || fail "not all hosts are up"
moves_on "at the beginning"
for host in last middle first; do
  expect 0 hde drain "$host" --graph rolling.first
  ended "${pid[$host]}" 0
  cp "$builds/v2/swapped.so" "$host/swapped.so"
  start "$host"
  until_true 30 all_up || fail "'$host' is not back"
  moves_on "behind '$host'"
done

# a whole output is a count from 0 on, whichever build has counted
expect 0 hde drain first --graph rolling.first
ended "${pid[first]}" 0
for host in middle last; do
  expect 0 hde stop --graph "rolling.$host"
  ended "${pid[$host]}" 0
done
for name in near half far; do
  awk '$2 != NR - 1 || $3 != $2 { print FILENAME ": line " NR " has " $0; exit 1 }
       $1 < tick { print FILENAME ": line " NR " goes back"; exit 1 } { tick = $1 }' "$name.lines" ||
    fail "$name has a gap, or something twice"
  [ "$(tail -n 1 "$name.lines" | cut -d' ' -f4)" = v2 ] || fail "$name does not run the new version"
  [ "$(head -n 1 "$name.lines" | cut -d' ' -f4)" = v1 ] || fail "$name has begun with another version"
done
echo "$(cat ./*.lines | wc -l) lines, no gap"
