#!/usr/bin/env bash
# kill -9 of a graph that polls a service over HTTP, two sources merging: nothing can be asked twice,
# so the tables are those that the ingress log gives, row by row.
#   HDE_KILLS=N   kills (4); HDE_SEED=N
. "$HDE_SOURCE/tests/support/cli.sh"

kills=${HDE_KILLS:-4}
RANDOM=${HDE_SEED:-$$}
echo "HDE_SEED=${HDE_SEED:-$$}"
cp -r "$HDE_SOURCE/graphs" graphs
hde simulate --interval 0 >simulator &
CHILDREN=("$!")
until_true 30 grep -q 'http://' simulator || fail "the simulator does not listen"
url=$(grep -o 'http://[0-9.:]*' simulator | head -n 1)
source_of() { # SYMBOL INTERVAL
  cat <<YAML
    chain: graphs/ingestion.yaml
    with:
      base_url: $url/v2
      client_id: $1
      token: "\${SIMULATOR_TOKEN:-any}"
      token_file: ""
      underlyings: [$1]
      interval: $2
      spacing: 10ms
      calendar: always
      source: simulator
YAML
}
cat >market.yaml <<YAML
hde: 1
graph: market
checkpoint: {every: 100ms, store: kept, hashes: true}
include:
  one:
$(source_of NIFTY 60ms)
  two:
$(source_of BANKNIFTY 90ms)
  processing: {chain: graphs/processing.yaml}
  analytics: {chain: graphs/analytics.yaml, with: {window: 2s, interval: 1s}}
nodes:
  store: {op: storage/sqlite, params: {path: market.db}}
edges:
  - "[one.chains, two.chains] -> processing.chains"
  - processing.enriched -> analytics.enriched
  - processing.enriched -> store.snapshots
  - analytics.results -> store.results
YAML

tables() { # DATABASE: every row of every table, sorted
  local table
  for table in $(sqlite3 "$1" "SELECT name FROM sqlite_master WHERE type = 'table' AND
    name NOT LIKE 'hde_%' AND name NOT LIKE 'sqlite_%' ORDER BY name"); do
    echo "== $table"
    sqlite3 "$1" "SELECT * FROM $table" | sort
  done
}
chains() { sqlite3 -readonly market.db 'SELECT count(*) FROM chain_metrics' 2>/dev/null || echo 0; }
has_more() { [ "$(chains)" -gt "$before" ]; }

for ((i = 1; i <= kills; i++)); do
  before=$(chains)
  hde run market.yaml >out 2>err &
  child=$!
  CHILDREN+=("$child")
  until_true 60 has_more || fail "start $i stores nothing"
  read -rt "0.$((RANDOM % 5))$((RANDOM % 10))" <> <(:) || : # the moment is drawn, nothing is waited for
  kill -KILL "$child" 2>/dev/null || fail "the run ended by itself before kill $i"
  wait "$child" 2>/dev/null
done
expect 0 hde run market.yaml --for 1s
has err "taken again"
tables market.db >got
[ "$(grep -vc '^==' got)" -gt 1000 ] || fail "next to nothing was stored"

expect 0 hde replay kept/log --set store.path=again.db
tables again.db >want
cmp want got || { diff want got | cut -c1-150 | head -8; fail "the tables are not those of the log"; }
last=$(hde log cat kept/log | tail -n 1 | jq .tick)
expect 0 hde replay kept/log --verify --json
[ "$(jq .equal out)" = true ] || fail "the replay differs"
[ "$(($(jq .last_tick out) >> 40))" = "$((last >> 40))" ] || fail "the last start was not compared"
expect 0 hde replay kept/log --verify
echo "$kills kills, $(grep -vc '^==' got) rows, 0 differ; $(tail -n 1 out)"
