#!/usr/bin/env bash
# Checks order.pml exhaustively at small bounds, then every rule broken on purpose: each has to be
# found. Needs spin and gcc, nothing of the build. README.md says how to read what it finds.
#
#   check.sh                   what CI runs
#   check.sh --show -DX...     one model with these definitions: the shortest way to its error
#   HDE_MODELS_SECONDS=N check.sh   larger bounds on every placement for N seconds
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for tool in spin gcc; do
  command -v "$tool" >/dev/null && continue
  echo "skipped: no $tool"
  [ -n "${CI:-}" ] && exit 1
  exit 77
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

build() { # DEFINITIONS COMPILER_OPTIONS: ./pan, the checker of one model
  local definitions options
  read -ra definitions <<<"$1"
  read -ra options <<<"$2"
  spin -a "${definitions[@]}" "$here/order.pml" >said 2>&1 &&
    gcc -w -DNOFAIR -DCOLLAPSE "${options[@]}" -o pan pan.c >>said 2>&1 && return 0
  cat said
  exit 1
}

# Runs ./pan. Sets states, and why: "" if it saw all states and no error.
search() { # SECONDS PAN_OPTION...
  local seconds=$1
  shift
  why=
  timeout "$seconds" ./pan -m100000 "$@" >said 2>&1
  [ $? -eq 124 ] && why="not finished in $seconds s"
  states=$(awk '/ states, stored/ {n = $1} /^Depth=/ && !n {sub(/.*States= */, ""); m = $1}
    END {printf "%d", n ? n : m}' said)
  grep -q 'reached -DMEMLIM bound' said && why='not finished in the memory allowed'
  [ -z "$why" ] && ! grep -q 'errors: 0$' said && why=$(tail -n 3 said)
  grep -q 'search depth too small' said && why='not finished: search depth'
  is_error=false
  if grep -qE '^pan:[0-9]+: ' said && [ "${why:0:12}" != 'not finished' ]; then
    is_error=true
    why=$(reason "$(grep -m 1 -oE '^pan:[0-9]+: .*' said)")
  fi
}

reason() { # WHAT_PAN_SAYS
  case $1 in
  *'next>over'*) echo 'order: a tick comes again, late or in two pieces' ;;
  *finished*'<('*) echo 'an edge holds more than its capacity and one tick' ;;
  *taken*) echo 'a barrier without its batch at every input' ;;
  *left_s*) echo 'stuck: a source is not asked any more' ;;
  *q_len* | *'tick['*) echo 'stuck: a tick that was given is not finished' ;;
  *put*'=='*) echo 'credit is lost' ;;
  *'non-progress cycle'*) echo 'a worker runs for ever' ;;
  *) echo "$1" ;;
  esac
}

if [ "${1:-}" = --show ]; then
  shift
  build "$*" "-O1 -DSAFETY -DBFS"
  search 600
  [ -e order.pml.trail ] &&
    spin -t -k order.pml.trail -T "$@" "$here/order.pml" | sed '/Error: assertion/,$d'
  echo "$states states: ${why:-no error}"
  exit 0
fi

configurations=0 total=0 found=0 failed=0

check() { # SECONDS DEFINITIONS
  build "$2" "-O1 -DSAFETY -DMEMLIM=${HDE_MODELS_MB:-1800}"
  search "$1"
  printf '%10d states  %s  %s\n' "$states" "$2" "${why:-no error}"
  configurations=$((configurations + 1)) total=$((total + states))
}

# No cycle among the states: every run comes to an end, whoever is scheduled.
must_end() { # DEFINITIONS
  build "$1" "-O1 -DNP -DMEMLIM=1800"
  search 500 -l
  printf '%10d states  %s  every run ends: %s\n' "$states" "$1" "${why:-no error}"
  configurations=$((configurations + 1)) total=$((total + states))
  [ -z "$why" ] || failed=$((failed + 1))
}

must_hold() { # DEFINITIONS
  check 500 "$1"
  [ -z "$why" ] || failed=$((failed + 1))
}

must_break() { # NAME DEFINITIONS
  build "$2 -DBREAK_$1" "-O0 -DSAFETY -DMEMLIM=1800"
  search 60
  if $is_error; then found=$((found + 1)); else failed=$((failed + 1)); fi
  printf '%10d states  %s  %s: %s\n' "$states" "$1" "$2" "${why:-NOT FOUND}"
}

# Where C, D and F run; workers 1 and 2 are alike.
placements='000 001 010 011 012 100 101 102 110 111 112 120 121 122'

placed() { # PLACEMENT
  echo "-DPLACE_C=${1:0:1} -DPLACE_D=${1:1:1} -DPLACE_F=${1:2:1}"
}

