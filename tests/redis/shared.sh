#!/usr/bin/env bash
# Two processes of hde with one store and one Redis: what one gateway has read the other takes from
# Redis; results are published on a channel a feed; Redis is killed, both serve, and it comes back.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"
. "$HDE_SOURCE/tests/support/redis.sh"

# graph NAME MORE-NODES MORE-EDGES: one chain comes at once, the next in an hour
graph() {
  cat >"$1.yaml" <<END
hde: 1
graph: $1
checkpoint: {every: 10s, store: $TMP/kept-$1}
include: {processing: {chain: $HDE_SOURCE/graphs/processing.yaml}}
nodes:
  source: {op: ingestion/synthetic, params: {paced: true, step: 1h}}
  gateway:
    op: gateway/rest
    params: {listen: "127.0.0.1:0", store: $TMP/market.db, redis: "\${HDE_REDIS:-}"}
$2
edges: [source -> processing.chains, processing.enriched -> gateway.live$3]
END
}
graph one "  store: {op: storage/sqlite, params: {path: $TMP/market.db}}
  publish: {op: redis/publish, params: {url: \"\${HDE_REDIS}\"}}" \
  ', processing.enriched -> store.snapshots, processing.enriched -> publish'
graph two '' ''

url_of() { sed -nE 's/.*event=gateway.listening.*text="?(http[^" ]*).*/\1/p' "$TMP/$1.err"; }
get() { curl -sS --max-time 20 "$1$2"; }
metric() { get "$1" /metrics | grep -qxF "$2"; }
from_store() { [ "$(get "$ONE" /v1/charts/pcr/NIFTY | jq -r .meta.source)" = history ]; }
state_is() { [ "$(get "$1" /readyz | jq -r .cache.state)" = "$2" ]; }

redis_start
export HDE_REDIS=$REDIS_URL
redis_cli PSUBSCRIBE 'hde.*' >heard 2>/dev/null &
CHILDREN+=("$!")
listening() { [ "$(redis_cli PUBSUB NUMPAT)" -ge 1 ]; }
until_true 20 listening || fail "redis-cli does not listen"

expect 0 hde check --delivery one.yaml
grep -q 'publish: at_most_once: .*lets go' out || fail "hde check does not say what publish lets go of"

engine one one.yaml
ONE=$(url_of one)
until_true 60 from_store || fail "nothing came into the store"
until_true 20 grep -q '"type":"EnrichedChain"' heard || fail "nothing was published"
engine two two.yaml
TWO=$(url_of two)
until_true 20 metric "$TWO" 'hde_cache_degraded 0' || fail "no cache in two"
# what two takes from Redis it does not read itself; on a busy machine Redis may be too late at first
asked=0
answers() { [ "$(get "$1" "/v1/charts/pcr/NIFTY?limit=$asked" | jq '.data | length')" = 1 ]; }
takes() {
  ((asked++))
  answers "$ONE" && answers "$TWO" && metric "$TWO" 'hde_cache_hits_total{layer="l2"} 1'
}
until_true 20 takes || fail "$(get "$TWO" /metrics | grep cache)"
builds=$(get "$TWO" /metrics | sed -n 's/^hde_cache_builds_total //p')
[ "$builds" -lt "$asked" ] || fail "two has read the store itself $builds times of $asked"

redis_kill
for url in "$ONE" "$TWO"; do
  until_true 20 state_is "$url" degraded || fail "$url does not say that Redis is away"
  [ "$(curl -s -o /dev/null -w '%{http_code}' "$url/readyz")" = 200 ] || fail "not ready without Redis"
  [ "$(curl -s -o /dev/null -w '%{http_code}' "$url/v1/charts/pcr/NIFTY?limit=5")" = 200 ] ||
    fail "does not serve without Redis"
done
redis_start
for url in "$ONE" "$TWO"; do
  until_true 30 state_is "$url" shared || fail "$url does not see that Redis is back"
done
