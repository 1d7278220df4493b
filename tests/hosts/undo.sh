#!/usr/bin/env bash
# A host that was ready for a change fails at it: whoever has made it goes back, also when it is the
# coordinator that fails.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"
builds=$HDE_BUILD/tests/swapped
cat >undo.yaml <<'YAML'
hde: 1
graph: undo
hosts:
  a: {listen: "ipc://a.net"}
  b: {listen: "ipc://b.net"}
  c: {listen: "ipc://c.net"}
coordinator: b
vars: {base: 0}
nodes:
  feed:  {host: a, op: swap/feed, params: {every: 1ms}}
  near:  {host: a, op: swap/count, params: {base: "${vars.base}"}}
  near_ok: {host: a, op: swap/check}
  east:  {host: b, op: swap/count, params: {base: "${vars.base}"}}
  east_ok: {host: b, op: swap/check}
  west:  {host: c, op: swap/count, params: {base: "${vars.base}"}}
  west_ok: {host: c, op: swap/check}
edges: [feed -> near -> near_ok, feed -> east -> east_ok, feed -> west -> west_ok]
YAML
export HDE_PLUGIN_PATH=$builds/v2 # of the command line
sed 's/base: 0/base: 5/' undo.yaml >other.yaml
declare -A pid
all_up() {
  for host in a b c; do
    hde status --graph "undo.$host" --json |
      jq -e '[.hosts[] | select(.state == "up")] | length == 2' >/dev/null || return 1
  done
}
begin() { # HOST: it has a build whose load() refuses
  for host in a b c; do
    version=v2
    [ "$host" = "$1" ] && version=load_fails
    engine "$host" undo.yaml --host "$host" --plugins "$builds/$version"
    pid[$host]=$PID
  done
  until_true 30 all_up || fail "not all hosts are up"
}
nothing_has_changed() {
  for host in a b c; do hde status --graph "undo.$host" --json; done |
    jq '.nodes[].counters[]? | select(.name == "wrong") | .value' | jq -s add >wrong
  [ "$(cat wrong)" = 0 ] || fail "messages were lost or doubled"
  expect 0 hde plan undo.yaml --graph undo.a --json
  [ "$(jq .changes out)" = 0 ] || fail "the coordinator runs another graph"
  expect 0 hde plan undo.yaml --graph undo.a
  has_not out "host"
  expect 0 hde plan other.yaml --graph undo.a
  has_not out "host"
  for host in a b c; do
    expect 0 hde stop --graph "undo.$host"
    ended "${pid[$host]}" 0
  done
}

begin c
expect 1 hde apply other.yaml --graph undo.a
has err "HDE-R215"
has err "host 'c' was ready and has not made the change"
has err "all hosts have gone back"
expect 0 hde history --graph undo.a
has out "(back)"
nothing_has_changed

begin b # the coordinator
expect 1 hde apply other.yaml --graph undo.a
has err "HDE-R055"
has err "all hosts have gone back"
nothing_has_changed
