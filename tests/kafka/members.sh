#!/usr/bin/env bash
# A stage that processes share: two, then three, then one. A partition's process is killed, a member
# is killed, a member with its processes is stopped for longer than its session and goes on. Each key
# stays in order, and the tables are those of a run in one process that nobody disturbed.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"
. "$HDE_SOURCE/tests/support/broker.sh"
cp -r "$HDE_SOURCE/graphs" graphs
brokers 1 group.min.session.timeout.ms=1000

graph() { # NAME
  cat <<YAML
hde: 1
graph: $1
checkpoint: {every: 200ms, store: $1/kept}
kafka: {brokers: "\${KAFKA_BROKERS}", replication: 1, shared: [processing], session: 3s}
include:
  processing: {chain: graphs/processing.yaml}
  analytics: {chain: graphs/analytics.yaml}
nodes:
  market: {op: ingestion/synthetic, params: {symbols: [NIFTY, BANKNIFTY, FINNIFTY], step: 40ms, paced: true, snapshots: 800}}
  store: {op: storage/sqlite, params: {path: $1/market.db}}
  lines: {op: storage/jsonl, params: {path: $1/results.jsonl, by_type: none}}
edges:
  - {path: market -> processing.chains, via: "kafka:$1.raw"}
  - processing.enriched -> analytics.enriched
  - {path: processing.enriched -> store.snapshots, via: "kafka:$1.enriched"}
  - {path: "analytics.results -> [store.results, lines]", via: "kafka:$1.results"}
YAML
}
fails() { # TEXT: with what the processes said
  tail -n 12 ./*.err | cut -c1-300
  fail "$1"
}
tables() { # DATABASE: every row of every table, sorted
  local table
  for table in $(sqlite3 "$1" "SELECT name FROM sqlite_master WHERE type = 'table' AND
    name NOT LIKE 'hde_%' AND name NOT LIKE 'sqlite_%' ORDER BY name"); do
    echo "== $table"
    sqlite3 "$1" "SELECT * FROM $table" | sort
  done
}
by_key() { # FILE: results, each feed's and type's in the order in which they came
  local feed
  for feed in NIFTY BANKNIFTY FINNIFTY; do
    grep "^{\"feed\":\"NSE:$feed@" "$1" | grep '"zones":'
    grep "^{\"feed\":\"NSE:$feed@" "$1" | grep -v '"zones":'
  done
}
rows() { sqlite3 -readonly "$1" "SELECT count(*) FROM option_chain_snapshots"; }
has_rows() { [ "$(rows "$1")" -ge "$2" ]; }

mkdir calm shared
graph calm | sed 's/ paced: true,//; s/, via: "kafka[^"]*"//; s/, shared: .processing.//' >calm.yaml # straight
expect 0 hde run calm.yaml
tables calm/market.db >want
by_key calm/results.jsonl >want.lines
all=$(rows calm/market.db)
[ "$(wc -l <want.lines)" = 4800 ] || fail "the undisturbed run gave $(wc -l <want.lines) results"

graph shared >shared.yaml
declare -A pid
stage() { # NAME [STAGE]
  engine "$1" shared.yaml --stage "${2:-$1}"
  pid[$1]=$PID
}
children() { cat "/proc/${pid[$1]}/task/"*/children 2>/dev/null; }
has_children() { # MEMBER:N...: members run so many partitions, and those have started
  local word child
  for word; do
    [ "$(children "${word%:*}" | wc -w)" = "${word#*:}" ] || return 1
    for child in $(children "${word%:*}"); do listed "$child" || return 1; done
  done
}
either() { # "MEMBER:N..."...
  local one
  for one; do has_children $one && return; done
  return 1
}
goes_on() { # rows come, unless all are there: on a slow machine the source has an end before the test
  local want=$(($(rows shared/market.db) + all / 50))
  ((want <= all)) || want=$all
  until_true 60 has_rows shared/market.db "$want" || fails "no rows come: $1"
}
ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

stage store
stage lines
stage one processing
stage two processing
until_true 30 either "one:2 two:1" "one:1 two:2" ||
  fails "two do not share: $(children one), $(children two)"
stage market
until_true 30 has_rows shared/market.db 1 || fails "no rows"

start=$(ms)
stage three processing
until_true 30 has_children one:1 two:1 three:1 || fails "three do not share"
echo "a third member: partitions run $(($(ms) - start)) ms after its start"
goes_on "with three"

stands() { hde status --pid "${pid[one]}" --json | jq -r '.nodes[0].standing'; }
is_held_up() { [ "$(stands)" = held_up ]; }
is_well() { [ "$(stands)" = null ]; }
kill -KILL $(children one)
until_true 30 is_held_up || fails "one does not say that its partition's process has ended"
goes_on "a partition's process was killed"
until_true 30 has_children one:1 || fails "the partition of a process that was killed is not run"

start=$(ms)
stopped=("${pid[three]}" $(children three))
kill -STOP "${stopped[@]}"
until_true 30 either "one:1 two:2" "one:2 two:1" ||
  fails "nobody has the partition of a member that is stopped"
echo "a member is stopped: its partition runs elsewhere $(($(ms) - start)) ms later"
goes_on "a member is stopped"
kill -CONT "${stopped[@]}"
until_true 30 has_children one:1 two:1 three:1 || fails "who was stopped does not come back"
grep -q members.lost three.err || fails "who was stopped has not noticed"
goes_on "and goes on"

until_true 30 is_well || fails "one does not say that its partition runs again"
start=$(ms)
kill -KILL "${pid[two]}"
until_true 30 either "one:1 three:2" "one:2 three:1" ||
  fails "nobody has the partition of a member that was killed"
echo "a member is killed: its partition runs elsewhere $(($(ms) - start)) ms later"
goes_on "a member was killed"

start=$(ms)
expect 0 hde drain --pid "${pid[three]}"
ended "${pid[three]}" 0
until_true 30 has_children one:3 || fails "one alone has not all partitions: $(cat one.err)"
echo "a member ends: its partitions run elsewhere $(($(ms) - start)) ms later"

until_true 90 has_rows shared/market.db "$all" || fails "$(rows shared/market.db) of $all rows"
full() { [ "$(wc -l <shared/results.jsonl)" -ge 4800 ]; }
until_true 30 full || fails "$(wc -l <shared/results.jsonl) of 4800 results"
expect 0 hde drain --pid "${pid[one]}"
ended "${pid[one]}" 0
for name in store lines; do
  expect 0 hde drain --pid "${pid[$name]}"
  ended "${pid[$name]}" 0
done
by_key shared/results.jsonl >got.lines
cmp want.lines got.lines || fails "what came out, key by key, is not what one process makes"
tables shared/market.db >got
cmp want got || { diff want got | cut -c1-150 | head -8; fails "the tables differ"; }
echo "$(grep -vc '^==' got) rows, 0 differ"
for code in K020 K021 R140 R141 G310 G311; do expect 0 hde explain "$code"; done

# what cannot be shared is refused by name
refuses() { # CODE SED
  graph shared | sed "$2" >wrong.yaml
  expect 78 hde run wrong.yaml --stage processing
  has err "$1"
}
refuses HDE-G310 's/shared: \[processing\]/shared: [market]/'
refuses HDE-G311 '/^checkpoint/d'
refuses HDE-G071 's/shared: \[processing\]/shared: [procesing]/'
rm -rf shared/kept # what the commits name is lost
engine lost shared.yaml --stage processing
ended "$PID" 1
has lost.err HDE-R141
