#!/usr/bin/env bash
# graphs/market.yaml on the services that run.sh --services starts: chains reach PostgreSQL over three
# topics, REST shows them, Redis hears them.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/absent.sh"
cd "$HDE_SOURCE" || exit 1
. deploy/services.sh
leave() {
  local status=$?
  [ -z "${heard:-}" ] || kill "$heard" 2>/dev/null
  (cd / && rm -rf "$TMP")
  (exit $status)
  services_end
}
kafka_fetch || absent "the broker could not be fetched"
services_start || absent "the services do not start"
trap leave EXIT

HDE_PORT=$(kafka_port)
export HDE_PORT
redis-cli -s "${HDE_REDIS#unix://}" PSUBSCRIBE 'hde.*' >"$TMP/heard" &
heard=$!
hde run graphs/market.yaml >"$TMP/out" 2>"$TMP/err" &
HDE_PID=$!
rows() { psql -XAtqd "$HDE_POSTGRES" -c "SELECT count(*) FROM $1"; }
has_rows() { [ "$(rows "$1")" -gt 0 ]; }
shows() { [ "$(curl -sf "http://127.0.0.1:$HDE_PORT/v1/analytics/summary/NIFTY" | jq .data.spot)" != null ]; }
until_true 60 has_rows option_chain_snapshots || fail "no chain reaches PostgreSQL"
until_true 60 has_rows analytics_cumulative_oi || fail "no result reaches PostgreSQL"
until_true 30 shows || fail "REST shows nothing"
until_true 30 grep -q '"feed"' "$TMP/heard" || fail "nothing is published"
kill -INT "$HDE_PID"
wait "$HDE_PID" || fail "hde run gave $?"
HDE_PID=
