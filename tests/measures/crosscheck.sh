#!/usr/bin/env bash
# The measures of the processing chain against an independent implementation in Python (mpmath,
# scipy): on generated chains always, and on the recorded days in $HDE_DATA/recorded.
. "$HDE_SOURCE/tests/measures/measures.sh"
need_python mpmath numpy scipy
replay "$HDE_SOURCE/tests/measures/generated.yaml" generated
replay "$HDE_SOURCE/tests/measures/generated.yaml" generated-inverse --set vars.sign=inverse \
  --set source.seed=7
shopt -s nullglob
for day in "${HDE_DATA:-/none}"/recorded/*_chain_*.csv; do
  replay "$HDE_SOURCE/graphs/measures.yaml" "$(basename "$day" .csv)" --set "source.path=$day"
done
"$python" "$HDE_SOURCE/tests/measures/crosscheck.py" "$work"/*.jsonl | tee "$HDE_BUILD/reports/crosscheck"
