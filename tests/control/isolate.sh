#!/usr/bin/env bash
# An isolated child ends with its parent, however that ends; a Ctrl-C that reaches both lets the
# graph run empty; with checkpoints both may die at any time.
. "$HDE_SOURCE/tests/support/cli.sh"
export HDE_PLUGIN_PATH=$HDE_BUILD/tests/faulty

graph() { # FAULT SEQUENCE
  cat >graph.yaml <<EOF
hde: 1
graph: isolated
nodes:
  feed: {op: faulty/feed, params: {count: 1000000000}}
  sum: {op: faulty/sum, params: {fault: $1, at: ['$2']}, isolate: {timeout: 1h}}
  out: {op: faulty/write, params: {path: out.txt}}
edges: [feed -> sum -> out]
EOF
}
child_of() { pgrep -P "$1" -f -- --isolated; }
has_child() { [ -n "$(child_of "$1")" ]; }
is_gone() { ! kill -0 "$1"; }

# in an endless loop, and the parent is killed: nobody asks the child anything
graph loop 100
hde run graph.yaml --log-level sum=warn >out 2>err &
engine=$!
CHILDREN+=("$engine")
until_true 20 grep -q sum.fault err || fail "the operator does not run"
child=$(child_of "$engine")
[ -n "$child" ] || fail "there is no child"
kill -KILL "$engine"
until_true 30 is_gone "$child" || fail "the child goes on without its parent"

# both get what a terminal sends
graph none 5000000000
hde run graph.yaml >out 2>err &
engine=$!
CHILDREN+=("$engine")
until_true 20 has_child "$engine" || fail "there is no child"
child=$(child_of "$engine")
until_true 20 test -s out.txt || fail "nothing is written"
kill -INT "$engine" "$child"
wait "$engine" || fail "it does not end well"
has err " 0 errors"
until_true 30 is_gone "$child" || fail "the child goes on"
[ -z "$(find /tmp -maxdepth 1 -name 'hde-isolated-*' -newer graph.yaml)" ] ||
  fail "folders of sockets are left"

# the engine is killed now and then, the operator dies of some messages: each row is there once, as
# if nothing had happened and nobody had sent those
rows() { # FILE CHECKPOINT SUM WITHOUT
  cat >rows.yaml <<EOF
hde: 1
graph: rows
$2
nodes:
  feed: {op: faulty/feed, params: {count: 30000, without: [$4]}}
  sum: {op: faulty/sum, $3}
  out: {op: faulty/store, params: {path: $1}}
edges: [feed -> sum -> out]
EOF
}
grown() { [ "$(stat -c %s rows.txt 2>/dev/null || echo 0)" -gt "$1" ]; }
poison="'17', '10001', '20002'"
rows plain.txt "" "on_error: stop" "$poison"
expect 0 hde run rows.yaml
rows rows.txt "checkpoint: {every: 50ms, store: kept}" \
  "params: {fault: abort, at: [$poison]}, isolate: process, on_error: {do: stop, backoff: 1ms}" ""
for size in 1 100000 250000 400000; do
  hde run rows.yaml >out 2>err &
  engine=$!
  CHILDREN+=("$engine")
  until_true 30 grown $size || fail "no more rows"
  kill -KILL "$engine" 2>/dev/null || fail "it has ended before it was killed"
  wait "$engine" 2>/dev/null
done
expect 0 hde run rows.yaml
grep -v tick plain.txt >want
grep -v tick rows.txt >got
cmp want got || fail "$(diff want got | head -5)"
expect 0 hde dlq ls kept/dlq --json
[ "$(jq '.letters | length' <out)" = 3 ] || fail "not three dead letters"
