#!/usr/bin/env bash
# hde db on a SQLite file and on PostgreSQL: the same answers, and a store that moves between them.
. "$HDE_SOURCE/tests/support/cli.sh"
coproc SERVER { exec bash "$HDE_SOURCE/tests/support/postgres.sh" hold; }
end_server() { eval "exec ${SERVER[1]}>&-"; } # it ends at the end of its input
trap 'end_server; finish' EXIT
read -r word address <&"${SERVER[0]}" || { wait "$SERVER_PID"; exit $?; }
[ "$word" = ready ] || fail "the server said '$word'"
sql() { psql -XAtqd "$address" -c "$1" || fail "psql: $1"; }
rows_of() { # TABLE N: what the file out says of a table
  jq -se --arg table "$1" --argjson n "$2" 'any(.[]; .table == $table and .rows == $n)' out >/dev/null
}
cp -r "$HDE_SOURCE/graphs" graphs

cat >two.yaml <<YAML
hde: 1
graph: two
include:
  processing: {chain: graphs/processing.yaml}
  analytics: {chain: graphs/analytics.yaml}
  storage: {chain: graphs/storage.yaml, with: {store: market.db}}
  postgres: {chain: graphs/postgres.yaml, with: {address: "$address"}}
nodes:
  source: {op: ingestion/synthetic, params: {symbols: [NIFTY], step: 60s, snapshots: 40}}
edges:
  - source -> processing.chains
  - processing.enriched -> analytics.enriched
  - processing.enriched -> storage.snapshots
  - processing.enriched -> postgres.snapshots
  - analytics.results -> storage.results
  - analytics.results -> postgres.results
YAML

expect 0 hde db migrate --plan "$address"
has out '015_time'
has out 'to do'
expect 65 hde db status "$address"
has err HDE-S010
has_not out option_chain_snapshots
[ "$(sql "SELECT count(*) FROM pg_class WHERE relname = 'chains'")" = 0 ] || fail "--plan made tables"
expect 0 hde db migrate "$address"
has out 'done'
expect 0 hde run two.yaml

# both stores have the same rows, and say so
expect 0 hde db verify "$address" market.db
has out same
has_not out differ
for store in market.db "$address"; do
  expect 0 hde db verify "$store"
  has_not out differ
  expect 0 hde db fold "$store"
  expect 0 hde db verify "$store"
  has_not out differ
  expect 0 hde db status "$store" --json
  rows_of chain_metrics 40 || fail "status of $store"
  expect 0 hde db gaps "$store" --longer 59m --json
  cp out "gaps.${store%%[.=]*}"
done
[ -s gaps.market ] || fail "the session is longer than 40 minutes, and no gap is there"
cmp gaps.market gaps.host || fail "gaps differ"
expect 0 hde db doctor market.db
expect 1 hde db doctor "$address" # the server of the test does not sync
has out fsync

# rollups that are not those of the rows are found
sql "UPDATE option_chain_5m_kept SET high = high + 1 WHERE ctid =
  (SELECT ctid FROM option_chain_5m_kept WHERE high IS NOT NULL LIMIT 1)"
expect 1 hde db verify "$address"
has out differ
expect 1 hde db verify "$address" market.db
sqlite3 market.db "UPDATE chain_metrics SET spot = spot + 1 WHERE event_ns = (SELECT max(event_ns) FROM chain_metrics)"
expect 1 hde db verify "$address" market.db
has out differ

# a backup is a store; it goes back into an empty one only
expect 0 hde db backup "$address" backup.db
expect 0 hde db verify "$address" backup.db
expect 65 hde db backup "$address" backup.db
has err HDE-S018
expect 65 hde db restore "$address" backup.db
has err HDE-S018
sql "CREATE DATABASE other"
other="${address% dbname=*} dbname=other"
expect 0 hde db restore "$other" backup.db
expect 0 hde db verify "$other" backup.db
expect 0 hde db restore again.db backup.db
expect 0 hde db verify again.db "$other"

# retention: what is listed goes, and rollups stay
for store in again.db "$other"; do
  expect 0 hde db retention "$store" --before 2000-01-01 --json
  [ ! -s out ] || fail "something is older than 2000"
  expect 0 hde db retention "$store" --before 2200-01-01 --dry-run --json
  jq -s -e 'map(select(.table == "chain_metrics").rows) | add == 40' out >/dev/null || fail "dry run of $store"
  expect 0 hde db status "$store" --json
  rows_of chain_metrics 40 || fail "a dry run deleted rows"
  expect 0 hde db retention "$store" --before 2200-01-01 --rollup-days 100000
  expect 0 hde db status "$store" --json
  jq -s -e 'map(select(.table | test("^(option_chain_snap|chain_metrics$|analytics)")).rows) | add == 0' out >/dev/null ||
    fail "rows of $store are still there"
  rows_of chain_metrics_5m_kept 8 || fail "rollups of $store"
done
[ "$(psql -XAtqd "$other" -c "SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
  WHERE c.relkind = 'r'")" = 0 ] || fail "partitions are still there"

expect 75 hde db status "host=/nonexistent dbname=x"
has err HDE-S001
expect 65 hde db status nowhere.db
has err HDE-S008
expect 64 hde db polish market.db
echo "$(wc -l <gaps.market) gap, 40 chains in both stores, 0 differ"
