#!/usr/bin/env bash
# A verb that hde does not know is a program hde-VERB; hde bench NAME is hde-bench-NAME.
. "$HDE_SOURCE/tests/support/cli.sh"
mkdir bin
for name in hello bench-quick; do
  cat >"bin/hde-$name" <<'EOF'
#!/bin/sh
echo "$(basename "$0")" "$@"
exit 3
EOF
  chmod +x "bin/hde-$name"
done
export PATH="$PATH:$TMP/bin"
expect 3 hde hello --flag 'two words'
[ "$(cat out)" = "hde-hello --flag two words" ] || fail "arguments"
expect 3 hde help hello
[ "$(cat out)" = "hde-hello --help" ] || fail "help of a program"
expect 0 hde help
has out "hello"
has_not out "bench-quick"
expect 64 hde hellow
has err "did you mean 'hde hello'"
expect 0 hde bench
has out quick
expect 0 hde bench --json
jq -e '.benchmarks | index("quick")' <out >/dev/null || fail "hde bench --json"
expect 3 hde bench quick -- --seconds 1
[ "$(cat out)" = "hde-bench-quick --seconds 1" ] || fail "arguments of a benchmark"
expect 64 hde bench quik
has err "did you mean 'hde bench quick'"
expect 64 hde ../bin/x
