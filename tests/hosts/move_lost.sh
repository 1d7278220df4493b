#!/usr/bin/env bash
# A machine of graphs/distributed.yaml is lost, its nodes go on elsewhere from their last epochs, and
# rows with natural keys are those of an undisturbed run.
#
#   1. while it may come back it is waited for; a store that is not shared is said
#   2. --lost, under load; the plan says before what it means
#   3. it comes back, as a spare host: nothing lies on it any more, and it ends with the others
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/absent.sh"
. "$HDE_SOURCE/tests/support/netns.sh"
. "$HDE_SOURCE/tests/hosts/rig.sh"

hosts_up
hosts_recorded "${HDE_SNAPSHOTS:-110}" 200ms
hosts_calm
for name in "${names[@]}"; do host_run "$name"; done
rows() { sqlite3 four.db "SELECT count(*) FROM $1" 2>/dev/null || echo 0; }
stored() { [ "$(rows "$1")" -gt "$2" ]; }
until_true 60 stored analytics_zones 200 || { tail -n 5 ./*.err; fail "host four stores nothing"; }
kill -KILL "${pids[2]}"
wait "${pids[2]}"

# 1.
expect 1 hde plan --graph distributed.calc --move analytics=calc
has err "HDE-N006"
mv four.state/analyse away
expect 1 hde apply --graph distributed.calc --move analytics=serve --lost analyse
has err "HDE-R236"
mv away four.state/analyse
expect 1 hde apply --graph distributed.calc --move analytics.velocity=serve --lost analyse
has err "HDE-R234"

# 2.
expect 0 hde plan --graph distributed.serve --move analytics=serve --lost analyse
has out "goes on from its last epoch"
has out "at least once"
expect 0 hde apply --graph distributed.serve --move analytics=serve --lost analyse
has out "done"
at=$(rows analytics_zones)
until_true 30 stored analytics_zones "$at" || { tail -n 5 ./*.err; fail "analytics do not go on"; }

# 3.
host_run analyse
is_back() {
  hde status --graph distributed.analyse --json |
    jq -e '(.nodes // []) == [] and ([.hosts[] | select(.state == "up")] | length == 3)'
}
until_true 30 is_back || { tail -n 5 analyse.err; fail "a host that was lost does not stand by"; }
[ -z "$(ls four.state/analyse/parts | grep -v '^\.')" ] || fail "it has what it lost"

hosts_equal 0 1 2 3
