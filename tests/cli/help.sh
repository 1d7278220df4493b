#!/usr/bin/env bash
# Every verb explains itself: exit 0, examples first, all parts; manual page and JSON agree.
. "$HDE_SOURCE/tests/support/cli.sh"
expect 0 hde
has out "Usage"
expect 0 hde help
cp out overview
expect 0 hde --help
cmp -s out overview || fail "hde --help differs from hde help"
verbs=$(hde help --json | jq -r '.commands[].name') || fail "hde help --json is not JSON"
[ -n "$verbs" ] || fail "no verbs"
expect 0 hde help --man
cp out hde.1
for verb in $verbs; do
  expect 0 hde help "$verb"
  head -1 out | grep -q "^hde $verb - " || fail "hde help $verb does not say what it is"
  sed -n 3p out | grep -q '^Examples$' || fail "hde help $verb: examples are not first"
  has out "Usage"
  has out "Options"
  has out "Exit codes"
  [ "$(wc -L <out)" -le 100 ] || fail "hde help $verb has long lines"
  cp out by_help
  expect 0 hde "$verb" --help
  cmp -s out by_help || fail "hde $verb --help differs from hde help $verb"
  grep -q "^  $verb " overview || fail "hde help does not list $verb"
  grep -q "^\.SS hde $verb" hde.1 || fail "the manual page lacks $verb"
  expect 0 hde help "$verb" --json
  jq -e ".commands[0].name == \"$verb\" and (.commands[0].examples | length > 0)" <out >/dev/null ||
    fail "hde help $verb --json"
done
for page in hde.1 "$HDE_SOURCE"/runtime/cmd/*.5; do
  [ -f "$page" ] || continue
  if command -v groff >/dev/null; then
    groff -man -Tutf8 -ww -z "$page" >out 2>&1
    [ ! -s out ] || fail "groff complains about $page"
  fi
done
expect 0 hde version --json
jq -e '.version and .abi and .libzmq' <out >/dev/null || fail "hde version --json"
expect 0 hde --version
has out "hde "
# a reader that goes away and closed standard files are no errors
hde help --man | head -1 >/dev/null
[ "${PIPESTATUS[0]}" = 0 ] || fail "a closed pipe is an error"
hde version <&- >&- 2>&- || fail "closed standard files are an error"
if [ -e /dev/full ]; then
  hde version >/dev/full 2>err
  [ $? = 74 ] || fail "a full disk is not exit code 74"
fi
