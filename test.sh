#!/usr/bin/env bash
# Installs what is missing, builds with warnings as errors, runs the tests through ctest.
#
#   ./test.sh                  every test (gcc)
#   ./test.sh engine           the tests whose name matches a regular expression
#   ./test.sh --asan [FILTER]  the same in a build with AddressSanitizer and UBSan
#   ./test.sh --tsan [FILTER]  with ThreadSanitizer
#   ./test.sh --clang [FILTER] built by clang
#   ./test.sh --all            all four, as CI does; a test that fails runs twice
#   ./test.sh --campaign NAME [--minutes N]  a long run: fuzz, hosts, kill, live, models,
#                              reload, services
#   ./test.sh --bench          what `hde bench quant` compares, with QuantLib, numpy and scipy
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() { sed -n '2,12s/^# \{0,1\}//p' "$0"; }

presets=() again=() filter= campaign= minutes=1 bench=
while [ $# -gt 0 ]; do
  case $1 in
  -h | --help) usage; exit 0 ;;
  --asan | --tsan | --clang) presets+=("${1#--}") ;;
  --all) presets=(dev clang asan tsan) again=(--repeat until-pass:2)
    export HDE_SEED=${HDE_SEED:-20261127} ;; # CI repeats itself; other runs and campaigns draw seeds
  --bench) bench=1 ;;
  --campaign) [ $# -ge 2 ] || { echo "test.sh: --campaign needs a name" >&2; exit 64; }
    campaign=$2; shift ;;
  --minutes) [ $# -ge 2 ] || { echo "test.sh: --minutes needs a number" >&2; exit 64; }
    minutes=$2; shift ;;
  -*) echo "test.sh: unknown option '$1'" >&2; usage >&2; exit 64 ;;
  *) filter=$1 ;;
  esac
  shift
done
[ ${#presets[@]} -gt 0 ] || presets=(dev)

. deploy/packages.sh
if [ -n "$bench" ]; then
  install_packages "${build_packages[@]}" "${bench_packages[@]}"
  # -U: a tree that was configured without a C++ compiler looks again
  { cmake -U CMAKE_CXX_COMPILER --preset release && cmake --build build; } >&2
  exec build/bin/hde bench quant
fi
install_packages "${build_packages[@]}" "${test_packages[@]}"
. tests/support/kafka.sh
kafka_fetch || echo "test.sh: Kafka cannot be fetched now: its tests are skipped" >&2

build() { # PRESET
  local log=build-$1/build.log
  mkdir -p "build-$1"
  echo "== build: $1"
  if ! { cmake --preset "$1" && cmake --build "build-$1"; } >"$log" 2>&1; then
    grep -nE 'error|FAILED|undefined|warning' "$log" | head -n 40 >&2 || true
    tail -n 15 "$log" >&2
    echo "test.sh: the $1 build failed (whole log: $log)" >&2
    exit 1
  fi
}

case $campaign in
'') ;;
fuzz)
  build asan
  seconds=$((minutes * 60))
  HDE_FUZZ_SECONDS=$seconds ctest --test-dir build-asan -L fuzz -V -j "$(nproc)" \
    --timeout $((seconds * 2 + 60)) ${filter:+-R "$filter"} | grep -E 'seed|inputs|Passed|Failed|tests passed|tests failed'
  exit "${PIPESTATUS[0]}"
  ;;
kill)
  build dev
  HDE_KILLS=$((minutes * 60)) ctest --test-dir build-dev -R graphs-kill -V --timeout $((minutes * 300 + 300)) |
    grep -E 'HDE_SEED|kill|FAILED|tests passed|tests failed'
  exit "${PIPESTATUS[0]}"
  ;;
hosts)
  build dev
  HDE_FAULT_SECONDS=$((minutes * 60)) ctest --test-dir build-dev -R '^hosts-faults$' -V \
    --timeout $((minutes * 180 + 300)) |
    grep -E 'HDE_SEED|passed \(|rows|: [0-9]+$|FAILED|tests passed|tests failed'
  exit "${PIPESTATUS[0]}"
  ;;
live)
  build dev
  HDE_LIVE_SECONDS=$((minutes * 60)) ctest --test-dir build-dev -R '^graphs-live$' -V \
    --timeout $((minutes * 120 + 300)) |
    grep -E 'equal|tick |metrics|FAILED|tests passed|tests failed'
  exit "${PIPESTATUS[0]}"
  ;;
models)
  HDE_MODELS_SECONDS=$((minutes * 60)) bash tests/models/check.sh
  exit
  ;;
reload)
  build dev
  HDE_RELOADS=1000 ctest --test-dir build-dev -R '^engine-reload(-log)?$' -V |
    grep -E 'reloads(,| with)|OK|FAILED|ERROR|tests passed|tests failed'
  exit "${PIPESTATUS[0]}"
  ;;
services)
  build dev
  HDE_SERVICES_SECONDS=$((minutes * 60)) ctest --test-dir build-dev -R '^kafka-services$' -V \
    --timeout $((minutes * 240 + 600)) |
    grep -E 'HDE_SEED|killed|chains came|ended by|has ended|differ|FAILED|tests passed|tests failed'
  exit "${PIPESTATUS[0]}"
  ;;
*) echo "test.sh: no campaign '$campaign' (fuzz, hosts, kill, live, models, reload, services)" >&2; exit 64 ;;
esac

failed=()
for preset in "${presets[@]}"; do
  build "$preset"
  # All of them in the first build, and under ASan. By clang what tests parts and measures, and some
  # whole graphs; under TSan that without what has one thread.
  only=()
  case $preset in
  asan) only=(-LE 'install|lint') ;;
  clang) only=(-LE 'e2e|install|lint|^graphs$') ;;
  tsan) only=(-LE 'e2e|install|lint|measures|^graphs$|fuzz') ;;
  esac
  echo "== test: $preset"
  rm -rf "build-$preset/reports"
  timeout=240
  case $preset in asan | tsan) timeout=480 ;; esac
  # One more than there are cores: many tests wait for most of their time.
  # In --all, on a machine that may be busy, what fails runs once more, and is named.
  ctest --test-dir "build-$preset" -j $(($(nproc) + 1)) --output-on-failure --no-tests=error --timeout $timeout \
    ${again[@]+"${again[@]}"} ${only[@]+"${only[@]}"} ${filter:+-R "$filter"} 2>&1 |
    tee "build-$preset/test.log" || failed+=("$preset")
  grep -E '\*\*\*(Failed|Timeout|Exception)' "build-$preset/test.log" |
    sed -nE 's/.*Test +#[0-9]+: ([^ ]+) .*/test.sh: failed at the first try: \1/p' || true
  # Tables that tests leave there are of interest to who asked for them.
  if [ -n "$filter" ]; then cat "build-$preset"/reports/* 2>/dev/null || true; fi
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "test.sh: failed in: ${failed[*]}" >&2
  exit 1
fi
