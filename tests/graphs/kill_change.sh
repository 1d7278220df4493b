#!/usr/bin/env bash
# kill -9 inside a reload, inside an apply, while the log goes on in another segment and while one is
# deleted: afterwards the old or the new state, never one between, and the tables of a run that nobody
# disturbed.
#   HDE_KILLS=N   a tenth of it, at least one, are kills at each of the four places (1); HDE_SEED=N
. "$HDE_SOURCE/tests/support/cli.sh"

kills=$((${HDE_KILLS:-10} / 10))
((kills > 0)) || kills=1
RANDOM=${HDE_SEED:-$$}
echo "HDE_SEED=${HDE_SEED:-$$}"
cp -r "$HDE_SOURCE/graphs" graphs
snapshots=$((kills * 4 * 100))
cat >market.yaml <<YAML
hde: 1
graph: killed-$$
checkpoint: {every: 50ms, store: kept, log: {segment: 4KiB, max_size: 4KiB}}
include:
  processing: {chain: graphs/processing.yaml}
nodes:
  near: {op: ingestion/synthetic, params: {symbols: [NIFTY], step: 10ms, paced: true, snapshots: $snapshots}}
  far: {op: ingestion/synthetic, params: {symbols: [BANKNIFTY], step: 10ms, paced: true, snapshots: $snapshots}}
  velocity: {op: analytics/velocity}
  store: {op: storage/sqlite, params: {path: market.db}}
edges:
  - "[near, far] -> processing.chains"
  - processing.enriched -> velocity
  - processing.enriched -> store.snapshots
  - velocity -> store.results
YAML
# Another graph with the same results: a node on a thread of its own.
sed 's|velocity: {op: analytics/velocity}|velocity: {op: analytics/velocity, boundary: true}|' \
  market.yaml >other.yaml

tables() { # DATABASE: every row of every table, sorted
  local table
  for table in $(sqlite3 "$1" "SELECT name FROM sqlite_master WHERE type = 'table' AND
    name NOT LIKE 'hde_%' AND name NOT LIKE 'sqlite_%' ORDER BY name"); do
    echo "== $table"
    sqlite3 "$1" "SELECT * FROM $table" | sort
  done
}

# Another build of the same code: the same file with another build id.
plugin=$(dirname "$HDE_BIN")/lib/hde/plugins/analytics-velocity.so
id=$(readelf -n "$plugin" | sed -n 's/.*Build ID: //p')
[ ${#id} = 40 ] || fail "no build id in $plugin"
build() { # N: a build of its own
  HEX=$id N=$1 perl -0777 -pe 'BEGIN { $id = pack("H*", $ENV{HEX}); $new = pack("N", $ENV{N}) . substr($id, 4) }
    s/\Q$id\E/$new/' "$plugin" >"velocity-$1.so"
  echo "$TMP/velocity-$1.so"
}

mkdir calm && sed 's/store: kept/store: calm\/kept/; s/path: market.db/path: calm\/market.db/; s/step: 10ms, paced: true/step: 10ms/' \
  market.yaml >calm.yaml
expect 0 hde run calm.yaml
tables calm/market.db >want
[ "$(grep -c . want)" -gt 1000 ] || fail "the undisturbed run stored next to nothing"

export HDE_GRAPH=killed-$$
is_running() { hde status --json | grep -q '"running"'; }
ask() { # VERB...: which notices at once that the engine has died of it
  timeout 20 hde "$@" >"$TMP/asked" 2>&1
  [ $? != 124 ] || fail "'hde $1' waits for an engine that is dead"
}
asks_until_it_dies() {
  ask apply other.yaml
  ! kill -0 "$child" 2>/dev/null
}
declare -A died
for ((i = 0; i < 4 * kills; i++)); do
  case $((i / kills)) in # swaps last: the log is kept from before a young one
  0) place=rotation n=$((1 + RANDOM % 8)) ;;
  1) place=retirement n=$((1 + RANDOM % 8)) ;;
  2) place=swap n=$((1 + RANDOM % 2)) ;;
  3) place=apply n=$((1 + RANDOM % 4)) ;;
  esac
  HDE_FAULT="$place:$n" hde run market.yaml >out 2>err &
  child=$!
  CHILDREN=("$child")
  if [ $place = swap ] || [ $place = apply ]; then
    until_true 20 is_running || fail "no answer from the run"
    if [ $place = swap ]; then
      ask reload velocity --so "$(build $((i + 1)))" --no-trial --probation 0s
    else
      # again while the log is taken, until the run dies of it
      until_true 20 asks_until_it_dies || fail "the apply of kill $i changed nothing: $(cat asked)"
    fi
  fi
  wait "$child" 2>/dev/null
  [ $? = 137 ] || { cat asked; fail "the run of kill $i ($place:$n) ended by itself"; }
  CHILDREN=()
  died[$place]=$((${died[$place]:-0} + 1))
done
expect 0 hde run market.yaml
tables market.db >got
cmp want got || { diff want got | cut -c1-150 | head -8; fail "tables differ"; }
expect 0 hde log verify kept/log
has out "retired: "
for place in swap apply rotation retirement; do
  [ "${died[$place]:-0}" = "$kills" ] || fail "${died[$place]:-0} kills at $place"
  echo "killed at $place: ${died[$place]}"
done
echo "$((4 * kills)) kills, $(grep -vc '^==' got) rows, 0 differ"
