#!/usr/bin/env bash
# A graph over two topics, all of it in one process and then a process a stage: kill -9 at random
# moments of processes and of the broker; the tables are those of a run that nobody disturbed.
#   HDE_KILLS=N   kills in each of the two (4); HDE_SEED=N
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"
. "$HDE_SOURCE/tests/support/broker.sh"
kills=${HDE_KILLS:-4}
((kills <= 6)) || kills=6 # a start takes seconds here
RANDOM=${HDE_SEED:-$$}
echo "HDE_SEED=${HDE_SEED:-$$}"
cp -r "$HDE_SOURCE/graphs" graphs
brokers 1

graph() { # NAME
  cat <<YAML
hde: 1
graph: $1
checkpoint: {every: 200ms, store: $1/kept}
delivery: effectively_once
kafka: {brokers: "\${KAFKA_BROKERS}", replication: "\${KAFKA_REPLICATION:-2}"}
include:
  processing: {chain: graphs/processing.yaml}
nodes:
  market: {op: ingestion/synthetic, params: {symbols: [NIFTY, BANKNIFTY, FINNIFTY], step: 20ms, paced: true, snapshots: 200}}
  store: {op: storage/sqlite, params: {path: $1/market.db}}
edges:
  - {path: market -> processing.chains, via: "kafka:$1.raw"}
  - {path: processing.enriched -> store.snapshots, via: "kafka:$1.enriched"}
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
rows() { sqlite3 -readonly "$1" "SELECT count(*) FROM option_chain_snapshots"; }
has_rows() { [ "$(rows "$1")" = "$2" ]; }

mkdir calm one three
graph calm | sed 's/ paced: true,//; s/, via:.*"}/}/' >calm.yaml # straight
expect 0 hde run calm.yaml
tables calm/market.db >want
all=$(rows calm/market.db)
[ "$all" -gt 500 ] || fail "the undisturbed run stored next to nothing"

compare() { # NAME
  tables "$1/market.db" >got
  cmp want got || { diff want got | cut -c1-150 | head -8; fail "$1: the tables differ"; }
  echo "$1: $kills kills, $(grep -vc '^==' got) rows, 0 differ"
}

# ---- one process
graph one >one.yaml
for ((i = 1; i <= kills; i++)); do
  engine one one.yaml
  read -rt "0.$((RANDOM % 9 + 1))" <> <(:) || : # drawn, nothing is waited for
  kill -KILL "$PID" 2>/dev/null || fail "the run ended by itself before kill $i"
  wait "$PID" 2>/dev/null
done
engine one one.yaml
until_true 60 has_rows one/market.db "$all" || fail "one process: $(rows one/market.db) of $all rows"
expect 0 hde drain
ended "$PID" 0
compare one

# ---- a process a stage
graph three >three.yaml
declare -A pid
stage() {
  engine "$1" three.yaml --stage "$1"
  pid[$1]=$PID
}
for name in store processing market; do stage "$name"; done
names=(processing market broker store)
for ((i = 1; i <= kills; i++)); do
  name=${names[i % 4]}
  read -rt "0.$((RANDOM % 9 + 1))" <> <(:) || :
  if [ "$name" = broker ]; then
    kafka_kill 0
    kafka_again 0 || fail "the broker does not come back"
  elif ! gone "${pid[$name]}"; then
    kill -KILL "${pid[$name]}"
    wait "${pid[$name]}" 2>/dev/null
    stage "$name"
  elif [ "$name" != market ]; then # whose data has an end
    cat "$name.err"
    fail "stage $name has ended by itself"
  fi
  echo "killed: $name"
done
until_true 60 has_rows three/market.db "$all" || fail "three: $(rows three/market.db) of $all rows"
for name in market processing store; do
  gone "${pid[$name]}" || expect 0 hde drain --pid "${pid[$name]}"
  ended "${pid[$name]}" 0
done
compare three
