#!/usr/bin/env bash
# kafka/sink and kafka/source against a broker: what goes in comes out, in the order of each key,
# a second reader goes on where the first stood, poison goes to the dead-letter queue, and mistakes
# are told by name.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"
. "$HDE_SOURCE/tests/support/broker.sh"
brokers 1

cat >in.yaml <<'YAML'
hde: 1
graph: in
nodes:
  market: {op: ingestion/synthetic, params: {symbols: [BANKNIFTY, NIFTY, FINNIFTY], step: 10ms, snapshots: 50}}
  topic: {op: kafka/sink, params: {brokers: "${KAFKA_BROKERS}", topic: raw, replication: 1}}
  lines: {op: storage/jsonl, params: {path: want.jsonl, by_type: none, append: false}}
edges:
  - market -> [topic, lines]
YAML
cat >out.yaml <<'YAML'
hde: 1
graph: out
dlq: letters
nodes:
  topic: {op: kafka/source, params: {brokers: "${KAFKA_BROKERS}", topic: raw, replication: 1, group: out}}
  poison: {op: kafka/poison}
  lines: {op: storage/jsonl, params: {path: got.jsonl, by_type: none}}
edges:
  - topic.chains -> lines
  - topic.poison -> poison
YAML
took() { # N: so many messages were taken
  [ "$(hde status --json | jq '[.nodes[] | select(.name == "topic") | .messages] | add')" = "$1" ]
}
by_feed() { jq -r '.feed' "$1" | sort -u | while read -r feed; do jq -c "select(.feed == \"$feed\")" "$1"; done; }

expect 0 hde run in.yaml
engine out out.yaml
until_true 30 took 150 || fail "not all came: $(hde status)"
expect 0 hde drain
ended "$PID" 0
by_feed want.jsonl >want
by_feed got.jsonl >got
[ "$(wc -l <want)" = 150 ] || fail "the source gave next to nothing"
cmp want got || fail "what came out is not what went in"

# more of the same, and what is no chain
expect 0 hde run in.yaml
put() { "$HDE_BUILD/tests/kafka-put" "$KAFKA_BROKERS" raw "$@" || fail "no record"; }
echo 'no protobuf at all' | put 0
echo | put 1 hde-type=hde.Unheard
printf '' | put 2 hde-type=hde.RawChain hde-schema=0000000000000001
engine out out.yaml
refused() { [ "$(hde dlq ls letters --json | jq '.letters | length')" -ge 3 ]; }
until_true 30 took 153 || fail "not all came after a restart: $(hde status)"
until_true 30 refused || fail "no letter of the poison"
expect 0 hde dlq ls
has out kafka.poison
has out HDE-K011
has out HDE-K012
expect 0 hde drain
ended "$PID" 0
[ "$(wc -l <got.jsonl)" = 300 ] || fail "$(wc -l <got.jsonl) lines, expected 300"

refuses() { # CODE SETTING...: how a graph of one sink ends
  local code=$1
  shift
  expect 1 hde run in.yaml "$@"
  has err "$code"
}
refuses HDE-K002 --set 'topic.config={no.such.setting: 1}'
refuses HDE-K002 --set 'topic.config={enable.idempotence: false}'
refuses HDE-K002 --set topic.topic=other --set topic.replication=3
refuses HDE-K001 --set topic.brokers=127.0.0.1:1 --set topic.timeout=500ms
for code in K001 K002 K003 K004 K005 K006 K007 K008; do
  expect 0 hde explain "$code"
done
