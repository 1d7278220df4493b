#!/usr/bin/env bash
# A new build of an operator on three hosts, each with a file of its own: all of them swap, or none.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"
builds=$HDE_BUILD/tests/swapped
cat >swap.yaml <<'YAML'
hde: 1
graph: swap
hosts:
  a: {listen: "ipc://a.net"}
  b: {listen: "ipc://b.net"}
  c: {listen: "ipc://c.net"}
coordinator: b
nodes:
  feed:   {host: a, op: swap/feed, params: {every: 1ms}}
  near:   {host: a, op: swap/count, params: {size: 1KiB}}
  east:   {host: b, op: swap/count, params: {size: 1KiB}}
  east_ok: {host: b, op: swap/check}
  west:   {host: c, op: swap/count, params: {size: 1KiB}}
  west_ok: {host: c, op: swap/check}
  near_ok: {host: a, op: swap/check}
edges: [feed -> near -> near_ok, feed -> east -> east_ok, feed -> west -> west_ok]
YAML
for host in a b c; do
  mkdir "$host"
  cp "$builds/v1/swapped.so" "$host/"
  engine "$host" swap.yaml --host "$host" --plugins "$TMP/$host"
done
all_up() {
  for host in a b c; do
    hde status --graph "swap.$host" --json |
      jq -e '[.hosts[] | select(.state == "up")] | length == 2' >/dev/null || return 1
  done
}
until_true 30 all_up || fail "not all hosts are up"
put() { # HOST VERSION: the file is built again
  cp "$builds/$2/swapped.so" "$1/new" && mv "$1/new" "$1/swapped.so"
}
build_of() { hde status --graph "swap.$1" --json | jq -r ".nodes[] | select(.name == \"$2\") | .build_id"; }
all_builds() { build_of a near; build_of b east; build_of c west; }
wrong() { # what the nodes at the ends miss
  for host in a b c; do hde status --graph "swap.$host" --json; done |
    jq '.nodes[].counters[]? | select(.name == "wrong") | .value' | jq -s add
}

# all can
old=$(all_builds | sort -u)
for host in a b c; do put "$host" v2; done
expect 0 hde reload swap/count --graph swap.c --probation 0s
has out "swap/count: reloaded, build"
has out "host a: done"
has out "host c: done"
[ "$(all_builds | sort -u | wc -l)" = 1 ] || fail "hosts run different builds"
[ "$(all_builds | sort -u)" != "$old" ] || fail "the old build runs"

# one cannot
all_builds >before
put a twin
put b twin
put c crashes
expect 1 hde reload swap/count --graph swap.a --probation 0s
has err "host 'c'"
has err "HDE-R028"
all_builds >after
cmp before after || fail "a host has another build"
expect 0 hde reload --status --graph swap.a
has out "HDE-R216"
expect 0 hde history --graph swap.b
has out "host 'c'"

# a node of one host
put c twin
expect 0 hde reload west --graph swap.a --probation 0s
[ "$(build_of c west)" != "$(sed -n 3p before)" ] || fail "west runs the old build"
[ "$(build_of a near)" = "$(sed -n 1p before)" ] || fail "near was not meant"
expect 1 hde reload nobody --graph swap.a
has err "HDE-R020"

# one host goes back on probation
all_builds >before
put a agrees
put b agrees
put c stumbles
expect 0 hde reload swap/count --graph swap.b --probation 60s --no-trial
returned() { hde reload --status --graph swap.c --json | jq -e '.attempts[0].state == "RELOAD_STATE_RETURNED"' >/dev/null; }
until_true 20 returned || fail "the build that stumbles stays"
[ "$(build_of c west)" = "$(sed -n 3p before)" ] || fail "west does not run the build before"
[ "$(build_of b east)" != "$(sed -n 2p before)" ] || fail "east has gone back too"
expect 0 hde reload --status --graph swap.b
has out "probation"
expect 0 hde status --graph swap.c --all
[ "$(grep -c 'swap/count: build .* on probation' out)" = 2 ] || fail "status --all does not say who is on probation"

[ "$(wrong)" = 0 ] || fail "messages were lost or doubled"

# one is down
kill -KILL "$PID"
is_down() { hde status --graph swap.b --json | jq -e '.hosts[] | select(.name == "c") | .state == "down"' >/dev/null; }
until_true 20 is_down || fail "who was killed is not down"
put a twin
put b twin
expect 1 hde reload swap/count --graph swap.a
has err "HDE-R211"
has err "host 'c' is down"
