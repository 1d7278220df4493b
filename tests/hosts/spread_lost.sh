#!/usr/bin/env bash
# A machine that has replicas of a node is lost: its replicas go on at another host, from their last
# epochs and with the state of their keys, and those of the others stay. Three hosts of one machine,
# joined by ipc. What is done again comes again; every result of each feed is there, and the same as in
# one process.
#
#   1. the graph file would leave them on the lost host: it is refused
#   2. its share is named and moved; the hosts that are left come to their end
. "$HDE_SOURCE/tests/support/cli.sh"
export XDG_RUNTIME_DIR=$TMP/run
mkdir -m 700 "$XDG_RUNTIME_DIR"

cat >spread.yaml <<YAML
hde: 1
graph: spread
hosts:
  a: {listen: "ipc://$TMP/a.ipc"}
  b: {listen: "ipc://$TMP/b.ipc"}
  c: {listen: "ipc://$TMP/c.ipc"}
coordinator: a
checkpoint: {every: 100ms, store: "\${STATE}"}
nodes:
  source:
    host: a
    op: ingestion/synthetic
    params: {symbols: [NIFTY, BANKNIFTY, FINNIFTY], snapshots: 160, strikes: 41, step: 50ms, paced: "\${PACED}"}
  velocity: {host: [b, c], replicas: 4, key: feed, op: analytics/velocity, params: {window: 1s}}
  lines: {host: a, op: storage/jsonl, params: {path: "\${LINES}"}}
edges:
  - source -> velocity
  - velocity -> lines
YAML
declare -A pid_of
start() { # HOST
  hde run spread.yaml --host "$1" >"$1.out" 2>>"$1.err" &
  pid_of[$1]=$!
  CHILDREN+=("$!")
}
results() { jq -cS 'del(.ingest_ns, .stored_ns, .tick)' "$1" | sort -u; }
more_than() { [ "$(wc -l <lines 2>/dev/null || echo 0)" -gt "$1" ]; }
on() { # HOST NODE
  hde status --graph "spread.$1" --json >status && jq -e --arg n "$2" '[.nodes[].name] | index($n)' status
}

LINES=$TMP/want STATE=$TMP/want.state PACED=false expect 0 hde run spread.yaml --host all
[ "$(wc -l <want)" -gt 300 ] || fail "one process gives $(wc -l <want) results"
export LINES=$TMP/lines STATE=$TMP/state PACED=true
for host in a b c; do start "$host"; done
until_true 30 more_than 20 || { tail -n 5 ./*.err; fail "no results"; }
both() { on b velocity@b && on c velocity@c; }
until_true 30 both || fail "the replicas do not lie on two hosts"

# 1.
kill -KILL "${pid_of[b]}"
wait "${pid_of[b]}"
expect 1 hde apply --graph spread.a --move velocity@c=c --lost b
has err "velocity@b"
has err "HDE-R234"

# 2.
expect 0 hde plan --graph spread.a --move velocity@b=c --lost b
has out "velocity@b: from b, which is lost, to c: goes on from its last epoch"
expect 0 hde apply --graph spread.a --move velocity@b=c --lost b
has out "done"
moved() { on c velocity@b && on c velocity@c; }
until_true 30 moved || { tail -n 5 ./*.err; fail "the replicas of the lost host are not at c"; }
for host in a c; do
  wait "${pid_of[$host]}" || { tail -n 5 "$host.err"; fail "$host ended with $?"; }
done
results want >want.results
results lines >results
cmp want.results results || { diff want.results results | cut -c1-200 | head -6; fail "results differ"; }
echo "$(grep -c . results) results, 0 differ"
