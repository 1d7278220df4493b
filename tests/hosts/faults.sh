#!/usr/bin/env bash
# graphs/distributed.yaml on four hosts under random faults from a seed: kill -9 of any host, also
# with a rebuilt plugin for its next start, a drain and start, links down in either direction,
# packets lost, late and reordered. The tables are those of a run that nobody disturbed, and the
# lines of each key are there once and in order.
#   HDE_FAULT_SECONDS=N   how long there is input (12); HDE_SEED=N
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/absent.sh"
. "$HDE_SOURCE/tests/support/netns.sh"
. "$HDE_SOURCE/tests/hosts/rig.sh"

seconds=${HDE_FAULT_SECONDS:-12}
seed=${HDE_SEED:-$$}
RANDOM=$seed
echo "HDE_SEED=$seed"
down_max=$((seconds > 60 ? 60000 : 2000)) # ms

room $((500 + seconds * 25)) # logs, tables, and both as text
hosts_up "$seed"
hosts_recorded $((seconds * 10)) 100ms # 2 symbols: 20 chains of 400 legs a second
sed -i 's|^nodes:|nodes:\n  lines: {host: serve, op: storage/jsonl, params: {path: "${LINES_TO}", fields: [feed, expiry, event_ns, spot]}}|' \
  graphs/distributed.yaml
echo '  - processing.enriched -> lines' >>graphs/distributed.yaml
by_key() { jq -c '[.feed, .expiry, .event_ns, .spot]' "$1" | sort -s -t, -k1,2; } # each in its order
export LINES_TO=$TMP/calm.jsonl HDE_EVERY=500ms HDE_STATE=$TMP/calm.state HDE_STORE=$TMP/calm.db
sed -i 's/, paced: true//' graphs/ingestion.yaml
expect 0 on_host 4 hde run graphs/distributed.yaml --host all
hosts_recorded $((seconds * 10)) 100ms
tables calm.db >want
by_key calm.jsonl >want.lines
[ "$(grep -c . want)" -gt 1000 ] || fail "the undisturbed run stored next to nothing"

# Each host has plugins of its own, in front of those of the installation.
declare -A plugin_of=([calc]=processing-pcr [analyse]=analytics-velocity) built_n
rebuilt_hosts=(calc analyse)
rebuild() { # NAME: the plugin of that host once more, with another build id
  local plugin id
  plugin=$(dirname "$HDE_BIN")/lib/hde/plugins/${plugin_of[$1]}.so
  id=$(readelf -n "$plugin" | sed -n 's/.*Build ID: //p')
  [ ${#id} = 40 ] || fail "no build id in $plugin"
  built_n[$1]=$((${built_n[$1]:-0} + 1))
  HEX=$id N=${built_n[$1]} perl -0777 -pe 'BEGIN { $id = pack("H*", $ENV{HEX});
    $new = pack("N", $ENV{N}) . substr($id, 4) } s/\Q$id\E/$new/' "$plugin" >"plugins/$1/new"
  mv "plugins/$1/new" "plugins/$1/${plugin_of[$1]}.so"
}
start() { host_run "$1" --plugins "$TMP/plugins/$1"; }

export LINES_TO=$TMP/faults.jsonl HDE_STATE=$TMP/kept HDE_STORE=$TMP/faults.db
for name in "${names[@]}"; do mkdir -p "plugins/$name"; done
for name in serve calc ingest analyse; do start "$name"; done

declare -A done_n
again() { # NAME: starts what has ended, or is ending, otherwise than by its end
  local i status
  i=$(host_number "$1")
  wait "${pids[i]}" 2>/dev/null
  status=$?
  [ "$status" = 0 ] && return 0
  [ "$status" = 137 ] || { tail -n 5 "$1.err"; fail "$1 ended with $status"; }
  start "$1"
}
fault() {
  local host=${names[RANDOM % 4]} a=$((1 + RANDOM % 4)) b kind=$((RANDOM % 6)) i
  b=$((1 + (a + RANDOM % 3) % 4))
  kind=(kill kill drain rebuilt down worse better)
  kind=${kind[RANDOM % 7]}
  [ $kind = rebuilt ] && host=${rebuilt_hosts[a % 2]}
  i=$(host_number "$host")
  case $kind in
  kill)
    kill -KILL "${pids[i]}" 2>/dev/null || return 0 # it had come to its end
    again "$host"
    ;;
  rebuilt)
    kill -KILL "${pids[i]}" 2>/dev/null || return 0
    rebuild "$host"
    again "$host"
    ;;
  drain) # what it says is that it has ended: it is started again all the same
    kill -TERM "${pids[i]}" 2>/dev/null || return 0
    until_true 20 not_there "${pids[i]}" || { kill -KILL "${pids[i]}"; kind=stuck; }
    wait "${pids[i]}"
    start "$host"
    ;;
  down) network "$a>$b" down=$((500 + RANDOM % down_max)) ;;
  worse) network "$a>$b" loss=$((RANDOM % 80)) delay=0..$((1 + RANDOM % 40)) reorder=$((RANDOM % 80)) ;;
  better) network '*>*' clear ;;
  esac
  done_n[$kind]=$((${done_n[$kind]:-0} + 1))
}
not_there() { ! kill -0 "$1"; }
all_ended() {
  local i
  for i in 0 1 2 3; do ! kill -0 "${pids[i]}" 2>/dev/null || return 1; done
}

end=$((SECONDS + seconds + 5)) # at the end of the data too
while [ "$SECONDS" -lt "$end" ] && ! all_ended; do
  read -rt "$((RANDOM % 2)).$((RANDOM % 10))" <> <(:) || : # the moment is drawn, nothing is waited for
  fault
done
network '*>*' clear
until_true $((150 + seconds)) all_ended || {
  for name in "${names[@]}"; do
    echo "--- $name"
    hde status --graph "distributed.$name" | head -n 30
    tail -n 5 "$name.err"
  done
  fail "it did not come to its end"
}
for name in "${names[@]}"; do
  wait "${pids[$(host_number "$name")]}" || { tail -n 5 "$name.err"; fail "$name ended with $?"; }
done
tables faults.db >got
for kind in "${!done_n[@]}"; do echo "$kind: ${done_n[$kind]}"; done
swapped=$(cat calc.err analyse.err | grep -c ' run build ') # the log of a start goes on in its build
echo "rebuilt plugins that came to run: $swapped"
[ "$seconds" -lt 60 ] || [ "$swapped" -gt 0 ] || fail "no rebuilt plugin ever ran"
cmp want got || { diff want got | cut -c1-200 | head -8; fail "tables differ (HDE_SEED=$seed)"; }
by_key faults.jsonl >got.lines
cmp want.lines got.lines || fail "lines are lost, doubled or out of order (HDE_SEED=$seed)"
echo "$(grep -vc '^==' got) rows, $(wc -l <got.lines) lines, 0 differ"
