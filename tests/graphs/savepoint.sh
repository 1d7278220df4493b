#!/usr/bin/env bash
# A savepoint of a running market graph: listed, checked, moved, restored; the tables of the run that
# goes on from it are those of a run that nobody disturbed.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"

cp -r "$HDE_SOURCE/graphs" graphs
cat >market.yaml <<'YAML'
hde: 1
graph: market
vars: {store: kept, db: market.db, paced: false, snapshots: 120}
checkpoint: {every: 200ms, store: "${vars.store}"}
include:
  processing: {chain: graphs/processing.yaml}
  analytics: {chain: graphs/analytics.yaml}
nodes:
  near: {op: ingestion/synthetic, params: {symbols: [NIFTY], step: 100ms, paced: "${vars.paced}", snapshots: "${vars.snapshots}"}}
  far: {op: ingestion/synthetic, params: {symbols: [BANKNIFTY], step: 100ms, paced: "${vars.paced}", snapshots: "${vars.snapshots}"}}
  store: {op: storage/sqlite, params: {path: "${vars.db}"}}
edges:
  - "[near, far] -> processing.chains"
  - processing.enriched -> analytics.enriched
  - processing.enriched -> store.snapshots
  - analytics.results -> store.results
YAML
tables() { # DATABASE: every row of every table, sorted
  local table
  for table in $(sqlite3 "$1" "SELECT name FROM sqlite_master WHERE type = 'table' AND
    name NOT LIKE 'hde_%' AND name NOT LIKE 'sqlite_%' ORDER BY name"); do
    echo "== $table"
    sqlite3 "$1" "SELECT * FROM $table" | sort
  done
}
chains() { sqlite3 -readonly market.db 'SELECT count(*) FROM chain_metrics' 2>/dev/null || echo 0; }
has_chains() { [ "$(chains)" -ge "$1" ]; }

expect 0 hde run market.yaml --set vars.store=calm --set vars.db=calm.db
tables calm.db >want
[ "$(grep -c . want)" -gt 1000 ] || fail "the undisturbed run stored next to nothing"

engine market market.yaml --set vars.paced=true --set vars.snapshots=100000
until_true 30 has_chains 20 || fail "nothing is stored"
expect 0 hde savepoint take early
has out "savepoint early: tick "
expect 1 hde savepoint take early # the name is taken
has err HDE-R085
expect 1 hde savepoint restore early market.yaml # the graph runs
until_true 30 has_chains "$(($(chains) + 20))" || fail "the graph does not go on"
expect 0 hde savepoint take late --json
[ "$(jq -r .name out)" = late ] || fail "no savepoint as JSON"
kill -KILL "$PID"
wait "$PID" 2>/dev/null

expect 0 hde savepoint ls market.yaml --json
[ "$(jq -r '[.savepoints[] | select(.ok) | .name] | join(" ")' out)" = "early late" ] || fail "ls"
expect 0 hde savepoint check early market.yaml
has out "same build"
has out "early: whole, and fits this graph"

# a graph without one of the nodes, and one whose file was changed
sed -e '/^  far:/d' -e 's/"\[near, far\] -> /"near -> /' market.yaml >less.yaml
expect 1 hde savepoint check early less.yaml
grep -q '^far .*does not fit' out || fail "the missing node is not named"
expect 65 hde savepoint restore early less.yaml
has err "node 'far' is not in this graph"
echo '# changed' >>market.yaml
expect 0 hde savepoint check early market.yaml
has out "the graph file was changed since"

# as one file to another store, and back from there
expect 0 hde savepoint export early market.yaml early.savepoint
expect 0 hde savepoint rm early market.yaml
expect 66 hde savepoint check early market.yaml
has err HDE-R083
cp early.savepoint damaged && printf 'x' | dd of=damaged bs=1 seek=100 conv=notrunc 2>/dev/null
expect 65 hde savepoint import early market.yaml damaged
has err HDE-R084
expect 0 hde savepoint import again market.yaml early.savepoint
expect 0 hde savepoint restore again market.yaml
before=$(sqlite3 market.db 'SELECT max(incarnation) FROM hde_marks')
expect 0 hde run market.yaml
after=$(sqlite3 market.db 'SELECT max(incarnation) FROM hde_marks')
[ "$after" -gt "$before" ] || fail "the restored run has no incarnation of its own"
tables market.db >got
cmp want got || { diff want got | cut -c1-150 | head -8; fail "tables differ"; }

# where the log and the tables are lost, too
mkdir elsewhere && cp -r graphs market.yaml early.savepoint elsewhere/ && cd elsewhere || exit 1
expect 0 hde savepoint import moved market.yaml early.savepoint
expect 0 hde savepoint restore moved market.yaml
expect 0 hde run market.yaml
[ "$(chains)" -gt 20 ] || fail "the sources did not go on behind the savepoint"
[ "$(chains)" -lt 240 ] || fail "the sources began anew"
