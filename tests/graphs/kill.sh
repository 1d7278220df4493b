#!/usr/bin/env bash
# kill -9 at random moments and at each place of base/fault.h: the tables are those of a run that
# nobody disturbed.
#   HDE_KILLS=N   kills (14); HDE_SEED=N
. "$HDE_SOURCE/tests/support/cli.sh"

kills=${HDE_KILLS:-14}
RANDOM=${HDE_SEED:-$$}
echo "HDE_SEED=${HDE_SEED:-$$}"
cp -r "$HDE_SOURCE/graphs" graphs
snapshots=$((kills * 70))
cat >market.yaml <<YAML
hde: 1
graph: market
checkpoint: {every: 100ms, store: kept}
include:
  processing: {chain: graphs/processing.yaml}
  analytics: {chain: graphs/analytics.yaml}
nodes:
  near: {op: ingestion/synthetic, params: {symbols: [NIFTY], step: 10ms, paced: true, snapshots: $snapshots}}
  far: {op: ingestion/synthetic, params: {symbols: [BANKNIFTY], step: 10ms, paced: true, snapshots: $snapshots}}
  store: {op: storage/sqlite, params: {path: market.db}}
  lines: {op: storage/jsonl, params: {path: market.jsonl, fields: [feed, expiry, event_ns, spot, underlying]}}
edges:
  - "[near, far] -> processing.chains"
  - processing.enriched -> analytics.enriched
  - processing.enriched -> store.snapshots
  - analytics.results -> store.results
  - "[processing.enriched, analytics.results] -> lines"
YAML

tables() { # DATABASE: every row of every table, sorted
  local table
  for table in $(sqlite3 "$1" "SELECT name FROM sqlite_master WHERE type = 'table' AND
    name NOT LIKE 'hde_%' AND name NOT LIKE 'sqlite_%' ORDER BY name"); do
    echo "== $table"
    sqlite3 "$1" "SELECT * FROM $table" | sort
  done
}

mkdir calm && sed 's/store: kept/store: calm\/kept/; s/path: market.db/path: calm\/market.db/; s/path: market.jsonl/path: calm\/market.jsonl/; s/step: 10ms, paced: true/step: 10ms/' \
  market.yaml >calm.yaml
expect 0 hde check --delivery market.yaml
has out "store: effectively_once"
has out "lines: effectively_once"
expect 0 hde check --delivery market.yaml --set lines.path=-
has out "lines: at_least_once"
expect 0 hde run calm.yaml
tables calm/market.db >want
[ "$(grep -c . want)" -gt 1000 ] || fail "the undisturbed run stored next to nothing"

places=(append fsync state-write epoch-commit sink-commit)
declare -A died
for ((i = 1; i <= kills; i++)); do
  place='' n=0
  if ((i % 2)); then
    place=${places[i / 2 % ${#places[@]}]} n=$((1 + RANDOM % 30))
    case $place in state-write | epoch-commit) n=$((1 + RANDOM % 6)) ;; esac
  fi
  env ${place:+HDE_FAULT="$place:$n"} hde run market.yaml >out 2>err &
  child=$!
  CHILDREN=("$child")
  if [ -z "$place" ]; then
    place=random
    read -rt "0.$((RANDOM % 5))$((RANDOM % 10))" <> <(:) || : # the moment is drawn, nothing is waited for
    kill -KILL "$child" 2>/dev/null || fail "the run ended by itself before kill $i"
  fi
  wait "$child" 2>/dev/null
  [ $? = 137 ] || fail "the run of kill $i ($place:$n) ended by itself"
  CHILDREN=()
  died[$place]=$((${died[$place]:-0} + 1))
done
expect 0 hde run market.yaml
has err "taken again"
tables market.db >got
cmp want got || { diff want got | cut -c1-150 | head -8; fail "tables differ after $kills kills"; }
sort calm/market.jsonl >want.lines
sort market.jsonl >got.lines
cmp want.lines got.lines || fail "lines differ after $kills kills"
expect 0 hde log verify kept/log
for place in random "${places[@]}"; do
  [ "${died[$place]:-0}" -gt 0 ] || ((kills < 2 * ${#places[@]})) || fail "nothing was killed at $place"
  echo "killed at $place: ${died[$place]:-0}"
done
echo "$kills kills, $(grep -vc '^==' got) rows, 0 differ"
