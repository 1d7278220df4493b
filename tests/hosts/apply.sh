#!/usr/bin/env bash
# Changes over four hosts under load: all hosts make one or none does, whoever is asked. The tables
# are those of a run that nobody changed.
#
#   1. one that all make, asked of a host that does not lead, and taken back
#   2. one that a host refuses, one whose files differ, one while a host is down: nothing changes
#   3. the coordinator is away: data flows, a change is refused; then it is back
#   4. kill -9 of a host, and of the coordinator, between ready and made
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/absent.sh"
. "$HDE_SOURCE/tests/support/netns.sh"
. "$HDE_SOURCE/tests/hosts/rig.sh"

hosts_up
hosts_recorded "${HDE_SNAPSHOTS:-400}" 500ms # paced longer than a slow machine takes for all below
sed -i 's/, paced: true/, paced: "${HDE_PACED:-false}"/' graphs/ingestion.yaml
# without the coordinator chains flow from ingest to serve all the same
sed -i "s/^coordinator: calc/coordinator: analyse/; s/symbols: .NIFTY, BANKNIFTY./symbols: [NIFTY]/" graphs/distributed.yaml
G=$TMP/graphs/distributed.yaml

export HDE_EVERY=300ms HDE_STATE=$TMP/one.state HDE_STORE=$TMP/one.db
expect 0 on_host 4 hde run "$G" --host all
tables one.db >want
[ "$(grep -c . want)" -gt 1000 ] || fail "one process stored next to nothing"

