#!/usr/bin/env bash
# A graph in parts: changed while it runs, killed, explained over its links, verified, bisected.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"

cp -r "$HDE_SOURCE/graphs" graphs
graph() { # what it keeps, snapshots
  cat <<YAML
hde: 1
graph: market
$1
include:
  processing: {chain: graphs/processing.yaml}
  analytics: {chain: graphs/analytics.yaml}
nodes:
  near: {op: ingestion/synthetic, params: {symbols: [NIFTY], step: 10ms, paced: true, snapshots: $2}}
  store: {op: storage/sqlite, params: {path: market.db}}
edges:
  - near -> processing.chains
  - {path: processing.enriched -> analytics.enriched, full: spill, capacity: 16}
  - {path: processing.enriched -> store.snapshots, full: spill, capacity: 16}
  - analytics.results -> store.results
YAML
}
rows() { sqlite3 -readonly market.db 'SELECT count(*) FROM chain_metrics' 2>/dev/null || echo 0; }
has_rows() { [ "$(rows)" -ge "$1" ]; }

# ---- changed, and killed right behind that: what the file says by then goes on ------------------
graph 'checkpoint: {every: 100ms, store: kept}' 300 >market.yaml
engine first market.yaml
until_true 30 has_rows 20 || fail "nothing is stored"
sed -i 's/max_spread: 40%/max_spread: 30%/' graphs/processing.yaml
sed -i 's/cumulative_oi: {op: analytics.cumulative_oi}/cumulative_oi: {op: analytics\/cumulative_oi, on_error: skip}/' graphs/analytics.yaml
expect 0 hde plan market.yaml
expect 0 hde apply market.yaml
has out "done: stood still for"
expect 0 hde rollback
expect 0 hde apply market.yaml
expect 0 hde history --json
[ "$(jq -c '[.changes[].plan.changes]' out)" = '[2,2,2,2]' ] || fail "not two nodes in each change"
kill -KILL "$PID"
wait "$PID" 2>/dev/null
engine second market.yaml
until_true 30 has_rows 60 || fail "it does not go on"
! grep -q apply second.err || fail "recovery began with another graph than the one that ran"
sed -i 's/max_spread: 30%/max_spread: 20%/' graphs/processing.yaml
kill -KILL "$PID"
wait "$PID" 2>/dev/null
engine third market.yaml # the file says something else by now
until_true 30 grep -q "apply.done" third.err || fail "the file is no change"
sed 's/, capacity: 16}/}/' market.yaml >links.yaml
expect 1 hde apply links.yaml
has err HDE-R051
ended "$PID" 0
[ "$(rows)" = 300 ] || fail "$(rows) rows instead of 300"

# ---- why: from a row behind a link to the entry in the other part -----------------------------
read -r feed expiry stamp < <(sqlite3 -separator ' ' market.db \
  "SELECT feed, expiry, event_ns FROM chain_metrics ORDER BY event_ns LIMIT 1 OFFSET 100")
expect 0 hde why "feed=$feed,expiry=$expiry,event_ns=$stamp" kept/log --json
[ "$(jq -r '[.. | objects | select(has("entry")) | .part] | last' out)" = near ] || fail "another part"
[ "$(jq -r '[.. | objects | select(has("entry")) | .entry.node] | last' out)" = near ] ||
  fail "not the entry of the source"

# ---- verified: every part against its own log, also over a change -------------------------------
cp -r "$HDE_SOURCE/graphs/." graphs
rm -rf market.db* kept
graph 'record: {to: rec, hashes: 50ms}' 150 >market.yaml
engine recorded market.yaml
until_true 30 has_rows 20 || fail "nothing is stored"
sed -i 's/max_spread: 40%/max_spread: 30%/' graphs/processing.yaml
expect 0 hde apply market.yaml
ended "$PID" 0
[ "$(rows)" = 150 ] || fail "$(rows) rows instead of 150"
for workers in 1 3; do
  expect 0 hde replay rec --verify --workers $workers
  has out "equal"
done
pcr=$HDE_BIN/../lib/hde/plugins/processing-pcr.so
cp "$pcr" pcr.so # the same build: every part gives what it gave
expect 0 hde bisect rec --good "$pcr" --bad pcr.so
