# Apache Kafka on this machine, for tests and run.sh: brokers on private ports and folders.
# Sourced, or run. Needs a JRE, and Maven the first time (deploy/packages.sh).
# shellcheck shell=bash
#
#   kafka_fetch            the broker's jars into build-services, unless they are there
#   kafka_start FOLDER N [SETTING...]   N brokers (1 or 3) below FOLDER; waits for them. Sets
#                          KAFKA_BROKERS
#   kafka_kill I           kill -9 of broker I;   kafka_again I   starts it once more
#   kafka_of_port PORT     prints the number of the broker that listens there
#   kafka_stop             ends all of them
#
# KAFKA_SECURITY is what clients speak (PLAINTEXT); what else it needs is for the SETTINGs to say.
# A broker that was started by a script ends with it, if the script calls kafka_stop from its trap.
#
#   bash kafka.sh hold N   starts N, prints "ready BROKERS", ends them at the end of stdin. Exit code
#                          77: there is no Kafka here
KAFKA_HOME="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/build-services/kafka"
KAFKA_PIDS=()
KAFKA_BROKERS=

kafka_fetch() {
  [ -f "$KAFKA_HOME/complete" ] && return 0
  mkdir -p "$KAFKA_HOME"
  (
    flock 9
    [ -f "$KAFKA_HOME/complete" ] && exit 0
    rm -rf "$KAFKA_HOME/lib"
    mvn --batch-mode --quiet -f "$(dirname "${BASH_SOURCE[0]}")/kafka/pom.xml" \
      dependency:copy-dependencies "-DoutputDirectory=$KAFKA_HOME/lib" >"$KAFKA_HOME/log" 2>&1 ||
      { cat "$KAFKA_HOME/log" >&2; exit 1; }
    touch "$KAFKA_HOME/complete"
  ) 9>"$KAFKA_HOME/lock"
}

kafka_tool() { # CLASS ARGUMENT...
  (exec java -XX:TieredStopAtLevel=1 -cp "$KAFKA_HOME/lib/*" "$@")
}

# A port of 127.0.0.1 that nobody listens on. Below those that the system gives away by itself.
kafka_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 10000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}

# No subshell: it is asked again and again, and bash waits for ever for a child that gets the number
# of one that it remembers.
kafka_listens() { { exec 7<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null && exec 7>&-; }

kafka_launch() { # I: starts the broker whose folder and settings are there
  (exec java -Xmx512m -XX:+UseSerialGC -cp "$KAFKA_HOME/lib/*" kafka.Kafka \
    "$KAFKA_FOLDER/$1.properties") >>"$KAFKA_FOLDER/$1.log" 2>&1 </dev/null &
  KAFKA_PIDS[$1]=$!
}

kafka_wait() { # I: until the broker answers
  local deadline=$((SECONDS + 180)) port
  port=$(sed -n "s/^advertised.listeners=.*://p" "$KAFKA_FOLDER/$1.properties")
  until kafka_listens "$port"; do
    if [ "$SECONDS" -ge "$deadline" ] || ! kill -0 "${KAFKA_PIDS[$1]}" 2>/dev/null; then
      echo "kafka: broker $1 does not come up:" >&2
      tail -n 20 "$KAFKA_FOLDER/$1.log" >&2
      return 1
    fi
    read -rt 0.05 <> <(:) || :
  done
}

kafka_start() { # FOLDER N [SETTING...]
  local n=$2 i id voters='' copies insync=1 ports=() controllers=()
  local security=${KAFKA_SECURITY:-PLAINTEXT}
  KAFKA_FOLDER=$1
  shift 2
  mkdir -p "$KAFKA_FOLDER"
  copies=$n
  [ "$n" -lt 3 ] || insync=2
  for ((i = 0; i < n; i++)); do
    ports[i]=${KAFKA_PORT:-$(kafka_port)}
    controllers[i]=$(kafka_port)
    voters+="${voters:+,}$((i + 1))@127.0.0.1:${controllers[i]}"
  done
  KAFKA_BROKERS=$(printf '127.0.0.1:%s,' "${ports[@]}")
  KAFKA_BROKERS=${KAFKA_BROKERS%,}
  id=$(kafka_tool kafka.tools.StorageTool random-uuid) || return 1
  for ((i = 0; i < n; i++)); do
    printf '%s\n' "process.roles=broker,controller" "node.id=$((i + 1))" \
      "listeners=$security://127.0.0.1:${ports[i]},CONTROLLER://127.0.0.1:${controllers[i]}" \
      "advertised.listeners=$security://127.0.0.1:${ports[i]}" \
      "controller.listener.names=CONTROLLER" "controller.quorum.voters=$voters" \
      "listener.security.protocol.map=$security:$security,CONTROLLER:PLAINTEXT" \
      "security.inter.broker.protocol=$security" \
      "log.dirs=$KAFKA_FOLDER/$i" "auto.create.topics.enable=false" \
      "offsets.topic.replication.factor=$copies" "offsets.topic.num.partitions=3" \
      "transaction.state.log.replication.factor=$copies" "transaction.state.log.min.isr=$insync" \
      "transaction.state.log.num.partitions=3" "group.initial.rebalance.delay.ms=0" \
      "min.insync.replicas=$insync" "$@" >"$KAFKA_FOLDER/$i.properties"
    [ -f "$KAFKA_FOLDER/$i/meta.properties" ] ||
      kafka_tool kafka.tools.StorageTool format -t "$id" -c "$KAFKA_FOLDER/$i.properties" \
        >"$KAFKA_FOLDER/$i.log" 2>&1 || { cat "$KAFKA_FOLDER/$i.log" >&2; return 1; }
    kafka_launch "$i"
  done
  for ((i = 0; i < n; i++)); do kafka_wait "$i" || return 1; done
}

kafka_of_port() {
  local i
  for i in "${!KAFKA_PIDS[@]}"; do
    grep -q "^advertised.listeners=.*:$1$" "$KAFKA_FOLDER/$i.properties" && echo "$i"
  done
}

kafka_kill() {
  kill -KILL "${KAFKA_PIDS[$1]}" 2>/dev/null
  wait "${KAFKA_PIDS[$1]}" 2>/dev/null
  unset "KAFKA_PIDS[$1]"
}

kafka_again() { kafka_launch "$1" && kafka_wait "$1"; }

# kill -9: what they hold is private to who started them, and a broker takes seconds to go by itself
kafka_stop() {
  local i
  for i in "${!KAFKA_PIDS[@]}"; do kafka_kill "$i"; done
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  folder=$(mktemp -d "${TMPDIR:-/tmp}/hde-kafka.XXXXXX")
  trap 'kafka_stop; rm -rf "$folder"' EXIT
  command -v java >/dev/null || { echo "there is no java" >&2; exit 77; }
  kafka_fetch || { echo "the broker could not be fetched by Maven" >&2; exit 77; }
  kafka_start "$folder" "$2" || exit 77
  echo "ready $KAFKA_BROKERS"
  cat >/dev/null
fi
