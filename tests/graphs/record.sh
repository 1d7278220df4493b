#!/usr/bin/env bash
# A market graph that is recorded is given again by its log: the same bytes, and nothing is asked.
. "$HDE_SOURCE/tests/support/cli.sh"

cp -r "$HDE_SOURCE/graphs" graphs
cat >market.yaml <<'YAML'
hde: 1
graph: market
record: {to: kept, hashes: 100ms}
include:
  processing: {chain: graphs/processing.yaml}
  analytics: {chain: graphs/analytics.yaml}
nodes:
  near: {op: ingestion/synthetic, params: {symbols: [NIFTY], step: 20ms, paced: true, snapshots: 60}}
  far: {op: ingestion/synthetic, params: {symbols: [BANKNIFTY], step: 30ms, paced: true, snapshots: 40}}
  chains: {op: storage/jsonl, params: {path: chains.jsonl}}
  results: {op: storage/jsonl, params: {path: results.jsonl}}
edges:
  - "[near, far] -> processing.chains"
  - processing.enriched -> analytics.enriched
  - processing.enriched -> chains
  - analytics.results -> results
YAML

expect 0 hde check --strict market.yaml
expect 0 hde run market.yaml
[ "$(wc -l <chains.jsonl)" = 100 ] || fail "not 100 chains"
[ -d kept ] || fail "no log where record: says"
mkdir run && mv chains.jsonl results.jsonl run/

expect 0 hde replay kept
cmp run/chains.jsonl chains.jsonl || fail "chains differ"
cmp run/results.jsonl results.jsonl || fail "results differ"
expect 0 hde replay kept --workers 1 --set chains.path=again.jsonl
cmp run/chains.jsonl again.jsonl || fail "chains differ with one worker"

# and by its hashes, without writing anything; another rate is another run
rm chains.jsonl
for workers in 1 3; do
  expect 0 hde replay kept --verify --workers $workers
  has out "left out: near (source), far (source), chains (sink), results (sink)"
  has out "equal: "
done
[ ! -e chains.jsonl ] || fail "verifying wrote something"
expect 1 hde replay kept --verify --json --set processing.forward.rate=0.09
[ "$(jq -r '.equal, .difference.node' "$TMP/out" | xargs)" = "false processing.forward" ] ||
  fail "the changed node was not named"
sed -i 's/record: .*/record: bare/' market.yaml
expect 0 hde run market.yaml --set near.snapshots=3 --set far.snapshots=3
expect 65 hde replay bare --verify
has err HDE-R080

# another folder; a second run in it is the one that is given again
expect 0 hde record market.yaml --to other --set near.snapshots=5 --set far.snapshots=5
rm chains.jsonl
expect 0 hde record market.yaml --to other --set near.snapshots=7 --set far.snapshots=7
mv chains.jsonl second.jsonl
expect 0 hde replay other
[ "$(wc -l <chains.jsonl)" = 14 ] || fail "not the second run, or not its --set"
cmp second.jsonl chains.jsonl || fail "the second run differs"

# a graph that does not fit
sed -i -e '/^  far:/d' -e 's/"\[near, far\] -> /"near -> /' market.yaml
expect 1 hde replay kept --graph market.yaml
has err HDE-R012
has err "this graph has no 'far'"
rm chains.jsonl
expect 0 hde replay kept # the graph that ran is in the log
cmp run/chains.jsonl chains.jsonl || fail "the file of the graph was taken for the one that ran"
mkdir empty
expect 66 hde replay empty
has err HDE-R012
