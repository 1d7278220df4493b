#!/usr/bin/env bash
# The rig itself: what the forwarder does to packets, each direction apart, and that a seed decides.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/absent.sh"
. "$HDE_SOURCE/tests/support/netns.sh"
command -v python3 >/dev/null || absent python3

# Numbered datagrams, at a pace that no buffer overflows at.
cat >send.py <<'PY'
import select, socket, sys
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for text in [b"%d" % i for i in range(200)] + [b"end"] * 40:  # some ends may get lost
    out.sendto(text, (sys.argv[1], 7000))
    select.select([], [], [], 0.003 if text == b"end" else 0.0005)
PY
cat >receive.py <<'PY'
import socket, sys
at = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
at.bind((sys.argv[1], 7000))
at.settimeout(20)
print("ready", flush=True)
ends = 0  # what is late is behind the first of them
while ends < 10:
    got = at.recv(100).decode()
    ends += got == "end"
    if got != "end":
        print(got)
PY

send() { # FROM TO: what came, in the file came
  on_host "$2" python3 receive.py "10.77.0.$2" >came &
  local receiver=$!
  CHILDREN+=("$receiver")
  until_true 30 grep -q ready came || fail "no receiver"
  on_host "$1" python3 send.py "10.77.0.$2"
  wait "$receiver" || fail "the end did not come"
  sed -i 1d came
}

seq 0 199 >all
netns_up 2 77
network '1>2' loss=200
send 1 2
mv came lossy
[ "$(wc -l <lossy)" -gt 120 ] && [ "$(wc -l <lossy)" -lt 195 ] ||
  fail "$(wc -l <lossy) of 200 came through a loss of 20 %"
send 2 1
cmp -s all came || fail "the other direction lost something"
network '*>*' clear
network '1>2' delay=1..10
send 1 2
cmp -s all came || fail "a delay reordered something"
network '1>2' delay=0..0 reorder=200
send 1 2
cmp -s all came && fail "nothing was reordered"
sort -n came | cmp -s - all || fail "a reordered packet is gone"
network '*>*' clear
network '*>*' down=60000
network '2>1' down=0
send 2 1
cmp -s all came || fail "the direction that was up again lost something"
on_host 1 timeout 0.3 bash -c 'exec 3<>/dev/tcp/10.77.0.2/7001' 2>/dev/null &&
  fail "something passed while it was down"
netns_down >counters
cat counters
grep -q '^1>2: .* lost, [1-9][0-9]* while it was down' counters || fail "nothing was counted"
[ -z "$(ip netns list | grep "^hde-$$-")" ] || fail "a namespace was left behind"

netns_up 2 77
network '1>2' loss=200
send 1 2
cmp lossy came || fail "the same seed lost other packets"
