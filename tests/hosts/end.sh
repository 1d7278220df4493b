#!/usr/bin/env bash
# The end of three hosts of one machine, joined by ipc, a -> b -> c: whoever comes back when others
# have left waits for none of them, and whoever is still needed stays, and says for whom.
#
#   1. all have ended: each comes back alone, and ends
#   2. the sender dies behind its end, before the receiver knows that it knows: that one stays
#   3. the receiver dies before it has heard all: whoever it needs stays
#   4. who is told to end does not wait; what others need it gives when it is back
#   5. a savepoint of what goes on when the first has ended and left, and a part of the next has
#      ended: they go back to it, and wait for nobody. While one is away that has not ended there is
#      none
. "$HDE_SOURCE/tests/support/cli.sh"
export XDG_RUNTIME_DIR=$TMP/run
mkdir -m 700 "$XDG_RUNTIME_DIR"

cat >end.yaml <<YAML
hde: 1
graph: end
coordinator: b
hosts:
  a: {listen: "ipc://$TMP/a.ipc"}
  b: {listen: "ipc://$TMP/b.ipc"}
  c: {listen: "ipc://$TMP/c.ipc"}
checkpoint: {every: 60s, store: "\${STATE}"}
nodes:
  source: {host: a, op: ingestion/synthetic, params: {symbols: [NIFTY, BANKNIFTY], snapshots: 50, strikes: 41}}
  middle: {host: b, op: processing/clean}
  lines: {host: c, op: storage/jsonl, params: {path: "\${LINES}", fields: [feed, event_ns]}}
edges:
  - source -> middle
  - middle -> lines
YAML
declare -A pid_of
start() { # HOST
  hde run end.yaml --host "$1" --admin 127.0.0.1:0 >"$1.out" 2>>"$1.err" &
  pid_of[$1]=$!
  CHILDREN+=("$!")
}
ends() { # HOST...
  local host
  for host in "$@"; do
    until_true 20 gone "${pid_of[$host]}" || { tail -n 5 "$host.err"; hde status --graph "end.$host"; fail "$host does not end"; }
    wait "${pid_of[$host]}" || { tail -n 5 "$host.err"; fail "$host ended with $?"; }
  done
}
gone() { ! kill -0 "$1"; }
waits() { # HOST FOR TEXT
  hde status --graph "end.$1" --json >status && jq -e --arg for "$2" --arg text "$3" \
    '.hosts[] | select(.name == $for) | .waits | contains($text)' status
}
must_wait() {
  until_true 20 waits "$@" || { hde status --graph "end.$1"; tail -n 3 "$1.err"; fail "$1 does not wait for $2: $3"; }
}
equal() { cmp <(sort want) <(sort lines) || fail "lines are lost or doubled: $1"; }

LINES=$TMP/want STATE=$TMP/want.state expect 0 hde run end.yaml --host all
[ "$(wc -l <want)" = 100 ] || fail "$(wc -l <want) lines in one process"
export LINES=$TMP/lines STATE=$TMP/state

# 1.
for host in c b a; do start "$host"; done
ends a b c
equal "undisturbed"
for host in a b c b; do
  start "$host"
  ends "$host"
done
equal "each alone"

# 2. a dies before it has written that b has all, or before it has said so
for at in 1 2; do
  rm -rf state lines
  HDE_FAULT=through:$at start a
  start b
  wait "${pid_of[a]}"
  must_wait b c "keeps for it: start it"
  must_wait b a "knows that all has come: start it ('hde run GRAPH --host a')"
  start c
  ends c
  start a
  ends a b
  equal "the sender was away ($at)"
done

# 3. b dies before it has written that a knows, or before it has heard what is next
for at in 1 2; do
  rm -rf state lines
  HDE_FAULT=through:$at start b
  start a
  wait "${pid_of[b]}"
  must_wait a b "until 'b' has heard so"
  start b
  ends a
  must_wait b c "start it"
  start c
  ends b c
  equal "the receiver was away ($at)"
done

# 4. b has what a has sent, and c is not there
rm -rf state lines
start a
must_wait a b "edge 'source.chains -> middle.in' keeps for it: start it"
must_wait a b "or end this host without it ('hde drain a')"
expect 0 hde drain --graph end.a
ends a
start b
start a
ends a
expect 0 hde drain --graph end.b
ends b
start c
is_calm() { hde status --graph end.c --json >status && jq -e 'all(.hosts[]; .waits == null)' status; }
until_true 30 is_calm || fail "c waits at an end that it has not come to"
start b
ends b c
equal "ended by hand"

# 5.
cat >more.nodes <<YAML
  later: {host: b, op: ingestion/synthetic, params: {symbols: [FINNIFTY], snapshots: 150, strikes: 41, step: 40ms, paced: "\${PACED}"}}
  others: {host: c, op: storage/jsonl, params: {path: "\${LINES}.later", fields: [feed, sequence, spot]}}
YAML
sed -i -e '/^nodes:/r more.nodes' -e '$a\  - later -> others' end.yaml
rm -rf want state lines
LINES=$TMP/want STATE=$TMP/more.state PACED=false expect 0 hde run end.yaml --host all
export PACED=true
for host in c b a; do start "$host"; done
ends a
all_there() { [ "$(wc -l <lines)" = 100 ]; }
until_true 20 all_there || fail "c does not get what a has sent"
curl -sS -m 10 -o out "http://$(sed -n 's/^admin //p' "$XDG_RUNTIME_DIR"/hde/end.c*.engine)/metrics"
for way in sent received; do
  grep -Eq "^hde_host_${way}_at_once_total\{graph=\"end.c\",host=\"c\",peer=\"b\"\} [0-9]+$" out ||
    fail "what the threads of nodes have $way themselves is not counted"
done
expect 0 hde savepoint take --graph end.c monday
more_than() { [ "$(wc -l <lines.later)" -gt "$1" ]; }
until_true 20 more_than "$(($(wc -l <lines.later) + 10))" || fail "b and c do not go on"
kill -KILL "${pid_of[c]}"
wait "${pid_of[c]}"
expect 1 hde savepoint take --graph end.b tuesday
has err "HDE-R310"
has err "'c'"
kill -KILL "${pid_of[b]}"
wait "${pid_of[b]}"
for host in b c; do
  expect 0 hde savepoint restore monday end.yaml --host "$host"
  start "$host"
done
ends b c
start a
ends a
equal "goes back without the first"
cmp <(sort want.later) <(sort -u lines.later) || fail "lines are lost behind a savepoint"
echo "250 lines, 0 differ"
