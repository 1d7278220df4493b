#!/usr/bin/env bash
# Edges that drop, to and from replicas that lie on two hosts, while hosts are killed: every host comes
# to its end, what is passed on comes once and in order for each key, and the newest of each key comes.
#
#   HDE_KILLS=N how many hosts are killed (6); HDE_SEED=N
. "$HDE_SOURCE/tests/support/cli.sh"

seed=${HDE_SEED:-$$}
RANDOM=$seed
echo "HDE_SEED=$seed"
export XDG_RUNTIME_DIR=$TMP/run
mkdir -m 700 "$XDG_RUNTIME_DIR"
first="full: latest, key: [feed]" second="full: drop_oldest"
((RANDOM % 2)) && first="full: drop_oldest" second="full: latest, key: [feed]"
cat >drops.yaml <<YAML
hde: 1
graph: drops
hosts:
  from: {listen: "ipc://$TMP/from"}
  left: {listen: "ipc://$TMP/left"}
  right: {listen: "ipc://$TMP/right"}
  to: {listen: "ipc://$TMP/to"}
checkpoint: {every: 200ms, store: state}
nodes:
  chains:
    host: from
    op: ingestion/synthetic
    params: {symbols: [NIFTY, BANKNIFTY, FINNIFTY], strikes: 11, snapshots: 150, step: 40ms, paced: true}
  oi: {op: analytics/cumulative_oi, replicas: 4, key: feed, host: [left, right]}
  lines: {host: to, op: storage/jsonl, params: {path: lines}}
edges:
  - {path: chains.chains -> oi.in, $first, capacity: 4}
  - {path: oi.out -> lines.in, $second, capacity: 4}
YAML

hosts=(from left right to)
declare -A pids
run() { # HOST
  hde run drops.yaml --host "$1" >"$1.out" 2>>"$1.err" &
  pids[$1]=$!
  CHILDREN+=("$!")
}
is_over() { ! kill -0 "${pids[$1]}" 2>/dev/null; }
passed() { # HOST LINES: so many were passed on, or it is over
  is_over "$1" || [ "$(grep -c . lines)" -ge "$2" ]
}
for host in "${hosts[@]}"; do run "$host"; done
touch lines
for ((i = 0; i < ${HDE_KILLS:-6}; i++)); do
  host=${hosts[RANDOM % 4]}
  until_true 60 passed "$host" $(($(grep -c . lines) + RANDOM % 40)) ||
    fail "nothing is passed on (HDE_SEED=$seed): $(tail -n 3 ./*.err)"
  is_over "$host" && continue
  kill -KILL "${pids[$host]}"
  wait "${pids[$host]}"
  run "$host"
done
for host in "${hosts[@]}"; do
  until_true 60 is_over "$host" ||
    fail "$host does not come to its end (HDE_SEED=$seed): $(hde status --graph "drops.$host")"
  wait "${pids[$host]}" || { tail -n 5 ./*.err; fail "$host ended with $? (HDE_SEED=$seed)"; }
done
jq -r '[.feed, .event_ns] | @tsv' lines >got
sort -s -k1,1 -k2,2 -u got | sort -k1,1 -k2,2 >want
sort -s -k1,1 got | cmp -s - want || fail "lines of a feed are not once and in order (HDE_SEED=$seed)"
[ "$(sort -rk2,2 got | head -n 3 | cut -f1 | sort -u | grep -c .)" = 3 ] ||
  fail "the newest of a feed did not come (HDE_SEED=$seed): $(tail -n 3 got)"
echo "$(grep -c . got) of 450 chains passed on"
