#!/usr/bin/env bash
# Live change of market graphs: nothing of an untouched node is missing or double, a recorded run
# with changes is given again byte by byte, and a start from a checkpoint goes on with the graph that
# ran before it takes the file for a change.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"
cp -r "$HDE_SOURCE/graphs" graphs

# ---- the demo, live ---------------------------------------------------------------------------
market=(--set vars.port=0 --set vars.simulator_port=18990 --set vars.store="$TMP/a.db"
  --set ingestion.dhan.interval=100ms)
sed -i "s|^  console: .*|  raw: {op: storage/jsonl, params: {path: $TMP/raw.jsonl}}|;
  s|.*processing.enriched -> console.*|  - ingestion.chains -> raw|" graphs/demo.yaml
apply() { # CODE ARGUMENT...: after some more chains
  more_than "$(($(wc -l <raw.jsonl) + 5))" || fail "no chains arrive"
  expect "$1" hde apply graphs/demo.yaml "${market[@]}" "${@:2}"
}
more_than() { until_true 20 eval "[ \$(wc -l <raw.jsonl) -gt $1 ]"; }

engine demo graphs/demo.yaml "${market[@]}"
until_true 20 test -s raw.jsonl || fail "no chains"
sed -i 's/max_spread: 40%/max_spread: 20%/' graphs/processing.yaml
apply 0
has out "reconfigure  processing.clean"
sed -i 's|^  velocity: .*|&\n  slow: {op: analytics/velocity, params: {window: 30s}}|;
  s/velocity.in,/velocity.in, slow.in,/; s/velocity.out,/velocity.out, slow.out,/' graphs/analytics.yaml
apply 0
has out "add     analytics.slow"
for replicas in 3 2; do
  sed -i -E "s/(cumulative_oi: \{op: analytics.cumulative_oi).*/\1, replicas: $replicas, key: feed}/" \
    graphs/analytics.yaml
  apply 0
  has out "split   analytics.cumulative_oi  kept"
done
sed -i '/^  slow:/d; s/ slow.in,//; s/ slow.out,//' graphs/analytics.yaml
apply 1
has err HDE-R052
has err "analytics.slow"
apply 0 --drop-state
has out "remove  analytics.slow"
expect 0 hde status --json
jq -e '[.nodes[].name] | index("analytics.slow") == null' <out >/dev/null || fail "slow is there"
expect 0 hde rollback
has out "add     analytics.slow"
expect 0 hde history --json
jq -e '[.changes[] | select(.state == "CHANGE_STATE_DONE")] | length == 6' <out >/dev/null ||
  fail "six changes"
more_than "$(($(wc -l <raw.jsonl) + 5))"
expect 0 hde drain
ended "$PID" 0
jq -e -s 'group_by(.feed) | all(map(.sequence) | . == [range(.[0]; .[0] + length)])' \
  <raw.jsonl >/dev/null || fail "a chain is missing or double"

# ---- recorded ---------------------------------------------------------------------------------
cp -r "$HDE_SOURCE/graphs/." graphs
cat >market.yaml <<'YAML'
hde: 1
graph: market
record: {to: kept, hashes: 100ms}
include:
  processing: {chain: graphs/processing.yaml}
  analytics: {chain: graphs/analytics.yaml}
nodes:
  near: {op: ingestion/synthetic, params: {symbols: [NIFTY], step: 10ms, paced: true, snapshots: 150}}
  far: {op: ingestion/synthetic, params: {symbols: [BANKNIFTY], step: 15ms, paced: true, snapshots: 100}}
  chains: {op: storage/jsonl, params: {path: chains.jsonl}}
  results: {op: storage/jsonl, params: {path: results.jsonl}}
edges:
  - "[near, far] -> processing.chains"
  - processing.enriched -> analytics.enriched
  - processing.enriched -> chains
  - analytics.results -> results
YAML
engine recorded market.yaml
until_true 20 test -s chains.jsonl || fail "no chains"
sed -i 's/cumulative_oi: {op: analytics.cumulative_oi}/cumulative_oi: {op: analytics\/cumulative_oi, replicas: 3, key: feed}/' \
  graphs/analytics.yaml
expect 0 hde apply market.yaml
sed -i '/^  vix: /d; s/-> vix //' graphs/processing.yaml
expect 0 hde apply market.yaml --drop-state
ended "$PID" 0
[ "$(wc -l <chains.jsonl)" = 250 ] || fail "not 250 chains"
mkdir run1 && mv chains.jsonl results.jsonl run1/
for workers in 1 3; do
  rm -f chains.jsonl results.jsonl
  expect 0 hde replay kept --workers $workers
  cmp run1/chains.jsonl chains.jsonl || fail "chains differ with $workers workers"
  cmp run1/results.jsonl results.jsonl || fail "results differ with $workers workers"
done

expect 0 hde replay kept --verify # hashes go on over the changes
has out "equal"

# ---- from a checkpoint ------------------------------------------------------------------------
cp -r "$HDE_SOURCE/graphs/." graphs
sed -i 's/^record: .*/checkpoint: {every: 100ms, store: store}/; s/snapshots: 150/snapshots: 250/;
  s/  chains: .*/  db: {op: storage\/sqlite, params: {path: market.db}}/; /^  results: /d;
  s/enriched -> chains/enriched -> db.snapshots/; s/results -> results/results -> db.results/' market.yaml
rows() { [ "$(sqlite3 market.db 'select count(*) from chain_metrics' 2>&1)" -gt "$1" ]; }
crash() { kill -9 "$PID" && wait "$PID" 2>/dev/null; }
engine first market.yaml
until_true 20 rows 10 || fail "no rows"
sed -i 's/cumulative_oi: {op: analytics.cumulative_oi}/cumulative_oi: {op: analytics\/cumulative_oi, replicas: 3, key: feed}/' \
  graphs/analytics.yaml
expect 0 hde apply market.yaml
crash
sed -i 's/max_spread: 40%/max_spread: 30%/' graphs/processing.yaml
engine second market.yaml
until_true 20 grep -q apply.done second.err || fail "the file is no change"
grep -q "1 of 43 nodes and edges changed" second.err || fail "not one parameter alone"
crash
sed -i '/^  vix: /d; s/-> vix //' graphs/processing.yaml
engine third market.yaml
until_true 20 grep -q "apply.refused.*HDE-R052" third.err || fail "state was dropped"
expect 0 hde apply market.yaml --drop-state
ended "$PID" 0
[ "$(sqlite3 market.db 'select count(*) from chain_metrics')" = 350 ] || fail "rows lost or doubled"
