#!/usr/bin/env bash
# The coordinator's machine is lost: three hosts of one machine, joined by ipc, a -> b -> c, and b leads.
#
#   1. another one leads when the graph file names it, on every host, and is asked itself
#   2. b is lost when it has decided a move and told nobody: it is made
#   3. b is lost when all were ready for a move: it is dropped
#   4. b is lost when it has decided a change of the graph and told nobody: it is made
# Each time no line is lost, and the new coordinator leads what comes next.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/hosts/three.sh"

begin() { # [FAULT], of b
  three b
  rm -rf state got ./*.err
  start a
  start c
  HDE_FAULT=${1:-fsync:1000000} start b
  until_true 30 all_up a b c || { tail -n 5 ./*.err; fail "not all hosts are up"; }
  flows "at the beginning"
}
gone() { # ARGUMENTS of apply, at the end of which b dies
  local asks
  hde apply --graph three.a "$@" >asked 2>&1 &
  asks=$!
  wait "${pid_of[b]}"
  [ $? = 137 ] || { tail -n 3 b.err; fail "b did not die where it should"; }
  kill -KILL "$asks" # it would wait for b
  wait "$asks"
}
again() { # asked until nothing is in doubt any more
  hde apply --graph three.c "$@" >out 2>err || { grep -q 'HDE-R238\|HDE-C0\|HDE-N006' err && return 1; }
}
follows() { # b is lost; $1: where middle and other lie then
  three c "${2:-}"
  until_true 30 again --move "middle=$1" --move "other=$1" --lost b || { tail -n 6 a.err c.err; fail "no other host leads"; }
  grep -q done out || fail "the nodes of b do not move"
  until_true 30 all_up a c || { tail -n 5 ./*.err; fail "a and c do not go on"; }
  there() { on "$1" middle && on "$1" other; }
  until_true 30 there "$1" || { hde status --graph "three.$1"; fail "the nodes of b are not there"; }
  flows "without b"
}
lead_on() { # what comes next is led by c
  expect 0 hde savepoint take --graph three.a after
  ends_whole c a
}

# 1.
begin
kill -STOP "${pid_of[c]}"
hde plan --graph three.b --move other=c >asked 2>&1 &
asks=$!
must_say b "move of nodes, led here: all hosts prepare it"
kill -CONT "${pid_of[c]}"
wait "$asks" || { cat asked; fail "a host that was silent does not answer"; }
kill -KILL "${pid_of[b]}"
wait "${pid_of[b]}"
expect 1 hde apply --graph three.c --move middle=c --move other=c
has err "--lost"
expect 1 hde apply --graph three.c --move middle=c --move other=c --lost b
has err "HDE-R281"
three c
expect 1 hde apply --graph three.a --move middle=c --move other=c --lost b
has err "ask that one"
expect 0 hde plan --graph three.c --move middle=c --move other=c --lost b
has out "coordinator: c in place of b"
has out "nothing was changed"
follows c
lead_on

# 2. other was to go to c
begin move-commit:2
gone --move other=c
must_say c "in doubt until 'b' has said what was decided"
follows c
grep -q 'move.found.*it is made' c.err || fail "c does not find what was decided"
lead_on

# 3. other was to go to c
begin move-commit:1
gone --move other=c
must_say c "in doubt until 'b' has said what was decided"
follows a
grep -q 'move.found.*it is dropped' c.err || fail "c does not find that nothing was decided"
lead_on

# 4. lines gets a policy for errors
begin decision:2
three b ", on_error: skip"
gone three.yaml
must_say c "three.yaml: under way"
follows a ", on_error: skip"
grep -q 'event=apply.done' c.err || { cat c.err; fail "c has not made the change"; }
lead_on
