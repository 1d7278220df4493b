#!/usr/bin/env bash
# hde bench kafka runs with a broker that it starts, and says what is missing where it cannot.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/kafka.sh"
. "$HDE_SOURCE/tests/support/absent.sh"
kafka_fetch || absent "the broker could not be fetched"
unset HDE_KAFKA
quick=(--rounds 1 --megabytes 2 --paced 5)

expect 0 hde bench kafka -- "${quick[@]}" --json
[ "$(jq -s 'map(select(.messages_per_s > 0)) | length' out)" = 4 ] || fail "not four rates"
[ "$(jq -s 'map(select(.p50_ms > 0 and .p99_ms >= .p50_ms)) | length' out)" = 2 ] ||
  fail "not two latencies"

mkdir empty
for tool in bash dirname mktemp rm; do ln -s "$(command -v $tool)" empty; done
PATH=$PWD/empty expect 1 "$(command -v hde-bench-kafka)" "${quick[@]}"
has err HDE-C054
has err 'there is no java'
