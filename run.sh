#!/usr/bin/env bash
# Installs what is missing, builds, and runs the main job: graphs/demo.yaml, no server needed.
#
#   ./run.sh                       until Ctrl-C (drains and stops)
#   ./run.sh --for 20s             ends by itself
#   ./run.sh --services            graphs/market.yaml, with PostgreSQL, Redis and Kafka started here
#   ./run.sh -- --set vars.seed=7  options of `hde run` after --
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() { sed -n '2,7s/^# \{0,1\}//p' "$0"; }

options=() services=
while [ $# -gt 0 ]; do
  case $1 in
  -h | --help) usage; exit 0 ;;
  --for) [ $# -ge 2 ] || { echo "run.sh: --for needs a time, such as 20s" >&2; exit 64; }
    options+=(--for "$2"); shift 2 ;;
  --services) services=1; shift ;;
  --for=*) options+=(--for "${1#--for=}"); shift ;;
  --) shift; options+=("$@"); break ;;
  *) echo "run.sh: unknown option '$1' (options of hde run go after --)" >&2; usage >&2; exit 64 ;;
  esac
done

. deploy/packages.sh
install_packages "${build_packages[@]}" ${services:+"${service_packages[@]}"}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { cmake --preset release && cmake --build build; } >"$log" 2>&1; then
  tail -n 30 "$log" >&2
  echo "run.sh: the build failed" >&2
  exit 70
fi
rm -f "$log"
trap - EXIT
[ -n "$services" ] || exec build/bin/hde run graphs/demo.yaml ${options[@]+"${options[@]}"}
. deploy/services.sh
services_start
build/bin/hde run graphs/market.yaml ${options[@]+"${options[@]}"} &
HDE_PID=$!
trap 'kill -INT "$HDE_PID"' INT TERM
while kill -0 "$HDE_PID" 2>/dev/null; do
  wait "$HDE_PID" && exit || status=$?
done
exit "$status"
