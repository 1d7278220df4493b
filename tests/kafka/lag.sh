#!/usr/bin/env bash
# A reader whose sink stands still: the lag of each partition is in status and /metrics, the
# partitions are paused, and behind the pause each record comes once and in order.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"
. "$HDE_SOURCE/tests/support/broker.sh"
brokers 1
n=20000
cat >in.yaml <<YAML
hde: 1
graph: in
nodes:
  samples: {op: test/source, params: {count: $n, keys: 7, batch: 50}}
  topic: {op: kafka/sink, params: {brokers: "\${KAFKA_BROKERS}", topic: raw, replication: 1, key: key}}
edges: [samples -> topic]
YAML
cat >out.yaml <<'YAML'
hde: 1
graph: out
nodes:
  topic: {op: kafka/source, params: {brokers: "${KAFKA_BROKERS}", topic: raw, replication: 1, group: out}}
  lines: {op: storage/jsonl, params: {path: pipe, by_type: none}}
edges: [topic.samples -> lines]
YAML
expect 0 hde run in.yaml
mkfifo pipe
exec 9<>pipe # holds some lines, and nobody takes them
engine out out.yaml --admin 127.0.0.1:0
counter() { # NAME: sum over those that begin so
  hde status --json | jq "[.nodes[] | select(.name == \"topic\") | .counters[] | select(.name | startswith(\"$1\")) | .value] | add"
}
lags() { [ "$(counter kafka_lag)" -gt $((n / 2)) ]; }
pauses() { [ "$(counter pauses)" -ge 1 ]; }
until_true 30 pauses || fail "nothing is paused: $(hde status)"
until_true 30 lags || fail "no lag: $(hde status)"
admin=$(sed -n 's/^admin //p' "$XDG_RUNTIME_DIR"/hde/*.engine)
curl -sf "http://$admin/metrics" >metrics || fail "no metrics at $admin"
[ "$(grep -c '^hde_kafka_lag{.*topic="raw",partition="[012]"}' metrics)" = 3 ] ||
  fail "metrics: $(grep kafka_lag metrics)"
[ "$(grep -c '^# TYPE hde_kafka_lag gauge' metrics)" = 1 ] || fail "the metric has no type"

cat <&9 >got &
CHILDREN+=($!)
full() { [ "$(wc -l <got)" -ge $n ]; }
until_true 60 full || fail "$(wc -l <got) of $n records"
no_lag() { [ "$(counter kafka_lag)" = 0 ]; }
until_true 30 no_lag || fail "a lag stays: $(hde status)"
expect 0 hde drain
ended "$PID" 0
for key in 0 1 2 3 4 5 6; do
  grep "\"key\":\"k$key\"" got | sed 's/.*"sequence":\([0-9]*\).*/\1/' >of_key
  sort -cnu of_key || fail "records of key $key are not in order, or come twice"
done
[ "$(wc -l <got)" = $n ] || fail "$(wc -l <got) records instead of $n"
