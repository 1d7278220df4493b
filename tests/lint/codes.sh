#!/usr/bin/env bash
# Every error code that the sources give out is explained by `hde explain`, and none is explained
# twice.
set -euo pipefail
cd "$HDE_SOURCE"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

grep -rhoE '"HDE-[A-Z][0-9]{3}"' runtime tools connectors operators gateway --include='*.[ch]' | tr -d '"' | sort -u >"$work/used"
"$HDE_BIN/hde" explain | awk '{print $1}' >"$work/listed"
sort -u "$work/listed" >"$work/explained"
status=0
if missing=$(comm -23 "$work/used" "$work/explained" | grep .); then
  echo "given out, but unknown to 'hde explain':" $missing
  status=1
fi
if twice=$(sort "$work/listed" | uniq -d | grep .); then
  echo "explained twice:" $twice
  status=1
fi
exit $status
