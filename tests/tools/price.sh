#!/usr/bin/env bash
# hde price: CSV and JSON lines, errors by line and column, interactive pipes, constant memory.
. "$HDE_SOURCE/tests/support/cli.sh"
field() { # ROW COLUMN of out
  awk -F, -v row="$1" -v name="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) at = i }
    NR == row + 1 { print $at }' out
}
near() { # TEXT NUMBER
  awk -v a="$1" -v b="$2" 'BEGIN { exit !(a - b < 1e-12 * (b + 1) && b - a < 1e-12 * (b + 1)) }' ||
    fail "$1, expected $2"
}

# Hull, example 13.6, in any order of columns, with names in other ways
printf 'sigma,r,T,K,spot,type,model\n0.2,0.1,0.5,40,42,call,BSM\n0.2,0.1,0.5,40,42,PE,bsm\r\n' >hull.csv
expect 0 hde price hull.csv
near "$(field 1 price)" 4.759422392871533
near "$(field 2 price)" 0.808599372900094
near "$(field 1 delta)" 0.7791312909426691
[ "$(field 2 status)" = ok ] && [ "$(field 2 line)" = 3 ] || fail "status or line"

# there and back
{ echo id,model,type,F,K,T,r,price
  awk -F, 'NR > 1 { print "\"a,\"\"b\"\"\",black76,C,100,95,0.5,0.06," 7.5 }' hull.csv; } >quotes.csv
expect 0 hde price --greeks none quotes.csv
vol=$(tail -1 out | sed 's/.*ok,\([^,]*\),.*/\1/')
has out '"a,""b""",ok,'
printf 'model,type,F,K,T,r,sigma\nblack76,C,100,95,0.5,0.06,%s\n' "$vol" >back.csv
expect 0 hde price --greeks none back.csv
near "$(field 1 price)" 7.5

# what counts where a row has both
printf 'model,type,F,K,T,r,sigma,price\nblack76,C,100,95,0.5,0.06,0.2,7.5\nblack76,C,100,95,0.5,0.06,,7.5\n' >both.csv
expect 0 hde price both.csv
[ "$(field 1 sigma)" = 0.2 ] && [ "$(field 2 price)" = 7.5 ] || fail "both"
expect 0 hde price --solve price both.csv
[ "$(field 1 sigma)" = "$(field 2 sigma)" ] || fail "--solve price"

# every status of a price
{ echo model,type,F,K,T,r,price
  for price in 60 0 -1 49 50 1000; do echo "black76,C,1000,950,0.1,0,$price"; done; } >statuses.csv
expect 0 hde price statuses.csv
[ "$(awk -F, 'NR > 1 { printf "%s ", $2 }' out)" = \
  "ok below_intrinsic below_intrinsic below_intrinsic no_time_value above_maximum " ] || fail "statuses"
has err "5 of 6 rows have a price without volatility"

# bad rows do not stop the run
cat >bad.csv <<'EOF'
model,type,S,K,T,r,q,sigma
bsm,C,100,1O0,0.5,0.06,0,0.2
heston,C,100,100,0.5,0.06,0,0.2
bsm,X,100,100,0.5,0.06,0,0.2
bsm,C,100,100
bsm,C,,100,0.5,0.06,0,0.2
bsm,C,100,100,0.5,0.06,0,nan
bsm,C,100,100,0.5,1e999,0,0.2
bsm,C,100,100,0.5,0.06,0,
bsm,C,-100,100,0.5,0.06,0,0.2
bsm,C,100,100,0.5,0.06,,0.2
EOF
expect 65 hde price bad.csv
[ "$(awk -F, 'NR > 1 { printf "%s ", $2 }' out)" = \
  "bad_row bad_row bad_row bad_row bad_row bad_row bad_row bad_row bad_input ok " ] || fail "bad rows"
has err "line 2, column 'K': '1O0' is not a decimal number"
has err "line 3, column 'model': 'heston' is not bsm or black76"
has err "line 5: 4 columns, the first line has 8"
has err "line 6, column 'S_or_F': nothing is there"
has err "line 9: there is neither 'sigma' nor 'price'"
has err "9 of 10 rows are bad"
grep -qi nan out && fail "NaN in the output"

# columns
printf 'model,type,spto,K,T,r,sigma\n' | hde price >out 2>err
[ $? = 65 ] || fail "a missing column"
has err "there is no column 'S_or_F'"
printf 'model,type,S,F,K,T,r,sigma\n' | hde price >out 2>err
[ $? = 65 ] || fail "a column twice"
has err "are the same column"
expect 66 hde price missing.csv
expect 0 hde price /dev/null

# JSON lines
cat >rows.jsonl <<'EOF'
{"model":"bsm","type":"C","S":42,"K":40,"T":0.5,"r":0.1,"sigma":0.2,"id":7,"note":"x"}
{"model":"bsm","type":"C","S":42,"K":40,"T":0.5,"r":0.1,"price":4.759422392871533,"q":null}
{"model":"bsm","type":"C","S":42,"K":40,"T":"0.5","r":[],"sigma":0.2}
[1]
{"model":
EOF
expect 65 hde price --json --greeks all rows.jsonl
[ "$(wc -l <out)" = 5 ] || fail "a line for each"
jq -e -s '.[0].id == "7" and .[0].status == "ok" and (.[0].ultima | type) == "number" and
  (.[1].sigma - 0.2 | fabs) < 1e-14 and .[2].status == "bad_row" and .[3].price == null' <out >/dev/null ||
  fail "JSON"
jq -e -s 'map(.error.code == "HDE-C052") | all' <(grep '^{' err) >/dev/null || fail "errors as JSON"

# a row that was typed is answered before the next one comes
mkfifo in answer
hde price --greeks none <in >answer &
CHILDREN+=($!)
exec 5>in 6<answer
printf 'model,type,S,K,T,r,sigma\nbsm,C,42,40,0.5,0.1,0.2\n' >&5
read -t 20 -r head <&6 && read -t 20 -r row <&6 || fail "no answer while the pipe is open"
[ "$head" = line,status,sigma,conditioning,price ] || fail "$head"
printf 'bsm,P,42,40,0.5,0.1,0.2\n' >&5
read -t 20 -r row <&6 || fail "no second answer"
[ "${row#3,ok,0.2,,0.80859937}" != "$row" ] || fail "$row"
exec 5>&-
wait "${CHILDREN[0]}" || fail "the end of the pipe"
exec 6<&-

# a reader that goes away is no error; memory does not grow with the rows
many() { echo model,type,S,K,T,r,sigma; yes bsm,C,42,40,0.5,0.1,0.2 | head -"$1"; }
many 200000 | hde price | head -1 >/dev/null
[ "${PIPESTATUS[1]}" = 0 ] || fail "a closed pipe"
if [ -z "${ASAN_OPTIONS:-}${TSAN_OPTIONS:-}" ] || ! ldd "$HDE_BIN/hde-price" | grep -q san; then
  many 200000 | (ulimit -v 200000; hde price) >out || fail "memory"
  [ "$(wc -l <out)" = 200001 ] || fail "rows"
  [ "$(tail -1 out | cut -d, -f2-)" = "$(sed -n 2p out | cut -d, -f2-)" ] || fail "the same row, another result"
fi
{ many 1; head -c 70000 /dev/zero | tr '\0' 1; echo; } | hde price >out 2>err
[ $? = 65 ] || fail "a long line"
has err "over 65536 bytes"
for cpu in portable avx2 avx512; do
  hde price --cpu $cpu hull.csv >out 2>err || grep -q HDE-C053 err || fail "--cpu $cpu"
done
