#!/usr/bin/env bash
# --admin: live, ready, and metrics that follow the exposition format.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"
. "$HDE_SOURCE/tests/control/graphs.sh"
engine flow ticks.yaml --admin 127.0.0.1:0
url=http://$(sed -n 's/^admin //p' "$XDG_RUNTIME_DIR"/hde/*.engine)
get() { curl -sS -m 10 -o out -w '%{http_code}' "$url$1" 2>err; }
[ "$(get /livez)" = 200 ] || fail "/livez"
[ "$(get /readyz)" = 200 ] || fail "/readyz"
[ "$(get /other)" = 404 ] || fail "/other"
[ "$(get /metrics)" = 200 ] || fail "/metrics"
has out 'hde_node_'
has out 'node="sink"'
has out 'edge="source.out -> sink.in"'
has out 'hde_build_info{'
awk '
  /^# HELP [a-zA-Z_:][a-zA-Z0-9_:]* ./ { help[$3]++; next }
  /^# TYPE [a-zA-Z_:][a-zA-Z0-9_:]* (counter|gauge|histogram|summary|untyped)$/ {
    if ($3 in type) { print "second TYPE: " $0; bad = 1 }
    type[$3] = $4; family = $3; next }
  /^#/ { print "odd comment: " $0; bad = 1; next }
  {
    if ($0 !~ /^[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-zA-Z_][a-zA-Z0-9_]*="([^"\\]|\\["\\n])*",?)*\})? (-?[0-9.eE+-]+|NaN|[+-]Inf)$/) {
      print "not a sample: " $0; bad = 1; next }
    name = $0; sub(/[{ ].*/, "", name)
    if (name != family) { print "outside of its family " family ": " $0; bad = 1 }
    if (!(name in help)) { print "no HELP: " $0; bad = 1 }
    if (type[name] == "counter" && name !~ /_total$/) { print "counter without _total: " $0; bad = 1 }
    line = $0; sub(/ [^ ]*$/, "", line)
    if (line in seen) { print "twice: " line; bad = 1 }
    seen[line] = 1; n++
  }
  END { if (n < 10) { print "only " n " samples"; bad = 1 } exit bad }' out || fail "exposition format"
hde drain || fail drain
ended "$PID" 0
