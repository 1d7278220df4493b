# Sourced by script tests behind cli.sh: brokers that end with the test.
. "$HDE_SOURCE/tests/support/kafka.sh"
. "$HDE_SOURCE/tests/support/absent.sh"
leave() {
  local status=$?
  kafka_stop
  (exit $status)
  finish
}
trap leave EXIT
brokers() { # N [SETTING...]: as many, and KAFKA_BROKERS for graphs
  local n=$1
  shift
  kafka_fetch || absent "the broker could not be fetched"
  kafka_start "$TMP/brokers" "$n" "$@" || fail "no brokers"
  export KAFKA_BROKERS KAFKA_REPLICATION=$n
}
