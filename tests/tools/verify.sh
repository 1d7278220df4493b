#!/usr/bin/env bash
# hde verify on rows that mpmath makes here and now, at every level that this machine has; and it
# sees a wrong value, a wrong status, a wrong file.
. "$HDE_SOURCE/tests/support/cli.sh"
python=$(for p in python3 /usr/bin/python3; do "$p" -c 'import mpmath' 2>/dev/null && echo "$p" && break; done)
[ -n "$python" ] || { echo "python3-mpmath is not installed"; exit 77; }
seed=${HDE_SEED:-$RANDOM}
echo "HDE_SEED=$seed"
rows=$HDE_SOURCE/tests/tools/reference_rows.py
"$python" "$rows" options 40 "$seed" >options.csv || fail "no rows"
"$python" "$rows" normalised 100 "$seed" >normalised.csv || fail "no normalised rows"
levels=0
for cpu in portable avx2 avx512; do
  hde verify --cpu $cpu options.csv normalised.csv >out 2>err
  status=$?
  [ $status -eq 69 ] && [ $cpu != portable ] && grep -q HDE-C053 err && continue
  [ $status -eq 0 ] || fail "--cpu $cpu: exit $status"
  has out "options.csv ($cpu): 40 rows, 0 missed"
  levels=$((levels + 1))
done
echo "$levels levels"
expect 0 hde verify --json options.csv
jq -e '.missed == 0 and ([.cells[] | select(.column == "price") | .checked] | add) == 80' <out >/dev/null ||
  fail "hde verify --json"

# Every column is looked at: its largest value, changed by a thousandth, is a miss.
names=$(head -1 options.csv | tr ',' '\n')
for column in price delta gamma vega theta rho vanna charm vomma veta speed zomma color ultima \
  dual_delta dual_gamma itm_prob; do
  at=$(grep -nx "$column" <<<"$names" | cut -d: -f1)
  row=$(awk -F, -v at="$at" 'NR > 1 { x = $at + 0; if (x < 0) x = -x; if (x > most) { most = x; row = NR } }
    END { print row }' options.csv)
  awk -F, -v OFS=, -v at="$at" -v row="$row" 'NR == row { $at = sprintf("%.17g", $at * (1 + 1e-3)) } 1' \
    options.csv >wrong.csv
  expect 1 hde verify wrong.csv
  has out ", $column (batch)"
  has out ", $column (scalar)"
done
sed '0,/,ok$/s//,price_double_at_or_above_maximum/' options.csv >wrong.csv
expect 1 hde verify wrong.csv
has out "expected price_double_at_or_above_maximum"
cut -d, -f1-8 options.csv >wrong.csv
expect 65 hde verify wrong.csv
has err HDE-C051
{ cat options.csv; echo x,y,z; } >wrong.csv
expect 65 hde verify wrong.csv
has err "line 42"
head -1 options.csv >wrong.csv
expect 65 hde verify wrong.csv
expect 66 hde verify missing.csv
expect 64 hde verify
expect 64 hde verify --cpu mmx options.csv
