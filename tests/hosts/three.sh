# Three hosts of one machine, joined by ipc: a -> b -> c, chains without end. Sourced behind cli.sh.
#
#   three COORDINATOR [MORE]   writes three.yaml; MORE: settings of the node lines
#   start HOST                 in the background; its process is ${pid_of[HOST]}
#   all_up HOST...             they see each other, and nobody else is up
#   on HOST NODE               the node lies there
#   says HOST TEXT             its status has that among what it does
#   must_say HOST TEXT         or will soon
#   flows WHEN                 ten lines more come to the end
#   ends_whole HOST...         they are drained, one after the other, and no line was lost
# shellcheck shell=bash
export XDG_RUNTIME_DIR=$TMP/run LINES=$TMP/got STATE=$TMP/state
mkdir -m 700 "$XDG_RUNTIME_DIR"
declare -A pid_of

three() {
  cat >three.yaml <<YAML
hde: 1
graph: three
hosts:
  a: {listen: "ipc://$TMP/a.ipc"}
  b: {listen: "ipc://$TMP/b.ipc"}
  c: {listen: "ipc://$TMP/c.ipc"}
coordinator: $1
checkpoint: {every: 100ms, store: "\${STATE}"}
nodes:
  source: {host: a, op: ingestion/synthetic, params: {symbols: [NIFTY, BANKNIFTY], strikes: 41, step: 50ms, paced: true}}
  middle: {host: b, op: processing/clean}
  other: {host: b, op: processing/clean}
  lines: {host: c${2:-}, op: storage/jsonl, params: {path: "\${LINES}", fields: [feed, event_ns]}}
edges:
  - source -> middle
  - middle -> other
  - other -> lines
YAML
}
start() {
  hde run three.yaml --host "$1" >"$1.out" 2>>"$1.err" &
  pid_of[$1]=$!
  CHILDREN+=("$!")
}
all_up() {
  local host
  for host in "$@"; do
    hde status --graph "three.$host" --json >status &&
      jq -e --argjson n $(($# - 1)) '[.hosts[] | select(.state == "up")] | length == $n' status || return 1
  done
}
on() {
  hde status --graph "three.$1" --json >status &&
    jq -e --arg n "$2" '[.nodes[].name] | index($n)' status >/dev/null
}
says() {
  hde status --graph "three.$1" --json >status &&
    jq -e --arg text "$2" '[.doing[]? | select(contains($text))] | length > 0' status
}
must_say() {
  until_true 20 says "$@" || { hde status --graph "three.$1"; fail "the status of $1 does not say: $2"; }
}
lines_n() { wc -l <"$LINES" 2>/dev/null || echo 0; }
more_than() { [ "$(lines_n)" -gt "$1" ]; }
flows() {
  until_true 30 more_than $(($(lines_n) + 10)) || { tail -n 5 ./*.err; fail "no more lines: $1"; }
}
ends_whole() {
  local host
  for host in "$@"; do
    expect 0 hde drain --graph "three.$host"
    wait "${pid_of[$host]}"
  done
  jq -s -e 'group_by(.feed) |
    all(map(.event_ns / 50000000 | round) | unique | length == .[-1] - .[0] + 1)' "$LINES" >/dev/null ||
    fail "lines are lost"
}
