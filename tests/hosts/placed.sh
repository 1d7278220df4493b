#!/usr/bin/env bash
# A savepoint over hosts from before a move of nodes, and what status says is done to a graph.
#
#   1. every host says what was changed last, and the coordinator how it went on the others
#   2. the savepoint goes back to where the nodes lay, and to what they had, also behind a move
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/hosts/three.sh"

three b
for host in a b c; do start "$host"; done
until_true 30 all_up a b c || { tail -n 5 ./*.err; fail "not all hosts are up"; }
flows "at the beginning"

# 1.
says() { # HOST TEXT
  hde status --graph "three.$1" >said && grep -q "$2" said
}
says b "apply of" && fail "something was changed already"
three b ", on_error: skip"
expect 0 hde apply --graph three.a three.yaml
for host in a b c; do
  until_true 30 says "$host" "apply of .*three.yaml: done" || { cat said; fail "$host does not say what was changed"; }
done
says b "host c: done" || { cat said; fail "the coordinator does not say how it went elsewhere"; }
expect 0 hde status --graph three.c --all
[ "$(grep -c 'three.yaml: done' out)" = 3 ] || fail "status --all does not say it of every host"

# 2.
expect 0 hde savepoint take --graph three.a before
expect 0 hde apply --graph three.a --move other=c
moved() { on c other && all_up a b c; }
until_true 30 moved || { tail -n 5 ./*.err; fail "the node was not moved"; }
flows "behind the move"
for host in a b c; do
  kill -KILL "${pid_of[$host]}"
  wait "${pid_of[$host]}"
done
for host in a b c; do
  expect 0 hde savepoint check before three.yaml --host "$host"
  has out "goes back to host 'b'"
  expect 0 hde savepoint restore before three.yaml --host "$host"
done
for host in a b c; do start "$host"; done
until_true 30 all_up a b c || { tail -n 5 ./*.err; fail "the hosts do not go on from the savepoint"; }
on b other >/dev/null || fail "the node does not lie where it lay then"
on c other >/dev/null && fail "the node lies where it was moved to"
flows "from the savepoint on"
expect 0 hde apply --graph three.a --move other=c
until_true 30 moved || { tail -n 5 ./*.err; fail "the node was not moved once more"; }
flows "behind another move"
ends_whole c b a
