# absent WHAT: a service that a test needs is not here. The test is skipped, but fails in CI, where
# everything must be. Sourced.
# shellcheck shell=bash
absent() {
  echo "skipped: $*" >&2
  [ -z "${CI:-}" ] || exit 1
  exit 77
}
