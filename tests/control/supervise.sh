#!/usr/bin/env bash
# hde run --supervise: back after a crash, with the build before where one was just swapped in.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"
builds=$HDE_BUILD/tests/swapped
cat >kept.yaml <<'YAML'
hde: 1
graph: swap
checkpoint: {every: 100ms, store: kept}
record: {to: kept/log, hashes: 100ms}
nodes:
  feed:  {op: swap/feed}
  count: {op: swap/count, params: {size: 1KiB}}
  write: {op: swap/write, params: {path: lines}}
edges: [feed -> count -> write]
YAML
counted_without_gap() { # FILE
  awk '$2 != NR - 1 || $3 != NR - 1 { print "line " NR ": " $0; bad = 1; exit } END { exit bad }' "$1"
}
engine_pid() { sed -n 's/^pid //p' "$XDG_RUNTIME_DIR"/hde/*.engine 2>/dev/null; }
ready() { [ "$(hde status --json 2>/dev/null | jq -r .ready)" = true ]; }
other_than() { local now; now=$(engine_pid) && [ -n "$now" ] && [ "$now" != "$1" ] && ready; }
build_of() { hde status --json | jq -r '.nodes[] | select(.name == "count") | .build_id'; }

hde run --supervise kept.yaml --plugins "$builds/v1" >sup.out 2>sup.err </dev/null &
PARENT=$!
CHILDREN+=("$PARENT")
until_true 30 ready || { cat sup.err; fail "it does not start"; }
[ "$(engine_pid)" != "$PARENT" ] || fail "there is no parent"
expect 0 hde reload count --so "$builds/v2/swapped.so" --probation 0s
good=$(build_of)

# crash in batch() of a build that was just swapped in
before=$(engine_pid)
hde reload count --so "$builds/crashes/swapped.so" --no-trial >out 2>err
until_true 30 other_than "$before" || { cat sup.err; fail "it does not come back"; }
[ "$(build_of)" = "$good" ] || fail "build $(build_of) runs, not the one before"
grep -q "hde: SIGABRT in node 'count' (swap/count, build [0-9a-f]*), batch(): tick [0-9]*, port 'in', message 1 of 5 (hde.Sample)" \
  sup.err || { cat sup.err; fail "no last words"; }
grep -qE 'event=reload.(void|blocked)' sup.err || fail "nothing was blocked"
expect 1 hde reload count --so "$builds/crashes/swapped.so"
has err HDE-R043
expect 0 hde reload --status
has out "blocked: build"
has out "SIGABRT in node 'count'"
expect 1 hde reload count --so "$builds/crashes/swapped.so" --force
has err HDE-R028 # it is tried again, and the trial finds it

# a crash that has nothing to do with a reload
before=$(engine_pid)
kill -SEGV "$before"
until_true 30 other_than "$before" || { cat sup.err; fail "it does not come back from SIGSEGV"; }
before=$(engine_pid)
kill -KILL "$before"
until_true 30 other_than "$before" || { cat sup.err; fail "it does not come back from SIGKILL"; }
expect 0 hde reload count --so "$builds/twin/swapped.so" --probation 0s

# a stop goes through the parent
kill -TERM "$PARENT"
ended "$PARENT" 0
counted_without_gap lines || fail "lines were lost or doubled"
echo "builds that counted: $(awk '{ print $4 }' lines | uniq | paste -sd' ')"

# the log verifies over the swap that was voided, and over the crashes
expect 0 hde replay kept/log --verify --plugins "$builds/v1"
has out "equal"

# it is given up in the end, and exit codes of the child are those of the parent
expect 78 hde run --supervise <(echo 'hde: 1') --plugins "$builds/v1"
hde run --supervise kept.yaml --plugins "$builds/v1" --max-restarts 1 >sup.out 2>sup.err </dev/null &
PARENT=$!
CHILDREN+=("$PARENT")
until_true 30 ready || fail "it does not start again"
before=$(engine_pid)
kill -KILL "$before"
until_true 30 other_than "$before" || fail "it does not come back"
kill -KILL "$(engine_pid)"
ended "$PARENT" 1
grep -q HDE-R046 sup.err || fail "it was not given up"
