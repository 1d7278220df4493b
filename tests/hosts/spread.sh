#!/usr/bin/env bash
# graphs/distributed.yaml with a node whose replicas lie on two hosts, `replicas: 4, host: [calc,
# analyse], key: feed`: tables are those of one process, and the results of each feed come once and
# in order, though each of both hosts is killed on the way. A start with another number of replicas is
# refused by the store of a host, of which as many replicas would lie there.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/absent.sh"
. "$HDE_SOURCE/tests/support/netns.sh"
. "$HDE_SOURCE/tests/hosts/rig.sh"

hosts_up
hosts_recorded "${HDE_SNAPSHOTS:-50}" 200ms
hosts_keyed
spread_over 4 "calc, analyse"

export HDE_EVERY=300ms
export HDE_STATE=$TMP/one.state HDE_STORE=$TMP/one.db LINES_TO=$TMP/one.jsonl
sed -i 's/, paced: true//' graphs/ingestion.yaml
expect 0 on_host 4 hde run graphs/distributed.yaml --host all
hosts_recorded "${HDE_SNAPSHOTS:-50}" 200ms
tables one.db >want
results_by_feed one.jsonl >want.lines
[ "$(grep -c . want)" -gt 1000 ] || fail "one process stored next to nothing"

export HDE_STATE=$TMP/four.state HDE_STORE=$TMP/four.db LINES_TO=$TMP/four.jsonl
expect 0 hde graph graphs/distributed.yaml
has out "2 of 4 replicas by feed, on analyse"
for name in ingest calc serve analyse; do host_run "$name"; done
rows() { sqlite3 four.db 'SELECT count(*) FROM option_chain_snapshots' 2>/dev/null || echo 0; }
stored() { [ "$(rows)" -gt "$1" ]; }
works() { # HOST: its replicas have messages
  hde status --graph "distributed.$1" --json |
    jq -e --arg name "analytics.velocity@$1" \
      '[.nodes[] | select(.name == $name) | .messages // 0 | tonumber] | add > 0'
}
until_true 60 stored 2000 || { tail -n 5 ./*.err; fail "host four stores nothing"; }
sed 's|replicas: 4|replicas: 3|' graphs/analytics.yaml >other
cp graphs/analytics.yaml four
for name in calc analyse; do
  until_true 30 works "$name" || fail "$name has no keys: $(hde status --graph "distributed.$name")"
  at=$(rows)
  i=$(host_number "$name")
  kill -KILL "${pids[i]}"
  wait "${pids[i]}"
  if [ "$name" = calc ]; then
    cp other graphs/analytics.yaml
    expect 1 on_host 2 hde run graphs/distributed.yaml --host calc --key calc.key
    has err "HDE-R260"
    cp four graphs/analytics.yaml
  fi
  host_run "$name"
  until_true 40 stored $((at + 2000)) || { tail -n 5 ./*.err; fail "$name does not go on"; }
done
for i in 0 1 2 3; do
  wait "${pids[i]}" || { tail -n 5 ./*.err; fail "${names[i]} ended with $?"; }
done
tables four.db >got
results_by_feed four.jsonl >got.lines
cmp want got || { diff want got | cut -c1-200 | head -8; fail "the tables differ"; }
[ -s want.lines ] || fail "the node gave no results"
cmp want.lines got.lines || fail "lines of a feed are not once and in order"
echo "$(grep -vc '^==' got) rows, $(grep -c . got.lines) results of the node, 0 differ"
