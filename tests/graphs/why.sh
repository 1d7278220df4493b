#!/usr/bin/env bash
# From a stored row to the entry that caused it, and its way through the nodes.
. "$HDE_SOURCE/tests/support/cli.sh"

cp -r "$HDE_SOURCE/graphs" graphs
cat >market.yaml <<'YAML'
hde: 1
graph: market
checkpoint: {every: 100ms, store: kept}
include:
  processing: {chain: graphs/processing.yaml}
  analytics: {chain: graphs/analytics.yaml}
nodes:
  near: {op: ingestion/synthetic, params: {symbols: [NIFTY], step: 20ms, paced: true, snapshots: 40}}
  far: {op: ingestion/synthetic, params: {symbols: [BANKNIFTY], step: 30ms, paced: true, snapshots: 30}}
  store: {op: storage/sqlite, params: {path: market.db}}
edges:
  - "[near, far] -> processing.chains"
  - processing.enriched -> analytics.enriched
  - processing.enriched -> store.snapshots
  - analytics.results -> store.results
YAML
expect 0 hde run market.yaml
rows=$(sqlite3 market.db 'SELECT count(*) FROM option_chain_snapshots')

# a row by its natural key
for row in 5 25; do
  read -r feed expiry stamp pcr < <(sqlite3 -separator ' ' market.db "SELECT feed, expiry, event_ns,
    printf('%.12g', pcr_oi) FROM chain_metrics WHERE feed LIKE 'NSE:NIFTY@%' ORDER BY event_ns LIMIT 1 OFFSET $row")
  expect 0 hde why "feed=$feed,expiry=$expiry,event_ns=$stamp" kept/log --json
  [ "$(jq -r .entry.kind,.entry.node out | xargs)" = "source near" ] || fail "not the source's entry"
  [ "$(jq -r '.entry.messages[0].message | [.feed, .expiry] | join(" ")' out)" = "$feed $expiry" ] ||
    fail "another chain"
  [ "$(jq -r '.emitted[] | select(.to | index("store")) | .node' out | head -n 1)" = processing.reversal ] ||
    fail "the way to the store is not there"
  got=$(jq '.emitted[] | select(.node == "processing.reversal").message.metrics.pcr.oi' out)
  awk -v a="$pcr" -v b="$got" 'BEGIN { exit !(a - b < 1e-9 && b - a < 1e-9) }' || fail "$pcr and $got"
done
tick=$(jq .tick out)
expect 0 hde why "$tick" kept/log
has out "tick $tick: source 'near', "
has out '"feed"'
has out "processing.clean.out (hde.EnrichedChain"
has out "-> processing.forward"
[ "$rows" = "$(sqlite3 market.db 'SELECT count(*) FROM option_chain_snapshots')" ] || fail "it wrote rows"

expect 65 hde why feed=none,event_ns=1 kept/log
has err HDE-R087
expect 65 hde why 17 kept/log
has err HDE-R087
expect 64 hde why nonsense kept/log

