#!/usr/bin/env bash
# Versions of message types: each writer leaves its own in hde.schemas, records of versions to which
# fields were only added are read, and any other version is refused at the start, with both lines.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"
. "$HDE_SOURCE/tests/support/broker.sh"
brokers 1

cat >in.yaml <<'YAML'
hde: 1
graph: in
nodes:
  samples: {op: test/source, params: {count: 3, keys: 3}}
  topic: {op: kafka/sink, params: {brokers: "${KAFKA_BROKERS}", topic: raw, replication: 1, key: key}}
edges: [samples -> topic]
YAML
cat >out.yaml <<'YAML'
hde: 1
graph: out
dlq: letters
nodes:
  topic: {op: kafka/source, params: {brokers: "${KAFKA_BROKERS}", topic: raw, replication: 1, group: out}}
  poison: {op: kafka/poison}
  lines: {op: test/sink, params: {path: got}}
edges: [topic.samples -> lines, topic.poison -> poison]
YAML
put() { "$HDE_BUILD/tests/kafka-put" "$KAFKA_BROKERS" "$@" || fails "no record"; }
fails() {
  tail -n 5 ./*.err
  fail "$1"
}
version() { # HASH: text on stdin
  put hde.schemas 0 "key=raw hde.Sample $1"
}
all='hde.Sample 1 optional:string key
hde.Sample 2 optional:sfixed64 event_ns
hde.Sample 3 optional:double value
hde.Sample 4 optional:uint64 sequence
hde.Sample 5 repeated:double values
hde.Sample 6 optional:bytes data'
has_lines() { [ "$(wc -l <got)" -ge "$1" ]; }

expect 0 hde run in.yaml
head -n 5 <<<"$all" | version 00000000000000aa # an older one
printf '\x0a\x03old' | put raw 0 hde-type=hde.Sample hde-schema=00000000000000aa
engine out out.yaml
until_true 30 has_lines 4 || fails "a record of an older version is not read"
# a newer one, with a field 7, while the reader runs
{ echo "$all"; echo 'hde.Sample 7 optional:uint32 more'; } | version 00000000000000bb
printf '\x0a\x03new\x38\x05' | put raw 0 hde-type=hde.Sample hde-schema=00000000000000bb
until_true 30 has_lines 5 || fails "a record of a newer version is not read"
grep -q '"old"' got && grep -q '"new"' got || fails "other records than those were read"
# one that nobody has put there
printf '\x0a\x03bad' | put raw 0 hde-type=hde.Sample hde-schema=00000000000000cc
refused() { hde dlq ls letters | grep -q HDE-K012; }
until_true 30 refused || fails "no letter of a record whose version is not known"
expect 0 hde drain
ended "$PID" 0

# field 3 is of another type
sed 's/optional:double value/optional:int64 value/' <<<"$all" | version 00000000000000dd
for graph in in out; do
  expect 1 hde run $graph.yaml
  has err HDE-K022
  has err "'value = 3' (optional:double) here, 'value = 3' (optional:int64) there"
done
for code in K012 K022; do expect 0 hde explain "$code"; done
