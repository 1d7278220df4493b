#!/usr/bin/env bash
# Status stays readable while an operator hangs, and while the whole process does.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"
. "$HDE_SOURCE/tests/control/graphs.sh"
mkfifo gate
engine hang ticks.yaml --stall 200ms --set sink.mode=hang --set sink.at=3 \
  --set "sink.gate=$TMP/gate"
hangs() { hde status --json | jq -e '[.workers[].node] | index("sink") != null'; }
until_true 30 hangs || { hde status; fail "status does not show that the worker is in sink"; }
until_true 30 grep -qi "stall\|no progress" hang.err || fail "the watchdog is silent"
expect 0 hde status
has out sink
kill -STOP "$PID"
expect 0 hde status
has out "does not answer"
has out "source.out -> sink.in"
expect 69 hde drain
has err HDE-C012
kill -CONT "$PID"
: >gate
expect 0 hde drain
ended "$PID" 0
