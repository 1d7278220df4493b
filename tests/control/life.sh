#!/usr/bin/env bash
# A graph runs, tells about itself, drains on the first signal and ends at once on the second.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"
. "$HDE_SOURCE/tests/control/graphs.sh"

# to its end
expect 0 hde run count.yaml
[ ! -s out ] || fail "hde run writes to stdout"
has err "count: 2 nodes, 1 edges"
has err "count: ended after"
grep -qE '^sink +[0-9]+ +1000 ' err || fail "the summary does not count 1000 messages"
expect 0 hde run count.yaml --json
jq -se '.[0].event == "started" and .[0].nodes == 2 and .[1].event == "ended" and
  .[1].state == "ended" and (.[1].nodes[] | select(.name == "sink").messages) == 1000' <out \
  >/dev/null || fail "the summary as JSON"
expect 0 hde run count.yaml --quiet
[ ! -s err ] || fail "--quiet is not quiet"
expect 0 hde run count.yaml --set source.count=20
grep -qE '^sink +[0-9]+ +20 ' err || fail "--set has no effect"

# for a time
expect 0 hde run ticks.yaml --for 200ms
has err "ticks: ended after"
HDE_WORKERS=1 expect 0 hde run ticks.yaml --for 50ms
has err "1 workers"

# errors before the start
expect 66 hde run missing.yaml
has err HDE-G001
sed 's/control.sink/control\/snk/' ticks.yaml >bad.yaml
expect 78 hde run bad.yaml
has err "bad.yaml:5"
has err "did you mean 'control/sink'"
expect 78 hde run bad.yaml --json
jq -e '.diagnostics[0].code' <err >/dev/null || fail "diagnostics as JSON"
expect 64 hde run ticks.yaml --log-level debg
has err "did you mean 'debug'"
expect 64 hde run ticks.yaml --log-level snk=debug
has err "did you mean 'sink'"
expect 64 hde run ticks.yaml --for 5
has err "expected a time such as"
expect 69 hde run ticks.yaml --admin 0.0.0.0:0
has err HDE-C018
expect 69 hde run ticks.yaml --control tcp://0.0.0.0:0
has err HDE-C016
expect 69 hde run ticks.yaml --control http://x
has err HDE-C016

# a node that fails, one that rejects
expect 1 hde run ticks.yaml --set sink.mode=fail --set sink.at=5
has err "sink"
has err "as it was told"
has err "ticks: failed after"
expect 0 hde run count.yaml --set sink.mode=reject --set sink.at=5
has err "1 rejects"

# signals
for signal in INT TERM HUP; do
  engine signal ticks.yaml
  kill -$signal "$PID"
  ended "$PID" 0
  grep -q "draining" signal.err || fail "SIG$signal: nothing is said"
  [ -z "$(ls "$XDG_RUNTIME_DIR/hde")" ] || fail "files are left: $(ls "$XDG_RUNTIME_DIR/hde")"
done
mkfifo gate
engine hang ticks.yaml --set sink.mode=hang --set sink.at=3 --set "sink.gate=$TMP/gate"
hangs() { hde status --json | jq -e '.nodes[] | select(.name == "source") | (.messages | tonumber) >= 3'; }
until_true 20 hangs || fail "the third message does not come"
kill -INT "$PID"
until_true 20 grep -q draining hang.err || fail "the first signal is not heard"
kill -INT "$PID"
ended "$PID" 130

# drain and stop from another terminal
for verb in drain stop; do
  engine $verb ticks.yaml
  expect 0 hde $verb
  ended "$PID" 0
done
engine json ticks.yaml
expect 0 hde drain --json
jq -e .ok <out >/dev/null || fail "hde drain --json"
ended "$PID" 0

# closed files and readers that go away
hde run count.yaml <&- >&- 2>&- || fail "closed standard files are an error"
hde run count.yaml --json | head -1 >/dev/null
[ "${PIPESTATUS[0]}" = 0 ] || fail "a closed pipe is an error"

# a second engine on the same endpoint is refused, the first one keeps it
engine first ticks.yaml --control "ipc://$TMP/one.sock"
expect 69 hde run ticks.yaml --control "ipc://$TMP/one.sock"
has err "another process listens"
expect 0 hde status --control "ipc://$TMP/one.sock"
kill -INT "$PID"
ended "$PID" 0
