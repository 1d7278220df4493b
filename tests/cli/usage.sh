#!/usr/bin/env bash
# Every wrong usage gives 64, a stable code and the way out.
. "$HDE_SOURCE/tests/support/cli.sh"
wrong() { # CODE HINT ARGUMENT...
  local code=$1 hint=$2
  shift 2
  expect 64 hde "$@"
  has err "$code"
  has err "$hint"
  [ ! -s out ] || fail "'hde $*' wrote to stdout"
}
wrong HDE-C001 "did you mean 'hde help'" halp
wrong HDE-C001 "did you mean 'hde version'" versoin
wrong HDE-C001 "did you mean 'hde completion'" comp
wrong HDE-C001 "'hde help' lists the commands" xyzzy
wrong HDE-C001 "did you mean 'hde version'" help verison
wrong HDE-C002 "the command comes first" --jsn
wrong HDE-C002 "did you mean '--json'" version --jsno
wrong HDE-C002 "'hde help version' lists" version --xyzzy
wrong HDE-C002 "'hde help version' lists" version -z
wrong HDE-C003 "write --color WHEN" version --color
wrong HDE-C004 "did you mean 'never'? values: auto, always, never" version --color nevr
wrong HDE-C004 "did you mean 'never'" version --color=nevr
wrong HDE-C004 "expected true or false" version --json=maybe
wrong HDE-C005 "usage: hde version" version now
wrong HDE-C004 "values: bash" completion fish
wrong HDE-C005 "hde completion bash" completion
for verb in $(hde help --json | jq -r '.commands[].name'); do
  wrong HDE-C002 "did you mean '--color'" "$verb" --colr never
  expect 64 hde "$verb" --no-such-option --json
  jq -e '.error.code == "HDE-C002" and .error.exit == 64' <err >/dev/null ||
    fail "errors of $verb with --json are not JSON"
done
expect 0 hde version -- && expect 0 hde version -qv
