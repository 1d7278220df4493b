#!/usr/bin/env bash
# Two machines on one: network namespaces with a cable between them, a key for each, and the graph.
# Needs root, iproute2 and sqlite3. Ctrl-C (or the end of --for 20s) takes everything away again.
#
#   sudo examples/two_hosts/run.sh [--for TIME]
#
# While it runs:
#   hde status --graph two_hosts.north
#   sudo nsenter --net=/run/netns/south curl -s http://127.0.0.1:8000/v1/option-chain/NIFTY?strikes=atm±2
#   kill -9 one of the two, start it again by its line below: nothing is lost, nothing comes twice
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for host in north south; do
  [ ! -e "/run/netns/$host" ] || {
    echo "run.sh: there is a network namespace '$host' already; 'ip netns delete $host' removes it" >&2
    exit 1
  }
done
command -v hde >/dev/null || PATH=$here/../../build/bin:$PATH
work=$(mktemp -d)
cd "$work"
cp "$here/graph.yaml" .
export HDE_GRAPHS=${HDE_GRAPHS:-$here/../../graphs}

cleanup() {
  trap - EXIT INT TERM
  [ -z "$(jobs -p)" ] || kill $(jobs -p) 2>/dev/null || true
  wait || true
  ip netns delete north 2>/dev/null || true
  ip netns delete south 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

on() { nsenter --net="/run/netns/$1" -- "${@:2}"; } # HOST COMMAND...: runs it there

# The machines
ip netns add north
ip netns add south
on north ip link add cable type veth peer name cable netns south
on north ip address add 10.78.0.1/24 dev cable
on south ip address add 10.78.0.2/24 dev cable
for host in north south; do
  on $host ip link set lo up
  on $host ip link set cable up
done

# The secret half of a key stays on its machine, the public one stands in the graph on both.
NORTH_KEY=$(hde keygen north.key)
SOUTH_KEY=$(hde keygen south.key)
export NORTH_KEY SOUTH_KEY NORTH=tcp://10.78.0.1:7700 SOUTH=tcp://10.78.0.2:7700

# The same file on both, in any order.
nsenter --net=/run/netns/south hde run graph.yaml --host south --key south.key &
on north hde run graph.yaml --host north --key north.key "$@"
kill -TERM %1
wait %1
echo "rows: $(sqlite3 two_hosts.db 'SELECT count(*) FROM option_chain_snapshots')"
