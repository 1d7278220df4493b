#!/usr/bin/env bash
# A viewer that stops reading costs messages of its own, and nothing of the graph.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"
. "$HDE_SOURCE/tests/control/graphs.sh"
engine flow ticks.yaml --set source.every=100us --set source.burst=100
hde tap sink.in >tapped 2>tap.err &
viewer=$!
CHILDREN+=("$viewer")
until_true 30 test -s tapped || fail "the tap shows nothing"
kill -STOP "$viewer"
seen() { hde status --json | jq '.nodes[] | select(.name == "sink").messages'; }
flows() { [ "$(seen)" -gt $((before + 20000)) ]; }
before=$(seen)
until_true 60 flows || fail "a stopped viewer stops the graph"
kill -CONT "$viewer"
lines=$(wc -l <tapped)
goes_on() { [ "$(wc -l <tapped)" -gt $((lines + 1000)) ]; }
until_true 30 goes_on || fail "the viewer does not go on"
kill -INT "$viewer"
ended "$viewer" 0
grep -qE '^[1-9][0-9]* messages came faster' tap.err || { cat tap.err; fail "drops are not counted"; }
head -n -1 tapped | jq -se 'map(.message.sequence | tonumber) | . == sort' >/dev/null ||
  fail "messages are out of order"
# one that is killed is forgotten, a while later: 16 places are free again
begin() {
  hde tap sink.in >tapped 2>/dev/null &
  viewer=$! # until_true has children of its own
  CHILDREN+=("$viewer")
}
shows() {
  test -s tapped && return
  kill -0 "$viewer" 2>/dev/null || begin # no place was free yet
  return 1
}
for i in $(seq 1 17); do
  begin
  until_true 30 shows || fail "tap $i shows nothing"
  kill -KILL "$viewer"
  wait "$viewer" 2>/dev/null
  : >tapped
done
expect 0 hde drain
ended "$PID" 0
