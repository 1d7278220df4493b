#!/usr/bin/env bash
# The stages of graphs/market.yaml as processes of their own, each started again when it ends, over
# three brokers, PostgreSQL and Redis, under 20 chains a second of 400 legs. From a seed kill -9 of
# any stage, of the broker that leads, of PostgreSQL and of Redis: each outage is told in /readyz and
# in metrics while it lasts, and afterwards the tables in PostgreSQL are those of a run that nobody
# disturbed.
#   HDE_SERVICES_SECONDS=N   how long chains come (12); HDE_SEED=N
# The campaign: ./test.sh --campaign services --minutes 10.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"
. "$HDE_SOURCE/tests/support/redis.sh"
. "$HDE_SOURCE/tests/support/broker.sh"
seconds=${HDE_SERVICES_SECONDS:-12}
RANDOM=${HDE_SEED:-$$}
echo "HDE_SEED=${HDE_SEED:-$$}"
snapshots=$((seconds * 10)) # of two underlyings
room $((500 + seconds * 50)) # brokers, database and logs
cp -r "$HDE_SOURCE/graphs" graphs

# ---- the services
coproc SERVER { exec bash "$HDE_SOURCE/tests/support/postgres.sh" hold max_connections=40; }
leave() {
  local status=$? i
  if [ "$status" != 0 ]; then # what the brokers and the stages said last
    for i in 0 1 2; do
      kill -0 "${KAFKA_PIDS[i]:-0}" 2>/dev/null || echo "broker $i is not there"
      grep -E 'ERROR|FATAL' "brokers/$i.log" | tail -n 3 | cut -c1-300
    done
    for i in "${stages[@]:-}"; do echo "--- $i"; tail -n 12 "$i.err" | cut -c1-400; done
  fi
  kafka_stop
  eval "exec ${SERVER[1]}>&-" # it ends at the end of its input
  (exit $status)
  finish
}
trap leave EXIT
read -r word address <&"${SERVER[0]}" || { wait "$SERVER_PID"; exit $?; }
[ "$word" = ready ] || fail "the database server said '$word'"
postgres() { # WORD: kill, start
  local answer
  echo "$1" >&"${SERVER[1]}"
  read -r answer <&"${SERVER[0]}" && [ "$answer" = ok ] || fail "$1: the server said '$answer'"
}
sql() { psql -XAtqd "${address% dbname=*} dbname=$1" -c "$2"; } # DATABASE SQL
redis_start
brokers 3 broker.session.timeout.ms=3000 broker.heartbeat.interval.ms=500

# ---- the graph
ends() { # the nodes and chains of both graphs
  cat <<YAML
include:
  processing: {chain: graphs/processing.yaml}
  analytics: {chain: graphs/analytics.yaml, with: {window: 20s, interval: 10s}}
  storage: {chain: graphs/postgres.yaml, with: {address: "${address% dbname=*} dbname=$1"}}
YAML
}
market() { # more of the source
  echo "  ingestion: {op: ingestion/synthetic, params: {symbols: [NIFTY, BANKNIFTY], strikes: 200, step: 100ms, $1 snapshots: $snapshots}}"
}
cat >calm.yaml <<YAML
hde: 1
graph: market
$(ends calm)
nodes:
$(market '')
edges:
  - ingestion -> processing.chains
  - processing.enriched -> analytics.enriched
  - processing.enriched -> storage.snapshots
  - analytics.results -> storage.results
YAML
cat >killed.yaml <<YAML
hde: 1
graph: market
kafka: {brokers: "\${KAFKA_BROKERS}", replication: 3}
checkpoint: {every: 1s, store: kept}
$(ends killed)
nodes:
$(market 'paced: true,')
  publish: {op: redis/publish, params: {url: "$REDIS_URL"}}
  gateway: {op: gateway/rest, params: {listen: "127.0.0.1:$(kafka_port)", store: "${address% dbname=*} dbname=killed", redis: "$REDIS_URL"}}
