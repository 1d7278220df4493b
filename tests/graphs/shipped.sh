#!/usr/bin/env bash
# Every shipped graph checks clean, warnings included, as in a fresh clone.
. "$HDE_SOURCE/tests/support/cli.sh"

n=0
for graph in "$HDE_SOURCE"/graphs/*.yaml; do
  expect 0 hde check --strict "$graph"
  n=$((n + 1))
done
[ "$n" -ge 7 ] || fail "only $n graphs"
expect 0 hde check --strict "$HDE_SOURCE"/graphs/*.yaml

# from another folder, too: paths are relative to the files
cp -r "$HDE_SOURCE/graphs" elsewhere
expect 0 hde check --strict elsewhere/demo.yaml elsewhere/replay.yaml
