#!/usr/bin/env bash
# A live run over HTTP against the simulator: its replay at full speed is equal by every hash, and a
# plugin that was changed on purpose is named.
#   HDE_LIVE_SECONDS=N   how long the run is (6)
. "$HDE_SOURCE/tests/support/cli.sh"

seconds=${HDE_LIVE_SECONDS:-6}
plugins=$HDE_BIN/../tests/changed
cp -r "$HDE_SOURCE/graphs" graphs
hde simulate --interval 0 >simulator &
CHILDREN=("$!")
until_true 30 grep -q 'http://' simulator || fail "the simulator does not listen"
url=$(grep -o 'http://[0-9.:]*' simulator | head -n 1)
cat >live.yaml <<YAML
hde: 1
graph: live
record: {to: log, hashes: 500ms}
include:
  one:
    chain: graphs/ingestion.yaml
    with:
      base_url: $url/v2
      client_id: a
      token: "\${SIMULATOR_TOKEN:-a}"
      token_file: ""
      underlyings: [NIFTY]
      interval: 300ms
      spacing: 20ms
      calendar: always
      source: simulator
  two:
    chain: graphs/ingestion.yaml
    with:
      base_url: $url/v2
      client_id: b
      token: "\${SIMULATOR_TOKEN:-b}"
      token_file: ""
      underlyings: [BANKNIFTY]
      interval: 400ms
      spacing: 20ms
      calendar: always
      source: simulator
  processing: {chain: graphs/processing.yaml}
  analytics: {chain: graphs/analytics.yaml, with: {window: 10s, interval: 5s}}
  storage: {chain: graphs/storage.yaml, with: {store: live.db}}
nodes:
  results: {op: storage/jsonl, params: {path: results.jsonl}}
edges:
  - "[one.chains, two.chains] -> processing.chains"
  - processing.enriched -> analytics.enriched
  - processing.enriched -> storage.snapshots
  - analytics.results -> storage.results
  - analytics.results -> results
YAML

expect 0 hde run live.yaml --for "${seconds}s"
cp err run.err
[ "$(sqlite3 live.db 'SELECT count(*) FROM option_chain_snapshots')" -gt $((seconds * 100)) ] ||
  fail "next to nothing was stored"
mv results.jsonl run.jsonl
expect 0 hde replay log --verify
has out "equal: "
cat out
expect 0 hde replay log --verify --workers 1
expect 0 hde replay log --set storage.sqlite.path=again.db
cmp run.jsonl results.jsonl || fail "the replay writes other results"

# built from the same file, and open interest of puts counts a hundredth more
expect 1 hde replay log --verify --own-builds --plugins "$plugins"
has out "different: node 'processing.pcr', output 'out'"
expect 1 hde bisect log --good "$HDE_BIN/../lib/hde/plugins/processing-pcr.so" --bad "$plugins/pcr.so"
has out "processing.pcr"
has out "metrics.pcr.oi"
cat out
