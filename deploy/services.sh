# shellcheck shell=bash
# The services of graphs/market.yaml on this machine, for run.sh --services: PostgreSQL, Redis, one
# Kafka broker and the simulator, on private ports and in a folder that goes with them. Sourced.
. tests/support/kafka.sh

services_end() {
  local status=$?
  trap - EXIT
  set +e # everything here is ended, whatever happens
  [ -z "${HDE_PID:-}" ] || wait "$HDE_PID" 2>/dev/null
  kafka_stop
  kill "${SERVICE_PIDS[@]}" 2>/dev/null
  [ -z "${POSTGRES_PID:-}" ] || { exec {POSTGRES[1]}>&-; wait "$POSTGRES_PID" 2>/dev/null; }
  wait 2>/dev/null
  rm -rf "$SERVICES"
  exit "$status"
}

# services_start: ready when it comes back; sets what market.yaml reads from the environment.
services_start() {
  local line port
  SERVICES=$(mktemp -d "${TMPDIR:-/tmp}/hde-services.XXXXXX") SERVICE_PIDS=()
  trap services_end EXIT
  echo "starting PostgreSQL, Redis, Kafka and the simulator in $SERVICES" >&2
  coproc POSTGRES { exec bash tests/support/postgres.sh hold; }
  # shellcheck disable=SC2034
  read -r line <&"${POSTGRES[0]}" && [ "${line%% *}" = ready ] ||
    { echo "run.sh: PostgreSQL did not start" >&2; return 69; }
  export HDE_POSTGRES=${line#ready }
  redis-server --port 0 --unixsocket "$SERVICES/redis.sock" --save '' --dir "$SERVICES" \
    >"$SERVICES/redis.log" 2>&1 &
  SERVICE_PIDS+=($!)
  export HDE_REDIS=unix://$SERVICES/redis.sock
  kafka_fetch && kafka_start "$SERVICES/kafka" 1 ||
    { echo "run.sh: Kafka did not start" >&2; return 69; }
  export HDE_KAFKA=$KAFKA_BROKERS KAFKA_REPLICATION=1
  port=$(kafka_port)
  "${HDE_BIN:-build/bin}/hde" simulate --port "$port" >"$SERVICES/simulator.log" 2>&1 &
  SERVICE_PIDS+=($!)
  export DHAN_BASE_URL=http://127.0.0.1:$port/v2 DHAN_TOKEN=demo DHAN_CLIENT_ID=demo
  export HDE_CALENDAR=always HDE_STATE=$SERVICES/state
  printf '  %-11s%s\n' PostgreSQL "psql '$HDE_POSTGRES'" Kafka "$HDE_KAFKA" \
    Redis "redis-cli -s $SERVICES/redis.sock" REST "http://127.0.0.1:${HDE_PORT:-8000}" >&2
}
