#!/usr/bin/env bash
# hde verify on the reference files of $HDE_DATA, at every level that this machine has.
. "$HDE_SOURCE/tests/support/cli.sh"
[ -n "${HDE_DATA:-}" ] || { echo "HDE_DATA is not set"; exit 77; }
files=("$HDE_DATA"/reference/reference_*.csv)
[ -f "${files[0]}" ] || { echo "no reference files in HDE_DATA"; exit 77; }
for cpu in portable avx2 avx512; do
  hde verify --cpu $cpu "${files[@]}" >out 2>err
  status=$?
  [ $status -eq 69 ] && [ $cpu != portable ] && continue
  [ $status -eq 0 ] || fail "--cpu $cpu: exit $status"
  [ "$(grep -c "($cpu): .* rows, 0 missed" out)" = ${#files[@]} ] || fail "--cpu $cpu: not all files"
done
