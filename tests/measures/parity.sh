#!/usr/bin/env bash
# Call and put volatility of one strike, each from its own price on the parity forward: how far they
# are apart on the recorded days of one-minute chains in $HDE_DATA/recorded, by distance from the
# forward.
. "$HDE_SOURCE/tests/measures/measures.sh"
shopt -s nullglob
days=("${HDE_DATA:-/none}"/recorded/*_chain_1min_*.csv)
if [ ${#days[@]} -eq 0 ]; then
  echo "skipped: HDE_DATA names no folder with recorded/*_chain_1min_*.csv"
  exit 77
fi
need_python json
for day in "${days[@]}"; do
  name=$(basename "$day" .csv)
  replay "$HDE_SOURCE/graphs/measures.yaml" "$name" --set "source.path=$day"
done
"$python" "$HDE_SOURCE/tests/measures/parity.py" "$work"/*.jsonl | tee "$HDE_BUILD/reports/parity"
