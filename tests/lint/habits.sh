#!/usr/bin/env bash
# Habits that the project does not have. Prints every place, fails if there is one.
set -uo pipefail
cd "$HDE_SOURCE"
status=0
refuse() { # WHY PATTERN PATH...
  local why=$1 pattern=$2
  shift 2
  local folders=() folder
  for folder in "$@"; do [ -d "$folder" ] && folders+=("$folder"); done
  if grep -rnE "$pattern" --include='*.[ch]' --include='*.sh' --exclude-dir=lint "${folders[@]}"; then
    echo "^ $why"
    status=1
  fi
}
refuse 'tests wait on a condition with a deadline, they do not sleep' \
  '(^|[^_[:alnum:]])(usleep|nanosleep|sleep)[[:space:]]*(\(|[0-9])' tests
refuse 'no work is promised in comments: do it or leave it out' \
  '\b(TODO|FIXME|XXX|HACK)\b' runtime operators connectors gateway tests examples
refuse 'operators get their time from the runtime' \
  '\b(clock_gettime|gettimeofday)\(|[^_]\btime\(NULL\)' operators/processing operators/analytics operators/common
exit $status
