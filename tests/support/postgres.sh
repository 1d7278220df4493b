#!/usr/bin/env bash
# A PostgreSQL server of the test's own: private folder and socket, no TCP port, gone with the test.
#
#   bash postgres.sh hold ["NAME=VALUE NAME=VALUE ..."]
#
# starts one, prints "ready CONNINFO", then obeys lines on stdin, answering each with "ok":
#   kill    SIGKILL to the server and all that belongs to it
#   stop    fast shutdown         start   starts it again (after kill: with crash recovery)
# At the end of stdin, also when the test has died, the server is stopped and its folder removed.
# Exit code 77 (1 in CI): there is no PostgreSQL here. Root runs it as the user postgres, or nobody.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/absent.sh"
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
[ -x "$bin/postgres" ] || absent "there is no PostgreSQL server"
folder=$(mktemp -d /tmp/hde-pg.XXXXXX)
as=()
if [ "$(id -u)" = 0 ]; then
  user=postgres
  id "$user" >/dev/null 2>&1 || user=nobody
  chown "$user" "$folder"
  as=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --clear-groups)
fi
cd / || exit 1
server=
end() {
  [ -n "$server" ] && kill -QUIT "$server" 2>/dev/null && wait "$server" 2>/dev/null
  rm -rf "$folder"
}
trap end EXIT
server_pids() { # all processes whose working directory is the data folder
  local pid
  for pid in /proc/[0-9]*; do
    [ "$(readlink "$pid/cwd" 2>/dev/null)" = "$folder/data" ] && echo "${pid#/proc/}"
  done
}
start() { # a child of this script, which takes note of its end at once
  "${as[@]}" "$bin/postgres" -D "$folder/data" >>"$folder/log" 2>&1 </dev/null &
  server=$!
  until "$bin/pg_isready" -qh "$folder" -d postgres -U hde; do
    kill -0 "$server" 2>/dev/null && continue
    tail -20 "$folder/log" >&2
    return 1
  done
}
"${as[@]}" "$bin/initdb" -D "$folder/data" -U hde -A trust -E UTF8 --locale=C -N >"$folder/init" 2>&1 ||
  { cat "$folder/init" >&2; exit 1; }
{
  echo "listen_addresses = ''"
  echo "unix_socket_directories = '$folder'"
  echo "fsync = off"
  echo "full_page_writes = off"
  echo "max_connections = 20"
  echo "max_wal_senders = 0"
  echo "wal_level = minimal"
  for setting in ${*:2}; do echo "${setting%%=*} = '${setting#*=}'"; done
} >>"$folder/data/postgresql.conf"
# A user whose password is asked for, beside those that are trusted.
sed -i '1i local all guarded scram-sha-256' "$folder/data/pg_hba.conf"
start || exit 1
"${as[@]}" "$bin/psql" -qh "$folder" -U hde postgres -c "CREATE ROLE guarded LOGIN PASSWORD 'right'" \
  -c "CREATE DATABASE hde" || exit 1
echo "ready host=$folder user=hde dbname=hde"
while read -r word; do
  case $word in
  kill)
    kill -KILL $(server_pids) 2>/dev/null
    wait "$server" 2>/dev/null
    until [ -z "$(server_pids)" ]; do :; done
    ;;
  stop) kill -INT "$server" && wait "$server" ;;
  start) start || exit 1 ;;
  *) echo "postgres.sh: what is '$word'?" >&2; exit 1 ;;
  esac
  echo ok
done
