#!/usr/bin/env bash
# A broker that wants TLS and a password: settings reach librdkafka, a wrong password and a wrong
# certificate are told by name and at once, and the password is nowhere to be read.
. "$HDE_SOURCE/tests/support/cli.sh"
. "$HDE_SOURCE/tests/support/engine.sh"
. "$HDE_SOURCE/tests/support/broker.sh"
password=Zx81-only-here
authority() { # NAME: one of our own
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1" -keyout "$1.key" -out "$1.pem" \
    2>>openssl.log || { cat openssl.log; fail "no authority"; }
}
authority ours
authority theirs
openssl req -newkey rsa:2048 -nodes -subj /CN=broker -keyout broker.key -out broker.csr 2>>openssl.log &&
  openssl x509 -req -in broker.csr -CA ours.pem -CAkey ours.key -CAcreateserial -days 2 \
    -extfile <(echo subjectAltName=IP:127.0.0.1) -out broker.pem 2>>openssl.log ||
  { cat openssl.log; fail "no certificate"; }
cat broker.key broker.pem >both.pem
KAFKA_SECURITY=SASL_SSL brokers 1 ssl.keystore.type=PEM "ssl.keystore.location=$PWD/both.pem" \
  ssl.truststore.type=PEM "ssl.truststore.location=$PWD/ours.pem" sasl.enabled.mechanisms=PLAIN \
  sasl.mechanism.inter.broker.protocol=PLAIN \
  "listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username=\"broker\" password=\"among-us\" user_broker=\"among-us\" user_hde=\"$password\";"

graph() { # AUTHORITY.pem PASSWORD
  cat <<YAML
hde: 1
graph: secure
checkpoint: {every: 200ms, store: kept}
kafka:
  brokers: "\${KAFKA_BROKERS}"
  replication: 1
  timeout: 20s
  config: {security.protocol: sasl_ssl, sasl.mechanisms: PLAIN, sasl.username: hde, ssl.ca.location: $1}
  password: "\${$2}"
nodes:
  market: {op: ingestion/synthetic, params: {snapshots: 50}}
  lines: {op: storage/jsonl, params: {path: got.jsonl, by_type: none}}
edges:
  - {path: market -> lines, via: "kafka:raw"}
YAML
}
export RIGHT=$password WRONG=$password-not
graph "$PWD/ours.pem" RIGHT >right.yaml
graph "$PWD/ours.pem" WRONG >password.yaml
graph "$PWD/theirs.pem" RIGHT >certificate.yaml

refuses() { # FILE CODE TEXT
  local begin=$SECONDS
  expect 1 hde run "$1"
  has err "$2"
  has err "$3"
  ((SECONDS - begin < 12)) || fail "$1: told after $((SECONDS - begin)) s only"
  cat out err >>said
}
refuses password.yaml HDE-K003 'Authentication failed'
refuses certificate.yaml HDE-K003 'certificate verify failed'
expect 1 hde run right.yaml --set 'market.to.raw.config={security.protocol: plaintext}' --set market.to.raw.timeout=2s
has err HDE-K001
cat err >>said
expect 1 hde run right.yaml --set "market.to.raw.config={sasl.password: x}"
has err HDE-K002
has err "give it as 'password:'"
rm -rf kept

admin=127.0.0.1:$(kafka_port)
engine secure right.yaml --admin "$admin" --log-level debug
came() { [ "$(wc -l <got.jsonl)" = 50 ]; }
until_true 30 came || fail "not all came: $(hde status)"
hde status --json >>said
hde status >>said
hde graph right.yaml --json >>said
hde check right.yaml --json >>said
curl -s "http://$admin/metrics" >>said
expect 0 hde drain
ended "$PID" 0
cat secure.out secure.err got.jsonl >>said
has said raw
! grep -qF -- "$password" said || fail "the password is told: $(grep -F -- "$password" said | head -n 3 | cut -c1-300)"
! grep -rqF -- "$password" kept || fail "the password is kept: $(grep -rlF -- "$password" kept)"
