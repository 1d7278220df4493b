#!/usr/bin/env bash
# A second instance on the same store takes over: the first one is stopped and says why, the second
# goes on from its log, no row is lost or doubled. A graph in one part, in two with either kind of
# link, and under --supervise: the parent of the one that was stopped does not start it again.
. "$HDE_SOURCE/tests/support/cli.sh"
export HDE_GRAPH=takeover # others may run meanwhile

graph() { # FOLDER, settings of the edge
  cat <<YAML
hde: 1
graph: takeover
checkpoint: {every: 200ms, store: $1/kept}
nodes:
  feed: {op: ingestion/synthetic, params: {symbols: [NIFTY], step: 5ms, paced: true, snapshots: 1000000}}
  store: {op: storage/sqlite, params: {path: $1/market.db}}
edges: [{path: feed -> store.snapshots, $2}]
YAML
}
stored() { sqlite3 "$dir/market.db" "SELECT COUNT(DISTINCT event_ns) FROM option_chain_snapshots" 2>/dev/null || echo 0; }
has_stored() { [ "$(stored)" -ge "$1" ]; }
has_ended() { ! kill -0 "$1"; }

takes_over() { # FOLDER, settings of the edge, options of both runs
  local dir=$1 first second before missing log
  shift
  mkdir "$dir"
  graph "$dir" "$1" >"$dir.yaml"
  shift
  hde run "$@" "$dir.yaml" >out1 2>err1 &
  first=$!
  CHILDREN=("$first")
  until_true 20 has_stored 20 || { cat err1; fail "$dir: nothing is stored"; }
  expect 75 hde run --no-takeover "$dir.yaml"
  has err "HDE-R097"
  kill -0 "$first" || fail "$dir: the first one was stopped by one that was told not to"

  hde run "$@" "$dir.yaml" >out2 2>err2 &
  second=$!
  CHILDREN+=("$second")
  until_true 20 has_ended "$first" || { cat err1 err2; fail "$dir: the first one goes on"; }
  wait "$first"
  [ $? = 75 ] || fail "$dir: the first one did not fail"
  has err1 "HDE-R097"
  has err1 "takes over the store '$dir/kept'"
  has_not err1 "part.failed"
  if [ $# = 0 ]; then # a parent is not the process that runs
    has err "process $first on"
    has err1 "process $second on"
    has err2 "process $first on"
  else # and says so itself
    has err1 "another run has the store: this one is not started again"
    has err1 "end one of the two runs"
  fi
  until_true 20 grep -q "taken again" err2 || fail "$dir: the second one does not take the log"
  before=$(stored)
  until_true 20 has_stored $((before + 20)) || fail "$dir: the second one does not go on"
  expect 0 hde drain
  wait "$second" || { cat err2; fail "$dir: the second one failed"; }
  CHILDREN=()
  missing=$(sqlite3 "$dir/market.db" "SELECT (MAX(event_ns) - MIN(event_ns)) / 5000000 + 1 -
    COUNT(DISTINCT event_ns) FROM option_chain_snapshots")
  [ "$missing" = 0 ] || fail "$dir: $missing snapshots are missing"
  for log in $(find "$dir/kept" -name '*.log' -printf '%h\n' | sort -u); do
    expect 0 hde log verify "$log"
  done
  [ ! -e "$dir/kept/challenge" ] || fail "$dir: the challenge was left"
}

takes_over whole 'full: block'
takes_over spill 'full: spill, capacity: 8'
takes_over durable 'durable: journal, capacity: 8'
takes_over supervised 'full: block' --supervise
