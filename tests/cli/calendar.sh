#!/usr/bin/env bash
# hde calendar checks a calendar file, names every mistake with its place, and tells dates.
. "$HDE_SOURCE/tests/support/cli.sh"
expect 0 hde calendar nse
expect 0 hde calendar nse 2026-08-19 2027-03-22
has out "2026-08-19 Wed  09:15-15:40  cash to 15:15  expiry 15:30  NIFTY 65"
has out "2027-03-22 Mon  closed  provisional"
expect 0 hde calendar --json nse 2019-05-23
jq -e '.close == "15:30" and .lots.BANKNIFTY == 20' <out >/dev/null || fail "json"

hde calendar --print nse >my.yaml || fail "print"
sed -i 's/2026-08-19/&/; /^days:/a \  2026-08-19: closed' my.yaml
expect 0 hde calendar my.yaml 2026-08-19
has out "2026-08-19 Wed  closed"
printf 'venue: X\ntimezone: UTC\nweeks: [{mon: 9-5}]\nlots: {X: {soon: 1}}\n' >bad.yaml
expect 65 hde calendar bad.yaml
has err "bad.yaml:3:15: hours like 09:15-15:30"
has err "bad.yaml:4:12: a date like 2026-08-19"
expect 65 hde calendar nse yesterday
expect 65 hde calendar none.yaml
expect 64 hde calendar
expect 64 hde calendar --moon nse
