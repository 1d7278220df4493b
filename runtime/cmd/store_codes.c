/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/codes.h"

const struct code store_codes[] = {
    {"HDE-S001", "a database does not answer",
     "The server is not there, refuses connections, or has ended the session; nothing of the "
     "transaction was committed. A sink waits for it, at the start too, and loses nothing (on_error "
     "in its node says how often it tries); /readyz, 'hde status' and hde_node_held_up say so as "
     "long as it lasts, and `full: spill` on the edge in front of it keeps the graph going "
     "meanwhile. See the address, and whether the server runs.",
     NULL, NULL},
    {"HDE-S002", "it is not known whether a transaction was committed",
     "The session ended between COMMIT and its answer. The next session reads the sink's mark, "
     "which is part of the transaction: what it covers is done, the rest is written again.",
     NULL, NULL},
    {"HDE-S003", "a database has no room",
     "Its disk is full or its memory is short. The sink waits and goes on by itself when there is "
     "room. 'hde db retention' says what could go.",
     NULL, NULL},
    {"HDE-S004", "a statement or a lock took too long",
     "It was given up after statement_timeout or lock_timeout and is tried again. Look for other "
     "sessions that hold locks (pg_stat_activity), or allow more.",
     NULL, NULL},
    {"HDE-S005", "another transaction was in the way",
     "A deadlock or a serialization failure: the database has chosen this one to be tried again.",
     NULL, NULL},
    {"HDE-S006", "a database has no connection free",
     "max_connections, or the limit of the role or the database, is reached. It is tried again.",
     NULL, NULL},
    {"HDE-S007", "a database refuses the user",
     "User, password and pg_hba.conf do not agree. Passwords are better given as `password`, "
     "PGPASSWORD or ~/.pgpass than in the address.",
     NULL, NULL},
    {"HDE-S008", "a database does not exist or does not allow this",
     "The text names it. The user needs the right to make tables for the first start, and to read "
     "and write them afterwards.",
     NULL, NULL},
    {"HDE-S009", "a store was written by a newer version",
     "It has migrations that this program does not know. Use the program that wrote it.", NULL,
     NULL},
    {"HDE-S010", "a store is not up to date",
     "Who only reads does not change tables. The sink migrates when it opens the store, or 'hde db "
     "migrate' does.",
     NULL, NULL},
    {"HDE-S011", "a store was made by another build",
     "The text of a migration there is not the text of this program's. Nothing was changed.", NULL,
     NULL},
    {"HDE-S012", "a table does not take a value",
     "What no store can hold is rejected and goes to the dead-letter queue before it is written; "
     "this is a rule of this database alone (a constraint or a trigger that somebody added). The "
     "transaction was rolled back and the node stops: take the rule away, or the message.",
     NULL, NULL},
    {"HDE-S013", "a row is there already",
     "Somebody else writes under the same keys. The sink replaces such rows; elsewhere it is an "
     "error.",
     NULL, NULL},
    {"HDE-S014", "the address of a store is not understood", "Write it as the examples do.",
     "address: localhost/hde", "address: postgresql://hde@localhost/hde"},
    {"HDE-S015", "a database refuses a statement", "The text has its own words.", NULL, NULL},
    {"HDE-S016", "a later start of the same node writes to the store",
     "Its mark has a higher incarnation, so this process was replaced while it did not know: it "
     "stops, and has not written.",
     NULL, NULL},
    {"HDE-S017", "the file of a store is damaged",
     "It is no SQLite file, or not what was written. 'hde db doctor' looks at it; restore a backup.",
     NULL, NULL},
    {"HDE-S018", "something is there already",
     "A backup is made into a new file, and restored into an empty store; nothing is written over.",
     NULL, NULL},
    {"HDE-S030", "another program ends old rows",
     "One at a time folds rollups and ends rows; sinks do so by themselves. Nothing is wrong: try "
     "again in a moment.",
     NULL, NULL},
    {"HDE-S031", "rollups cannot be restored into TimescaleDB",
     "There the rollups are continuous aggregates, made of rows; those in the backup are of rows "
     "that retention has ended. Restore into a PostgreSQL database without the extension, or into a "
     "SQLite file; pg_dump and pg_restore move a TimescaleDB database whole.",
     NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
