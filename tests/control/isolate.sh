#!/usr/bin/env bash
# An isolated child ends with its parent, however that ends; a Ctrl-C that reaches both lets the
# graph run empty.
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
until_true 10 is_gone "$child" || fail "the child goes on without its parent"

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
until_true 10 is_gone "$child" || fail "the child goes on"
[ -z "$(find /tmp -maxdepth 1 -name 'hde-isolated-*' -newer graph.yaml)" ] ||
  fail "folders of sockets are left"
