#!/usr/bin/env bash
# Replay refuses live operators by name, knows its speeds, and ends with its data.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"
. "$HDE_SOURCE/tests/control/graphs.sh"
expect 78 hde replay idle.yaml
has err "HDE-C020"
has err "node 'source' (control/live)"
for speed in fast 0x -1x 1y nanx; do
  expect 64 hde replay count.yaml --speed $speed
  has err "expected max, 1x, 10x"
done
for speed in max 100000x; do
  expect 0 hde replay count.yaml --speed $speed
  grep -qE '^sink +[0-9]+ +1000 ' err || fail "1000 messages at speed $speed"
done
