#!/usr/bin/env bash
# examples/two_hosts runs as it is and takes its machines away again.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/absent.sh"
ip netns add "hde-$$-probe" 2>err || absent "network namespaces are not permitted: $(cat err)"
ip netns delete "hde-$$-probe"

expect 0 "$HDE_SOURCE/examples/two_hosts/run.sh" --for 4s
rows=$(sed -n 's/^rows: //p' out)
[ "${rows:-0}" -gt 100 ] || fail "it stored $rows rows"
[ -z "$(ip netns list | grep -E '^(north|south)')" ] || fail "a namespace was left behind"
