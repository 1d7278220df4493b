#!/usr/bin/env bash
# The completion script offers verbs, options and values in a real bash.
. "$HDE_SOURCE/tests/support/cli.sh"
hde completion bash >script || fail "no script"
bash -n script || fail "not bash"
. ./script
offers() { # WORD... LAST: what bash would show
  COMP_WORDS=(hde "$@")
  COMP_CWORD=$#
  COMPREPLY=()
  _hde 2>/dev/null
  printf '%s\n' "${COMPREPLY[@]}"
}
offers ver | grep -qx version || fail "verbs"
offers version --js | grep -qx -- --json || fail "options"
offers version --color al | grep -qx always || fail "values of options"
offers completion b | grep -qx bash || fail "words"
offers help bench | grep -qx bench || fail "arguments that are verbs"
mkdir logs
offers log v | grep -qx verify || fail "words of log"
offers log ls lo | grep -qx logs || fail "folders behind the words of log"
touch some.yaml
offers simulate some | grep -qx some.yaml || fail "files"
for verb in $(hde help --json | jq -r '.commands[].name'); do
  offers "$verb" --he | grep -qx -- --help || fail "options of $verb"
done
