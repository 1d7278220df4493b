#!/usr/bin/env bash
# graphs/distributed.yaml on four hosts, each a namespace with keys of its own.
#
#   1. on the simulator: REST on the fourth host shows what came in on the first
#   2. from a recorded input: the tables are those of one process, by natural key
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/absent.sh"
. "$HDE_SOURCE/tests/support/netns.sh"
. "$HDE_SOURCE/tests/hosts/rig.sh"

hosts_up
export HDE_STATE=$TMP/live.state HDE_STORE=$TMP/live.db HDE_EVERY=300ms
expect 0 hde check --strict --delivery graphs/distributed.yaml
has out "4 hosts"
has out "effectively_once"
expect 1 on_host 1 hde run graphs/distributed.yaml --host ingest
has err "HDE-R182"
expect 1 on_host 1 hde run graphs/distributed.yaml --host ingest --key calc.key
has err "HDE-R183"
expect 73 hde keygen calc.key
[ "$(hde keygen --show calc.key)" = "$HDE_CALC_KEY" ] || fail "another public key"

# 1. On the simulator
on_host 1 hde simulate --interval 0 >simulator &
simulator=$!
CHILDREN+=("$simulator")
until_true 30 grep -q 'http://' simulator || fail "the simulator does not listen"
DHAN_BASE_URL=$(grep -o 'http://[0-9.:]*' simulator | head -n 1)/v2
export DHAN_BASE_URL DHAN_TOKEN=a DHAN_CLIENT_ID=a HDE_CALENDAR=always
for name in serve analyse calc ingest; do host_run "$name"; done
summary() { on_host 4 curl -sf http://127.0.0.1:8000/v1/analytics/summary/NIFTY; }
served() { summary | jq -e '.data | length > 0'; }
until_true 60 served || { tail -n 5 ./*.err; fail "host four serves nothing"; }
stored() { [ "$(sqlite3 live.db 'SELECT count(*) FROM option_chain_snapshots')" -gt 1000 ]; }
until_true 60 stored || fail "host four stores nothing"
expect 0 hde status --graph distributed.calc
has out "analyse  up"
has out "serve    up"
has_not out "refused  "
expect 0 hde status --graph distributed.calc --json
jq -e '[.hosts[] | select(.state == "up")] | length == 3' out >/dev/null || fail "hosts of the status"
expect 0 hde tap --graph distributed.serve 'processing.reversal.out*' --limit 1
has out '"underlying"'
# a viewer on another host, and one of edges that lie on several
expect 0 hde tap --graph distributed.serve 'ingestion.*' --limit 1
has out '"host":"ingest"'
hde tap --graph distributed.ingest '*' --limit 2000 >tapped 2>tap.err &
tap=$!
CHILDREN+=("$tap")
of_all() { [ "$(jq -r .host tapped 2>/dev/null | sort -u | tr '\n' ' ')" = "analyse calc null " ]; }
until_true 60 of_all || { tail -n 3 tap.err; fail "taps of hosts: $(jq -r .host tapped | sort | uniq -c)"; }
# one that does not read any more: nothing waits for it, and its host is asked as ever
kill -STOP "$tap"
rows() { sqlite3 live.db 'SELECT count(*) FROM option_chain_snapshots'; }
at=$(rows)
goes_on() { [ "$(rows)" -gt $((at + 2000)) ]; }
until_true 60 goes_on || fail "a tap that is not read holds the graph up"
expect 0 hde status --graph distributed.ingest --all
has_not out "is down"
kill -CONT "$tap"
kill -TERM "$tap"
wait "$tap" || fail "the tap ended with $?"
expect 65 hde tap --graph distributed.ingest nothing.like.it
expect 0 hde completion --words host --of graphs/distributed.yaml
[ "$(sort out | tr '\n' ' ')" = "all analyse calc ingest serve " ] || fail "hosts of the file: $(cat out)"
expect 0 hde top --graph distributed.ingest --all --once
for name in "${names[@]}"; do has out "distributed.$name on $name"; done
[ "$(awk '$NF == "calc"' out | grep -c 'processing\.')" -gt 5 ] || { cat out; fail "nodes of calc in top"; }
expect 0 hde status --graph distributed.ingest --all
for name in "${names[@]}"; do has out "distributed.$name on $name"; done
expect 0 hde status --graph distributed.ingest --all --json
jq -e '[.[].host] | sort == ["analyse", "calc", "ingest", "serve"]' out >/dev/null || fail "not all"
expect 0 hde drain --graph distributed.ingest serve
wait "${pids[3]}" || fail "the drained host ended with $?"
sees() { hde status --graph "distributed.$1" --json | jq -e ".hosts[] | select(.name == \"$2\") | .state == \"down\""; }
for name in ingest calc; do
  until_true 20 sees $name serve || fail "the drained host is not down for $name"
done
expect 0 hde status --graph distributed.ingest --all
has out "serve is down"
expect 0 hde top --graph distributed.ingest --all --once
has out "serve is down"
expect 0 hde top --graph distributed.calc --all --once --json
jq -e '[.[] | select(.host == "serve")][0].link == "down" and
  ([.[] | select(.state == "running")] | length == 3)' out >/dev/null || fail "top of a host that is down"
expect 1 hde drain --graph distributed.ingest serve
kill -TERM "${pids[2]}"
wait "${pids[2]}" || fail "analyse ended with $?"
until_true 20 sees ingest analyse || fail "the host that has ended is not down"
expect 69 hde tap --graph distributed.ingest 'analytics.* -> *' --for 20s
has err "HDE-N006"
for i in 0 1; do kill -TERM "${pids[i]}"; done
for i in 0 1; do wait "${pids[i]}" || fail "${names[i]} ended with $?"; done
kill "$simulator"

# 2. From a recorded input
hosts_recorded "${HDE_SNAPSHOTS:-150}" 10ms
export HDE_STATE=$TMP/one.state HDE_STORE=$TMP/one.db
expect 0 on_host 4 hde run graphs/distributed.yaml --host all
export HDE_STATE=$TMP/four.state HDE_STORE=$TMP/four.db
rm -f ./*.err
for name in calc ingest serve analyse; do host_run "$name"; done
for i in 0 1 2 3; do
  wait "${pids[i]}" || { tail -n 5 ./*.err; fail "${names[i]} ended with $?"; }
done
tables one.db >want
tables four.db >got
[ "$(grep -c . want)" -gt 1000 ] || fail "one process stored next to nothing"
cmp want got || { diff want got | cut -c1-200 | head -8; fail "the tables differ"; }
expect 0 hde replay four.state/serve/log --set "storage.sqlite.path=$TMP/again.db"
tables again.db >got
cmp want got || { diff want got | cut -c1-200 | head -8; fail "the replay of one host differs"; }
echo "$(grep -vc '^==' got) rows, 0 differ"
