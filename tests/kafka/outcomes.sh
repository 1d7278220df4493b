#!/usr/bin/env bash
# What can go wrong with a topic, one defined outcome each:
#   topic that cannot be made     the start ends, HDE-K004
#   topic that is deleted         its nodes are held up, HDE-K004; nothing ends
#   a message that is too large   a dead letter, HDE-K007; the others go on
#   a record that is no message   a dead letter, HDE-K011; the others go on
#   outcome of a commit unknown   the mark decides: nothing lost, nothing doubled
#   a failed transaction          made again, also what the broker has got of it unsaid
#   full disk of the broker       held up, HDE-K001; goes on when the broker has room
# Wrong credentials: secure.sh; settings: topic.sh; an older schema, offsets that are gone: members.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"
. "$HDE_SOURCE/tests/support/broker.sh"
full=$HDE_BUILD/tests/libfull.so
export HDE_FULL=$TMP/full
LD_PRELOAD=$full brokers 1

graph() { # NAME SNAPSHOTS, more of the source: what is sent goes to got.NAME
  cat <<YAML
hde: 1
graph: $1
checkpoint: {every: 100ms, store: kept.$1}
kafka: {brokers: "\${KAFKA_BROKERS}", replication: 1}
dlq: letters.$1
nodes:
  market: {op: ingestion/synthetic, params: {symbols: [NIFTY, BANKNIFTY, FINNIFTY], step: 50ms, snapshots: $2${3:+, $3}}}
  lines: {op: storage/jsonl, params: {path: got.$1, by_type: none}}
edges:
  - {path: market -> lines, via: "kafka:$1"}
YAML
}
admin=127.0.0.1:$(kafka_port)
came() { [ "$(wc -l <"got.$1")" -ge "$2" ]; } # NAME LINES
held_up() { curl -s "http://$admin/readyz" | grep -q "not ready: node '.*$1"; } # TEXT
is_held_up() { curl -s "http://$admin/metrics" | grep -q '^hde_node_held_up{.*} 1$'; }
whole() { # NAME CHAINS: each of them once, each key in order
  jq -r '[.feed, .sequence] | @tsv' "got.$1" | sort -k1,1 -k2,2n -s >seen
  jq -r '[.feed, .sequence] | @tsv' "got.$1" | sort -k1,1 -s | cmp - seen || fail "$1: order of a key"
  cut -f2 seen | sort -n | cmp - <(seq "$2") ||
    fail "$1: $(wc -l <seen) lines, $(sort -u seen | wc -l) of $2 chains"
}
finish_run() {
  expect 0 hde drain
  ended "$PID" 0
}

# ---- a topic that cannot be made
graph name 10 >name.yaml
sed -i 's/kafka:name/kafka:no topic/' name.yaml
expect 1 hde run name.yaml
has err HDE-K004

# ---- too large, and no message
graph size 20 >size.yaml
engine size size.yaml --admin "$admin" --set market.to.size.max_message=8KiB --set market.strikes=200
letters() { [ "$(hde dlq ls letters.size --json | jq '.letters | length')" -ge "$1" ]; }
until_true 30 letters 60 || fail "no letters of what is too large: $(hde status)"
expect 0 hde dlq ls letters.size
has out HDE-K007
echo 'no chain' | "$HDE_BUILD/tests/kafka-put" "$KAFKA_BROKERS" size 1 || fail "no record"
until_true 30 letters 61 || fail "no letter of what is no message"
expect 0 hde dlq ls letters.size
has out HDE-K011
curl -s "http://$admin/readyz" | grep -q '^ready' || fail "not ready behind dead letters"
finish_run

# ---- the topic is deleted, at times with the mark before its transaction fails
sink_is_held_up() { curl -s "http://$admin/metrics" | grep -q "^hde_node_held_up{.*node=\"market.to.$1\".*} 1\$"; } # NAME
for name in gone1 gone2 gone3; do
  graph $name 1000 'paced: true' >gone.yaml
  engine gone gone.yaml --admin "$admin"
  until_true 30 came $name 30 || fail "nothing comes"
  "$HDE_BUILD/tests/kafka-ask" "$KAFKA_BROKERS" delete $name || fail "it is not deleted"
  until_true 60 held_up 'HDE-K004\|topic' || fail "nobody is held up: $(curl -s "http://$admin/readyz"; tail -n 3 gone.err)"
  until_true 30 sink_is_held_up $name || fail "no metric says so of the sink: $(tail -n 3 gone.err)"
  gone "$PID" && fail "the run has ended: $(tail -n 2 gone.err)"
  kill -KILL "$PID"
  wait "$PID" 2>/dev/null
done

# ---- nobody knows whether it was committed
graph commit 200 'paced: true' >commit.yaml
engine commit commit.yaml --admin "$admin"
until_true 30 came commit 60 || fail "nothing comes"
kill -STOP "${KAFKA_PIDS[0]}"
until_true 30 is_held_up || fail "nobody is held up while the broker says nothing"
kill -KILL "$PID"
wait "$PID" 2>/dev/null
kill -CONT "${KAFKA_PIDS[0]}"
engine commit commit.yaml --admin "$admin"
until_true 60 came commit 600 || fail "$(wc -l <got.commit) of 600 lines: $(hde status)"
finish_run
whole commit 600

# ---- a transaction fails of which the broker has the records, and its answers were lost
export HDE_DEAF=$TMP/deaf
graph deaf 3000 'paced: true' >deaf.yaml
LD_PRELOAD=$HDE_BUILD/tests/libdeaf.so engine deaf deaf.yaml --admin "$admin"
retries() { hde status --json | jq '.nodes[] | select(.name == "market.to.deaf") | .retries'; }
has_failed() { [ "$(retries)" -gt "$1" ]; } # HOW OFTEN BEFORE
failed=0
# Where the connection breaks while the mark is added, librdkafka waits until the broker answers
# again, and no transaction fails: that try does not count.
for _ in 1 2 3 4 5 6 7 8; do
  [ "$failed" -lt 2 ] || break
  until_true 30 came deaf $(($(wc -l <got.deaf) + 60)) || fail "nothing comes: $(hde status)"
  before=$(retries)
  touch "$HDE_DEAF"
  if until_true 10 has_failed "$before"; then failed=$((failed + 1)); fi
  rm "$HDE_DEAF"
done
[ "$failed" = 2 ] || fail "of 8 times the broker was not heard, $failed transactions failed: $(hde status)"
until_true 30 came deaf $(($(wc -l <got.deaf) + 60)) || fail "nothing comes: $(hde status)"
finish_run
whole deaf "$(wc -l <got.deaf)"

# ---- the broker's disk is full
graph disk 200 'paced: true' >disk.yaml
engine disk disk.yaml --admin "$admin"
until_true 30 came disk 60 || fail "nothing comes"
touch "$HDE_FULL"
until_true 60 held_up '' || fail "nobody is held up: $(curl -s "http://$admin/readyz")"
until_true 60 gone "${KAFKA_PIDS[0]}" || fail "the broker goes on without room"
rm "$HDE_FULL"
kafka_kill 0
LD_PRELOAD=$full kafka_again 0 || fail "the broker does not come back"
until_true 90 came disk 600 || fail "$(wc -l <got.disk) of 600 lines: $(hde status)"
finish_run
whole disk 600
