#!/usr/bin/env bash
# The n-th allocation fails, in parsers and in runs with checkpoints: the process goes on or says that
# it has no memory and ends; what it keeps on disk is whole, and the next start goes on from it.
#   HDE_SCARCE_RUNS=N   places to fail at, of each kind (10); HDE_SEED=N
. "$HDE_SOURCE/tests/support/cli.sh"

scarce=$HDE_BIN/../tests/libscarce.so
[ -e "$scarce" ] || { echo "skipped: built with a sanitizer, which has an allocator of its own"; exit 77; }
runs=${HDE_SCARCE_RUNS:-10}
RANDOM=${HDE_SEED:-$$}
echo "HDE_SEED=${HDE_SEED:-$$}"
cp -r "$HDE_SOURCE/graphs" graphs
cat >market.yaml <<YAML
hde: 1
graph: market
checkpoint: {every: 20ms, store: kept}
include:
  processing: {chain: graphs/processing.yaml}
nodes:
  source: {op: ingestion/synthetic, params: {symbols: [NIFTY], step: 10ms, paced: true, snapshots: 30}}
  store: {op: storage/sqlite, params: {path: market.db}}
edges:
  - source -> processing.chains
  - processing.enriched -> store.snapshots
YAML
sed 's/store: kept/store: calm/; s/market.db/calm.db/' market.yaml >calm.yaml

tables() { # DATABASE: every row of every table, sorted
  local table
  for table in $(sqlite3 "$1" "SELECT name FROM sqlite_master WHERE type = 'table' AND
    name NOT LIKE 'hde_%' AND name NOT LIKE 'sqlite_%' ORDER BY name"); do
    echo "== $table"
    sqlite3 "$1" "SELECT * FROM $table" | sort
  done
}
count() { # COMMAND...: allocations that it makes
  env HDE_SCARCE=0 HDE_SCARCE_COUNT="$TMP/count" LD_PRELOAD="$scarce" "$@" >out 2>err </dev/null ||
    fail "'$*' gave $?"
  cat count
}
# Libraries that give up have words of their own: C++, libzmq (its errno and place), glibc's name service.
says_why='memory|HDE-[A-Z][0-9]|std::bad_alloc|\(src/[a-z_]+\.cpp:[0-9]+\)|nss_database\.c:.*Assertion'
ended=0 survived=0
fails_at() { # N COMMAND...
  local got
  n=$1
  shift
  env HDE_SCARCE="$n" LD_PRELOAD="$scarce" "$@" >out 2>err </dev/null
  got=$?
  case $got in
  0) survived=$((survived + 1)) ;;
  *) cat out err | grep -qiE "$says_why" || {
      tail -n 5 out err >&2
      fail "'$*' gave $got and does not say why, allocation $n"
    }
    [ $got -lt 128 ] || [ $got = 134 ] || fail "'$*' died with $got, allocation $n"
    ended=$((ended + 1)) ;;
  esac
}

total=$(count hde check calm.yaml)
for ((i = 0; i < runs; i++)); do
  fails_at $((1 + (total * i + RANDOM % total) / runs)) hde check calm.yaml
done
[ "$ended" -gt 0 ] || fail "no allocation of hde check mattered"

total=$(count hde run calm.yaml)
tables calm.db >want
[ "$(grep -c . want)" -gt 100 ] || fail "the undisturbed run stored next to nothing"
for ((i = 0; i < runs; i++)); do
  rm -rf kept market.db*
  fails_at $((1 + (total * i + RANDOM % total) / runs)) hde run market.yaml
  expect 0 hde run market.yaml
  tables market.db >got
  cmp want got || fail "tables differ after allocation $n of $total failed"
  expect 0 hde log verify kept/log
done
echo "$ended runs ended, $survived went on"
