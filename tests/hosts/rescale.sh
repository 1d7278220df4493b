#!/usr/bin/env bash
# Replicas of a node of graphs/distributed.yaml are rescaled by 'hde apply' under load, 2 on two hosts,
# 4 on three, 3 on two others; the tables and the order of each key are those of one process.
#
#   1. a host dies when it is in doubt: nothing has changed, whatever the graph file says by then
#   2. a host dies when it is told that it is decided: it goes on with the others
#   3. a host that loses its replicas, and one that has had none
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/absent.sh"
. "$HDE_SOURCE/tests/support/netns.sh"
. "$HDE_SOURCE/tests/hosts/rig.sh"

hosts_up
hosts_recorded "${HDE_SNAPSHOTS:-130}" 300ms
hosts_keyed

export HDE_EVERY=300ms
export HDE_STATE=$TMP/one.state HDE_STORE=$TMP/one.db LINES_TO=$TMP/one.jsonl
spread_over 2 calc,analyse
sed -i 's/, paced: true//' graphs/ingestion.yaml
expect 0 on_host 4 hde run graphs/distributed.yaml --host all
hosts_recorded "${HDE_SNAPSHOTS:-130}" 300ms
tables one.db >want
results_by_feed one.jsonl >want.lines
[ "$(grep -c . want)" -gt 1000 ] || fail "one process stored next to nothing"

export HDE_STATE=$TMP/four.state HDE_STORE=$TMP/four.db LINES_TO=$TMP/four.jsonl
for name in ingest calc; do host_run "$name"; done
HDE_FAULT=move-ready:2 host_run analyse
HDE_FAULT=move-commit:1 host_run serve
rows() { sqlite3 four.db 'SELECT count(*) FROM option_chain_snapshots' 2>/dev/null || echo 0; }
stored() { [ "$(rows)" -gt "$1" ]; }
goes_on() {
  at=$(rows)
  until_true 30 stored "$((at + 800))" || { tail -n 5 ./*.err; fail "the graph does not go on: $1"; }
}
all_up() { # as the coordinator sees it
  hde status --graph distributed.calc --json |
    jq -e '[.hosts[] | select(.state == "up")] | length == 3'
}
has_share() { # HOST
  hde status --graph "distributed.$1" --json |
    jq -e --arg name "analytics.velocity@$1" '[.nodes[].name] | index($name)'
}
lost_share() { # HOST
  hde status --graph "distributed.$1" --json |
    jq -e --arg name "analytics.velocity@$1" '[.nodes[].name] | index($name) | not'
}
until_true 60 stored 2000 || { tail -n 5 ./*.err; fail "host four stores nothing"; }

# 1.
spread_over 4 calc,analyse,serve
expect 0 hde plan --graph distributed.calc graphs/distributed.yaml
has out "2 on 2 hosts -> 4 on 3 hosts"
expect 1 hde apply --graph distributed.calc graphs/distributed.yaml
wait "${pids[2]}"
host_run analyse
until_true 30 all_up || { tail -n 5 ./*.err; fail "not all hosts are up after a change that was given up"; }
until_true 30 grep -q 'move.dropped' analyse.err || fail "the host that was in doubt does not hear"
has_share serve && fail "a change that was given up was made on a host"
goes_on "after a change that was given up"

# 2.
expect 0 hde apply --graph distributed.calc graphs/distributed.yaml
wait "${pids[3]}"
host_run serve
until_true 30 has_share serve || { tail -n 5 ./*.err; fail "the host that died does not make the change"; }
until_true 30 all_up || { tail -n 5 ./*.err; fail "not all hosts are up"; }
goes_on "with 4 replicas"

# 3.
spread_over 3 analyse,serve
expect 0 hde apply --graph distributed.calc graphs/distributed.yaml
until_true 30 lost_share calc || { tail -n 5 ./*.err; fail "a host keeps replicas that it is to lose"; }
until_true 30 all_up || { tail -n 5 ./*.err; fail "not all hosts are up with 3 replicas"; }
goes_on "with 3 replicas"
kill -KILL "${pids[2]}"
wait "${pids[2]}"
host_run analyse
sed -i 's/, paced: true//' graphs/ingestion.yaml # it has waited long enough
until_true 30 hde apply --graph distributed.calc graphs/distributed.yaml ||
  fail "the hosts make no change any more: $(hde apply --graph distributed.calc graphs/distributed.yaml 2>&1)"
for i in 0 1 2 3; do
  wait "${pids[i]}" || { tail -n 5 ./*.err; fail "${names[i]} ended with $?"; }
done
tables four.db >got
results_by_feed four.jsonl >got.lines
cmp want got || { diff want got | cut -c1-200 | head -8; fail "the tables differ"; }
[ -s want.lines ] || fail "the node gave no results"
cmp want.lines got.lines || fail "lines of a feed are not once and in order"
echo "$(grep -vc '^==' got) rows, $(grep -c . got.lines) results of the node, 0 differ"
