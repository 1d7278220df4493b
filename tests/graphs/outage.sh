#!/usr/bin/env bash
# A database that is away, from the start and in mid-run: the graph runs, its link spools, /readyz
# says no and why, status and metrics show it as long as it lasts, and it passes by itself.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"
coproc SERVER { exec bash "$HDE_SOURCE/tests/support/postgres.sh" hold; }
end_server() { # it ends at the end of its input
  local status=$?
  eval "exec ${SERVER[1]}>&-"
  return $status
}
trap 'end_server; finish' EXIT
read -r word address <&"${SERVER[0]}" || { wait "$SERVER_PID"; exit $?; }
[ "$word" = ready ] || fail "the server said '$word'"
server() { # WORD: kill, start, stop
  local answer
  echo "$1" >&"${SERVER[1]}"
  read -r answer <&"${SERVER[0]}" && [ "$answer" = ok ] || fail "$1: the server said '$answer'"
}
cat >outage.yaml <<YAML
hde: 1
graph: outage
checkpoint: {every: 100ms, store: kept}
include:
  storage: {chain: $HDE_SOURCE/graphs/postgres.yaml, with: {address: "$address"}}
nodes:
  source: {op: ingestion/synthetic, params: {symbols: [NIFTY], step: 10ms, paced: true}}
  out: {op: storage/jsonl, params: {path: out.jsonl}}
edges:
  - {path: source -> storage.snapshots, full: spill, capacity: 8}
  - source -> out
YAML
ready() { curl -sS -m 10 -o readyz -w '%{http_code}' "$url/readyz" 2>err; }
is_ready() { [ "$(ready)" = "$1" ]; }
held_up() { curl -sS -m 10 "$url/metrics" | grep -q "^hde_node_held_up{.*node=\"storage.postgres\".*} $1\$"; }
rows() { psql -XAtqd "$address" -c "SELECT count(*) FROM chain_metrics" 2>/dev/null || echo 0; }
is_seen() { # while it is away
  until_true 20 is_ready 503 || fail "$1: ready: $(cat readyz)"
  grep -q "not ready: node 'storage.postgres': .*HDE-S001" readyz || fail "$1: $(cat readyz)"
  held_up 1 || fail "$1: metrics"
  expect 0 hde status
  grep -qE "^held up for [0-9.]+ ?[a-z]+: node 'storage.postgres': .*HDE-S001" out || fail "$1: $(cat out)"
  expect 0 hde status --json
  jq -e '.nodes[] | select(.name == "storage.postgres") | .standing == "held_up" and
    .standing_seconds >= 0' <out >/dev/null || fail "$1: status --json"
  lines=$(wc -l <out.jsonl)
  goes_on() { [ "$(wc -l <out.jsonl)" -gt "$((lines + 20))" ]; }
  until_true 20 goes_on || fail "$1: the graph waits for the database"
}
is_over() {
  local before
  before=$(rows)
  grows() { [ "$(rows)" -gt "$((before + 20))" ]; }
  until_true 30 grows || fail "$1: it does not go on"
  until_true 20 is_ready 200 || fail "$1: not ready again: $(cat readyz)"
  held_up 0 || fail "$1: metrics"
  expect 0 hde status
  has_not out "held up"
}

server stop
engine run outage.yaml --admin 127.0.0.1:0
url=http://$(sed -n 's/^admin //p' "$XDG_RUNTIME_DIR"/hde/*.engine)
is_seen "at the start"
expect 0 hde status --json
spooled() { hde status --json | jq -e '[.edges[] | select(.kind == "spill") | .spilled] | add > 0' >/dev/null; }
until_true 20 spooled || fail "the link does not spool"
server start
is_over "at the start"
server kill
is_seen "in mid-run"
server start
is_over "in mid-run"
expect 0 hde drain
ended "$PID" 0
entries=$(wc -l <out.jsonl)
[ "$(rows)" = "$entries" ] || fail "$(rows) chains are stored of $entries"
