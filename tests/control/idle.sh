#!/usr/bin/env bash
# An idle engine costs next to nothing: 100 wakes of the control thread, 2 s of wall time.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"
. "$HDE_SOURCE/tests/control/graphs.sh"
engine idle idle.yaml
ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$PID/stat"; }
# until the start is behind us: nothing was used between two looks
quiet() { local a; a=$(ticks); read -rt 0.3 <> <(:); [ "$(ticks)" = "$a" ]; }
until_true 30 quiet || fail "the engine does not become idle"
before=$(ticks)
for _ in 1 2 3 4 5 6 7 8; do read -rt 0.25 <> <(:); done
used=$(($(ticks) - before))
echo "idle for 2 s: $used of 200 ticks of 10 ms"
[ "$used" -le 10 ] || fail "an idle engine used $used ticks of 10 ms in 2 s"
hde drain || fail drain
ended "$PID" 0