campaign() { # SECONDS
  local bounds bound placement end=$((SECONDS + $1))
  bounds=(
    "-DN_S=3 -DAMPLIFY=3" "-DN_S=2 -DN_BARRIERS=1" "-DN_S=2 -DN_Y=1" "-DN_S=2 -DAMPLIFY=3 -DFILTER=1"
    "-DN_S=2 -DFINE=1" "-DN_S=2 -DRETRY=C" "-DN_S=2 -DRETRY=D" "-DN_S=2 -DRETRY=F"
    "-DN_S=2 -DN_TIMERS=1" "-DN_S=1 -DN_Y=1 -DN_BARRIERS=1" "-DN_S=3 -DARRIVE=1"
    "-DN_S=3 -DAMPLIFY=3 -DCAPACITY=2" "-DN_S=2 -DN_Y=1 -DAMPLIFY=3 -DFILTER=1 -DCAPACITY=2"
    "-DN_S=1 -DN_Y=1 -DN_TIMERS=1 -DFILTER=1" "-DN_S=4 -DAMPLIFY=3 -DFILTER=1"
    "-DN_S=2 -DN_Y=1 -DN_BARRIERS=1 -DFILTER=1" "-DN_S=2 -DN_Y=1 -DN_TIMERS=1 -DN_BARRIERS=1 -DCAPACITY=2"
    "-DN_S=2 -DN_Y=2 -DAMPLIFY=3 -DFILTER=1 -DARRIVE=1"
  )
  for bound in "${bounds[@]}"; do
    for placement in $placements; do
      [ $SECONDS -lt $end ] || return 0
      check $((end - SECONDS)) "$(placed "$placement") $bound"
      $is_error && failed=$((failed + 1))
    done
  done
}

if [ -n "${HDE_MODELS_SECONDS:-}" ]; then
  HDE_MODELS_MB=${HDE_MODELS_MB:-6000}
  campaign "$HDE_MODELS_SECONDS"
  echo "$configurations configurations, $total states, $failed with an error"
  [ $failed -eq 0 ]
  exit
fi

must_hold "$(placed 121) -DN_S=3 -DAMPLIFY=3"
must_hold "$(placed 112) -DN_S=3 -DAMPLIFY=3"
must_hold "$(placed 122) -DN_S=3 -DAMPLIFY=3"
must_hold "$(placed 010) -DN_S=3 -DAMPLIFY=3 -DFILTER=1"
must_hold "$(placed 121) -DN_S=2 -DAMPLIFY=3 -DFILTER=1 -DCAPACITY=2"
must_hold "$(placed 121) -DN_S=1 -DN_BARRIERS=1 -DFILTER=1"
must_hold "$(placed 112) -DN_S=1 -DN_BARRIERS=1 -DCAPACITY=2"
must_hold "$(placed 121) -DN_S=1 -DN_TIMERS=1"
must_hold "$(placed 011) -DN_S=1 -DN_Y=1 -DN_BARRIERS=1"
must_hold "$(placed 121) -DN_S=2 -DARRIVE=1"
must_hold "$(placed 121) -DN_S=1 -DN_Y=1 -DARRIVE=1"
must_hold "$(placed 121) -DN_S=2 -DRETRY=C"
must_hold "$(placed 121) -DN_S=2 -DRETRY=D"
must_hold "$(placed 122) -DN_S=2 -DRETRY=F"
must_hold "$(placed 121) -DN_S=1 -DFINE=1"
must_end "$(placed 121) -DN_S=1 -DN_Y=1"
must_end "$(placed 121) -DN_S=2 -DRETRY=D"

diamond="-DN_S=2 -DAMPLIFY=3 -DFILTER=1"
must_break SPLIT_TICK "$diamond"                         # O3
must_break BARRIER_OVERTAKES "-DN_S=1 -DN_BARRIERS=1"    # O3, O7
must_break NO_CREDIT "$diamond"                          # O4
must_break HARD_CAPACITY "$diamond"                      # O4
must_break CREDIT_WHEN_TAKEN "-DN_S=2 -DRETRY=F"         # O4
must_break RING_BEFORE_WORD "$diamond"                   # O6
must_break WORD_BEFORE_BATCH "$diamond"                  # O2, O6
must_break WORD_PAST_WORK "-DN_S=2 -DRETRY=D"            # O6
must_break NO_VALUE_WHEN_WAITING "$diamond"              # O6
must_break ARRIVAL_ORDER "$diamond"                      # O5, O7
must_break NO_ASK "$diamond"                             # O7
must_break ASK_NOT_PASSED_UP "$diamond"                  # O7
must_break NO_WAKE_ON_BATCH "$diamond"                   # O7
must_break NO_WAKE_ON_WORD "$diamond"                    # O7
must_break NO_WAKE_ON_ASK "$diamond"                     # O7
must_break NO_WAKE_ON_CREDIT "$diamond"                  # O7
must_break LOOK_BEFORE_TELLING "$diamond"                # O7
must_break NO_LOOK_AGAIN "$diamond"                      # O7
must_break SLEEP_WHEN_STARVED "$diamond"                 # O7
must_break NO_FENCE_AFTER_TELLING "$diamond"             # O7
must_break NO_FENCE_BEFORE_LOOKING "$diamond"            # O7
must_break DIRECT_PAST_MERGE "-DN_S=1 -DN_TIMERS=1"      # O9
must_break DIRECT_WITHOUT_WORD "-DN_S=1 -DN_TIMERS=1"    # O9

echo "$configurations configurations, $total states, $found broken variants found"
[ $failed -eq 0 ]
