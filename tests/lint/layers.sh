#!/usr/bin/env bash
# Prints every include that goes against the layers of ARCHITECTURE.md, and fails if there is one.
set -euo pipefail
cd "$HDE_SOURCE"

# folder | what its quoted and angle includes may begin with (C and POSIX headers have no such
# prefix and are always allowed)
rules='
runtime/include      | hde/ protobuf-c/
runtime/base         | base/ hde/text.h
runtime/graph        | base/ graph/ plugin/ hde/ protobuf-c/
runtime/plugin       | base/ graph/ plugin/ hde/ protobuf-c/
runtime/seglog       | base/ seglog/
runtime/link         | base/ seglog/ link/ graph/ engine/ hde/ protobuf-c/
runtime/net          | base/ link/ engine/ net/ hde/ protobuf-c/
runtime/engine       | base/ seglog/ link/ net/ graph/ plugin/ engine/ hde/ protobuf-c/
runtime/control      | base/ seglog/ net/ graph/ plugin/ engine/ control/ hde/ protobuf-c/
runtime/testing      | base/ seglog/ graph/ plugin/ engine/ hde/ protobuf-c/
runtime/cmd          | base/ seglog/ net/ graph/ plugin/ engine/ control/ cmd/ hde/ protobuf-c/
operators/quant      | quant/
operators/common     | common/ hde/ protobuf-c/
operators/processing | common/ quant/ hde/ protobuf-c/
operators/analytics  | common/ quant/ hde/ protobuf-c/
operators/ingestion  | common/ quant/ connectors/ hde/ protobuf-c/
operators/storage    | common/ connectors/ hde/ protobuf-c/
operators/redis      | common/ connectors/ hde/ protobuf-c/
operators/kafka      | connectors/ librdkafka/ hde/ protobuf-c/
connectors           | connectors/ librdkafka/ hde/ protobuf-c/
gateway              | connectors/ hde/ protobuf-c/
tools                | base/ engine/ cmd/ quant/ connectors/ hde/ protobuf-c/
examples             | quant/ hde/ protobuf-c/
'
# In the runtime, of the schemas only the envelope and the control protocol.
runtime_schemas='hde/schemas/(runtime|control)\.pb-c\.h'

include='[<"]([^>"]+)[>"]'

status=0
while IFS='|' read -r folder allowed; do
  folder=${folder// /}
  [ -n "$folder" ] && [ -d "$folder" ] || continue
  while IFS=: read -r file line text; do
    [[ $text =~ $include ]]
    name=${BASH_REMATCH[1]} beside=${file%/*}
    prefix=${name%%/*}/
    case $name in
    hde/schemas/*)
      case $folder in runtime/*)
        [[ $name =~ ^$runtime_schemas$ ]] && continue
        echo "$file:$line: '$name': the runtime knows only its envelope and its control protocol"
        status=1; continue ;;
      esac ;;
    esac
    case $name in
    */*) case $prefix in
      sys/ | arpa/ | netinet/ | linux/ | sanitizer/ | curl/) continue ;;
      esac ;;
    *) [ -f "$folder/$name" ] || [ -f "$beside/$name" ] || continue ; continue ;;
    esac
    ok=0
    for start in $allowed; do
      [[ $name == "$start"* ]] && ok=1
    done
    [ -e "$beside/$name" ] && ok=1
    if [ $ok -eq 0 ]; then
      echo "$file:$line: '$name' is not for $folder (allowed:$allowed)"
      status=1
    fi
  done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]' --include='*.[ch]' "$folder" || true)
done <<<"$rules"

# quant is pure: no I/O, no clock, no allocation, no threads
if grep -rnE '#include <(stdio|time|unistd|pthread|fcntl|errno)\.h>|#include <sys/|\b(malloc|calloc|realloc|fopen|clock_gettime)\(' \
  operators/quant --include='*.[ch]'; then
  echo "operators/quant is pure: no I/O, no clock, no allocation"
  status=1
fi
exit $status
