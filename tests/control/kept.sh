#!/usr/bin/env bash
# What status, top, /metrics and /readyz say of the log, its epochs and the recovery; a disk without
# room, and room again.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"
cat >kept.yaml <<'YAML'
hde: 1
graph: kept
checkpoint: {every: 50ms, store: kept, log: {segment: 64KiB, max_size: 64KiB}}
nodes:
  near: {op: ingestion/synthetic, params: {symbols: [NIFTY], step: 5ms, paced: true, snapshots: 1000000}}
  clean: {op: processing/clean}
  out: {op: storage/jsonl, params: {path: out.jsonl}}
edges: [near -> clean -> out]
YAML
full=$HDE_BIN/../tests/libfull.so
[ -e "$full" ] && export LD_PRELOAD="$full" HDE_FULL="$TMP/full"
engine first kept.yaml --admin 127.0.0.1:0
unset LD_PRELOAD
url=http://$(sed -n 's/^admin //p' "$XDG_RUNTIME_DIR"/hde/*.engine)
ready() { curl -sS -m 10 -o readyz -w '%{http_code}' "$url/readyz" 2>err; }
says() { hde status --json >out && jq -e "$1" <out; }
is_ready() { [ "$(ready)" = "$1" ]; }

until_true 20 says '.epoch.completed > 3 and .log.segments > 0' || fail "no epochs"
until_true 20 says '.log.first_tick > 1099511627776' || fail "nothing was retired"
says '.recovery == null and .log.full == false and .log.bytes > 0 and .log.sync_age_seconds < 30 and
  .log.first_tick <= .log.last_tick and .epoch.tick > 0 and .epoch.bytes > 0 and
  .epoch.took_seconds > 0 and .epoch.age_seconds < 30 and .epoch.abandoned == 0' >/dev/null ||
  fail "status --json"
expect 0 hde status
grep -qE '^log: [0-9]+ segments, [0-9.]+ (KiB|MiB), ticks [0-9]+ to [0-9]+, synced .* ago$' out || fail "log line"
grep -qE '^epoch: tick [0-9]+, .* ago, took .*; [0-9]+ since the start$' out || fail "epoch line"
expect 0 hde top --once
has out "epoch: tick "
expect 0 hde top --once --json
jq -e '.log.segments > 0 and .epoch.completed > 3' <out >/dev/null || fail "top --json"
curl -sS -m 10 -o out "$url/metrics"
for name in log_segments log_bytes log_first_tick log_last_tick log_sync_age_seconds log_full \
  checkpoint_completed_total checkpoint_failed_total checkpoint_abandoned_total checkpoint_tick \
  checkpoint_age_seconds checkpoint_duration_seconds checkpoint_bytes; do
  has out "hde_$name{graph=\"kept\""
done
has_not out hde_recovery_

if [ -e "$full" ]; then
  touch full
  until_true 20 is_ready 503 || fail "ready on a full disk"
  grep -q "no room on the disk for the log in kept/log" readyz || fail "$(cat readyz)"
  expect 0 hde status
  has out "no room on the disk: nothing enters until there is"
  rm full
  until_true 20 is_ready 200 || fail "not ready again: $(cat readyz)"
  has first.err "event=log.full"
  until_true 30 grep -q "event=log.room" first.err || fail "the end of it is not told"
  lines=$(wc -l <out.jsonl)
  goes_on() { [ "$(wc -l <out.jsonl)" -gt "$((lines + 20))" ]; }
  until_true 20 goes_on || fail "nothing comes out any more"
fi

kill -KILL "$PID"
wait "$PID" 2>/dev/null
rm -f "$XDG_RUNTIME_DIR"/hde/*.engine
engine second kept.yaml --admin 127.0.0.1:0
url=http://$(sed -n 's/^admin //p' "$XDG_RUNTIME_DIR"/hde/*.engine)
until_true 20 is_ready 200 || fail "not ready after the recovery"
expect 0 hde status
grep -qE '^recovery: [0-9]+ entries taken again in ' out || fail "recovery line"
says '.recovery | .running == false and .taken == .entries and .seconds > 0' >/dev/null || fail "recovery"
curl -sS -m 10 -o out "$url/metrics"
has out "hde_recovery_running{graph=\"kept\""
has out "hde_recovery_seconds{"
expect 0 hde stop
