# What the project needs from Debian 12, and how to get it. Sourced by run.sh and test.sh.
# shellcheck shell=bash

build_packages=(
  gcc libc6-dev make cmake ninja-build pkg-config git ca-certificates
  protobuf-c-compiler protobuf-compiler libprotobuf-c-dev
  libyaml-dev libzmq3-dev libsqlite3-dev libmicrohttpd-dev libcurl4-openssl-dev libjansson-dev
  libpq-dev librdkafka-dev libhiredis-dev
)
test_packages=(clang libcmocka-dev curl jq sqlite3 graphviz bash-completion procps man-db
  iproute2 python3-mpmath python3-scipy spin)
# What graphs/market.yaml runs on, for run.sh --services and the tests.
service_packages=(postgresql-15 redis-server maven openjdk-17-jre-headless)
test_packages+=("${service_packages[@]}")
# TimescaleDB inside PGlite, for the tests of the stores: any node will do that is there.
command -v npm >/dev/null || test_packages+=(nodejs npm)
# What `hde bench quant` compares with; without them it says what is missing.
# shellcheck disable=SC2034
bench_packages=(g++ libquantlib0-dev python3-numpy python3-scipy)

# install_packages NAME...: installs what is missing, through sudo where the user is not root
install_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
      missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  echo "installing: ${missing[*]}" >&2
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
      echo "need root (or sudo) to install: ${missing[*]}" >&2
      return 77
    }
    as_root=(sudo)
  fi
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq update >&2 &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get -qq -y --no-install-recommends install "${missing[@]}" >&2
}
