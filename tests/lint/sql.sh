#!/usr/bin/env bash
# Prints every line where a value would be written into the text of an SQL statement, and fails if
# there is one. Values travel as parameters or by COPY; what is printed into a statement is names.
set -euo pipefail
cd "$HDE_SOURCE"

# A conversion between quotes; behind an operator; behind a word that a value follows.
find_values() { # FILE...: file:line: text
  awk '
    /^[[:space:]]*(\/?\*|\/\/)/ { next }
    !/"/ { next }
    {
      text = $0
      gsub(/%%/, "", text)
      value = "%[-+ 0#]*[0-9.*]*(l|ll|z|j|h)?([diuxXfgeGs]|\" *PRI)"
      sql = text ~ /(SELECT|INSERT|UPDATE|DELETE|COPY|CALL|FROM|WHERE|VALUES|SET|AND|OR|LIMIT|BETWEEN|LIKE|IN) /
      quoted = sql && text ~ ("\x27" value)
      compared = text ~ ("[a-z_)\"\x27] *(=|<|>|<=|>=|<>) *" value) && sql
      listed = text ~ ("(VALUES|LIMIT|OFFSET|BETWEEN|LIKE|IN) *[(]? *" value)
      if (quoted || compared || listed) print FILENAME ":" FNR ": " $0
    }' "$@"
}

# The test of the test: each of these has to be found, and none of those.
sample=$(mktemp)
trap 'rm -f "$sample"' EXIT
cat >"$sample" <<'END'
    snprintf(sql, sizeof sql, "SELECT * FROM chains WHERE feed = '%s'", feed);
    snprintf(sql, sizeof sql, "DELETE FROM chains WHERE last_ns < %" PRId64, ns);
    hde_text_printf(&sql, "INSERT INTO chains VALUES (%d)", n);
             "UPDATE hde_keep SET rows_days = %lld", days);
    hde_text_printf(&sql, "SELECT 1 LIMIT %zu", limit);
END
[ "$(find_values "$sample" | wc -l)" = 5 ] || { echo "values in statements are not found"; exit 1; }
cat >"$sample" <<'END'
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", store_tables[i]);
    hde_text_printf(&sql, "COPY hde_stage_%d FROM STDIN (FORMAT binary)", which);
             "SELECT %s - %s %% 86400000000000 AS day_ns FROM %s WHERE %s < CAST($1 AS INT8)",
END
[ -z "$(find_values "$sample")" ] || { echo "names are taken for values"; find_values "$sample"; exit 1; }

# what talks to a database, without the texts for people that do not
files=$(ls connectors/postgres/*.c connectors/sqlite/*.c operators/storage/{postgres,sqlite,copy,market,columns,waiting}.c \
  gateway/history.c gateway/query.c tools/db.c tools/store.c)
found=$(find_values $files)
[ -z "$found" ] || { echo "$found"; echo "values go as parameters, not into the text of a statement"; exit 1; }
