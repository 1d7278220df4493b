#!/usr/bin/env bash
# A recorded file that is changed where the log needs it again is refused after a restart, by name;
# --accept-changed-source goes on with what is there.
. "$HDE_SOURCE/tests/support/cli.sh"

rows() { # FROM TO: one a minute
  local i
  for ((i = $1; i <= $2; i++)); do
    printf '2019-05-23T10:%02d:00+05:30,NIFTY,2019-05-30,75,-,-,-,%d.5,-,75,1,2,75,11700,75,1,2,75,-,%d.5,-,-,-,75,11700\n' \
      "$i" "$((100 + i))" "$((200 + i))"
  done
}
head=capture_time_ist,symbol,expiry,CallOI,CallChnginOI,CallVolume,CallIV,CallLTP,CallNetChng
head+=,CallBidQty,CallBidPrice,CallAskPrice,CallAskQty,StrikePrice,PutBidQty,PutBidPrice
head+=,PutAskPrice,PutAskQty,PutNetChng,PutLTP,PutIV,PutVolume,PutChnginOI,PutOI,CurrentVal
{ echo "$head"; rows 1 20; } >day.csv
cp day.csv first.csv
cat >graph.yaml <<YAML
hde: 1
graph: changed
checkpoint: {every: 1s, store: kept}
delivery: effectively_once
nodes:
  feed: {op: ingestion/chain_csv, params: {path: day.csv}}
  store: {op: storage/sqlite, params: {path: market.db}}
edges: [feed -> store.snapshots]
YAML
stored() { sqlite3 market.db "SELECT COUNT(DISTINCT event_ns) FROM option_chain_snapshots"; }

expect 0 hde check --delivery graph.yaml
has out "store: effectively_once"
expect 0 hde run graph.yaml
[ "$(stored)" = 20 ] || fail "$(stored) of 20 are stored"
sed -i 's/105\.5/999.5/' day.csv
expect 1 hde run graph.yaml
has err "HDE-R111"
has err "node 'feed'"
head -n 10 first.csv >day.csv
expect 1 hde run graph.yaml
has err "HDE-R111"
has err "there is less than then"
cp first.csv day.csv # as it was
expect 0 hde run graph.yaml
has err "recovery.done" # though the run ends in its log
sed -i 's/105\.5/999.5/' day.csv
expect 0 hde run --accept-changed-source graph.yaml
has err "goes on from what is there"
[ "$(stored)" = 20 ] || fail "rows came or went"
# in a new incarnation, whose log is that of the changed file
expect 0 hde run graph.yaml
has_not err "HDE-R"
