#!/usr/bin/env bash
# An operator whose answers come later, from a thread of its own: after kill -9 what has an answer in
# the log is not asked again, the rest is, and the log gives the run again.
#   HDE_KILLS=N   kills (6); HDE_SEED=N
. "$HDE_SOURCE/tests/support/cli.sh"

kills=${HDE_KILLS:-6}
RANDOM=${HDE_SEED:-$$}
echo "HDE_SEED=${HDE_SEED:-$$}"
plugins=$HDE_BIN/../tests/later
n=$((kills * 300))
cat >graph.yaml <<YAML
hde: 1
graph: later
record: {to: kept/log, hashes: 100ms}
checkpoint: {every: 100ms, store: kept}
nodes:
  feed: {op: later/feed, params: {count: $n, every: 1ms}}
  ask: {op: later/service, params: {asked: asked}}
  sum: {op: later/sum}
  lines: {op: storage/jsonl, params: {path: lines}}
edges: [feed -> ask -> sum -> lines]
YAML
expect 0 hde check --delivery graph.yaml --plugins "$plugins/1"
has out "lines: effectively_once"

answered() { sed -n 's/.*"sequence":\([0-9]*\)}$/\1/p' "$1" 2>/dev/null; }

places=(append fsync state-write epoch-commit sink-commit)
for ((i = 0; i < kills; i++)); do
  place=''
  ((i % 2)) && place=${places[i / 2 % ${#places[@]}]}
  env ${place:+HDE_FAULT="$place:$((2 + RANDOM % 6))"} hde run graph.yaml --plugins "$plugins/1" >out 2>err &
  child=$!
  CHILDREN=("$child")
  if [ -z "$place" ]; then
    before=$(wc -l 2>/dev/null <asked || echo 0)
    until_true 20 bash -c "[ \$(wc -l <asked) -gt $((before + 30 + RANDOM % 100)) ]" ||
      fail "kill $i: nothing is asked"
    if ((i % 4 == 0)); then # another build of the one that is asked, while it is asked
      expect 0 hde reload ask --so "$plugins/2/later.so" --probation 0s --pid "$child"
      expect 0 hde reload ask --so "$plugins/1/later.so" --probation 0s --pid "$child"
    fi
    kill -KILL "$child"
  fi
  wait "$child" 2>/dev/null
  [ $? = 137 ] || fail "the run of kill $i ($place) ended by itself"
  CHILDREN=()
  # a line that is stored has an answer that is durable
  answered lines | sort >"stored.$i"
  wc -l <asked >"asked.$i"
done
expect 0 hde run graph.yaml --plugins "$plugins/1"
has err "taken again"
answered lines | sort -n >got
seq 0 $((n - 1)) | cmp - got || fail "not every question has one answer"
[ "$(sort -u asked | grep -c .)" = "$n" ] || fail "not all was asked"
for ((i = 0; i < kills; i++)); do
  tail -n "+$(($(cat "asked.$i") + 1))" asked | sort -u | comm -12 - "stored.$i" >again.$i
  [ ! -s "again.$i" ] || fail "after kill $i $(grep -c . "again.$i") were asked again that had an answer"
done
sort -u stored.* >stored
[ -s stored ] || fail "nothing was stored before a kill"
echo "$kills kills, $n questions, $(($(grep -c . asked) - n)) asked again, none with an answer"

# the log alone: the service is not asked
cp asked before
expect 0 hde replay kept/log --verify --plugins "$plugins/1"
has out "equal: "
expect 0 hde replay kept/log --plugins "$plugins/1" --set lines.path=again
cmp lines again || fail "the replay writes other lines"
cmp before asked || fail "a replay has asked"
