#!/usr/bin/env bash
# hde plan says what another graph would change, of a file or of the running graph.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"
cp -r "$HDE_SOURCE/graphs" graphs
cp -r graphs new
market=(--set vars.port=0 --set vars.simulator_port=0)
plan() { expect "$1" hde plan graphs/demo.yaml new/demo.yaml "${@:2}"; }

plan 0
has out "0 of"
sed -i 's/max_spread: 40%/max_spread: 30%/' new/processing.yaml
plan 0
has out "reconfigure  processing.clean"
has out "max_spread: 0.4 -> 0.3"
has out "1 of"
sed -i 's/top: "${vars.zones}"/top: 5/; /^  cumulative_oi:/d; s/cumulative_oi.in, //; s/cumulative_oi.out, //' \
  new/analytics.yaml
plan 2
has out "LOST: the node is removed"
has out "remove       analytics.cumulative_oi"
plan 2 --json
jq -e '.lost == 1 and (.nodes[] | select(.name == "processing.clean").kind) ==
  "CHANGE_KIND_RECONFIGURE"' <out >/dev/null || fail "plan --json"
sed -i 's/op: storage\/console/op: storage\/konsole/' new/demo.yaml
plan 78
has err "did you mean 'storage/console'"

expect 69 hde plan graphs/demo.yaml
engine market graphs/demo.yaml "${market[@]}" --set vars.store="$TMP/a.db"
expect 0 hde plan graphs/demo.yaml "${market[@]}" --set vars.store="$TMP/a.db"
has out "0 of"
expect 0 hde plan graphs/demo.yaml "${market[@]}" --set vars.store="$TMP/a.db" \
  --set processing.clean.max_spread=20%
has out "reconfigure  processing.clean"
expect 0 hde stop
