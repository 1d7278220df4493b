# Sourced by script tests that need a Redis: needs cli.sh first. A private server on a socket in
# $TMP, ended with the test; the test is skipped where there is none.
. "$HDE_SOURCE/tests/support/absent.sh"
command -v redis-server >/dev/null && command -v redis-cli >/dev/null || absent "no redis-server"
REDIS_URL=unix://$TMP/redis.sock
# redis_start: starts it, or starts it again; ready when it comes back. Sets REDIS_PID.
redis_start() {
  rm -f "$TMP/redis.sock"
  redis-server --port 0 --unixsocket "$TMP/redis.sock" --save '' --dir "$TMP" >"$TMP/redis.log" 2>&1 &
  REDIS_PID=$!
  CHILDREN+=("$REDIS_PID")
  until_true 30 redis_cli PING || { cat "$TMP/redis.log"; fail "redis-server does not start"; }
}
redis_cli() { redis-cli -s "$TMP/redis.sock" "$@"; }
redis_kill() { kill -KILL "$REDIS_PID"; wait "$REDIS_PID" 2>/dev/null; true; }
