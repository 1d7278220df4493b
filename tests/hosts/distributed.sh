#!/usr/bin/env bash
# graphs/distributed.yaml on four hosts, each a namespace with keys of its own.
#
#   1. on the simulator: REST on the fourth host shows what came in on the first
#   2. from a recorded input: the tables are those of one process, by natural key
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/absent.sh"
. "$HDE_SOURCE/tests/support/netns.sh"

names=(ingest calc analyse serve)
snapshots=${HDE_SNAPSHOTS:-150}

run() { # NAME ARGUMENTS...: in the background, on its host
  local name=$1 i=0
  while [ "${names[i]}" != "$name" ]; do i=$((i + 1)); done
  shift
  on_host $((i + 1)) hde run graphs/distributed.yaml --host "$name" --key "$name.key" "$@" \
    >"$name.out" 2>>"$name.err" &
  pids[i]=$!
  CHILDREN+=("$!")
}

tables() { # DATABASE: every row of every table without processing times and places, sorted
  local table columns
  for table in $(sqlite3 "$1" "SELECT name FROM sqlite_master WHERE type = 'table' AND
    name NOT LIKE 'hde_%' AND name NOT LIKE 'sqlite_%' ORDER BY name"); do
    columns=$(sqlite3 "$1" "SELECT group_concat('\"' || name || '\"') FROM pragma_table_info('$table')
      WHERE name NOT IN ('ingest_ns', 'stored_ns', 'tick')")
    echo "== $table"
    sqlite3 "$1" "SELECT $columns FROM $table" | sort
  done
}

netns_up 4
cp -r "$HDE_SOURCE/graphs" graphs
for i in 0 1 2 3; do
  name=${names[i]}
  key=$(hde keygen "$name.key") || fail "no key"
  export "HDE_${name^^}=tcp://10.77.0.$((i + 1)):7700" "HDE_${name^^}_KEY=$key"
done
export HDE_STATE=$TMP/live.state HDE_STORE=$TMP/live.db HDE_EVERY=300ms
expect 0 hde check --strict --delivery graphs/distributed.yaml
has out "4 hosts"
has out "effectively_once"
declare -a pids
expect 1 on_host 1 hde run graphs/distributed.yaml --host ingest
has err "HDE-R182"
expect 1 on_host 1 hde run graphs/distributed.yaml --host ingest --key calc.key
has err "HDE-R183"
expect 73 hde keygen calc.key
[ "$(hde keygen --show calc.key)" = "$HDE_CALC_KEY" ] || fail "another public key"

# 1. On the simulator
on_host 1 hde simulate --interval 0 >simulator &
simulator=$!
CHILDREN+=("$simulator")
until_true 30 grep -q 'http://' simulator || fail "the simulator does not listen"
DHAN_BASE_URL=$(grep -o 'http://[0-9.:]*' simulator | head -n 1)/v2
export DHAN_BASE_URL DHAN_TOKEN=a DHAN_CLIENT_ID=a HDE_CALENDAR=always
for name in serve analyse calc ingest; do run "$name"; done
summary() { on_host 4 curl -sf http://127.0.0.1:8000/v1/analytics/summary/NIFTY; }
served() { summary | jq -e '.data | length > 0'; }
until_true 60 served || { tail -n 5 ./*.err; fail "host four serves nothing"; }
stored() { [ "$(sqlite3 live.db 'SELECT count(*) FROM option_chain_snapshots')" -gt 1000 ]; }
until_true 60 stored || fail "host four stores nothing"
expect 0 hde status --graph distributed.calc
has out "analyse  up"
has out "serve    up"
has_not out "refused  "
expect 0 hde status --graph distributed.calc --json
jq -e '[.hosts[] | select(.state == "up")] | length == 3' out >/dev/null || fail "hosts of the status"
expect 0 hde tap --graph distributed.serve 'processing.reversal.out*' --limit 1
has out '"underlying"'
for i in 3 0 1 2; do kill -TERM "${pids[i]}"; done
for i in 0 1 2 3; do wait "${pids[i]}" || fail "${names[i]} ended with $?"; done
kill "$simulator"

# 2. From a recorded input: a chain of the same ports in place of the ingestion
cat >graphs/ingestion.yaml <<YAML
hde: 1
chain: ingestion
outputs: {chains: recorded.chains}
vars: {base_url: "", token: "", underlyings: [], calendar: ""}
nodes:
  recorded:
    op: ingestion/synthetic
    params: {symbols: "\${vars.underlyings}", step: 10ms, paced: true, snapshots: $snapshots}
YAML
export HDE_STATE=$TMP/one.state HDE_STORE=$TMP/one.db
expect 0 hde run graphs/distributed.yaml --host all
export HDE_STATE=$TMP/four.state HDE_STORE=$TMP/four.db
rm -f ./*.err
for name in calc ingest serve analyse; do run "$name"; done
for i in 0 1 2 3; do
  wait "${pids[i]}" || { tail -n 5 ./*.err; fail "${names[i]} ended with $?"; }
done
tables one.db >want
tables four.db >got
[ "$(grep -c . want)" -gt 1000 ] || fail "one process stored next to nothing"
cmp want got || { diff want got | cut -c1-200 | head -8; fail "the tables differ"; }
echo "$(grep -vc '^==' got) rows, 0 differ"
