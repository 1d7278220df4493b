#!/usr/bin/env bash
# Links between hosts of graphs/distributed.yaml change under load: a node with a new link to another
# host comes and goes. The tables are those of a run that nobody changed, and what the node has
# written is what it would have written there, in one piece, nothing twice.
#
#   1. one host refuses: nothing changes
#   2. one dies when all are prepared: all go on as before, also those that begin anew with a file that
#      was edited in place
#   3. one dies when the others switch: it does what was decided when it is back, also when the file
#      that it is started with says nothing of it. Another node has moved, with its state
#   4. the node goes with the rollback
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/absent.sh"
. "$HDE_SOURCE/tests/support/netns.sh"
. "$HDE_SOURCE/tests/hosts/rig.sh"

hosts_up
hosts_recorded "${HDE_SNAPSHOTS:-300}" 200ms
sed -i 's/, paced: true/, paced: "${HDE_PACED:-true}"/' graphs/ingestion.yaml
G=$TMP/graphs/distributed.yaml
sed -i 's/symbols: .NIFTY, BANKNIFTY./symbols: [NIFTY]/; /-> gateway.live/d; /^  gateway:/,/^    params:/d
  s|^nodes:|&\n  heard: {host: serve, op: storage/jsonl, params: {path: "${HEARD}"}}|' "$G"
echo '  - processing.enriched -> heard' >>"$G"
sed -i 's|window: 3m|window: 1s|; s|interval: 1m|interval: 1s|' graphs/analytics.yaml
sed 's|velocity: {|velocity: {host: calc, |' graphs/analytics.yaml >graphs/split.yaml
sed 's|chain: analytics.yaml|chain: split.yaml|; s|^nodes:|&\n  seen: {host: serve, op: storage/jsonl, params: {path: "${SEEN}"}}\n  spare: {host: serve, op: processing/pcr}|' \
  "$G" >graphs/more.yaml
printf '  - %s\n' 'analytics.results -> seen' 'processing.enriched -> spare' >>graphs/more.yaml
sed 's|{SEEN}|{NOT_EVERYWHERE}|' graphs/more.yaml >graphs/refused.yaml

export HDE_EVERY=300ms HDE_STATE=$TMP/one.state HDE_STORE=$TMP/one.db
HDE_PACED=false HEARD=$TMP/one.heard SEEN=$TMP/one.seen on_host 1 hde run graphs/more.yaml --host all 2>one.err &
one=$!
CHILDREN+=("$one")
export HDE_STATE=$TMP/four.state HDE_STORE=$TMP/four.db HEARD=$TMP/four.heard SEEN=$TMP/four.seen
export NOWHERE=/proc/no/such
NOT_EVERYWHERE=$TMP/refused host_run ingest
NOT_EVERYWHERE=$TMP/refused host_run calc
NOT_EVERYWHERE=$TMP/refused HDE_FAULT=move-ready:2 host_run analyse
host_run serve
lines() { cat "$1" 2>/dev/null | wc -l; }
wrote() { [ "$(lines "$1")" -gt "$2" ]; }
goes_on() { # WHAT
  until_true 30 wrote four.heard "$(($(lines four.heard) + 5))" ||
    { tail -n 5 ./*.err; fail "the graph does not go on: $1"; }
}
all_up() {
  local name
  for name in "${names[@]}"; do
    hde status --graph "distributed.$name" --json |
      jq -e '[.hosts[] | select(.state == "up")] | length == 3' || return
  done
}
comes_up() { until_true 30 all_up || { tail -n 5 ./*.err; fail "not all hosts are up: $1"; }; }
has_node() { hde status --graph "distributed.$1" --json | jq -e "[.nodes[].name] | index(\"$2\")"; }
dies() { # NAME
  local i
  i=$(host_number "$1")
  wait "${pids[i]}"
  [ $? = 137 ] || fail "'$1' was not killed"
}
until_true 30 wrote four.heard 5 || { tail -n 5 ./*.err; fail "host four writes nothing"; }
comes_up "at the beginning"

# 1.
export NOT_EVERYWHERE=$TMP/refused
expect 1 hde apply --graph distributed.ingest graphs/refused.yaml
has err "host 'serve'"
has err "NOT_EVERYWHERE"
sed 's|{SEEN}|{NOWHERE}|' graphs/more.yaml >graphs/refused.yaml
expect 1 hde apply --graph distributed.ingest graphs/refused.yaml
has err "host 'serve'"
has err "/proc/no"
has_node serve seen && fail "a node that a host has refused is there"
goes_on "a host has refused"

# 2.
cp "$G" before.yaml
cp graphs/more.yaml "$G"
expect 0 hde plan --graph distributed.serve "$G"
has out "all of them stop at one savepoint"
expect 1 hde apply --graph distributed.serve "$G"
dies analyse
HDE_FAULT=move-commit:1 host_run analyse
goes_on "a change was given up"
comes_up "a change was given up"
has_node serve seen && fail "a change was made that a host has not agreed to"
cp before.yaml "$G"

# 3.
hde apply --graph distributed.serve graphs/more.yaml >made 2>&1 &
apply=$!
CHILDREN+=("$apply")
dies analyse
host_run analyse
wait "$apply" || { cat made; fail "the change was not made"; }
grep -q "done: all hosts begin anew" made || fail "the change does not say what it has done"
until_true 30 wrote four.seen 20 || { tail -n 5 ./*.err; fail "nothing comes over the new link"; }
comes_up "behind the change"
has_node serve seen || fail "the node is not there"
has_node calc analytics.velocity || fail "a node did not move with the change"
for name in calc serve; do # who led it, and another one: both have begun anew
  expect 0 hde history --graph "distributed.$name"
  grep -q 'done .*more.yaml' out || { cat out; fail "the history of $name does not have the change"; }
done

# 4.
i=$(host_number calc)
kill -KILL "${pids[i]}"
dies calc
host_run calc
comes_up "a host was started with the file of the beginning"
goes_on "a host was started with the file of the beginning"
expect 0 hde apply --graph distributed.calc --move spare=analyse # goes as well
until_true 30 has_node analyse spare || fail "a node of a change cannot be moved"
until_true 30 hde rollback --graph distributed.calc || fail "there is no way back" # it may begin anew still
is_gone() { ! has_node serve seen && ! has_node analyse spare && all_up; }
until_true 30 is_gone || { tail -n 5 ./*.err; fail "the node is there behind the rollback"; }
cp four.seen piece
goes_on "behind the rollback"
expect 1 hde rollback --graph distributed.calc
has err "HDE-R056"

kill -KILL "${pids[0]}" # the rest of the input at once
dies ingest
HDE_PACED=false host_run ingest
hosts_equal 0 1 2 3
cmp one.heard four.heard || fail "lines of a sink are not once and in order"
cmp four.seen piece || fail "a node that is gone writes"
for type in CumulativeOi Velocity Buildup Zones; do # one piece of what all would be
  grep "\"type\":\"$type\"" one.seen >all
  grep "\"type\":\"$type\"" four.seen >got
  n=$(lines got)
  [ "$n" -gt 3 ] || fail "$n lines of $type"
  grep -nFx -m 1 -- "$(head -n 1 got)" all | cut -d: -f1 >at
  tail -n "+$(cat at)" all | head -n "$n" | cmp - got || fail "lines of $type are lost or doubled"
done
