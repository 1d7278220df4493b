#!/usr/bin/env bash
# hde bench scale and the spread graph of hde bench links measure something in every part, and leave
# nothing behind.
. "$HDE_SOURCE/tests/support/cli.sh"

machines() { ip netns list 2>/dev/null | grep -o 'hde-spread-[0-9-]*' | sort; }
machines >before
expect 0 hde bench scale -- --quick --json --chains 10 --legs 400
[ "$(jq '[.lines[] | select((.points | length) == 2)] | length' out)" = 10 ] || fail "not ten lines"
jq -e '.lines[] | select(.name == "recovery") | .points[1].x >= 100 and .points[1].y > 0' out >/dev/null ||
  fail "no recovery"
jq -e '.check.measured_us > 0 and .load.epoch_bytes > 0' out >/dev/null || fail "nothing was predicted"
expect 0 hde bench links -- --quick --json
[ "$(jq '[.hosts[] | select(.cpu_s_per_million_legs > 0)] | length' out)" = 4 ] || fail "not four numbers of hosts"
[ -z "$(ls -d hde-bench-* 2>/dev/null)" ] || fail "left behind: $(ls)"
[ -z "$(machines | comm -13 before -)" ] || fail "a namespace was left behind"
