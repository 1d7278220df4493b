#!/usr/bin/env bash
# status, top, tap and log find the running engine, as text and as JSON.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"
. "$HDE_SOURCE/tests/control/graphs.sh"

for verb in status top drain stop "tap x" "log info"; do
  expect 69 hde $verb
  has err HDE-C010
  has err "hde run GRAPH"
done

engine one ticks.yaml --log-format json
expect 0 hde status
has out "ticks on"
has out "source.out -> sink.in"
has out "control/sink"
grep -qE '^sink +seen +[0-9.]+' out || fail "counters of operators"
expect 0 hde status --json
jq -e '.state == "ENGINE_STATE_RUNNING" and .ready and (.nodes | length) == 2 and
  (.edges[0].name == "source.out -> sink.in")' <out >/dev/null || fail "hde status --json"
expect 0 hde top --once --interval 100ms
has out "MSG/S"
hde top --json --interval 100ms 2>err | head -2 >out
jq -se 'length == 2 and (.[1].nodes[] | select(.name == "sink").messages_per_second) > 0' <out \
  >/dev/null || fail "hde top --json"

for edge in sink.in source.out source 'source.out -> sink.in' 's*.out' '*'; do
  expect 0 hde tap "$edge" --limit 3
  [ "$(wc -l <out)" = 3 ] || fail "tap '$edge' gave $(wc -l <out) lines"
  jq -se '.[0] | .edge == "source.out -> sink.in" and .type == "hde.Sample" and .message.key == "key"
    and (.message.sequence | type) == "string"' <out >/dev/null || fail "tap '$edge' as JSON"
done
expect 0 hde tap sink.in --for 200ms
[ -s out ] || fail "tap --for shows nothing"
expect 65 hde tap snk.in
has err HDE-C014
has err "did you mean 'sink.in'"
hde tap sink.in | head -1 >out
[ "${PIPESTATUS[0]}" = 0 ] || fail "a closed pipe is an error of tap"

expect 0 hde log debug sink
until_true 20 grep -q '"sink.sample"' one.err || fail "no debug lines after hde log debug"
jq -e . <(grep sink.sample one.err | head -1) >/dev/null || fail "log lines are not JSON"
expect 0 hde log warn
expect 65 hde log info snk
has err "did you mean 'sink'"
expect 64 hde log debugg
has err "did you mean 'debug'"
hde completion --words edge | grep -qx sink.in || fail "completion of edges"
hde completion --words node | grep -qx source || fail "completion of nodes"
hde completion --words engine | grep -qx ticks || fail "completion of engines"

first=$PID
engine two idle.yaml
expect 64 hde status
has err HDE-C011
has err "--graph idle --pid $PID"
expect 0 hde status --graph idle
has out "idle on"
expect 0 hde status --pid "$first"
has out "ticks on"
expect 69 hde status --graph ticsk
has err "did you mean 'ticks'"
expect 69 hde status --pid 1
has err "no engine of this user has the process id 1"
expect 0 hde drain --graph idle
ended "$PID" 0
kill -KILL "$first"
ended "$first" 137
expect 69 hde status
[ -z "$(ls "$XDG_RUNTIME_DIR/hde")" ] || fail "files of a killed engine are left"

expect 69 hde status --control ipc:///nowhere/at.sock
has err HDE-C012
