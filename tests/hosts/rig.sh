# graphs/distributed.yaml on four hosts, each a namespace with keys of its own. Sourced behind
# cli.sh, absent.sh and netns.sh.
#
#   hosts_up [SEED]            namespaces, keys, and the graphs in the folder graphs
#   hosts_recorded N STEP      its input is N chains a symbol of 400 legs, STEP apart, the same each time
#   hosts_keyed                a third feed, results as lines in $LINES_TO, and no edges that drop
#   spread_over N HOSTS        velocity in N replicas by feed on these hosts ("calc, analyse"); behind
#                              hosts_keyed
#   results_by_feed LINES      the results of each feed in their order
#   hosts_calm                 all of it in one process in the background, $one, into one.db, undisturbed;
#                              what is started behind that has four.db
#   hosts_equal I...           these hosts and $one end, and both have stored the same
#   host_run NAME ARGUMENTS... in the background; its process is ${pids[I]} with I of host_number
#   tables DATABASE            every row of every table without processing times and ticks, sorted
# shellcheck shell=bash
export XDG_RUNTIME_DIR=$TMP/run # other tests run these graphs too
mkdir -m 700 "$XDG_RUNTIME_DIR"

names=(ingest calc analyse serve)
declare -a pids

host_number() { # NAME: 0 to 3
  local i=0
  while [ "${names[i]}" != "$1" ]; do i=$((i + 1)); done
  echo $i
}

hosts_up() {
  local i name key
  netns_up 4 "${1:-1}"
  cp -r "$HDE_SOURCE/graphs" graphs
  for i in 0 1 2 3; do
    name=${names[i]}
    key=$(hde keygen "$name.key") || fail "no key"
    export "HDE_${name^^}=tcp://10.77.0.$((i + 1)):7700" "HDE_${name^^}_KEY=$key"
  done
}

hosts_recorded() { # a chain of the same ports in place of the ingestion
  cat >graphs/ingestion.yaml <<YAML
hde: 1
chain: ingestion
outputs: {chains: recorded.chains}
vars: {base_url: "", token: "", underlyings: [], calendar: ""}
nodes:
  recorded:
    op: ingestion/synthetic
    params: {symbols: "\${vars.underlyings}", step: $2, paced: true, snapshots: $1}
YAML
}

hosts_keyed() {
  sed -i 's|symbols: \[NIFTY, BANKNIFTY\]|symbols: [NIFTY, BANKNIFTY, FINNIFTY]|
    s|^nodes:|nodes:\n  lines: {host: serve, op: storage/jsonl, params: {path: "${LINES_TO}"}}|' \
    graphs/distributed.yaml
  echo '  - analytics.results -> lines' >>graphs/distributed.yaml
  sed -i '/-> gateway.live/d; /^  gateway:/,/^    params:/d' graphs/distributed.yaml # edges that drop
  cp graphs/analytics.yaml plain.yaml
}

spread_over() {
  sed "s/^  velocity: {/  velocity: {replicas: $1, key: feed, host: [$2], /; s/window: 3m/window: 1s/" \
    plain.yaml >graphs/analytics.yaml
  ! cmp -s plain.yaml graphs/analytics.yaml || fail "the node is not spread"
}

results_by_feed() {
  jq -c 'select(.window_s) | [.feed, .expiry, .]' "$1" | sort -s -t, -k1,2
}

hosts_calm() {
  export HDE_EVERY=300ms HDE_STATE=$TMP/one.state HDE_STORE=$TMP/one.db
  on_host 1 hde run graphs/distributed.yaml --host all 2>one.err &
  one=$!
  CHILDREN+=("$one")
  export HDE_STATE=$TMP/four.state HDE_STORE=$TMP/four.db
}

hosts_equal() {
  local i
  for i in "$@"; do
    wait "${pids[i]}" || { tail -n 5 ./*.err; fail "${names[i]} ended with $?"; }
  done
  wait "$one" || fail "one process ended with $?"
  tables one.db >want
  tables four.db >got
  [ "$(grep -c . want)" -gt 1000 ] || fail "one process stored next to nothing"
  cmp want got || { diff want got | cut -c1-200 | head -8; fail "the tables differ"; }
  echo "$(grep -vc '^==' got) rows, 0 differ"
}

host_run() {
  local name=$1 i
  i=$(host_number "$name")
  shift
  on_host $((i + 1)) hde run graphs/distributed.yaml --host "$name" --key "$name.key" "$@" \
    >"$name.out" 2>>"$name.err" &
  pids[i]=$!
  CHILDREN+=("$!")
}

tables() {
  local table columns
  for table in $(sqlite3 "$1" "SELECT name FROM sqlite_master WHERE type = 'table' AND
    name NOT LIKE 'hde_%' AND name NOT LIKE 'sqlite_%' ORDER BY name"); do
    columns=$(sqlite3 "$1" "SELECT group_concat('\"' || name || '\"') FROM pragma_table_info('$table')
      WHERE name NOT IN ('ingest_ns', 'stored_ns', 'tick')")
    echo "== $table"
    sqlite3 "$1" "SELECT $columns FROM $table" | sort
  done
}
