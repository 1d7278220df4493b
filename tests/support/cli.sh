# Sourced by script tests: temporary folder, checks that print what they saw.
set -u
export PATH="$HDE_BIN:$PATH" NO_COLOR=1 LC_ALL=C
TMP=$(mktemp -d "${TMPDIR:-/tmp}/hde-test.XXXXXX")
cd "$TMP" || exit 1
CHILDREN=()
finish() {
  local status=$? child
  for child in "${CHILDREN[@]:-}"; do
    [ -n "$child" ] && kill -KILL "$child" 2>/dev/null
  done
  wait 2>/dev/null
  cd / && rm -rf "$TMP"
  exit $status
}
trap finish EXIT
fail() {
  echo "FAILED: $*"
  for file in out err; do
    [ -s "$TMP/$file" ] && { echo "--- $file"; head -c 4000 "$TMP/$file"; }
  done
  exit 1
}
room() { # MB: a long run does not begin where it would fill the disk
  local free
  free=$(($(df -m --output=avail "$TMP" | tail -n 1)))
  ((free >= $1)) || fail "$TMP has $free MB of room, and this run needs $1"
}
# expect CODE COMMAND...: runs it with output to the files out and err
expect() {
  local want=$1 got
  shift
  "$@" >"$TMP/out" 2>"$TMP/err" </dev/null
  got=$?
  [ "$got" = "$want" ] || fail "'$*' gave exit code $got, expected $want"
}
# has FILE TEXT / has_not FILE TEXT
has() { grep -qF -- "$2" "$TMP/$1" || fail "no '$2' in $1"; }
has_not() { ! grep -qF -- "$2" "$TMP/$1" || fail "'$2' in $1"; }
# until_true SECONDS COMMAND...: the condition, looked at until the deadline
until_true() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    read -rt 0.05 <> <(:) || :
  done
}