edges:
  - {path: ingestion -> processing.chains, via: "kafka:market.raw"}
  - {path: processing.enriched -> analytics.enriched, via: "kafka:market.enriched"}
  - {path: processing.enriched -> storage.snapshots, via: "kafka:market.enriched"}
  - {path: analytics.results -> storage.results, via: "kafka:analytics.results"}
  - {path: processing.enriched -> publish, via: "kafka:market.enriched"}
  - {path: processing.enriched -> gateway.live, via: "kafka:market.enriched"}
YAML
stages=(ingestion processing analytics storage publish gateway)

# ---- the undisturbed run
for database in calm killed; do sql hde "CREATE DATABASE $database" || fail "no database"; done
expect 0 hde run calm.yaml
count() { sql "$1" "SELECT (SELECT count(*) FROM option_chain_snapshots) + (SELECT count(*) FROM
  chain_metrics) + (SELECT count(*) FROM analytics_cumulative_oi)" 2>/dev/null || echo 0; }
all=$(count calm)
[ "$all" -ge $((snapshots * 2 * 400)) ] || fail "the undisturbed run stored $all rows"

# ---- stages, each started again when it has ended
declare -A pid admin killed came
sent=
for stage in "${stages[@]}"; do admin[$stage]=127.0.0.1:$(kafka_port) came[$stage]=0; done
launch() { # STAGE
  hde run killed.yaml --stage "$1" --admin "${admin[$1]}" >>"$1.out" 2>>"$1.err" </dev/null &
  pid[$1]=$!
  CHILDREN+=("${pid[$1]}")
}
supervise() { # what systemd would do
  local stage status
  for stage in "${stages[@]}"; do
    gone "${pid[$stage]}" || continue
    wait "${pid[$stage]}" 2>/dev/null
    status=$?
    [ "$stage.$status" != ingestion.0 ] || sent=all # its data has an end
    [ "$stage" != ingestion ] || [ -z "$sent" ] || continue
    ((status == 137)) || echo "$stage has ended with $status: $(tail -n 1 "$stage.err" | cut -c1-300)" >>ended
    ((came[$stage]++))
    launch "$stage"
  done
}
watched() { supervise; "$@"; }
eventually() { until_true "$1" watched "${@:2}"; }

told() { curl -s --max-time 5 "http://${admin[$1]}/$2"; } # STAGE PAGE
is_ready() { [ "$(told "$1" readyz)" = ready ]; }
all_ready() {
  local stage
  for stage in "${stages[@]}"; do
    [ "$stage" = ingestion ] && [ -n "$sent" ] || is_ready "$stage" || return 1
  done
}
readies() { for stage in "${stages[@]}"; do echo "  $stage: $(told "$stage" readyz | tr '\n' ' ')"; done; }
# Somebody of these says in /readyz that he does not have what he needs, and in /metrics who it is.
is_told() { # STAGE...
  local stage
  for stage in "$@"; do
    told "$stage" readyz | grep -q "node '" && told "$stage" metrics | grep -q '^hde_node_\(held_up\|degraded\){.*} 1$' &&
      return 0
  done
  return 1
}

