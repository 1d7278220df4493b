#!/usr/bin/env bash
# Swapping, removing and doubling a node takes an edit of YAML and nothing else.
. "$HDE_SOURCE/tests/support/cli.sh"

edit() { # FILE PYTHON-LIKE SED...: a fresh copy of the graphs with one edit
  rm -rf graphs && cp -r "$HDE_SOURCE/graphs" graphs
  local file=$1
  shift
  cp "graphs/$file" before
  sed -i "$@" "graphs/$file"
  ! cmp -s before "graphs/$file" || fail "the edit of $file changed nothing: $*"
}
nodes() { hde graph "$1" --json | tr ',{}' '\n' | grep -c '"op"'; }

cp -r "$HDE_SOURCE/graphs" graphs
before=$(nodes graphs/replay.yaml)

# swap: the older reversal points instead of ours
edit processing.yaml 's|processing/reversal}|processing/reversal_legacy}|'
expect 0 hde check --strict graphs/processing.yaml graphs/replay.yaml graphs/demo.yaml
expect 0 hde graph graphs/replay.yaml
has out processing/reversal_legacy

# remove: no VIX divergence
edit processing.yaml -e '/^  vix:/d' -e 's/skew -> vix -> gex/skew -> gex/'
expect 0 hde check --strict graphs/processing.yaml graphs/replay.yaml graphs/demo.yaml
[ "$(nodes graphs/replay.yaml)" = $((before - 1)) ] || fail "not one node less"

# double: a second velocity over another window, stored by the same sink under its own key
edit analytics.yaml \
  -e '/^  velocity:/a\  velocity_15m: {op: analytics/velocity, params: {window: 15m}}' \
  -e 's/velocity\.in,/velocity.in, velocity_15m.in,/' \
  -e 's/velocity\.out,/velocity.out, velocity_15m.out,/'
expect 0 hde check --strict graphs/analytics.yaml graphs/replay.yaml graphs/demo.yaml
[ "$(nodes graphs/replay.yaml)" = $((before + 1)) ] || fail "not one node more"

# double: a second sink beside the first, with a file of its own
edit replay.yaml \
  -e '/^nodes:/a\  copy: {op: storage/jsonl, params: {path: copy.jsonl}}' \
  -e '/^edges:/a\  - processing.enriched -> copy'
expect 0 hde check --strict graphs/replay.yaml

# and a mistake is found: the removed node is still wired
edit processing.yaml '/^  vix:/d'
expect 78 hde check graphs/processing.yaml
has out vix
