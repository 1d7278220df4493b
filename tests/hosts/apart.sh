#!/usr/bin/env bash
# Two hosts of one machine, joined by ipc: one that is away for long, and graphs that differ.
#
#   1. spill past the link's buffer: what no memory holds goes to a journal at the sender, and comes
#      once and in order; without `full: spill` the sender waits, says so, and costs next to nothing
#   2. graphs that differ in what both ends share are refused by both, with both hashes; parameters
#      may differ
. "$HDE_SOURCE/tests/support/cli.sh"
export XDG_RUNTIME_DIR=$TMP/run
mkdir -m 700 "$XDG_RUNTIME_DIR"

graph() { # POLICY
  cat <<YAML
hde: 1
graph: apart
hosts:
  near: {listen: "ipc://$TMP/near.ipc"}
  away: {listen: "ipc://$TMP/away.ipc"}
checkpoint: {every: 100ms, store: "\${STATE}"}
nodes:
  source: {host: near, op: ingestion/synthetic, params: {symbols: [NIFTY, BANKNIFTY], snapshots: 300, strikes: 41}}
  lines: {host: away, op: storage/jsonl, params: {path: "\${LINES}", fields: [feed, sequence, spot]}}
edges:
  - {path: source -> lines, capacity: {messages: 16}, full: $1}
YAML
}
start() { # HOST FILE
  hde run "$2" --host "$1" >"$1.out" 2>>"$1.err" &
  started=$!
  CHILDREN+=("$started")
}
hosts_of() { [ "$(hde status --graph "apart.$1" --json | jq ".hosts[0] | $2")" = true ]; }

# 1. Away for long
graph spill >spill.yaml
LINES=$TMP/want.jsonl STATE=$TMP/want.state expect 0 hde run spill.yaml --host all
[ "$(wc -l <want.jsonl)" = 600 ] || fail "$(wc -l <want.jsonl) lines in one process"
export LINES=$TMP/got.jsonl STATE=$TMP/state
start near spill.yaml
near=$started
kept() { [ "$(hde status --graph apart.near --json | jq '[.edges[].messages] | max')" = 600 ]; }
until_true 30 kept || { hde status --graph apart.near; fail "the sender waits for a host that is away"; }
until_true 30 grep -q "event=link.spills" near.err || { cat near.err; hde status --graph apart.near; fail "it does not say that it spills"; }
kill -KILL "$near" # what is in the journal outlives it
wait "$near"
start near spill.yaml
near=$started
start away spill.yaml
away=$started
wait "$near" || fail "near ended with $?: $(tail -n 3 near.err)"
wait "$away" || fail "away ended with $?: $(tail -n 3 away.err)"
by_key() { jq -c '[.feed, .sequence, .spot]' "$1" | sort -s -t, -k1,1; } # each in its order
cmp <(by_key want.jsonl) <(by_key got.jsonl) || fail "lines are lost, doubled or out of order"

# without a journal the edge's policy is to wait
rm -rf state got.jsonl ./*.err
graph block >block.yaml
start near block.yaml
near=$started
until_true 30 grep -q 'event=link.waits' near.err || fail "it does not say that it waits"
cpu() { awk '{print $14 + $15}' "/proc/$1/stat"; } # hundredths of a second
before=$(cpu "$near")
read -rt 1 <> <(:) || : # over which it is measured
[ $(($(cpu "$near") - before)) -lt 40 ] || fail "a host whose peer is away does not rest: $(($(cpu "$near") - before)) % of a core"
start away block.yaml
away=$started
wait "$near" || fail "near ended with $?: $(tail -n 3 near.err)"
wait "$away" || fail "away ended with $?: $(tail -n 3 away.err)"
cmp <(by_key want.jsonl) <(by_key got.jsonl) || fail "lines are lost, doubled or out of order (block)"

# 2. Graphs that differ
rm -rf state got.jsonl ./*.err
{
  graph block | sed "s|^edges:|  more: {host: away, op: storage/jsonl, params: {path: \"$TMP/more.jsonl\"}}\nedges:|"
  echo '  - source -> more'
} >other.yaml
start near block.yaml
near=$started
start away other.yaml
away=$started
for host in near away; do
  until_true 30 hosts_of $host '.state == "refused" and (.why | contains("HDE-N008"))' ||
    fail "$host does not refuse the other graph"
  hde status --graph "apart.$host" --json | jq -r '.hosts[0].why' | grep -oE '[0-9a-f]{16}' | sort >"$host.hashes"
  [ "$(wc -l <"$host.hashes")" = 2 ] || { hde status --graph "apart.$host" --json | jq -c .hosts; cat $host.err; fail "$host: not both hashes"; }
  hosts_of $host '.refused > 0 and (.frames_received // 0) == 0' || fail "it was not counted, or had an effect"
done
cmp near.hashes away.hashes || fail "each names other hashes"
[ ! -s got.jsonl ] || fail "something came through"
kill -KILL "$away"
wait "$away"
# another parameter, and another build would do as well, is none of the other's business
graph block | sed 's/spot\]/spot, underlying]/' >parameter.yaml
rm -rf state/away got.jsonl
start away parameter.yaml
away=$started
wait "$near" || fail "near ended with $?: $(tail -n 3 near.err)"
wait "$away" || fail "away ended with $?: $(tail -n 3 away.err)"
[ "$(grep -c underlying got.jsonl)" = 600 ] || fail "$(wc -l <got.jsonl) lines with the parameter"
cmp <(by_key want.jsonl) <(by_key got.jsonl) || fail "lines are lost, doubled or out of order (parameter)"
echo "600 lines three times, 0 differ"