export HDE_PACED=true HDE_STATE=$TMP/four.state HDE_STORE=$TMP/four.db
for name in "${names[@]}"; do host_run "$name"; done
stored() { sqlite3 four.db 'SELECT count(*) FROM option_chain_snapshots' 2>/dev/null || echo 0; }
stores_more() { # WHAT: something new comes to the store
  local n
  n=$(stored)
  more() { [ "$(stored)" -gt "$n" ]; }
  until_true 20 more || { tail -n 3 ./*.err; fail "nothing is stored: $1"; }
}
all_up() {
  local name
  for name in "${names[@]}"; do
    hde status --graph "distributed.$name" --json 2>/dev/null |
      jq -e '[.hosts[] | select(.state == "up")] | length == 3' >/dev/null || return 1
  done
}
until_true 30 all_up || fail "not all hosts are up"
stores_more "at the beginning"

variant() { # NAME LINE...: the graph with more nodes
  local to=$TMP/graphs/$1.yaml line
  shift
  cp "$G" "$to"
  for line in "$@"; do
    case $line in *'->'*) echo "  - $line" >>"$to" ;; *) sed -i "s|^nodes:|&\n  $line|" "$to" ;; esac
  done
}
nodes_of() { hde status --graph "distributed.$1" --json | jq -r '.nodes[].name' | sort; }
has_node() { nodes_of "$1" | grep -qx "$2"; }

# 1. All make it
variant more 'seen: {host: calc, op: storage/jsonl, params: {path: "seen.jsonl"}}' \
  'found: {host: analyse, op: storage/jsonl, params: {path: "found.jsonl"}}' \
  'processing.enriched -> seen' 'analytics.results -> found'
expect 0 hde plan --graph distributed.ingest graphs/more.yaml
has out "seen"
expect 0 hde apply --graph distributed.ingest graphs/more.yaml
for name in ingest calc serve; do has out "host $name: done"; done
has_node calc seen && has_node analyse found || fail "the nodes are not there"
expect 0 hde history --graph distributed.calc
has out "done"
stores_more "behind the change"
expect 0 hde rollback --graph distributed.calc
has_node calc seen && fail "a node stays behind the rollback"
stores_more "behind the rollback"

# 2. Nobody makes it
for name in "${names[@]}"; do nodes_of "$name"; done >before
nothing_has_changed() {
  for name in "${names[@]}"; do nodes_of "$name"; done >after
  cmp before after || { diff before after; fail "something has changed: $1"; }
  stores_more "$1"
}
variant bad 'found: {host: analyse, op: storage/jsonl, params: {path: "found.jsonl"}}' \
  'seen: {host: calc, op: storage/jsonl, params: {path: "/proc/no/such.jsonl"}}' \
  'processing.enriched -> seen' 'analytics.results -> found'
expect 1 hde apply --graph distributed.serve graphs/bad.yaml
has err "host 'calc'"
has err "/proc/no"
nothing_has_changed "a host has refused"
expect 0 hde history --graph distributed.analyse
has out "host 'calc'"
kill -STOP "${pids[0]}" # down: it is silent
down() { hde status --graph distributed.analyse --json | jq -e ".hosts[] | select(.name == \"$1\") | .state == \"down\"" >/dev/null; }
until_true 20 down ingest || fail "who is silent is not down"
expect 1 hde apply --graph distributed.serve graphs/more.yaml
has err "HDE-R211"
has err "'ingest' is down"
kill -CONT "${pids[0]}"
until_true 30 all_up || fail "who was silent is not back"
nothing_has_changed "a host is down"

connects_of() { # NAME: how often the others have met it
  local other
  for other in "${names[@]}"; do
    [ "$other" = "$1" ] || hde status --graph "distributed.$other" --json |
      jq ".hosts[] | select(.name == \"$1\") | .connects"
  done
}
back() { # NAME: with new sessions to everybody
  local now
  now=$(connects_of "$1") || return 1
  [ "$(paste <(echo "$connects") <(echo "$now") | awk '$2 > $1' | wc -l)" = 3 ] && all_up
}
dies() { # NAME
  local i
  i=$(host_number "$1")
  connects=$(connects_of "$1")
  kill -KILL "${pids[i]}" 2>/dev/null
  wait "${pids[i]}" 2>/dev/null
}
comes_back() { # NAME [PLACE]: dies at that place
  if [ $# = 2 ]; then HDE_FAULT=$2 host_run "$1"; else host_run "$1"; fi
  until_true 30 back "$1" || { tail -n 3 "$1.err"; fail "'$1' is not back"; }
}
again() { # NAME [PLACE]
  dies "$1"
  comes_back "$@"
}

# one has another file: the chain that a variable names there
sed 's|chain: processing.yaml|chain: "${HDE_CHAIN:-processing.yaml}"|' graphs/more.yaml >graphs/chained.yaml
(cat graphs/processing.yaml; echo "# another one") >graphs/other.yaml
dies serve
HDE_CHAIN=other.yaml comes_back serve
expect 1 hde apply --graph distributed.serve graphs/chained.yaml
has err "HDE-R210"
has err "host 'serve'"
nothing_has_changed "a file differs"

# 3. The coordinator is away
dies analyse
expect 69 hde apply --graph distributed.serve graphs/more.yaml
has err "HDE-R211"
has err "'analyse'"
stores_more "without the coordinator"
comes_back analyse
expect 0 hde apply --graph distributed.serve graphs/more.yaml
expect 0 hde apply --graph distributed.serve "$G"

# 4. Killed in the middle
is_dead() { # NAME
  local i
  i=$(host_number "$1")
  until_true 20 gone "${pids[i]}" || fail "'$1' lives"
  wait "${pids[i]}" 2>/dev/null
  [ $? = 137 ] || fail "'$1' was not killed"
  connects=$(connects_of "$1")
}
gone() { ! kill -0 "$1" 2>/dev/null; }

echo "- a host that has not said ready yet: none makes it"
again serve ready:1
expect 1 hde apply --graph distributed.calc graphs/more.yaml
has err "'serve'"
is_dead serve
has_node calc seen && fail "one host has made a change that another was not ready for"
has_node analyse found && fail "the coordinator has made a change that a host was not ready for"

echo "- a host behind the decision: all make it, it when it is back"
comes_back serve
again calc apply:1
expect 0 hde apply --graph distributed.ingest graphs/more.yaml
has out "host calc: working"
expect 0 hde history --graph distributed.analyse
has out "host calc: working"
is_dead calc
has_node analyse found || fail "the change is not made"
cp "$G" graphs/less.yaml && cp graphs/more.yaml "$G" # what a start runs is what its file says
comes_back calc
until_true 20 has_node calc seen || fail "the host that was killed does not make the change"

echo "- the coordinator before its decision: none makes it"
again analyse decision:1
expect 69 hde apply --graph distributed.calc graphs/less.yaml
is_dead analyse
stores_more "a host waits for a coordinator that has not decided"
has_node calc seen || fail "a host has decided by itself"
comes_back analyse decision:2
forgotten() { hde history --graph distributed.calc --json | jq -e '.changes[0] | .state == "CHANGE_STATE_REFUSED"' >/dev/null; }
until_true 20 forgotten || fail "a host still waits"
has_node calc seen || fail "what was not decided was made"

echo "- the coordinator behind its decision: all make it when it is back"
expect 69 hde apply --graph distributed.calc graphs/less.yaml
is_dead analyse
stores_more "a host waits for a coordinator that has decided"
cp graphs/less.yaml "$G"
comes_back analyse
unseen() { ! has_node calc seen; }
until_true 20 unseen || fail "what was decided was not made"
expect 0 hde plan --graph distributed.ingest "$G"

# To the end
dies ingest
HDE_PACED=false host_run ingest
for i in 0 1 2 3; do
  wait "${pids[i]}" || { tail -n 5 ./*.err; fail "${names[i]} ended with $?"; }
done
tables four.db >got
cmp want got || { diff want got | cut -c1-200 | head -8; fail "the tables differ"; }
echo "$(grep -vc '^==' got) rows, 0 differ"
