# Network namespaces as machines, joined by a bad network (forwarder.c). Sourced behind cli.sh and
# absent.sh; skips where namespaces are not permitted.
#
#   netns_up N [SEED]     hosts 1 to N with the addresses 10.77.0.1 to 10.77.0.N
#   on_host I COMMAND...  runs it there; in the background $! is the command itself
#   network COMMAND...    a line for the forwarder: network '1>2' loss=20 down=500
#   netns_down            ends the forwarder, prints its counters, removes everything
#
# Nothing leaves the namespaces: none has a way to the machine's own interfaces. They go at the end
# of the script, however it ends; those of a script that was killed go when the next one begins.
# shellcheck shell=bash
NETNS_FORWARDER=

netns_delete() { # NAME...
  local name
  for name in "$@"; do ip netns delete "$name"; done
}

netns_named() { ip netns list 2>/dev/null | cut -d' ' -f1 | grep -E "^hde-$1-"; }

netns_sweep() { # of scripts that are gone
  local name pid
  for name in $(netns_named '[0-9]+'); do
    pid=${name#hde-} pid=${pid%-*}
    [ -d "/proc/$pid" ] || netns_delete "$name"
  done
}

netns_down() {
  if [ -n "$NETNS_FORWARDER" ]; then
    network end
    wait "$NETNS_FORWARDER"
    cat "$TMP/forwarder.out"
    NETNS_FORWARDER=
  fi
  # shellcheck disable=SC2046 # one word a name
  netns_delete $(netns_named $$)
}

netns_exit() {
  local status=$?
  netns_down
  (exit $status)
  finish
}

# Not `ip -n`, nor `ip netns exec`: they mount, which does not work below a chroot.
on_host() { # I COMMAND...
  local host=$1
  shift
  # shellcheck disable=SC2093
  [ "$BASHPID" = $$ ] || exec nsenter --net="/run/netns/hde-$$-$host" -- "$@"
  nsenter --net="/run/netns/hde-$$-$host" -- "$@"
}

network() { echo "$*" >&"$NETNS_FIFO"; }

netns_host() { # I N
  local i=$1 j
  ip netns add "hde-$$-$i" || return
  on_host "$i" ip link set lo up
  # One packet at a time: nothing is joined to large ones that would get lost as a whole.
  on_host net ip link add "to$i" address "02:00:00:00:01:0$i" gso_max_segs 1 type veth \
    peer name net address "02:00:00:00:00:0$i" gso_max_segs 1 netns "hde-$$-$i" || return
  on_host "$i" sysctl -qw net.ipv6.conf.net.disable_ipv6=1 2>/dev/null
  on_host "$i" ip address add "10.77.0.$i/24" dev net
  on_host "$i" ip link set net up
  on_host net ip link set "to$i" up
  for ((j = 1; j <= $2; j++)); do # so that nobody has to ask
    [ "$i" = "$j" ] || on_host "$i" ip neigh add "10.77.0.$j" lladdr "02:00:00:00:00:0$j" dev net
  done
}

netns_up() { # N [SEED]
  local i
  command -v ip >/dev/null || absent "iproute2"
  netns_sweep
  trap netns_exit EXIT
  ip netns add "hde-$$-net" 2>"$TMP/netns.err" ||
    absent "network namespaces are not permitted: $(cat "$TMP/netns.err")"
  for ((i = 1; i <= $1; i++)); do
    netns_host "$i" "$1" || fail "no namespace for host $i"
  done
  rm -f "$TMP/forwarder.in"
  mkfifo "$TMP/forwarder.in"
  # shellcheck disable=SC2046
  on_host net "$HDE_FORWARDER" "${2:-1}" \
    $(seq -f 'to%g' 1 "$1") <"$TMP/forwarder.in" >"$TMP/forwarder.out" &
  NETNS_FORWARDER=$!
  exec {NETNS_FIFO}>"$TMP/forwarder.in"
}
