#!/usr/bin/env bash
# A savepoint over the four hosts of graphs/distributed.yaml.
#
#   1. taken under load, asked for at a host that does not lead; all hosts are killed later, go back
#      to it, and the tables are those of an undisturbed run
#   2. a host that goes back alone is refused by the others
#   3. one that a host does not give its share of is given up, and changes nothing
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/absent.sh"
. "$HDE_SOURCE/tests/support/netns.sh"
. "$HDE_SOURCE/tests/hosts/rig.sh"

hosts_up
hosts_recorded "${HDE_SNAPSHOTS:-120}" 125ms
hosts_calm
for name in "${names[@]}"; do host_run "$name"; done
stored() { # AT LEAST
  local n
  n=$(sqlite3 four.db 'SELECT count(*) FROM option_chain_snapshots' 2>/dev/null) && [ "$n" -gt "$1" ]
}
until_true 60 stored 2000 || { tail -n 5 ./*.err; fail "host four stores nothing"; }

# 1.
expect 1 hde savepoint take --graph distributed.serve move
has err "HDE-R085"
expect 0 hde savepoint take --graph distributed.serve monday
has out "savepoint monday"
for name in "${names[@]}"; do
  expect 0 hde savepoint ls graphs/distributed.yaml --host "$name"
  has out "monday"
  expect 0 hde savepoint check monday graphs/distributed.yaml --host "$name"
done
expect 64 hde savepoint ls graphs/distributed.yaml
at=$(sqlite3 four.db 'SELECT count(*) FROM option_chain_snapshots')
until_true 30 stored "$((at + 2000))" || fail "the graph does not go on behind the savepoint"
for i in 0 1 2 3; do kill -KILL "${pids[i]}"; done
for i in 0 1 2 3; do wait "${pids[i]}"; done
for name in ingest calc serve; do
  expect 0 hde savepoint restore monday graphs/distributed.yaml --host "$name"
done

# 2.
for name in "${names[@]}"; do host_run "$name"; done
refused() { hde status --graph distributed.analyse --json >status &&
  jq -e '[.hosts[] | select(.state == "refused" and (.why | contains("HDE-N020")))] | length > 0' status; }
until_true 20 refused || fail "a host that was left out is not refused"
kill -KILL "${pids[2]}"
wait "${pids[2]}"
expect 0 hde savepoint restore monday graphs/distributed.yaml --host analyse
host_run analyse

# 3.
all_up() { hde status --graph distributed.calc --json >status &&
  jq -e '[.hosts[] | select(.state == "up")] | length == 3' status; }
until_true 20 all_up || fail "a host that was away does not come back"
kill -STOP "${pids[2]}"
hde savepoint take --graph distributed.calc broken >out 2>err &
takes=$!
says() { hde status --graph distributed.calc --json >status &&
  jq -e '[.doing[]? | select(contains("savepoint '\''broken'\'', led here"))] | length > 0' status; }
until_true 20 says || { hde status --graph distributed.calc; fail "the status does not tell of it"; }
wait "$takes"
[ $? = 1 ] || fail "a savepoint was taken without a host"
has err "analyse"
kill -CONT "${pids[2]}"
has err "HDE-"
[ -z "$(find four.state -name '*broken*')" ] || fail "something of it was left"

hosts_equal 0 1 2 3
