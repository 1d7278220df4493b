#!/usr/bin/env bash
# hde db on a SQLite file and on PostgreSQL: the same answers, and a store that moves between them.
. "$HDE_SOURCE/tests/support/cli.sh"
coproc SERVER { exec bash "$HDE_SOURCE/tests/support/postgres.sh" hold; }
end_server() { # they end at the end of their input
  local status=$?
  eval "exec ${SERVER[1]}>&- ${TIMESCALE[1]:-9}>&-"
  return $status
}
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

# retention: exactly what is listed goes, and rollups stay longer; on TimescaleDB too
cat >days.yaml <<YAML
hde: 1
graph: days
include: {storage: {chain: graphs/storage.yaml, with: {store: days.db}}}
nodes:
  source: {op: ingestion/synthetic, params: {symbols: [NIFTY], step: 2h, snapshots: 40}}
edges: [source -> storage.snapshots]
YAML
expect 0 hde run days.yaml
sql "CREATE DATABASE days"
days="${address% dbname=*} dbname=days"
inventory() { # STORE: every table and rollup by days
  hde db retention "$1" --before 2200-01-01 --rollup-days 0 --dry-run --json | sort
}
first=$(sqlite3 days.db "SELECT date(min(event_ns) / 1000000000, 'unixepoch', '+2 days') FROM chain_metrics")
retires() { # STORE
  inventory "$1" >before
  expect 0 hde db retention "$1" --before "$first" --rollup-days 2 --dry-run --json
  sort out >listed
  [ "$(jq -r .table listed | sort -u | wc -l)" -ge 6 ] || fail "$1: the dry run lists next to nothing"
  cmp -s <(inventory "$1") before || fail "$1: a dry run changed something"
  expect 0 hde db retention "$1" --before "$first" --rollup-days 2
  inventory "$1" >after
  cmp <(comm -23 before after) listed || fail "$1: what is listed is not what went"
  [ -z "$(comm -13 before after)" ] || fail "$1: something came: $(comm -13 before after)"
  expect 0 hde db verify "$1"
  has_not out differ
  expect 0 hde db status "$1"
  has err "are gone"
}
expect 0 hde db backup days.db whole.db
expect 0 hde db restore "$days" whole.db
retires days.db
cp after after.sqlite
retires "$days"
cmp after after.sqlite || fail "the two stores have not the same left"
[ "$(psql -XAtqd "$days" -c "SELECT count(DISTINCT right(c.relname, 8)) FROM pg_inherits i JOIN pg_class c
  ON c.oid = i.inhrelid WHERE c.relkind = 'r'")" = 2 ] || fail "partitions of days that are gone are there"

coproc TIMESCALE { exec bash "$HDE_SOURCE/tests/support/pglite.sh" hold; }
if read -r word timescale <&"${TIMESCALE[0]}"; then
  expect 0 hde db restore "$timescale" whole.db
  expect 0 hde db status "$timescale" --json
  rows_of chain_metrics 40 || fail "status of TimescaleDB"
  expect 0 hde db verify "$timescale" whole.db
  has_not out differ
  retires "$timescale"
  cmp after after.sqlite || fail "TimescaleDB has not the same left"
  expect 0 hde db gaps "$timescale" --longer 59m --json
  cp out gaps.timescale
  expect 0 hde db gaps days.db --longer 59m --json
  cmp out gaps.timescale || fail "gaps of TimescaleDB"
  expect 0 hde db backup "$timescale" timescale.db # with the rollups whose rows are gone
  expect 0 hde db verify timescale.db days.db
  has_not out differ
  hde db doctor "$timescale" >out
  has out "rollups are folded"
  expect 65 hde db restore "$timescale dbname=again" timescale.db
  has err HDE-S031
else
  wait "$TIMESCALE_PID"
  [ $? = 77 ] || fail "TimescaleDB does not start"
fi

# what the store says from now on
expect 0 hde db retention days.db --days 30 --rollup-days 365 --keep
expect 0 hde db status days.db
has err "rows stay 30 days"
has err "rollups stay 365 days"

expect 75 hde db status "host=/nonexistent dbname=x"
has err HDE-S001
expect 65 hde db status nowhere.db
has err HDE-S008
expect 64 hde db polish market.db
echo "$(wc -l <gaps.market) gap, 40 chains in both stores, 0 differ; ended: $(wc -l <listed) entries of a store${timescale:+, on TimescaleDB too}"
