#!/usr/bin/env bash
# log: {segment, max_size}: what no kept epoch needs goes, a start goes on all the same, and whoever
# asks for what is gone hears of it.
. "$HDE_SOURCE/tests/support/cli.sh"

cat >market.yaml <<'YAML'
hde: 1
graph: market
checkpoint: {every: 50ms, keep: 2, store: kept, hashes: true, log: {segment: 4KiB, max_size: 4KiB}}
nodes:
  near: {op: ingestion/synthetic, params: {symbols: [NIFTY], step: 10ms, paced: true, snapshots: 120}}
  clean: {op: processing/clean}
  pcr: {op: processing/pcr}
  out: {op: storage/jsonl, params: {path: out.jsonl}}
edges:
  - near -> clean -> pcr -> out
YAML
bytes() { cat "$1"/*.seg | wc -c; }
epochs() { find "$1/epochs" -name 'epoch-*' | sort; }
expect 0 hde run market.yaml --for 200ms
mkdir early && cp "$(epochs kept | tail -n 1)" early/
expect 0 hde run market.yaml
feed=$(head -n 1 out.jsonl | jq -r .feed)
[ "$(grep -c . out.jsonl)" -ge 120 ] || fail "not all came out"

# a segment goes when the epochs that need it are gone
expect 0 hde log verify kept/log
has out "retired: records before position "
has out ": fine"
expect 0 hde log verify kept/log --json
first=$(jq .retired.before_position out) tick=$(jq .retired.before_tick out)
[ "$first" -gt 1 ] || fail "nothing was retired"
oldest=$(epochs kept | head -n 1 | sed 's/.*epoch-0*//')
[ "$(bytes kept/log)" -lt $((4 * 1024 * 30)) ] || fail "$(bytes kept/log) bytes are left"

# what is left is taken from the oldest epoch on, and it is what it was
expect 0 hde replay kept/log --verify
has err "log.retired"
has err "epoch of tick $oldest"
has out "equal: "
expect 0 hde why $((oldest + 1)) kept/log
expect 65 hde why $((tick - 1)) kept/log
has err HDE-R100
has err "the oldest entry is tick $tick"
expect 1 hde why "$oldest" kept/log
has err HDE-R100
has err "the oldest epoch, tick $oldest"
expect 65 hde why "feed=$feed,event_ns=1" kept/log
has err "entries before tick $tick were retired"
expect 0 hde log cat kept/log --from 1
has err "records before position $first, tick $tick, were retired"
[ "$(head -n 1 out | jq .position)" = "$first" ] || fail "cat does not begin with what is left"

# the next start goes on behind the newest epoch; from one that is older than the log there is no way
lines=$(grep -c . out.jsonl)
expect 0 hde run market.yaml
[ "$(grep -c . out.jsonl)" = "$lines" ] ||
  fail "the next start writes $(grep -c . out.jsonl) lines, there were $lines"
cp -r kept moved
epochs moved | xargs rm
cp early/* moved/epochs/
sed 's/store: kept/store: moved/' market.yaml >moved.yaml
expect 1 hde run moved.yaml
has err HDE-R100
expect 0 hde log verify moved/log

# each part of a graph has a log of its own, and its epochs where the replay finds them
cat >parts.yaml <<'YAML'
hde: 1
graph: parts
checkpoint: {every: 50ms, keep: 2, store: cut, log: {segment: 4KiB, max_size: 4KiB}}
nodes:
  near: {op: ingestion/synthetic, params: {symbols: [NIFTY], step: 10ms, paced: true, snapshots: 80}}
  clean: {op: processing/clean}
  out: {op: storage/jsonl, params: {path: parts.jsonl}}
edges:
  - near -> clean
  - {path: clean -> out, full: spill}
YAML
expect 0 hde run parts.yaml
for part in near out; do
  expect 0 hde log verify cut/log/$part
  has out "retired: records before position "
done
expect 0 hde replay cut/log --set out.path=parts_again.jsonl
has err "log.retired"
[ -s parts_again.jsonl ] || fail "nothing was given again"
tail -n "$(grep -c . parts_again.jsonl)" parts.jsonl | cmp - parts_again.jsonl ||
  fail "the parts do not give the end of the run again"

# record: alone: size says what goes, and a run whose start is gone is not given again
cat >record.yaml <<'YAML'
hde: 1
graph: record
record: {to: day.log, log: {segment: 64KiB, max_size: 128KiB}}
nodes:
  near: {op: ingestion/synthetic, params: {symbols: [NIFTY], step: 10ms, snapshots: 100}}
  out: {op: storage/jsonl, params: {path: record.jsonl}}
edges:
  - near -> out
YAML
expect 0 hde run record.yaml
[ "$(bytes day.log)" -lt $((320 * 1024)) ] || fail "$(bytes day.log) bytes are left of record:"
expect 66 hde replay day.log
has err HDE-R100
has err "the start of the run was retired"
sed -i 's/snapshots: 100/snapshots: 2/' record.yaml
expect 0 hde run record.yaml
expect 0 hde replay day.log --set out.path=again.jsonl
[ "$(grep -c . again.jsonl)" -ge 2 ] || fail "the last run is whole, and was not given again"

# the settings are those of the start
sed 's/max_size: 128KiB/max_age: 2h/' record.yaml >other.yaml
expect 2 hde plan record.yaml other.yaml
has out "log.max_size: 128KiB -> none"
has out "log.max_age: none -> 7200s"
