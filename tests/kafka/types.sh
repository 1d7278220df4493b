#!/usr/bin/env bash
# Messages of a plugin that is not part of this tree, over topics: on edges beside those of others,
# into and out of a topic by operators, out of a log again; and the rule of versions holds for them.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"
. "$HDE_SOURCE/tests/support/broker.sh"
brokers 1
export HDE_PLUGIN_PATH=$HDE_BUILD/tests/own:$HDE_PLUGIN_PATH
n=500
graph() { # NAME OF-EDGES: both types through one topic
  cat <<YAML
hde: 1
graph: $1
checkpoint: {every: 100ms, store: kept.$1}
kafka: {brokers: "\${KAFKA_BROKERS}", replication: 1}
nodes:
  samples: {op: test/source, params: {count: $n, keys: 7}}
  spread: {op: own/spread}
  sample: {op: own/sample}
  plain: {op: storage/jsonl, params: {path: plain.$1, by_type: none}}
  spreads: {op: storage/jsonl, params: {path: spreads.$1, by_type: none}}
edges:
  - samples -> spread
  - {path: spread -> sample$2}
  - {path: samples -> plain$2}
  - sample -> spreads
YAML
}
has_all() { [ "$(wc -l <"plain.$1")" = $n ] && [ "$(wc -l <"spreads.$1")" = $n ]; }
whole() { # NAME: as without a topic, in the order of the keys' partitions
  for file in plain spreads; do
    sort "$file.calm" >want
    sort "$file.$1" >got
    cmp want got || fail "$file.$1: other messages than without a topic"
  done
}

# ---- on an edge, beside another type
graph calm '' >calm.yaml
expect 0 hde run calm.yaml
graph via ', via: "kafka:mixed"' >via.yaml
expect 0 hde check via.yaml
engine via via.yaml
until_true 60 has_all via || fail "$(wc -l plain.via spreads.via): $(hde status)"
kill -KILL "$PID"
wait "$PID" 2>/dev/null
engine via via.yaml # the log and the epochs have them
expect 0 hde status
expect 0 hde drain
ended "$PID" 0
whole via

# ---- by operators
cat >in.yaml <<YAML
hde: 1
graph: in
nodes:
  samples: {op: test/source, params: {count: $n, keys: 7}}
  spread: {op: own/spread}
  topic: {op: kafka/sink, params: {brokers: "\${KAFKA_BROKERS}", topic: own, replication: 1, key: pair,
    types: [own.PairSpread]}}
edges: [samples -> spread -> topic]
YAML
cat >out.yaml <<YAML
hde: 1
graph: out
record: {to: recorded}
nodes:
  topic: {op: kafka/source, params: {brokers: "\${KAFKA_BROKERS}", topic: own, replication: 1,
    types: [own.PairSpread]}}
  sample: {op: own/sample}
  spreads: {op: storage/jsonl, params: {path: spreads.out, by_type: none}}
  lines: {op: storage/jsonl, params: {path: lines, types: [own.PairSpread]}}
edges: [topic.pair_spread -> sample -> spreads, topic.pair_spread -> lines]
YAML
cp spreads.calm plain.out
cp plain.calm plain.calm.kept
cp spreads.calm plain.calm
expect 0 hde run in.yaml
engine out out.yaml
until_true 60 has_all out || fail "$(wc -l spreads.out): $(hde status)"
expect 0 hde drain
ended "$PID" 0
whole out
jq -c 'select(.type == "own.PairSpread") | {key: .pair, sequence: .number, value: .width}' lines >got
jq -c '{key, sequence, value}' spreads.out | cmp - got || fail "lines of a plugin's type: $(head -2 lines)"
mv spreads.out before
expect 0 hde replay recorded
cmp before spreads.out || fail "a replay of the log gives other messages"

# ---- changed while they run: other builds, other types, and what has nothing to do with them
rebuilt() { # PLUGIN: the same code as another build
  cp "$HDE_BUILD/lib/hde/plugins/$1.so" "$1.so"
  objcopy --dump-section .note.gnu.build-id=note "$1.so"
  printf changed | dd of=note bs=1 seek=16 conv=notrunc status=none
  objcopy --update-section .note.gnu.build-id=note "$1.so"
}
live() { # TYPES [MORE-NODES MORE-EDGES]
  cat >live.yaml <<YAML
hde: 1
graph: live
checkpoint: {every: 100ms, store: kept.live}
kafka: {brokers: "\${KAFKA_BROKERS}", replication: 1}
nodes:
  samples: {op: test/source, params: {keys: 7, interval: 5ms}}
  spread: {op: own/spread}
  to: {op: kafka/sink, params: {brokers: "\${KAFKA_BROKERS}", topic: live, partitions: 1, replication: 1,
    key: pair, types: [own.PairSpread]}}
  from: {op: kafka/source, params: {brokers: "\${KAFKA_BROKERS}", topic: live, partitions: 1,
    replication: 1, types: [$1]}}
  lines: {op: storage/jsonl, params: {path: live.lines, types: [$1]}}
${2:-}
edges: [samples -> spread -> to, from.pair_spread -> lines${3:-}]
YAML
}
has_lines() { [ "$(wc -l <live.lines)" -ge "$1" ]; }
more() { until_true 30 has_lines $(($(wc -l <live.lines) + 5)) || fail "no more lines: $(hde status)"; }
live own.PairSpread
engine live live.yaml
until_true 30 test -s live.lines || fail "no lines: $(hde status)"
for plugin in storage-jsonl kafka-sink; do
  rebuilt $plugin
  expect 0 hde reload ${plugin/-/\/} --so $plugin.so --probation 0s
  more
done
live own.PairSpread '  too: {op: storage/jsonl, params: {path: too, types: [own.PairSpread]}}' ', spread -> too'
expect 0 hde apply live.yaml
has out '2 of 10 nodes and edges change' # none that carries them already
more
live 'own.PairSpread, hde.VixTerms' # an output more of the source, which goes on where it stood
expect 0 hde apply live.yaml
more
expect 0 hde drain
ended "$PID" 0
jq .number live.lines | cmp - <(seq "$(wc -l <live.lines)") || fail "a line is missing or double"
engine again live.yaml # the builds that ran
expect 0 hde drain
ended "$PID" 0

# ---- a name that nobody has
sed 's/own.PairSpread/own.PairSpred/' out.yaml >wrong.yaml
expect 78 hde check wrong.yaml
has out HDE-G360
for code in G360 G361 G362; do expect 0 hde explain "$code"; done

# ---- versions: a field more is read, a field of another type is refused
path=$HDE_PLUGIN_PATH
export HDE_PLUGIN_PATH=$HDE_BUILD/tests/own-more:$path
expect 0 hde run in.yaml
export HDE_PLUGIN_PATH=$HDE_BUILD/tests/own-other:$path
for graph in in out; do
  expect 1 hde run $graph.yaml
  has err HDE-K022
  has err "own.PairSpread: 'number = 3' (optional:fixed64) here, 'number = 3' (optional:uint64) there"
done
