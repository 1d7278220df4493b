#!/usr/bin/env bash
# hde bench guarantees measures something in every part, and leaves nothing behind.
. "$HDE_SOURCE/tests/support/cli.sh"

expect 0 hde bench guarantees -- --quick --json
[ "$(jq '[.modes[] | select(.chains_per_s > 0 and .p99_us >= .p50_us)] | length' out)" = 3 ] ||
  fail "not three modes"
[ "$(jq '[.modes[1:][] | select(.cpu_share > 0)] | length' out)" = 2 ] || fail "checkpoints cost nothing"
[ "$(jq '[.reload[] | select(.pause_ms > 0)] | length' out)" = 4 ] || fail "not four reloads"
[ "$(jq '[.recovery[] | select(.entries >= 100 and .recovery_ms > 0)] | length' out)" = 1 ] ||
  fail "no recovery"
[ -z "$(ls -d hde-bench-* 2>/dev/null)" ] || fail "left behind: $(ls)"
