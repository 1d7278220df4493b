#!/usr/bin/env bash
# A second instance on the same store takes over: the first one is stopped and says why, the second
# goes on from its log, no row is lost or doubled.
. "$HDE_SOURCE/tests/support/cli.sh"
export HDE_GRAPH=takeover # others may run meanwhile

cat >market.yaml <<YAML
hde: 1
graph: takeover
checkpoint: {every: 200ms, store: kept}
nodes:
  feed: {op: ingestion/synthetic, params: {symbols: [NIFTY], step: 5ms, paced: true, snapshots: 1000000}}
  store: {op: storage/sqlite, params: {path: market.db}}
edges: [feed -> store.snapshots]
YAML
stored() { sqlite3 market.db "SELECT COUNT(DISTINCT event_ns) FROM option_chain_snapshots" 2>/dev/null || echo 0; }
has_stored() { [ "$(stored)" -ge "$1" ]; }
has_ended() { ! kill -0 "$1"; }

hde run market.yaml >out1 2>err1 &
first=$!
CHILDREN=("$first")
until_true 20 has_stored 20 || fail "nothing is stored"
expect 1 hde run --no-takeover market.yaml
has err "HDE-R097"
has err "process $first on"
kill -0 "$first" || fail "the first one was stopped by one that was told not to"

hde run market.yaml >out2 2>err2 &
second=$!
CHILDREN+=("$second")
until_true 20 has_ended "$first" || fail "the first one goes on"
wait "$first"
[ $? = 1 ] || fail "the first one did not fail"
has err1 "HDE-R097"
has err1 "process $second on"
has err1 "takes over the store"
until_true 20 grep -q "taken again" err2 || fail "the second one does not take the log"
has err2 "process $first on"
before=$(stored)
until_true 20 has_stored $((before + 20)) || fail "the second one does not go on"
expect 0 hde drain
wait "$second" || fail "the second one failed"
CHILDREN=()
missing=$(sqlite3 market.db "SELECT (MAX(event_ns) - MIN(event_ns)) / 5000000 + 1 -
  COUNT(DISTINCT event_ns) FROM option_chain_snapshots")
[ "$missing" = 0 ] || fail "$missing snapshots are missing"
expect 0 hde log verify kept/log
[ ! -e kept/challenge ] || fail "the challenge was left"
