#!/usr/bin/env bash
# A graph in parts: kill -9 at random moments, and a store that hangs behind a link.
#   HDE_KILLS=N   kills of each kind of link (3); HDE_SEED=N
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"

kills=${HDE_KILLS:-3}
RANDOM=${HDE_SEED:-$$}
echo "HDE_SEED=${HDE_SEED:-$$}"
cp -r "$HDE_SOURCE/graphs" graphs
snapshots=$((kills * 50))

graph() { # FOLDER, settings of the links, more of the sources
  cat <<YAML
hde: 1
graph: market
checkpoint: {every: 100ms, store: $1/kept}
include:
  processing: {chain: graphs/processing.yaml}
nodes:
  near: {op: ingestion/synthetic, params: {symbols: [NIFTY], step: 10ms, $3 snapshots: $snapshots}}
  far: {op: ingestion/synthetic, params: {symbols: [BANKNIFTY], step: 10ms, $3 snapshots: $snapshots}}
  store: {op: storage/sqlite, params: {path: $1/market.db}}
edges:
  - "[near, far] -> processing.chains"
  - {path: processing.enriched -> store.snapshots, $2}
YAML
}

tables() { # DATABASE: every row of every table, sorted
  local table
  for table in $(sqlite3 "$1" "SELECT name FROM sqlite_master WHERE type = 'table' AND
    name NOT LIKE 'hde_%' AND name NOT LIKE 'sqlite_%' ORDER BY name"); do
    echo "== $table"
    sqlite3 "$1" "SELECT * FROM $table" | sort
  done
}

mkdir calm
graph calm 'full: block' '' >calm.yaml
expect 0 hde run calm.yaml
tables calm/market.db >want
[ "$(grep -c . want)" -gt 500 ] || fail "the undisturbed run stored next to nothing"

for links in 'full: spill, capacity: 8' 'durable: journal, capacity: 8'; do
  dir=${links%%:*}
  mkdir "$dir"
  graph "$dir" "$links" 'paced: true,' >"$dir.yaml"
  for ((i = 1; i <= kills; i++)); do
    hde run "$dir.yaml" >out 2>err &
    child=$!
    CHILDREN=("$child")
    # every other one while it comes up, the others when it runs
    [ $((i % 2)) = 0 ] || until_true 20 grep -q control err || fail "it does not come up"
    read -rt "0.$((RANDOM % 5))$((RANDOM % 10))" <> <(:) || : # drawn, nothing is waited for
    kill -KILL "$child" 2>/dev/null || { cat err >&2; fail "the run ended by itself before kill $i"; }
    wait "$child" 2>/dev/null
    CHILDREN=()
    cat err >>said
  done
  expect 0 hde run "$dir.yaml"
  cat err >>said
  grep -q "taken again" said || fail "no start took up what was there"
  rm said
  tables "$dir/market.db" >got
  cmp want got || { diff want got | cut -c1-150 | head -8; fail "$links: tables differ after $kills kills"; }
  expect 0 hde log verify "$dir/kept/log/near"
  expect 0 hde log verify "$dir/kept/log/store"
  for journal in "$dir"/kept/links/*; do
    expect 0 hde log ls "$journal"
    expect 0 hde log verify "$journal"
  done
  echo "$links: $kills kills, $(grep -vc '^==' got) rows, 0 differ"
done

# a savepoint of both parts: taken while it runs, restored after a kill; the tables are those of the
# undisturbed run, although the store has rows from behind the cut
mkdir saved
graph saved 'durable: journal, capacity: 8' 'paced: true,' >saved.yaml
has_rows() { [ "$(sqlite3 -readonly saved/market.db 'SELECT count(*) FROM chain_metrics' 2>/dev/null || echo 0)" -ge "$1" ]; }
engine saved saved.yaml
until_true 30 has_rows 20 || fail "nothing is stored"
expect 0 hde savepoint take early
until_true 30 has_rows 40 || fail "the graph does not go on"
kill -KILL "$PID"
wait "$PID" 2>/dev/null
expect 0 hde savepoint ls saved.yaml --json
[ "$(jq -r '.savepoints[0] | select(.ok) | .name' out)" = early ] || fail "it is not listed"
expect 0 hde savepoint check early saved.yaml
has out "fits this graph"
sed 's/durable: journal/full: block/' saved.yaml >whole.yaml
expect 1 hde savepoint check early whole.yaml
has out "has 2 parts, and the graph has 1"
expect 0 hde savepoint restore early saved.yaml
expect 0 hde run saved.yaml
tables saved/market.db >got
cmp want got || { diff want got | cut -c1-150 | head -8; fail "tables differ after the restore"; }
