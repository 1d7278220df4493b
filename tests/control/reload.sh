#!/usr/bin/env bash
# hde reload puts another build into a running graph, says what became of it, and keeps a history.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"
builds=$HDE_BUILD/tests/swapped
cat >swap.yaml <<'YAML'
hde: 1
graph: swap
nodes:
  feed:  {op: swap/feed}
  count: {op: swap/count, params: {size: 1KiB}}
  check: {op: swap/check}
edges: [feed -> count -> check]
YAML
mkdir plugins
cp "$builds/v1/swapped.so" plugins/
expect 69 hde reload count
has err HDE-C010
expect 64 hde reload

engine swap swap.yaml --plugins "$TMP/plugins"
expect 0 hde reload --status
has out "nothing was reloaded"
expect 1 hde reload count
has err HDE-R031
expect 0 hde reload count --so "$builds/v2/swapped.so" --probation 0s
has out "count: 1 nodes run build"
has out "state: kept"
has out "kept mapped: the graph was loaded with it"
expect 0 hde reload swap/count --so "$builds/twin/swapped.so" --json --probation 0s
jq -e '.state == "RELOAD_STATE_DONE" and .retired == "unloaded" and .nodes == 1 and
  .new_build != .old_build and .pause_seconds < 1' <out >/dev/null || fail "reload --json"
new=$(jq -r .new_build <out)
expect 0 hde status --json
jq -e --arg new "$new" '.nodes[] | select(.name == "count") |
  .build_id == $new and .reloads == 2' <out >/dev/null || fail "status does not show the build"

# the file on the plugin path, built again
cp "$builds/v2/swapped.so" plugins/new && mv plugins/new plugins/swapped.so
expect 0 hde reload feed --probation 0s
has out "state: kept"

expect 1 hde reload count --so "$builds/wrong_abi/swapped.so"
has err HDE-P007
has err "the old build runs on"
expect 1 hde reload count --so "$builds/old_schema/swapped.so" --json
jq -e '.state == "RELOAD_STATE_REFUSED" and .error.code == "HDE-R024"' <out >/dev/null ||
  fail "a refusal as JSON"
expect 1 hde reload count --so "$builds/crashes/swapped.so"
has err HDE-R028
has err "crashed in batch(): SIGABRT"
expect 1 hde reload cuont
has err "did you mean 'count'"
expect 1 hde reload count --so missing.so
has err HDE-P001
expect 0 hde reload count --so "$builds/no_load/swapped.so" --drop-state --probation 0s
has out "state: dropped"
expect 0 hde reload --status
[ "$(sed 1d out | wc -l)" = 10 ] || fail "ten reloads, but $(sed 1d out | wc -l) in the history"
has out refused
has out HDE-P007
expect 0 hde reload --status --json
jq -e '(.attempts | length) == 10 and .attempts[0].number == 10' <out >/dev/null ||
  fail "reload --status --json"
grep -q 'event=reload.done' swap.err || fail "no log line"
hde status --json | jq -e '.nodes[] | select(.name == "check") | .counters[] |
  select(.name == "wrong") | .value == 0' >/dev/null || fail "messages were lost or doubled"
expect 0 hde reload check --so "$builds/twin/swapped.so" --probation 0s
has out "state: none"
folder=$(echo "$XDG_RUNTIME_DIR"/hde/*.plugins)
[ "$(ls "$folder" | wc -l)" = 3 ] || fail "copies that nobody runs are left: $(ls "$folder")"
expect 0 hde drain
ended "$PID" 0
[ -z "$(ls "$XDG_RUNTIME_DIR/hde")" ] || fail "files are left: $(ls "$XDG_RUNTIME_DIR/hde")"

# beside the old build first: one that agrees, one that does not
engine shadow swap.yaml --plugins "$builds/v2"
expect 0 hde reload count --so "$builds/agrees/swapped.so" --shadow 300ms --probation 0s
has out "messages agreed"
expect 1 hde reload count --so "$builds/differs/swapped.so" --shadow 300ms
has err HDE-R044
has err "output 'out'"
has err "value: "
expect 0 hde drain
ended "$PID" 0

# on probation the first error brings the old build back
engine probation swap.yaml --plugins "$TMP/plugins"
expect 0 hde reload count --so "$builds/twin/swapped.so"
has out "comes back at the first error"
expect 0 hde reload --status --json
jq -e '.attempts[0].state == "RELOAD_STATE_PROBATION"' <out >/dev/null || fail "no probation"
hde reload count --so "$builds/stumbles/swapped.so" --no-trial >out 2>err # back within 20 ms: 1
[ $? -le 1 ] || fail "a reload with --no-trial"
returned() { hde reload --status | grep -q 'returned.*HDE-R029'; }
until_true 20 returned || fail "the old build did not come back: $(hde reload --status)"
hde status --json | jq -e '[.nodes[] | select(.name == "check") | .counters[] |
  select(.name != "seen") | .value] == [0, 0]' >/dev/null || fail "something was lost or doubled"
grep -q 'event=reload.returned' probation.err || fail "no log line"
expect 0 hde drain
ended "$PID" 0

# a file that is moved into place is followed
engine watched swap.yaml --plugins "$TMP/plugins" --watch-plugins
cp "$builds/twin/swapped.so" plugins/new && mv plugins/new plugins/swapped.so
followed() {
  hde reload --status --json | jq -e '[.attempts[] | select(.state == "RELOAD_STATE_PROBATION") |
    .target] | sort == ["swap/check", "swap/count", "swap/feed"]'
}
until_true 20 followed || fail "a new file is not followed: $(hde reload --status)"
expect 0 hde drain
ended "$PID" 0

# copies of an engine that was killed go when somebody lists
engine killed swap.yaml --plugins "$TMP/plugins"
expect 0 hde reload count --so "$builds/v2/swapped.so"
kill -KILL "$PID"
ended "$PID" 137
expect 69 hde status
[ -z "$(ls "$XDG_RUNTIME_DIR/hde")" ] || fail "a killed engine leaves $(ls "$XDG_RUNTIME_DIR/hde")"

# in two parts of a graph: both change over, or none
cat >parts.yaml <<'YAML'
hde: 1
graph: parts
nodes:
  feed: {op: swap/feed}
  near: {op: swap/count, params: {size: 1KiB}}
  far: {op: swap/count, params: {size: 1KiB}}
  check: {op: swap/check}
edges: [feed -> near, {path: near -> far, full: spill}, far -> check]
YAML
engine parts parts.yaml --plugins "$builds/v1"
expect 0 hde reload swap/count --so "$builds/v2/swapped.so" --probation 0s
has out "swap/count: reloaded, build"
builds_of() { hde status --json | jq -r '.nodes[] | select(.name == "near" or .name == "far") | .build_id' | sort -u; }
new=$(builds_of)
[ "$(echo "$new" | wc -l)" = 1 ] || fail "two builds run"
expect 1 hde reload swap/count --so "$builds/crashes/swapped.so"
has err HDE-R028
has err "part '"
[ "$(builds_of)" = "$new" ] || fail "one part has swapped"
expect 0 hde stop
ended "$PID" 0
