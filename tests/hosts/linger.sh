#!/usr/bin/env bash
# A worker that has answered a frame from another host lingers before it sleeps, and no other does.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/hosts/three.sh"
three b
for host in a b c; do
  start $host
done
until_true 30 all_up a b c || { tail -n 5 ./*.err; fail "not all are up"; }
flows "first"
lingers() { # HOST: all its workers
  hde status --graph "three.$1" --json | jq '[.workers[].lingers] | add'
}
lingers_more() { [ "$(lingers b)" -gt 20 ]; }
until_true 30 lingers_more || fail "b has lingered $(lingers b) times"
[ "$(lingers a) $(lingers c)" = "0 0" ] || fail "a and c have lingered: $(lingers a), $(lingers c)"
ends_whole a b c
