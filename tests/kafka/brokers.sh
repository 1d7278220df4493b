#!/usr/bin/env bash
# Three brokers, three copies of everything, two of them in sync: kill -9 of the leader of a topic
# while chains come. The outage is told in /readyz and metrics while it lasts, the graph goes on with
# the two that are left, and nothing is lost, nothing doubled, the order of each key kept.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"
. "$HDE_SOURCE/tests/support/broker.sh"
cp -r "$HDE_SOURCE/graphs" graphs
brokers 3 broker.session.timeout.ms=3000 broker.heartbeat.interval.ms=500

told() { fail "$*: $(hde status) $(tail -n 30 three.err | cut -c1-300)"; }

graph() { # NAME
  cat <<YAML
hde: 1
graph: $1
checkpoint: {every: 500ms, store: $1/kept}
kafka: {brokers: "\${KAFKA_BROKERS}", replication: 3}
include:
  processing: {chain: graphs/processing.yaml}
nodes:
  market: {op: ingestion/synthetic, params: {symbols: [NIFTY, BANKNIFTY, FINNIFTY], step: 50ms, paced: true, snapshots: 200}}
  store: {op: storage/sqlite, params: {path: $1/market.db}}
  lines: {op: storage/jsonl, params: {path: $1/raw.jsonl, by_type: none}}
edges:
  - {path: market -> processing.chains, via: "kafka:raw"}
  - {path: market -> lines, via: "kafka:raw"}
  - {path: processing.enriched -> store.snapshots, via: "kafka:enriched"}
YAML
}
rows() { sqlite3 -readonly "$1/market.db" "SELECT count(*) FROM option_chain_snapshots"; }
has_rows() { [ "$(rows "$1")" -ge "$2" ]; }
tables() {
  local table
  for table in $(sqlite3 "$1/market.db" "SELECT name FROM sqlite_master WHERE type = 'table' AND
    name NOT LIKE 'hde_%' AND name NOT LIKE 'sqlite_%' ORDER BY name"); do
    echo "== $table"
    sqlite3 "$1/market.db" "SELECT * FROM $table" | sort
  done
}

mkdir calm three
graph calm | sed 's/ paced: true,//; s/, via:.*"}/}/' >calm.yaml
expect 0 hde run calm.yaml
tables calm >want
all=$(rows calm)
[ "$all" -gt 10000 ] || fail "the undisturbed run stored next to nothing"

graph three >three.yaml
admin=127.0.0.1:$(kafka_port)
engine three three.yaml --admin "$admin"
readyz() { [ "$(curl -s -o ready -w '%{http_code}' "http://$admin/readyz")" = "$1" ]; }
is_ready() { readyz 200; }
is_not_ready() { readyz 503; }
away() { curl -s "http://$admin/metrics" | grep -c '^hde_node_held_up{.*} 1$'; }
is_away() { [ "$(away)" -gt 0 ]; }
until_true 30 has_rows three $((all / 10)) || fail "nothing comes: $(hde status)"
is_ready || fail "not ready before the kill: $(cat ready)"
port=$("$HDE_BUILD/tests/kafka-ask" "$KAFKA_BROKERS" leader raw) || fail "nobody leads the topic"
leader=$(kafka_of_port "$port")
echo "killed: broker $leader, after $(rows three) of $all rows"
kafka_kill "$leader"
until_true 30 is_not_ready || fail "ready while the leader is away"
echo "$(cat ready)"
grep -q "topic '\(raw\|enriched\)'\|transaction" ready || fail "readyz does not say what is away"
until_true 30 is_away || fail "no metric says that a node is away"
until_true 60 is_ready || fail "not ready with two of three: $(cat ready)"
[ "$(away)" = 0 ] || fail "a node is away with two of three: $(cat ready)"
want=$(($(rows three) + 1)) # unless all are there by now
until_true 60 has_rows three $((want < all ? want : all)) || told "it does not go on with two of three"
kafka_again "$leader" || fail "the broker does not come back"
until_true 90 has_rows three "$all" || fail "$(rows three) of $all rows: $(hde status)"
expect 0 hde drain
ended "$PID" 0
tables three >got
cmp want got || { diff want got | cut -c1-150 | head -8; fail "the tables differ"; }

by_feed() { jq -r '[.feed, .expiry] | join(" ")' "$1/raw.jsonl" | sort -u |
  while read -r feed expiry; do
    jq -c --arg f "$feed" --arg e "$expiry" 'select(.feed == $f and .expiry == $e)' "$1/raw.jsonl"
  done; }
by_feed calm >want
by_feed three >got
cmp want got || fail "the order of a key is another, or a chain came twice"
echo "$(wc -l <got) chains in order, $all rows, 0 differ"
