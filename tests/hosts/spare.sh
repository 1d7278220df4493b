#!/usr/bin/env bash
# Hosts on which no node lies stand by: three hosts of one machine, joined by ipc. What comes out is
# what comes out of one process.
#
#   1. a spare host runs, and is seen; it gets a node by an apply, which goes with a rollback
#   2. it gets a node under load, the only one of the coordinator, which then stands by itself, gets a
#      sink whose file lies on a disk that both see, is killed with it, and leads both back
#   3. it hangs, and is drained; changes, savepoints and moves do without it, and it follows when it
#      is back
#   4. its store is not there, and it does not run what it had, whoever it asks; its machine is lost,
#      and its node goes on on another spare host; it comes back as one, and does not run what it had
#   5. all end with the data, spare hosts too, and alone
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/hosts/three.sh"

spare_graph() { # [MORE]: settings of the last node
  cat >three.yaml <<YAML
hde: 1
graph: three
hosts:
  a: {listen: "ipc://$TMP/a.ipc"}
  b: {listen: "ipc://$TMP/b.ipc"}
  c: {listen: "ipc://$TMP/c.ipc"}
coordinator: b
checkpoint: {every: 100ms, store: "\${STATE}"}
nodes:
  source: {host: a, op: ingestion/synthetic, params: {symbols: [NIFTY, BANKNIFTY], snapshots: 20000, strikes: 3, step: 20ms, paced: "\${PACED:-true}"}}
  middle: {host: b, op: processing/clean}
  lines: {host: a${1:-}, op: storage/jsonl, params: {path: "\${LINES}", fields: [feed, event_ns]}}
edges:
  - source -> middle
  - middle -> lines
YAML
}
comes_up() { # WHEN
  until_true 30 all_up a b c || { tail -n 5 ./*.err; fail "not all hosts are up: $1"; }
}
is_spare() { hde status --graph "three.$1" --json >status && jq -e '(.nodes // []) == [] and .state == "ENGINE_STATE_RUNNING"' status; }
moves() { # HOST NODE [MORE]: arguments
  expect 0 hde apply --graph three.a --move "$2=$1" "${@:3}"
  until_true 30 on "$1" "$2" || { tail -n 5 ./*.err; fail "$2 was not moved to $1"; }
  comes_up "behind a move to $1"
}
once() { [ -z "$(sort "$LINES" | uniq -d)" ] || fail "lines are doubled: $1"; }

dies() {
  kill -KILL "${pid_of[$1]}"
  wait "${pid_of[$1]}"
}

spare_graph
PACED=false STATE=$TMP/one.state LINES=$TMP/want expect 0 hde run three.yaml --host all
[ "$(wc -l <want)" = 40000 ] || fail "$(wc -l <want) lines in one process"

# 1.
expect 0 hde check three.yaml
LINES=$TMP/none/got start c # where it could not open that file
until_true 20 is_spare c || { tail -n 5 c.err; fail "a host without nodes does not run"; }
start a
start b
comes_up "at the beginning"
expect 0 hde status --graph three.a --all
has out "three.c on c"
has out "no node lies on this host: it stands by"
expect 0 hde top --graph three.a --all --once
has out "three.c on c"
flows "at the beginning"
sed "s|^edges:|  seen: {host: c, op: storage/jsonl, params: {path: $TMP/got.seen}}\n&\n  - middle -> seen|" three.yaml >more.yaml
expect 0 hde apply --graph three.a more.yaml
sees() { on c seen && [ -s got.seen ]; }
until_true 30 sees || { tail -n 5 ./*.err; fail "a node of a change does not run on the spare host"; }
comes_up "behind a change"
expect 0 hde rollback --graph three.a
until_true 30 is_spare c || { tail -n 5 ./*.err; fail "the node does not go with the rollback"; }
comes_up "behind a rollback"

# 2.
moves c middle
is_spare b || fail "a host that was emptied does not stand by"
for host in a b c; do # who led it, and those that followed
  expect 0 hde history --graph "three.$host"
  grep -q 'done .*move middle: b -> c' out || { cat out; fail "the history of $host does not have the move"; }
  [ "$(grep -c 'move middle' out)" = 1 ] || { cat out; fail "$host has the move more than once"; }
done
flows "the spare host has a node"
expect 1 hde apply --graph three.a --move lines=c
has err "host 'c'"
has err "none/got"
expect 0 hde plan --graph three.a --move lines=b
has out "lines: goes on with $LINES if b sees the disk of a, else begins a file there"
moves b lines # they see the same disk
grep -q 'jsonl.taken-over' b.err || fail "nothing says that the file of another host is gone on with"
flows "the sink has moved"
dies b
start b
comes_up "the host to which the sink has moved is back"
flows "and the sink goes on"
moves b middle --move lines=a
is_spare c || fail "the host that was spare is not so again"
flows "the node is back"
once "behind planned moves"

# 3.
kill -STOP "${pid_of[c]}"
two_up() { all_up a b; }
until_true 20 two_up || fail "the host that hangs is still seen"
spare_graph ", on_error: skip"
expect 0 hde apply --graph three.a three.yaml
kill -CONT "${pid_of[c]}"
follows() { [ "$(grep -c 'host.follows.*begins anew' c.err)" = "$1" ]; }
until_true 30 follows 1 || { tail -n 5 c.err; fail "the spare host goes on with the graph that was"; }
comes_up "the spare host hangs no more"
moves c middle
moves b middle
expect 0 hde drain --graph three.c
wait "${pid_of[c]}" || fail "a spare host that was drained ended with $?"
until_true 20 two_up || fail "the drained host is still seen"
spare_graph
expect 0 hde apply --graph three.a three.yaml
expect 0 hde savepoint take --graph three.a before
expect 0 hde apply --graph three.a --move middle=a
until_true 30 on a middle || { tail -n 5 ./*.err; fail "a move waits for a spare host that is not there"; }
start c
until_true 20 follows 2 || { tail -n 5 c.err; fail "the spare host says nothing of what it follows"; }
moves c source --move middle=b # a has no edges to c now
flows "what followed has a node"
once "behind moves without the spare host"

# 4.
dies c
mv state/c away
start c
refused() { hde status --graph three.b --json >status && jq -e 'any(.hosts[]; .state == "refused" and (.why | contains("HDE-N020")))' status; }
until_true 20 refused || { tail -n 5 c.err; fail "a host without its store is not refused by who has edges to it"; }
cannot() { grep host.follows c.err | grep -q HDE-R300; }
until_true 20 cannot || { tail -n 5 c.err; fail "a host without its store goes on as what it is not"; }
is_spare c || fail "a node runs without what it had"
dies c
rm -rf state/c
mv away state/c
start c
comes_up "its store is back"
moves c middle --move source=a
dies c
expect 0 hde apply --graph three.a --move middle=b --lost c
until_true 30 on b middle || { tail -n 5 ./*.err; fail "nodes of the lost machine do not go on"; }
flows "a machine was lost"
start c
comes_up "a lost host comes back"
is_spare c || { tail -n 5 c.err; fail "a host that was lost runs what it has lost"; }
moves c middle
flows "it has a node again"

# 5.
dies a
PACED=false start a # the rest of the input at once
gone() { ! kill -0 "$1"; }
for host in a b c; do
  until_true 40 gone "${pid_of[$host]}" || { tail -n 5 "$host.err"; fail "$host does not end"; }
  wait "${pid_of[$host]}" || { tail -n 5 "$host.err"; fail "$host ended with $?"; }
done
cmp <(sort want) <(sort -u "$LINES") || fail "lines are lost, or others"
echo "$(wc -l <want) lines, 0 differ"
