#!/usr/bin/env bash
# kill -9 of hde and of PostgreSQL at random moments: the tables are those of a run that nobody
# disturbed, and the graph does not wait for a database that is away.
#   HDE_KILLS=N   kills of each (3); HDE_SEED=N
. "$HDE_SOURCE/tests/support/cli.sh"

kills=${HDE_KILLS:-3}
((kills <= 20)) || kills=20
RANDOM=${HDE_SEED:-$$}
echo "HDE_SEED=${HDE_SEED:-$$}"
coproc SERVER { exec bash "$HDE_SOURCE/tests/support/postgres.sh" hold; }
end_server() { # it ends at the end of its input
  local status=$?
  eval "exec ${SERVER[1]}>&-"
  return $status
}
trap 'end_server; finish' EXIT
read -r word address <&"${SERVER[0]}" || { wait "$SERVER_PID"; exit $?; }
[ "$word" = ready ] || fail "the server said '$word'"
server() { # WORD: kill, start
  local answer
  echo "$1" >&"${SERVER[1]}"
  read -r answer <&"${SERVER[0]}" && [ "$answer" = ok ] || fail "$1: the server said '$answer'"
}
sql() { # DATABASE SQL
  psql -XAtqd "${address% dbname=*} dbname=$1" -c "$2" || fail "psql: $2"
}
cp -r "$HDE_SOURCE/graphs" graphs
snapshots=$((kills * 400)) # more than the runs take, on a slow machine too

graph() { # DATABASE, more of the sources
  cat <<YAML
hde: 1
graph: market
checkpoint: {every: 100ms, store: $1/kept}
include:
  processing: {chain: graphs/processing.yaml}
  storage: {chain: graphs/postgres.yaml, with: {address: "${address% dbname=*} dbname=$1"}}
nodes:
  near: {op: ingestion/synthetic, params: {symbols: [NIFTY], step: 10ms, $2 snapshots: $snapshots}}
  far: {op: ingestion/synthetic, params: {symbols: [BANKNIFTY], step: 10ms, $2 snapshots: $snapshots}}
edges:
  - "[near, far] -> processing.chains"
  - {path: processing.enriched -> storage.snapshots, full: spill, capacity: 8}
YAML
}

tables() { # DATABASE: every row of every table and rollup, sorted
  local table
  for table in $(sql "$1" "SELECT hde_timed() UNION SELECT 'chains' UNION SELECT 'option_chain_5m'
    UNION SELECT 'chain_metrics_1h' ORDER BY 1"); do
    echo "== $table"
    sql "$1" "SELECT * FROM $table" | sort
  done
}

for database in calm killed; do
  sql hde "CREATE DATABASE $database"
  mkdir $database
done
graph calm '' >calm.yaml
expect 0 hde run calm.yaml
tables calm >want
[ "$(grep -c . want)" -gt 500 ] || fail "the undisturbed run stored next to nothing"

graph killed 'paced: true,' >killed.yaml
for ((i = 1; i <= 2 * kills; i++)); do
  hde run killed.yaml >out 2>err &
  child=$!
  CHILDREN=("$child")
  until_true 20 grep -q control err || fail "it does not come up"
  read -rt "0.$((RANDOM % 5))$((RANDOM % 10))" <> <(:) || : # drawn, nothing is waited for
  if ((i % 2)); then
    server kill
    until_true 20 grep -q 'postgres.away' err || fail "nobody says that the database is away"
    if ((i % 4 == 1)); then # it comes back, and hde goes on
      server start
      before=$(sql killed "SELECT count(*) FROM chain_metrics")
      goes_on() { [ "$(sql killed "SELECT count(*) FROM chain_metrics")" -gt "$before" ]; }
      until_true 20 goes_on || fail "it does not go on when the database is back"
    fi
  fi
  kill -KILL "$child" 2>/dev/null || fail "the run ended by itself before kill $i"
  wait "$child" 2>/dev/null
  CHILDREN=()
  cat err >>said
  ((i % 4 != 3)) || server start
done
expect 0 hde run killed.yaml
cat err >>said
grep -q "taken again" said || fail "no start took up what was there"
tables killed >got
cmp want got || { diff want got | cut -c1-150 | head -8; fail "tables differ after $kills kills of each"; }
echo "$((2 * kills)) kills of hde, $kills of PostgreSQL, $(grep -vc '^==' got) rows, 0 differ"
