#!/usr/bin/env bash
# hde log ls, cat and verify: whole, torn and damaged logs, ranges, exit codes.
. "$HDE_SOURCE/tests/support/cli.sh"
write() { "$HDE_BUILD/tests/seglog-write" "$@" || fail "no log"; }
lines() { [ "$(wc -l <out)" = "$1" ] || fail "$(wc -l <out) lines instead of $1"; }
write log 300

expect 0 hde log ls log
has out "SEGMENT"
has out "2026-08-19T05:57:00Z"
expect 0 hde log ls log --json
jq -e '.segments | length > 3 and .[0].first_position == 1 and .[0].first_tick == 100
  and (map(.records) | add) == 300 and all(.torn == false)' <out >/dev/null || fail "ls as JSON"
expect 0 hde log ls log --from 295 --json
jq -e '.segments | length == 1' <out >/dev/null || fail "ls of a range"

expect 0 hde log cat log
lines 300
jq -se '.[41] == {position: 42, tick: 120, kind: 2, time: "2026-08-19T05:57:41Z", size: 9}' \
  <out >/dev/null || fail "cat"
expect 0 hde log cat log --payload --from 42 --to 42
[ "$(jq -r .payload <out | base64 -d)" = "record 42" ] || fail "cat --payload"
expect 0 hde log cat log --from tick:110 --to tick:111
[ "$(jq -c .position <out | tr '\n' ' ')" = "21 22 23 24 " ] || fail "a range of ticks"
expect 0 hde log cat log --from 2026-08-19T05:58:00Z --to 2026-08-19T05:58:02.500Z
[ "$(jq -c .position <out | tr '\n' ' ')" = "61 62 63 " ] || fail "a range of times"
expect 0 hde log cat log --from 1000
lines 0
hde log cat log | head -1 >out
[ "${PIPESTATUS[0]}" = 0 ] || fail "a closed pipe is an error of cat"

write entries 5 feed
expect 0 hde log cat entries --payload --from 3 --to 3
jq -e '.entry == "source" and .node == "feed" and .payload.kind == "LOG_KIND_SOURCE"' <out \
  >/dev/null || fail "an entry of an ingress log"

expect 0 hde log verify log
has out "300 records"
has out "fine"
expect 0 hde log verify log --json
jq -e '.ok and .records == 300 and .damage == [] and .torn == null' <out >/dev/null ||
  fail "verify as JSON"

# a torn tail is named and is no damage; who opens the log cuts it off
last=$(ls log/*.seg | tail -1)
truncate -s -3 "$last"
at=$(hde log verify log --json | jq .torn.offset)
expect 0 hde log verify log
has out "torn tail: $last:$at:"
has out "299 records"
expect 0 hde log ls log
has out torn
write log 1
expect 0 hde log verify log
has out "300 records"
has_not out torn

# damage
first=$(ls log/*.seg | head -1)
printf 'x' | dd of="$first" bs=1 seek=100 conv=notrunc status=none
expect 1 hde log verify log
has out "damage: HDE-L003 $first:"
has out damaged
expect 1 hde log verify log --json
jq -e '(.ok | not) and (.damage | length) == 1 and .damage[0].code == "HDE-L003"' <out >/dev/null ||
  fail "damage as JSON"
expect 1 hde log cat log
has err HDE-L003
jq -se 'length > 200 and .[-1].position == 300' <out >/dev/null || fail "cat goes on behind damage"
rm "$(ls log/*.seg | sed -n 3p)"
expect 1 hde log verify log
has out HDE-L005

# words
mkdir empty
expect 66 hde log verify empty
has err HDE-L009
expect 66 hde log ls nowhere
has err HDE-L002
expect 64 hde log cat
expect 64 hde log cat log --from yesterday
has err "tick:1200"
expect 64 hde log debug --from 3
expect 64 hde log lss log
has err "did you mean 'ls'"
expect 0 hde explain L003
