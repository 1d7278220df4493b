#!/usr/bin/env bash
# hde dlq: messages on which a node fails are listed, shown, fed again and dropped, and are there
# after kill -9.
. "$HDE_SOURCE/tests/support/cli.sh"
export HDE_GRAPH=refused # others may run meanwhile

cat >graph.yaml <<YAML
hde: 1
graph: refused
checkpoint: {every: 100ms, store: kept}
nodes:
  feed: {op: test/source, params: {interval: 5ms}}
  filter: {op: test/filter, params: {fail: 7}, on_error: skip}
  out: {op: storage/jsonl, params: {path: out.jsonl, by_type: none}}
edges: [feed -> filter, filter -> out]
YAML
start() {
  hde run graph.yaml >run.out 2>run.err &
  child=$!
  CHILDREN=("$child")
}
ids() { hde dlq ls --json "$@" | grep -o '"id":[0-9]*' | cut -d: -f2; }
at_least() { [ "$(ids | wc -l)" -ge "$1" ]; }
# of those that are there: others come meanwhile, and every seventh fails again
replays_all() { ids >before && hde dlq replay --all && [ "$(ids | grep -cxFf before)" -lt 3 ]; }
is_stored() { grep -q "\"sequence\":$1[,}]" out.jsonl; }

start
until_true 20 at_least 10 || fail "the queue has less than 10 letters"
expect 0 hde status
has out "dead letters: "
expect 0 hde dlq ls
has out "HDE-R093"
has out "filter.in"
has out "test.fail: sample"
id=$(ids | head -1)
expect 0 hde dlq show "$id"
has out "test.fail: sample"
sequence=$(grep -o '"sequence":"[0-9]*"' out | tr -dc 0-9)
[ -n "$sequence" ] || fail "the message is not shown"
is_stored "$sequence" && fail "a message that was skipped is stored"
expect 0 hde dlq show "$id" --json
has out '"message":{'
expect 65 hde dlq show 999999
has err HDE-R095
expect 64 hde dlq replay # which?
expect 65 hde dlq replay 999999

kill -KILL "$child" && wait "$child" 2>/dev/null
expect 0 hde dlq ls graph.yaml # without a running graph
has out "test.fail: sample"
last=$(ids kept | tail -1)
expect 0 hde dlq drop "$last" kept
expect 65 hde dlq show "$last" kept

start
until_true 20 hde dlq ls || fail "the run does not answer"
expect 0 hde dlq ls --json
[ "$(grep -o '"tick":[0-9]*' out | sort | uniq -d)" = "" ] || fail "a letter is there twice"
until_true 30 replays_all || fail "letters are left in the queue"
until_true 20 is_stored "$sequence" || fail "the letter was not worked off"
expect 0 hde dlq replay --node out # none are there
has out "0 dead letters"
expect 0 hde dlq drop --all
expect 0 hde drain
wait "$child" || fail "the run failed"
CHILDREN=()
