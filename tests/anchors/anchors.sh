#!/usr/bin/env bash
# Runs graphs/anchors.yaml on every recorded file that a reference in $HDE_DATA/reference names and
# compares every row; the last line says how many differ. HDE_DATA holds recorded/ and reference/.
set -uo pipefail
data=${HDE_DATA:-}
if [ -z "$data" ] || ! ls "$data"/reference/real_anchors_chain*.csv >/dev/null 2>&1; then
  echo "skipped: HDE_DATA names no folder with recorded/ and reference/"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chains=("$data"/reference/real_anchors_chain*.csv)
buildups=("$data"/reference/real_anchors_buildup*.csv)
mapfile -t files < <(awk -F, 'FNR > 1 {print $1}' "${chains[@]}" "${buildups[@]}" | sort -u)

rows=0 differ=0
compare() { # MODE FILE OUTPUT REFERENCE...
  local mode=$1 file=$2 output=$3 said
  shift 3
  said=$("$HDE_BUILD"/tests/anchors-compare "$mode" "$file" "$@" <"$output") || true
  echo "$said"
  read -r n d < <(tail -n 1 <<<"$said" | sed -nE 's/.*: ([0-9]+) rows, ([0-9]+) differ.*/\1 \2/p')
  if [ -z "${n:-}" ]; then
    echo "$file: not compared"
    n=1 d=1
  fi
  rows=$((rows + n)) differ=$((differ + d))
}

for file in "${files[@]}"; do
  path=$data/recorded/$file
  [ -e "$path" ] || path=$data/$file
  if ! "$HDE_BIN"/hde replay "$HDE_SOURCE"/graphs/anchors.yaml --speed max \
    --set "source.path=$path" --set "vars.out=$work" >"$work/log" 2>&1; then
    tail -n 20 "$work/log"
    echo "$file: the replay failed"
    : >"$work/chains.jsonl"
    : >"$work/buildup.jsonl"
  fi
  compare chain "$file" "$work/chains.jsonl" "${chains[@]}"
  compare buildup "$file" "$work/buildup.jsonl" "${buildups[@]}"
  rm -f "$work"/*.jsonl
done
echo "$rows rows, $differ differ"
[ "$rows" -gt 0 ] && [ "$differ" -eq 0 ]