# ---- kills
draw() { drawn=$((RANDOM % $1)); } # no subshell: RANDOM goes on
pause() { # up to 3 s
  draw 30
  read -rt "$((drawn / 10)).$((drawn % 10))" <> <(:) || :
}
note() { killed[$1]=$((${killed[$1]:-0} + 1)); }
kill_stage() { # each in turn, in a drawn order
  local stage
  ((${#turn[@]})) || turn=("${stages[@]}")
  draw ${#turn[@]}
  stage=${turn[drawn]}
  unset "turn[$drawn]"
  turn=("${turn[@]}")
  gone "${pid[$stage]}" && return
  kill -KILL "${pid[$stage]}"
  note "$stage"
}
outage() { # WHO WAY-BACK STAGE...: is told, perhaps with a stage killed during it, and ends
  local who=$1 back=$2
  shift 2
  note "$who"
  eventually 30 is_told "$@" || fail "nobody tells that $who is away: $(readies)"
  draw 3
  ((drawn)) || kill_stage
  pause
  $back || fail "$who does not come back"
}
kill_leader() {
  local port leader topics=(market.raw market.enriched analytics.results)
  draw 3
  port=$("$HDE_BUILD/tests/kafka-ask" "$KAFKA_BROKERS" leader "${topics[drawn]}") || return 0
  leader=$(kafka_of_port "$port")
  kafka_kill "$leader"
  outage broker "kafka_again $leader" "${stages[@]}"
}
kill_postgres() {
  postgres kill
  outage postgres "postgres start" storage
}
kill_redis() {
  redis_kill
  outage redis redis_start publish
}
kill_one() { # each kind in turn, in a drawn order
  local kind
  ((${#kinds[@]})) || kinds=(stage leader stage postgres stage redis)
  draw ${#kinds[@]}
  kind=${kinds[drawn]}
  unset "kinds[$drawn]"
  kinds=("${kinds[@]}")
  "kill_$kind"
  eventually 120 all_ready || fail "not ready long after the kill of a $kind: $(readies)"
}

kinds=() turn=()
begin=$SECONDS
for stage in "${stages[@]}"; do launch "$stage"; done
eventually 120 all_ready || fail "the stages do not get ready: $(readies)"
while [ -z "$sent" ] || ((${killed[postgres]:-0} * ${killed[redis]:-0} * ${killed[broker]:-0} == 0)); do
  pause
  supervise
  kill_one
done
has_all() { [ "$(count killed)" -ge "$all" ]; }
eventually 120 has_all || fail "$(count killed) of $all rows: $(readies)"
for stage in "${stages[@]}"; do
  [ "$stage$sent" = ingestionall ] && continue
  gone "${pid[$stage]}" || expect 0 hde drain --pid "${pid[$stage]}"
  ended "${pid[$stage]}" 0
done
echo "chains came for $((SECONDS - begin)) s"
for who in broker postgres redis "${stages[@]}"; do
  echo "killed: $who ${killed[$who]:-0} times${came[$who]:+, started again ${came[$who]}}"
done
[ -s ended ] && { echo "ended by themselves:"; sort ended | uniq -c | sort -rn | head -n 20; }

# ---- the tables, by natural key
dump() { # DATABASE TABLE: its rows in an order that depends on them alone
  local key
  key=$(sql "$1" "SELECT string_agg(attname, ', ' ORDER BY array_position(i.indkey, attnum))
    FROM pg_index i JOIN pg_attribute a ON attrelid = indrelid AND attnum = ANY(indkey)
    WHERE indrelid = '$2'::regclass AND indisprimary")
  sql "$1" "COPY (SELECT * FROM $2 ORDER BY ${key:-1, 2, 3, 4, 5}) TO STDOUT"
}
tables=$(sql calm "SELECT hde_timed() UNION SELECT 'chains' UNION SELECT 'option_chain_5m'
  UNION SELECT 'chain_metrics_1h' ORDER BY 1")
for table in $tables; do
  dump calm "$table" | md5sum >want
  dump killed "$table" | md5sum >got
  cmp -s want got && continue
  diff <(dump calm "$table" | cut -c1-150) <(dump killed "$table" | cut -c1-150) | head -8
  fail "table $table differs: $(sql calm "SELECT count(*) FROM $table") rows undisturbed, $(sql killed "SELECT count(*) FROM $table") here"
done
victims=(broker postgres redis)
((seconds < 300)) || victims+=("${stages[@]}")
for who in "${victims[@]}"; do ((${killed[$who]:-0})) || fail "$who was never killed"; done
echo "$all rows in $(wc -w <<<"$tables") tables, 0 differ"
