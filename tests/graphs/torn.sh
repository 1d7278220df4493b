#!/usr/bin/env bash
# hde log verify on the torn tail of a graph's log: it is named, nothing of the run is missing, and
# the next start cuts it off and goes on.
. "$HDE_SOURCE/tests/support/cli.sh"

cat >market.yaml <<'YAML'
hde: 1
graph: market
checkpoint: {every: 100ms, store: kept, hashes: true}
nodes:
  near: {op: ingestion/synthetic, params: {symbols: [NIFTY], step: 10ms, snapshots: 50}}
  clean: {op: processing/clean}
  pcr: {op: processing/pcr}
  out: {op: storage/jsonl, params: {path: out.jsonl}}
edges:
  - near -> clean -> pcr -> out
YAML
expect 0 hde run market.yaml
expect 0 hde log verify kept/log --json
records=$(jq .records out)
[ "$(jq -c .torn out)" = null ] || fail "torn before it was"
last=$(find kept/log -name '*.seg' | sort | tail -n 1)
bytes=$(stat -c %s "$last")

# the first half of a record that looks like one: the last record again, cut
tail -c 40 "$last" >>"$last"
expect 0 hde log verify kept/log
has out "torn tail: $last:"
has out "$records records"
has out ": fine"
expect 0 hde log verify kept/log --json
[ "$(jq '.torn.bytes > 0 and .ok and .damage == []' out)" = true ] || fail "not told as JSON"
expect 0 hde replay kept/log --verify
has out "equal: "

# damage in front of the tail is another matter; eight bytes are more than the zeros between records,
# over which there is no CRC
cp -r kept/log damaged
at=$((bytes / 2))
other=$(od -An -v -tu1 -w1 -j $at -N 8 "$last" | while read -r was; do printf '\\x%02x' $((was ^ 255)); done)
printf '%b' "$other" | dd of="damaged/$(basename "$last")" bs=1 seek=$at conv=notrunc 2>/dev/null
expect 1 hde log verify damaged
has out "damage: HDE-L"

expect 0 hde run market.yaml
has err "ingress.torn-tail"
expect 0 hde log verify kept/log --json
[ "$(jq -c .torn out)" = null ] || fail "the tail is still there"
[ "$(jq .records out)" -gt "$records" ] || fail "the run did not go on in the log"
