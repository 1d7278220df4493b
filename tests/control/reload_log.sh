#!/usr/bin/env bash
# Reloads of a graph that keeps a log: given again, and after kill -9 the builds that ran.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"
builds=$HDE_BUILD/tests/swapped
graph() { # CHECKPOINT-LINE
  cat <<YAML
hde: 1
graph: swap
$1
nodes:
  feed:  {op: swap/feed}
  count: {op: swap/count, params: {size: 1KiB}}
  write: {op: swap/write, params: {path: lines}}
edges: [feed -> count -> write]
YAML
}
counted_without_gap() { # FILE
  awk '$2 != NR - 1 || $3 != NR - 1 { print "line " NR ": " $0; bad = 1; exit } END { exit bad }' "$1"
}
builds_of() { awk '{ print $4 }' "$1" | uniq | paste -sd' '; }
mkdir plugins
cp "$builds/v1/swapped.so" plugins/

# recorded and given again, though the file is another one by then
graph '' >plain.yaml
hde record plain.yaml --plugins "$TMP/plugins" >rec.out 2>rec.err &
PID=$!
CHILDREN+=("$PID")
until_true 30 listed "$PID" || fail "hde record did not start"
until_true 20 test -s lines || fail "nothing was written"
expect 0 hde reload count --so "$builds/v2/swapped.so" --probation 0s
hde reload count --so "$builds/stumbles/swapped.so" --no-trial >out 2>err # back at once: 1
returned() { hde reload --status | grep -q 'returned.*HDE-R029'; }
until_true 20 returned || fail "the old build did not come back"
expect 0 hde drain
ended "$PID" 0
counted_without_gap lines || fail "lines of the recorded run"
cp "$builds/twin/swapped.so" plugins/swapped.so
expect 0 hde replay swap.log --plugins "$TMP/plugins" --set write.path=again
cmp lines again || fail "the log gives other lines"
expect 0 hde log cat swap.log
has out '"entry":"swap"'
has out '"entry":"return"'

# kill -9 while reloads are made: the old build or the new one, nothing lost, nothing doubled
rm -f lines
cp "$builds/v1/swapped.so" plugins/swapped.so
graph 'checkpoint: {every: 200ms, store: kept}' >kept.yaml
runs() { # VERSION: now, or since before
  hde reload count --so "$builds/$1/swapped.so" --no-trial --probation 0s >"$TMP/out" 2>"$TMP/err" ||
    grep -q HDE-R031 "$TMP/err"
}
for i in 1 2 3 4 5 6; do
  engine kept kept.yaml --plugins "$TMP/plugins"
  version=$([ $((i % 2)) = 1 ] && echo v2 || echo twin)
  until_true 20 runs "$version" || fail "reload $i"
  hde reload count --so "$builds/$([ "$version" = v2 ] && echo twin || echo v2)/swapped.so" \
    --no-trial >/dev/null 2>&1 &
  read -rt "0.0$((RANDOM % 6))" <> <(:) || : # the moment is drawn, nothing is waited for
  kill -KILL "$PID"
  ended "$PID" 137
done
engine kept kept.yaml --plugins "$TMP/plugins"
until_true 20 grep -q taken kept.err || fail "nothing was recovered"
expect 0 hde reload --history --json
jq -e '[.attempts[] | select(.state == "RELOAD_STATE_DONE")] | length >= 5' <out >/dev/null ||
  fail "the reloads of earlier starts are forgotten"
expect 0 hde drain
ended "$PID" 0
counted_without_gap lines || fail "lines after kills"
echo "builds that counted: $(builds_of lines)"
[ "$(builds_of lines | wc -w)" -ge 3 ] || fail "no reload took"

# a file that is moved into place while a log is kept, and a node in a process of its own: kill -9
# behind the swap, and the build that ran goes on
for kind in watched isolated; do
  rm -rf lines kept
  cp "$builds/v1/swapped.so" plugins/swapped.so
  graph 'checkpoint: {every: 200ms, store: kept}' >$kind.yaml
  [ $kind = watched ] || sed -i 's/{op: swap\/count,/{op: swap\/count, isolate: process,/' $kind.yaml
  engine $kind $kind.yaml --plugins "$TMP/plugins" $([ $kind = isolated ] || echo --watch-plugins)
  until_true 20 grep -q ' v1$' lines || fail "$kind: nothing was written"
  if [ $kind = watched ]; then
    cp "$builds/v2/swapped.so" plugins/new && mv plugins/new plugins/swapped.so
  else
    expect 0 hde reload count --so "$builds/v2/swapped.so" --probation 0s
  fi
  until_true 20 grep -q ' v2$' lines || fail "$kind: the new build does not run: $(hde reload --status)"
  kill -KILL "$PID"
  ended "$PID" 137
  before=$(grep -c . lines)
  engine $kind $kind.yaml --plugins "$TMP/plugins"
  more() { [ "$(grep -c . lines)" -gt "$((before + 100))" ]; }
  until_true 20 more || fail "$kind: it does not go on after kill -9"
  expect 0 hde drain
  ended "$PID" 0
  counted_without_gap lines || fail "$kind: lines after a kill"
  [ "$(builds_of lines)" = "v1 v2" ] || fail "$kind: builds $(builds_of lines)"
done
