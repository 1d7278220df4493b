#!/usr/bin/env bash
# hde bench quant runs, names what is missing, and gives every side that is there.
. "$HDE_SOURCE/tests/support/cli.sh"
expect 0 hde bench quant -- --quick
has out "price, portable"
has out "processing/implied_volatility"
has out "all stages"
expect 0 hde bench quant -- --quick --json
jq -e '[.results[] | select(.side == "iv, portable" or .side == "chain") | .median_ns > 0] == [true, true]' \
  <out >/dev/null || fail "JSON"
# what it was compared with, where Python has it
if /usr/bin/python3 -c 'import scipy' 2>/dev/null; then
  jq -e '.python | test("^numpy [0-9.]+, scipy [0-9.]+, Python 3")' <out >/dev/null || fail "versions"
fi
# without numpy and scipy it says so and goes on
expect 0 hde bench quant -- --quick --python /bin/false
has err "HDE-C054"
has err python3-scipy
has_not out brentq
