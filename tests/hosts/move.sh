#!/usr/bin/env bash
# Nodes of graphs/distributed.yaml go to other hosts under load, and the tables are those of an
# undisturbed run.
#
#   1. what cannot be moved is refused, and changes nothing
#   2. a host dies when it is in doubt, nothing decided: all go on as before, it asks when it is back
#   3. the coordinator dies when it has decided, and told nobody: all go on as it has decided, also
#      after another restart
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/absent.sh"
. "$HDE_SOURCE/tests/support/netns.sh"
. "$HDE_SOURCE/tests/hosts/rig.sh"

hosts_up
hosts_recorded "${HDE_SNAPSHOTS:-150}" 200ms
hosts_calm
for name in ingest calc serve; do host_run "$name"; done
HDE_FAULT=move-ready:2 host_run analyse
rows() { sqlite3 four.db 'SELECT count(*) FROM option_chain_snapshots' 2>/dev/null || echo 0; }
stored() { [ "$(rows)" -gt "$1" ]; }
all_up() { # as the coordinator and another one see it
  local name
  for name in calc serve; do
    hde status --graph "distributed.$name" --json |
      jq -e '[.hosts[] | select(.state == "up")] | length == 3' || return
  done
}
until_true 60 stored 2000 || { tail -n 5 ./*.err; fail "host four stores nothing"; }
until_true 20 all_up || fail "not all hosts are up"

# 1.
expect 1 hde apply --graph distributed.calc --move nothing=serve
has err "HDE-G375"
expect 1 hde apply --graph distributed.calc --move analytics=nowhere
has err "nowhere"
expect 64 hde apply --graph distributed.calc graphs/distributed.yaml --move analytics=calc

# 2.
expect 0 hde plan --graph distributed.serve --move analytics.velocity=calc
has out "from analyse to calc"
has out "exact"
has out "nothing was changed"
expect 1 hde apply --graph distributed.serve --move analytics.velocity=calc
wait "${pids[2]}"
host_run analyse
until_true 30 all_up || { tail -n 5 ./*.err; fail "not all hosts are up after a move that was given up"; }
on() { hde status --graph "distributed.$1" --json | jq -e '[.nodes[].name] | index("analytics.velocity")'; }
on analyse || fail "the node left a host that had not agreed"
grep -q 'move.doubt' analyse.err || fail "the host that died was in no doubt"
tells() { hde history --graph distributed.calc | grep -q "$1"; } # it may begin anew still
for entry in 'refused .*move analytics.velocity: analyse -> calc .*HDE-' 'planned .*move analytics.velocity'; do
  until_true 20 tells "$entry" || fail "the history of the coordinator has no '$entry'"
done
until_true 20 grep -q 'move.dropped' analyse.err || fail "the host that was in doubt does not hear"
goes_on() {
  at=$(rows)
  until_true 30 stored "$((at + 800))" || { tail -n 5 ./*.err; fail "the graph does not go on: $1"; }
}
goes_on "after a move that was given up"

# 3.
kill -KILL "${pids[1]}"
wait "${pids[1]}"
HDE_FAULT=move-commit:2 host_run calc
goes_on "after a restart"
until_true 30 all_up || fail "not all hosts are up"
hde apply --graph distributed.serve --move analytics.velocity=calc >moved 2>&1 &
apply=$!
CHILDREN+=("$apply")
wait "${pids[1]}" # it has decided, and told nobody
host_run calc
wait "$apply" || { cat moved; fail "the move was not made"; }
until_true 30 all_up || { tail -n 5 ./*.err; fail "not all hosts are up after the move"; }
until_true 20 on calc || fail "the node does not run where it was moved to"
on analyse && fail "the node runs where it was"
expect 0 hde history --graph distributed.serve --json
jq -e '.changes[0] | .move and .plan.changes > 0 and .moved == ["analytics.velocity: analyse -> calc"]' out ||
  fail "the history of another host does not have the move"
goes_on "after the move"
kill -KILL "${pids[1]}"
wait "${pids[1]}"
host_run calc
until_true 30 all_up || fail "not all hosts are up again"
on calc || fail "the node went back with a restart"

hosts_equal 0 1 2 3
